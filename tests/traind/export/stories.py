"""Run directories to export, written through rundir's own encoder: empty, crashed, resumed, and the golden one."""

import shutil
from pathlib import Path

from rundir import records as r
from rundir.layout import RunDir
from rundir.records import encode

GOLDEN = Path(__file__).parents[2] / "protocol" / "golden" / "format-1"
START_AT = 1_800_000_000.0


def golden(parent: Path) -> RunDir:
    """A copy of the golden directory: resumed, with nan, inf, fragments and unknown kinds."""
    path = parent / "20270115-080000-golden"
    shutil.copytree(GOLDEN, path, symlinks=True)
    return RunDir(path)


def empty(parent: Path) -> RunDir:
    """A run whose supervisor has written nothing but that it is there."""
    run = RunDir(parent / "20270115-080000-empty")
    run.path.mkdir(parents=True)
    run.metrics.touch()
    return run


def step(number: int, loss: r.Number, attempt: int = 1, **fields: object) -> r.StepRecord:
    return r.StepRecord(at=START_AT + number, attempt=attempt, seq=number, step=number, loss=loss, **fields)  # type: ignore[arg-type]


def write(run: RunDir, metrics: list[r.MetricsRecord], events: list[r.EventRecord]) -> RunDir:
    run.path.mkdir(parents=True, exist_ok=True)
    run.metrics.write_bytes(b"".join(map(encode, metrics)))
    run.events.write_bytes(b"".join(map(encode, events)))
    return run


def scored(parent: Path) -> RunDir:
    """A classifier's run: two evaluations with confusion and samples, alerts, a failed save, hostile text."""
    run = RunDir(parent / "20270115-090000-scored")
    labels: dict[str, dict[str, r.Number]] = {
        "neg": {"precision": 0.5, "recall": 1.0, "f1": 2 / 3, "support": 2},
        "<b>pos|": {"precision": "nan", "recall": 0.0, "f1": 0.0, "support": 2},
    }
    sample = r.Sample(prompt="Where <i>", text=" is my | card?\n</script>")
    evals = [
        r.EvalRecord(
            at=START_AT + at, attempt=1, seq=at, step=at, loss=loss, epoch=at / 2, metrics={"f1": f1}, labels=labels,
            confusion=[[2, 0], [2, 0]], samples=[sample], best=best,
        )
        for at, loss, f1, best in ((2, 1.0, 0.5, True), (4, 1.25, 0.25, False))
    ]  # fmt: skip
    epoch = r.EpochRecord(at=START_AT + 2, attempt=1, seq=9, step=2, epoch=1, loss=1.75)
    metrics: list[r.MetricsRecord] = [step(1, 2.0, lr=0.1), step(2, 1.5, lr=0.2), epoch, evals[0]]
    metrics += [step(3, "inf", lr=0.1), step(4, 1.0, lr=0.05), evals[1]]
    events: list[r.EventRecord] = [
        r.LifecycleEvent(at=START_AT, attempt=1, writer="trainer", what="baseline", detail={"f1": 0.125}),
        r.AlertEvent(
            at=START_AT + 3, attempt=1, writer="supervisor", step=3, rule="non-finite", change="raised",
            severity=r.Severity.CRITICAL, message="loss is inf at step 3 <script>alert(1)</script>", onset_step=3,
        ),
        r.LifecycleEvent(
            at=START_AT + 3, attempt=1, writer="trainer", step=3, what="checkpoint_failed", message="disk full"
        ),
        r.NoteEvent(at=START_AT + 4, attempt=1, writer="supervisor", step=4, text="looks | odd", by="ada"),
    ]  # fmt: skip
    return write(run, metrics, events)
