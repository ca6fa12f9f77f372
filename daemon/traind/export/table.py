"""A run's records as flat tables, one list a column. Pure; knows neither CSV nor Parquet."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from rundir.records import EpochRecord, EvalRecord, StepRecord
from traind.export.recording import Recording
from traind.scalars import as_float, scalars

Cell: TypeAlias = float | int | str | bool | None
"""None is a value that is not there; a value that is there and not finite is a float like any other."""

_INT64 = 2**63


@dataclass(frozen=True, slots=True)
class Table:
    """A name and columns of one length."""

    name: str
    columns: dict[str, list[Cell]]
    kinds: dict[str, type]
    """Of the columns that are not float, empty or not: int, str or bool."""

    @property
    def num_rows(self) -> int:
        return len(next(iter(self.columns.values()), []))


def tables(recording: Recording) -> list[Table]:
    """`steps`, `evals` and `epochs`, empty or not; of the others those that have rows.

    `labels`: a row a label and evaluation. `confusion`: a row a cell and evaluation. `samples`: generated texts.
    `system`: samples of the machine, GPUs flattened as `gpu0_power_w`.
    """
    always = [
        _table("steps", recording.steps, _STEP, _step_cells),
        _table("evals", recording.evals, _EVAL, _eval_cells),
        _table("epochs", recording.epochs, _EPOCH, _epoch_cells),
    ]
    evals = recording.evals
    some = [
        _rows("labels", {"step": int, "label": str}, (row for record in evals for row in _label_rows(record))),
        _rows("confusion", _CONFUSION, (row for record in evals for row in _confusion_rows(record))),
        _rows(
            "samples",
            {"step": int, "prompt": str, "text": str},
            ({"step": e.step, "prompt": s.prompt, "text": s.text} for e in evals for s in e.samples or []),
        ),
        _rows("system", {"at": float, "attempt": int}, (_system_cells(record) for record in recording.system)),
    ]
    return always + [table for table in some if table.num_rows]


_STEP = {
    "step": int, "at": float, "attempt": int, "epoch": float, "loss": float, "grad_norm": float, "lr": float,
    "step_s": float, "data_wait_s": float, "tokens_per_s": float, "gpu_mem_allocated_bytes": int,
}  # fmt: skip
_EVAL = {
    "step": int, "at": float, "attempt": int, "epoch": float, "trigger": str, "best": bool, "loss": float,
    "eval_s": float,
}  # fmt: skip
_EPOCH = {
    "epoch": int, "step": int, "at": float, "attempt": int, "loss": float, "started_at": float, "epoch_s": float,
}  # fmt: skip
_CONFUSION = {"step": int, "true": str, "predicted": str, "count": int}


def _step_cells(record: StepRecord) -> list[Cell]:
    return [
        record.step, record.at, record.attempt, record.epoch, _number(record.loss), _number(record.grad_norm),
        _number(record.lr), record.step_s, record.data_wait_s, record.tokens_per_s, record.gpu_mem_allocated_bytes,
    ]  # fmt: skip


def _eval_cells(record: EvalRecord) -> list[Cell]:
    return [
        record.step, record.at, record.attempt, record.epoch, record.trigger, record.best, _number(record.loss),
        record.eval_s,
    ]  # fmt: skip


def _epoch_cells(record: EpochRecord) -> list[Cell]:
    return [
        record.epoch, record.step, record.at, record.attempt, _number(record.loss), record.started_at, record.epoch_s,
    ]  # fmt: skip


def _system_cells(record: Any) -> dict[str, Cell]:
    values = {tag.removeprefix("system/"): value for tag, value in scalars(record).items()}
    return {"at": record.at, "attempt": record.attempt, **values}


def _label_rows(record: EvalRecord) -> Iterable[dict[str, Cell]]:
    for label, figures in (record.labels or {}).items():
        clear = {name if name not in ("step", "label") else f"metric_{name}": _number(v) for name, v in figures.items()}
        yield {"step": record.step, "label": label, **clear}


def _confusion_rows(record: EvalRecord) -> Iterable[dict[str, Cell]]:
    rows = record.confusion or []
    names = list(record.labels or {})
    names += [str(i) for i in range(len(names), max([len(rows), *map(len, rows)], default=0))]
    for true, row in zip(names, rows, strict=False):
        for predicted, count in zip(names, row, strict=False):
            yield {"step": record.step, "true": true, "predicted": predicted, "count": count}


def _table(name: str, records: Sequence[Any], fields: Mapping[str, type], cells: Callable[[Any], list[Cell]]) -> Table:
    """Columns of the fields, then one a metric; a metric named like a field becomes `metric_<name>`."""
    rows = [cells(record) for record in records]
    columns = {field: [row[i] for row in rows] for i, field in enumerate(fields)}
    metrics = [record.metrics or {} for record in records]
    for metric in dict.fromkeys(metric for values in metrics for metric in values):
        column = f"metric_{metric}" if metric in fields else metric
        columns[column] = [_number(values.get(metric)) for values in metrics]
    return _sized(name, columns, fields)


def _rows(name: str, fields: Mapping[str, type], rows: Iterable[dict[str, Cell]]) -> Table:
    """Columns of rows that need not have the same keys; none when there are no rows."""
    rows = list(rows)
    keys = dict.fromkeys([*fields, *(key for row in rows for key in row)]) if rows else {}
    return _sized(name, {key: [row.get(key) for row in rows] for key in keys}, fields)


def _sized(name: str, columns: dict[str, list[Cell]], fields: Mapping[str, type]) -> Table:
    """A table whose whole numbers fit 64 bits: a column with one beyond, of a damaged line, is one of floats."""
    kinds = {field: kind for field, kind in fields.items() if kind is not float}
    for field in [field for field, kind in kinds.items() if kind is int]:
        values = columns.get(field, [])
        if any(isinstance(value, int) and not -_INT64 <= value < _INT64 for value in values):
            columns[field] = [_number(value) for value in values]
            del kinds[field]
    return Table(name, columns, kinds)


def _number(value: Any) -> float | None:
    return None if value is None else as_float(value)
