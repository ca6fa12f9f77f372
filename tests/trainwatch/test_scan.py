"""Reading a directory of runs: what each row learns, that nothing is looked at in vain, and that nothing breaks it."""

import os
import time
from pathlib import Path

import pytest

from rundir import layout
from rundir.records import AlertEvent, ResumeEvent, ResumeRecord, Severity
from rundir.remarks import Remarks, write_remarks
from rundir.status import Liveness, State
from tests.trainwatch.runs import START_AT, append, evaluation, make_run, set_status, step, steps
from trainwatch.listing import scan
from trainwatch.listing.entry import Entry
from trainwatch.listing.scan import Batch, Scanner


def names(batch: Batch) -> set[str]:
    return {entry.id for entry in batch.entries}


def read_all(scanner: Scanner) -> dict[str, Entry]:
    """Poll until nothing is left to be read."""
    entries: dict[str, Entry] = {}
    for _ in range(100):
        batch = scanner.poll()
        entries |= {entry.id: entry for entry in batch.entries}
        if not batch.num_unread and not batch.num_shallow:
            return entries
    raise AssertionError("the scanner does not come to an end")


def age(path: Path, seconds: float = 60.0) -> None:
    """Make a directory look settled."""
    then = time.time() - seconds
    os.utime(path, (then, then))


def raised(rule: str, change: str = "raised", at_step: int = 5) -> AlertEvent:
    return AlertEvent(
        at=START_AT, attempt=1, writer="supervisor", step=at_step, rule=rule, change=change,  # type: ignore[arg-type]
        severity=Severity.WARNING, message="m",
    )  # fmt: skip


