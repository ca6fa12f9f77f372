"""The CSV sink: steps.csv, evals.csv, epochs.csv and labels.csv in the run directory, for pandas and spreadsheets.

They hold the effective records: what a resume overtook is taken out. An absent value is an empty field.
"""

from rundir.layout import RunDir
from rundir.records import EvalRecord, StepRecord
from rundir.text import plain
from traind.scalars import scalars
from traind.sinks.sink import Measured, State
from traind.sinks.table import Table

_STAMPS = ("step", "attempt", "at")
COLUMNS = {
    "steps": (*_STAMPS, "loss", "grad_norm", "lr", "epoch", "step_s", "data_wait_s", "tokens_per_s",
              "gpu_mem_allocated_bytes"),
    "evals": (*_STAMPS, "trigger", "best", "loss", "epoch", "eval_s"),
    "epochs": (*_STAMPS, "epoch", "loss", "epoch_s"),
    "labels": (*_STAMPS, "trigger", "label", "precision", "recall", "f1", "support"),
}  # fmt: skip
"""What each file begins with; the metrics of the task follow in the order in which they were met."""


class CsvSink:
    """Owns the four files."""

    def __init__(self, run: RunDir, state: State | None) -> None:
        run.csv.mkdir(mode=0o700, exist_ok=True)
        self._tables = {
            name: Table(run.csv / f"{name}.csv", columns, None if state is None else state[name])
            for name, columns in COLUMNS.items()
        }

    def write(self, record: Measured) -> None:
        # Without the group of the tag: `train/loss` is the column `loss` of steps.csv.
        row: dict[str, object] = {tag.partition("/")[2]: value for tag, value in scalars(record).items()}
        stamps: dict[str, object] = {"step": record.step, "attempt": record.attempt, "at": record.at}
        if isinstance(record, EvalRecord):
            self._write_evaluation(record, row, stamps)
        else:
            self._tables["steps" if isinstance(record, StepRecord) else "epochs"].add({**row, **stamps})

    def _write_evaluation(self, record: EvalRecord, row: dict[str, object], stamps: dict[str, object]) -> None:
        evals, labels = self._tables["evals"], self._tables["labels"]
        if record.trigger != "order":
            for table in (evals, labels):
                table.drop(record.step, trigger=record.trigger)
        stamps = {**stamps, "trigger": record.trigger}
        evals.add({**row, **stamps, "best": record.best})
        for label, figures in (record.labels or {}).items():
            labels.add({**figures, **stamps, "label": plain(label)})

    def cut(self, step: int, at: float) -> None:  # noqa: ARG002
        for table in self._tables.values():
            table.cut(step)

    def commit(self) -> State:
        return {name: table.commit() for name, table in self._tables.items()}

    def close(self) -> None:
        for table in self._tables.values():
            table.close()
