"""What the daemon does beside training, where it goes wrong, ends neither the trainer nor its supervisor."""

from types import SimpleNamespace
from typing import Any

import pytest

from rundir.layout import RunDir
from rundir.records import EVENT_DECODER, LifecycleEvent, decode_lines
from rundir.status import Phase, State, Status
from tests.traind.test_checkpoint import make_state
from traind.config import Policy
from traind.eventlog import EventLog
from traind.loop import Loop
from traind.stall import Stalled
from traind.training_state import EpochTally
from traind.vigil import Vigil


def test_a_stall_is_told_though_the_console_was_rotated_away(run_dir: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    dumped: list[bool] = []
    trainer: Any = SimpleNamespace(dump_stacks=lambda: dumped.append(True))
    vigil = Vigil(run_dir, Policy(), trainer)
    answers = iter([Stalled(Phase.TRAIN, 200.0, 120.0)])
    monkeypatch.setattr(vigil, "_watch", SimpleNamespace(look=lambda *_: next(answers, None)))
    events = EventLog(run_dir.events, "supervisor", 1, run_dir.reserve)
    status = Status(run="r", state=State.RUNNING, step=7)
    assert not run_dir.console.exists()
    vigil.look(status, events)
    vigil.close(status, events)
    records = decode_lines(run_dir.events.read_bytes(), EVENT_DECODER).records
    told = [(event.what, event.step) for event in records if isinstance(event, LifecycleEvent)]
    assert (dumped, told) == ([True], [("stalled", 7)])


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError(12, "Cannot allocate memory"), RuntimeError("CUDA error: out of memory")]
)
def test_no_memory_for_a_copy_costs_that_checkpoint_alone(error: Exception) -> None:
    state, failed = make_state(4), []

    def no_copy() -> None:
        raise error

    loop: Any = SimpleNamespace(
        state=state,
        stepper=SimpleNamespace(note_state=lambda _: None, copy=no_copy),
        saver=SimpleNamespace(fail=lambda state, error: failed.append((state.step, error))),
        _host_tally=EpochTally,
    )
    assert Loop._snapshot(loop) is None
    assert failed == [(4, error)]


def test_another_error_in_a_copy_is_not_hidden() -> None:
    def no_copy() -> None:
        raise RuntimeError("CUDA error: device-side assert triggered")

    loop: Any = SimpleNamespace(
        state=make_state(4), stepper=SimpleNamespace(note_state=lambda _: None, copy=no_copy), _host_tally=EpochTally
    )
    with pytest.raises(RuntimeError, match="assert"):
        Loop._snapshot(loop)
