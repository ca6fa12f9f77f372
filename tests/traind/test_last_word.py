"""A verdict holds for the attempt that gave it: `status`, `wait` and the exports say none that a resume overtook."""

from pathlib import Path

import pytest

from rundir import records as r
from rundir.status import State
from tests.trainwatch.runs import append, make_run, set_status
from traind.cli import main
from traind.export.log import as_markdown
from traind.export.page import as_html
from traind.export.recording import read_recording
from traind.last_word import last_word

SAID = "best f1 0.5 at step 4; use it"


def lifecycle(what: str, attempt: int, message: str = "") -> r.LifecycleEvent:
    return r.LifecycleEvent(at=float(attempt), attempt=attempt, writer="trainer", step=4, what=what, message=message)


DONE = [lifecycle("report", 1, SAID), lifecycle("done", 1)]
SPAWNED = lifecycle("spawned", 2)
EXTENDED = r.ResumeEvent(at=2.0, attempt=2, writer="trainer", step=4, reason="extend")


@pytest.mark.parametrize(
    ("events", "said"),
    [
        (DONE, SAID),
        ([*DONE, SPAWNED], None),
        ([*DONE, EXTENDED], None),
        ([*DONE, SPAWNED, EXTENDED, lifecycle("stopped", 2)], None),
        ([*DONE, SPAWNED, EXTENDED, lifecycle("report", 2, "better"), lifecycle("done", 2)], "better"),
        ([], None),
    ],
)
def test_a_verdict_ends_with_its_attempt(
    events: list[r.EventRecord], said: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path)
    append(run.events, events)
    set_status(run, State.STOPPED, step=4, total=8)
    assert last_word(run) == said
    main(["wait", str(run.path)])
    main(["status", str(run.path)])
    shown = capsys.readouterr().out
    assert (SAID in shown) == (said == SAID)
    assert ("better" in shown) == (said == "better")
    recording = read_recording(run)
    assert ("**Verdict.**" in as_markdown(recording)) == ("<b>Verdict</b>" in as_html(recording)) == bool(said)


def test_without_events_there_is_none(tmp_path: Path) -> None:
    assert last_word(make_run(tmp_path)) is None
