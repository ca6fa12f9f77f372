"""The supervisor's own reading of the records: what the rules say is told once, whatever else stands in the events."""

from pathlib import Path

import msgspec
import pytest

from rundir.alerts import MARKS, Engine, Facts
from rundir.append import Appender
from rundir.layout import RunDir
from rundir.records import AlertEvent, EvalRecord, Severity, StepRecord, SystemRecord, encode
from rundir.status import State, Status, write_status
from traind.sibling import find_sibling
from traind.watch import RecordWatch


def alert(rule: str) -> AlertEvent:
    return AlertEvent(
        at=1.0,
        attempt=1,
        writer="supervisor",
        step=1,
        rule=rule,
        change="raised",
        severity=Severity.CRITICAL,
        message="m",
    )


@pytest.mark.parametrize(("rule", "expected"), [("stalled", ["raised"]), ("non-finite", [])])
def test_only_what_the_rules_said_counts_as_told(run_dir: RunDir, rule: str, expected: list[str]) -> None:
    """A supervisor died before it could keep alerts.json; its alert of a stall is none of the rules'."""
    Appender(run_dir.events).append(encode(alert(rule)))
    metrics = Appender(run_dir.metrics)
    metrics.append(encode(StepRecord(at=1.0, attempt=1, seq=1, step=1, loss="nan")))
    watch = RecordWatch(run_dir, Engine())
    watch.events()
    assert [change.change for change in watch.alert_changes(2.0) if change.rule == "non-finite"] == expected


def append(path: Path, *records: object) -> None:
    appender = Appender(path)
    for record in records:
        appender.append(encode(record))  # type: ignore[arg-type]
    appender.close()


def losses(first: int, num: int, loss: object = 0.5) -> list[StepRecord]:
    return [StepRecord(at=float(n), attempt=1, seq=n, step=n, loss=loss) for n in range(first, first + num)]  # type: ignore[arg-type]


def look(watch: RecordWatch, run: RunDir) -> list[tuple[str, str]]:
    """One round as the supervisor makes it: what was said and written."""
    watch.events()
    changes = [change for change in watch.alert_changes(1e3) if change.rule not in MARKS]
    append(run.events, *(change.as_event(at=1.0, attempt=1) for change in changes))
    return [(change.rule, change.change) for change in changes]


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_supervisor_that_comes_back_neither_repeats_nor_forgets(run_dir: RunDir, is_kept: bool) -> None:
    append(run_dir.metrics, *losses(1, 50), *losses(51, 1, "nan"))
    append(run_dir.system, SystemRecord(at=20.0, attempt=1, disk_free_bytes=1000))
    watch = RecordWatch(run_dir, Engine())
    assert sorted(look(watch, run_dir)) == [("disk-filling", "raised"), ("non-finite", "raised")]
    if is_kept:
        watch.keep()
    again = RecordWatch(run_dir, Engine())
    assert look(again, run_dir) == []
    append(run_dir.metrics, *losses(52, 20))
    assert look(again, run_dir) == [("non-finite", "cleared")]


def test_the_memory_of_the_rules_comes_back_from_its_file_as_it_was(run_dir: RunDir) -> None:
    """Also where something is absent in a list: losses that are not finite, a learning rate, a score."""
    accuracy = {"accuracy": 0.5}
    steps = [msgspec.structs.replace(step, metrics=accuracy) for step in losses(1, 650)]
    steps[600].loss = "nan"
    append(run_dir.metrics, *steps, *[EvalRecord(at=651.0, attempt=1, step=650, loss=0.5)])
    engine, other = (Engine(facts=Facts(num_classes=2)) for _ in range(2))
    watch = RecordWatch(run_dir, engine)
    look(watch, run_dir)
    watch.keep()
    RecordWatch(run_dir, other)
    assert other.state() == engine.state()


@pytest.mark.parametrize("content", [b'{"engine": {"a": "\xff"}}', b"\0" * 100, None])
def test_a_memory_that_cannot_be_read_is_none(run_dir: RunDir, content: bytes | None) -> None:
    append(run_dir.metrics, *losses(1, 5, "nan"))
    if content is None:
        run_dir.alerts_json.mkdir()
    else:
        run_dir.alerts_json.write_bytes(content)
    assert ("non-finite", "raised") in look(RecordWatch(run_dir, Engine()), run_dir)


def test_what_the_first_supervisor_had_no_time_to_say_is_said_by_the_next(run_dir: RunDir) -> None:
    append(run_dir.metrics, *losses(1, 50), *losses(51, 1, "nan"))
    RecordWatch(run_dir, Engine()).alert_changes(1e3)  # killed before it wrote
    assert look(RecordWatch(run_dir, Engine()), run_dir) == [("non-finite", "raised")]


def test_facts_are_read_once_run_json_is_there(run_dir: RunDir) -> None:
    engine = Engine()
    watch = RecordWatch(run_dir, engine)
    watch.alert_changes(1.0)
    assert engine.facts.planned_steps is None
    run_dir.run_json.write_text('{"id": "a", "name": "a", "task": "custom", "created_at": 0, "planned_steps": 500}')
    run_dir.config_toml.write_text("[train]\nlr = 0.01\nclip_norm = 2.0\nwarmup_ratio = 0.1\nschedule = 'cosine'\n")
    watch.alert_changes(2.0)
    facts = engine.facts
    assert (facts.planned_steps, facts.warmup_steps, facts.lr_peak) == (500, 50, 0.01)
    assert (facts.clip_norm, facts.schedule, facts.sibling) == (2.0, "cosine", None)


def test_the_newest_finished_run_of_the_same_configuration_is_the_sibling(tmp_path: Path) -> None:
    def made(name: str, state: State, config: str = "[train]\nlr = 0.1\n") -> RunDir:
        run = RunDir(tmp_path / name)
        run.path.mkdir()
        run.config_toml.write_text(config)
        write_status(run.status_json, Status(run=name, state=state))
        append(run.metrics, *losses(1, 5, float(len(name))))
        return run

    made("20260101-000000-a", State.DONE)
    made("20260102-000000-ab", State.DONE)
    made("20260103-000000-abc", State.FAILED)
    made("20260104-000000-abcd", State.DONE, "[train]\nlr = 0.2\n")
    this = made("20260105-000000-abcde", State.RUNNING)
    assert find_sibling(this) == [(n, 18.0) for n in range(1, 6)]
    (tmp_path / "20260102-000000-ab" / "metrics.jsonl").unlink()
    (tmp_path / "20260102-000000-ab" / "metrics.jsonl").mkdir()
    assert find_sibling(this) is None  # and no error: it is another run's
    this.config_toml.write_text("[train]\nlr = 0.3\n")
    assert find_sibling(this) is None
