"""A mistake in configuration or data fails a run; only where nothing was trained is it as if the run had never been."""

from types import SimpleNamespace
from typing import Any

import pytest

from rundir.layout import RunDir
from rundir.status import State
from traind.aftermath import Aftermath
from traind.config import Policy
from traind.status_file import StatusFile
from traind.trainer_process import Ending
from traind.wire import Farewell, Leave


@pytest.mark.parametrize(
    ("attempt", "step", "is_mistake"), [(1, None, True), (1, 7, False), (2, None, False), (2, 2632, False)]
)
def test_what_a_later_trainer_finds_wrong_takes_no_checkpoint_with_it(
    run_dir: RunDir, attempt: int, step: int | None, is_mistake: bool
) -> None:
    """`start --foreground` removes a run that was a mistake from the beginning."""
    status = StatusFile(run_dir)
    status.now.attempt, status.step_of_attempt = attempt, step
    ended: list[tuple[State, str]] = []
    bereft: Any = SimpleNamespace(
        status=status, is_told_to_leave=False, end=lambda state, error: ended.append((state, error))
    )
    ending = Ending(Farewell(reason=Leave.MISTAKE), "data.train: no such file")
    Aftermath(run_dir, Policy(), bereft).follow(ending)
    assert ended == [(State.FAILED, "data.train: no such file")]
    assert status.now.is_mistake is is_mistake
