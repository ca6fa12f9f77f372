"""What the ends of logs say: alerts that are active, the best evaluation; whatever stands in them or is torn."""

from pathlib import Path

import pytest

from rundir.glance import Best, active_alerts, best_evaluation, end_of
from rundir.records import (
    AlertEvent,
    EvalRecord,
    LifecycleEvent,
    ResumeEvent,
    ResumeRecord,
    Severity,
    StepRecord,
    encode,
)

JUNK = b'{"kind":"eval"\n"resume"\n\xff "alert"\n[]\n'


def alert(rule: str, step: int, change: str = "raised", severity: Severity = Severity.WARNING) -> bytes:
    return encode(
        AlertEvent(
            at=1, attempt=1, writer="supervisor", rule=rule, change=change, severity=severity, message="", step=step
        )  # type: ignore[arg-type]
    )


def evaluation(step: int, f1: float, *, best: bool = False, loss: float = 1.0) -> bytes:
    return encode(EvalRecord(at=1, attempt=1, step=step, loss=loss, metrics={"recall": 0.1, "f1": f1}, best=best))


def test_alerts_that_were_not_cleared_are_active_gravest_first() -> None:
    lines = alert("overfitting", 3) + alert("stall", 4) + alert("stall", 5, "cleared")
    lines += alert("non-finite", 6, severity=Severity.CRITICAL)
    lines += encode(LifecycleEvent(at=1, attempt=1, writer="trainer", what="saved", message='an "alert" of old'))
    assert [each.rule for each in active_alerts(JUNK + lines)] == ["non-finite", "overfitting"]
    back = encode(ResumeEvent(at=1, attempt=2, writer="trainer", step=5))
    assert [each.rule for each in active_alerts(lines + back)] == ["overfitting"]
    assert active_alerts(b"") == ()


def test_the_newest_marked_evaluation_is_the_best() -> None:
    step = encode(StepRecord(at=1, attempt=1, step=1, loss=1.0))
    lines = step + evaluation(1, 0.5, best=True) + evaluation(2, 0.8, best=True) + step + evaluation(3, 0.9)
    assert best_evaluation(JUNK + lines, "f1") == Best("f1", 0.8, 2)
    assert best_evaluation(lines) == Best("recall", 0.1, 2)
    assert best_evaluation(lines, "eval_f1") == Best("f1", 0.8, 2)
    back = encode(ResumeRecord(at=1, attempt=2, step=1))
    assert best_evaluation(lines + back, "f1") == Best("f1", 0.5, 1)
    assert best_evaluation(step) is None


@pytest.mark.parametrize(
    ("metric", "told", "expected"),
    [
        ("f1", None, Best("f1", 0.8, 2)),
        ("f1", {"f1": True}, Best("f1", 0.2, 3)),
        ("loss", None, Best("loss", 0.5, 3)),
        ("none", None, Best("recall", 0.1, 1)),
    ],
)
def test_without_marks_the_best_is_found_by_its_direction(
    metric: str, told: dict[str, bool] | None, expected: Best
) -> None:
    lines = evaluation(1, float("nan")) + evaluation(2, 0.8) + evaluation(3, 0.2, loss=0.5)
    assert best_evaluation(lines, metric, told) == expected


def test_the_end_of_a_log_begins_and_ends_with_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntwo\nthr")
    assert end_of(path, 100) == b"one\ntwo\n"
    assert end_of(path, 9) == b"two\n"
    assert end_of(path, 2) == b""
    assert end_of(tmp_path / "none", 9) == b""
