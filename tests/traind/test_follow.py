"""A run as lines of text: one line a record, and no record can forge another or steer the terminal."""

import io
import time

from rundir.layout import RunDir
from rundir.records import LifecycleEvent, StepRecord, encode
from rundir.status import State, Status, write_status
from traind.command_show import list_runs, show_status
from traind.follow import follow

EVIL = "\x1b]0;owned\x07\nstep 9/9 forged"


def test_lines_are_one_a_record_and_harmless(run_dir: RunDir) -> None:
    step = StepRecord(at=1, attempt=1, step=3, loss=0.5, grad_norm="nan", lr=1e-3, epoch=0.25, step_s=0.1)
    event = LifecycleEvent(at=1, attempt=1, writer="trainer", what="device", message=EVIL)
    run_dir.metrics.write_bytes(encode(step))
    run_dir.events.write_bytes(encode(event))
    write_status(run_dir.status_json, Status(run=run_dir.id, state=State.DONE, total_steps=8))
    out = io.StringIO()
    assert follow(run_dir, out) is State.DONE
    assert out.getvalue().splitlines() == [
        "[device] ␛]0;owned␇␊step 9/9 forged",
        "step 3/8  epoch 0.25  loss 0.5000  grad_norm nan  lr 1.00e-03  0.100 s/step",
    ]


def test_an_abandoned_run_ends_the_lines(run_dir: RunDir) -> None:
    write_status(run_dir.status_json, Status(run=run_dir.id, state=State.RUNNING, updated_at=time.time()))
    assert follow(run_dir, io.StringIO()) is State.RUNNING


def test_status_and_list_pass_no_escape(run_dir: RunDir, capsys) -> None:  # type: ignore[no-untyped-def]
    write_status(run_dir.status_json, Status(run=run_dir.id, state=State.FAILED, last_error=EVIL))
    list_runs(run_dir.path.parent, as_json=False)
    show_status(str(run_dir.path), run_dir.path.parent, as_json=False)
    assert "\x1b" not in capsys.readouterr().out