def test_a_row_says_what_the_files_say(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.config_toml.write_text('[train]\nlr = 3e-4\n[eval]\nmetric = "recall"\n', encoding="utf-8")
    append(run.metrics, [*steps(50), evaluation(25, 0.9, 0.4, best=True), evaluation(50, 0.7, 0.3)])
    append(run.events, [raised("overfitting"), raised("nan"), raised("nan", "cleared")])
    write_remarks(run.remarks_json, Remarks(tags=["x"], note="n"))
    set_status(run, State.RUNNING, step=50, total=200)
    layout.point_latest(run)
    (tmp_path / "no-run").mkdir()
    (entry,) = read_all(Scanner(tmp_path)).values()
    assert (entry.state, entry.verdict, entry.step, entry.total_steps) == (State.RUNNING, Liveness.LIVE, 50, 200)
    assert entry.figures.loss == 0.2
    assert entry.figures.best == {"loss": 0.7, "f1": 0.4, "precision": 0.5, "recall": 0.25}
    assert entry.best == ("recall", 0.25)
    assert entry.figures.rate == pytest.approx(1.0)
    assert entry.eta_s == pytest.approx(150.0)
    assert [alert.rule for alert in entry.alerts] == ["overfitting"]
    assert entry.tags == ["x"]
    assert entry.figures.course.drawn(50, ended=False)[-1] == 0.2


def test_what_a_resume_went_back_behind_does_not_count(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    resume = ResumeRecord(at=START_AT, attempt=2, step=20, reason="rollback")
    append(run.metrics, [*steps(50), evaluation(40, 0.1, 0.9, best=True), resume, *steps(3, first=21, attempt=2)])
    append(run.events, [raised("late", at_step=30), ResumeEvent(at=START_AT, attempt=2, writer="trainer", step=20)])
    (entry,) = read_all(Scanner(tmp_path)).values()
    assert entry.figures.step == 23
    assert entry.best is None
    assert not entry.alerts


def test_a_long_run_shows_its_whole_course_and_its_best(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    append(run.metrics, [*steps(10), evaluation(10, 0.4, 0.99, best=True), *steps(2000, first=11)])
    assert run.metrics.stat().st_size > 4 * scan.TAIL_BYTES
    (entry,) = read_all(Scanner(tmp_path)).values()
    assert entry.best == ("f1", 0.99)
    losses = entry.figures.course.drawn(50, ended=False)
    assert losses == sorted(losses, reverse=True)
    assert 16 < len(losses) <= 32


def test_evaluations_that_fill_the_end_of_a_log_hide_neither_step_nor_loss(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    many = {f"label-{i}": {"f1": 0.5, "precision": 0.25, "recall": 0.5, "support": i} for i in range(400)}
    append(run.metrics, [*steps(50), evaluation(50, 0.4, 0.9, best=True, labels=many)])
    (entry,) = read_all(Scanner(tmp_path)).values()
    assert (entry.step, entry.figures.loss) == (50, 0.2)


def test_a_live_run_s_course_has_no_holes_and_its_past_holds_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "LIVE_S", 0.0)
    run = make_run(tmp_path)
    set_status(run, State.RUNNING, step=5, total=50_000)
    scanner = Scanner(tmp_path)
    append(run.metrics, steps(100))
    (entry,) = read_all(scanner).values()
    for first in (101, 601, 1101):
        append(run.metrics, steps(500, first=first))  # far more than the end that is looked at
        (entry,) = scanner.poll().entries
        read_all(scanner)  # it is looked through again, as it has grown
        assert sum(entry.figures.course.counts) == first + 499


def test_an_alert_of_long_ago_is_still_seen(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    append(run.metrics, steps(3))
    append(run.events, [raised("overfitting"), *(raised("nan", "cleared") for _ in range(400))])
    assert run.events.stat().st_size > 2 * scan.TAIL_BYTES
    (entry,) = read_all(Scanner(tmp_path)).values()
    assert [alert.rule for alert in entry.alerts] == ["overfitting"]


def test_still_runs_are_not_read_again_and_news_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("1-a", "2-b", "3-c"):
        set_status(make_run(tmp_path, name), State.DONE, step=5, total=5)
        age(tmp_path / name)
    age(tmp_path)
    scanner = Scanner(tmp_path)
    assert set(read_all(scanner)) == {"1-a", "2-b", "3-c"}
    monkeypatch.setattr(scan, "STILL_S", 0.0)
    listed: list[str] = []
    monkeypatch.setattr(scan.os, "scandir", lambda path: listed.append(str(path)))  # would fail if it were used
    read: list[Path] = []
    monkeypatch.setattr(scan, "read_status", read.append)
    for _ in range(3):
        assert scanner.poll() == Batch(pytest.approx(time.time(), abs=5))
    assert not listed
    assert not read
    monkeypatch.undo()
    monkeypatch.setattr(scan, "STILL_S", 0.0)
    set_status(layout.RunDir(tmp_path / "2-b"), State.RUNNING, step=6, total=9)
    set_status(make_run(tmp_path, "4-d"), State.DONE)
    assert {"2-b", "4-d"} <= names(scanner.poll())


def test_remarks_just_written_are_read_at_once(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    set_status(run, State.DONE)
    scanner = Scanner(tmp_path)
    read_all(scanner)
    write_remarks(run.remarks_json, Remarks(tags=["new"]))
    assert not scanner.poll().entries
    (entry,) = scanner.poll(again={run.id}).entries
    assert entry.tags == ["new"]


def test_runs_that_vanish_are_gone_and_a_live_one_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "LIVE_S", 0.0)
    run, other = make_run(tmp_path, "1-a"), make_run(tmp_path, "2-b")
    set_status(run, State.RUNNING, step=5, total=50)
    set_status(other, State.DONE)
    scanner = Scanner(tmp_path)
    read_all(scanner)
    append(run.metrics, [step(6, 0.5)])
    (entry,) = [entry for entry in scanner.poll().entries if entry.id == "1-a"]
    assert (entry.step, entry.figures.loss) == (6, 0.5)
    other.path.rename(tmp_path / ".removed-2-b")
    assert scanner.poll().gone == ("2-b",)


def test_the_budget_bounds_a_poll_and_what_is_wanted_comes_first(tmp_path: Path) -> None:
    for i in range(20):
        set_status(make_run(tmp_path, f"{i:02d}"), State.DONE)
    scanner = Scanner(tmp_path)
    first = scanner.poll(budget_s=0.0)
    assert names(first) == {"19"}
    assert first.num_unread == 19
    assert names(scanner.poll(wanted=["03"], budget_s=0.0)) == {"03"}


@pytest.mark.parametrize(
    "name", ["status.json", "run.json", "metrics.jsonl", "events.jsonl", "remarks.json", "config.toml"]
)
@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe\x00", b"[" * 20_000 + b"\n", b'{"kind":"step","step":1e999}\n', None]
)
def test_no_file_breaks_the_table(tmp_path: Path, name: str, content: bytes | None) -> None:
    run = make_run(tmp_path)
    append(run.metrics, steps(3))
    path = run.path / name
    path.unlink(missing_ok=True)
    path.mkdir() if content is None else path.write_bytes(content)
    entries = read_all(Scanner(tmp_path))
    assert set(entries) <= {run.id}
    for entry in entries.values():
        assert entry.best is None


def test_a_directory_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    assert "cannot read" in Scanner(tmp_path / "nowhere").poll().fault
