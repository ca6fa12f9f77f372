"""The table of checkpoints, and what more there is to say of the chosen one. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rundir.size import size
from rundir.text import plain
from trainwatch import format as fmt
from trainwatch.checkpoints.row import CheckpointRow, Health
from trainwatch.paint import Row, box, flow
from trainwatch.panes.page import cells

_HEALTH_STYLES = {Health.UNKNOWN: "dim", Health.CHECKING: "warn", Health.WHOLE: "ok", Health.DAMAGED: "alert"}
_METRIC = 10
_MOST_METRICS = 6
_WIDE = 90
"""From here on there is room for every reason that a checkpoint is kept."""


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    width: int
    """Negative: aligned left."""
    cell: Callable[[CheckpointRow, float], tuple[str, str]]


def paint_checkpoints(
    rows: Sequence[CheckpointRow],
    chosen: int,
    top: int,
    width: int,
    height: int,
    now: float,
    metrics: Sequence[str] = (),
    *,
    is_read: bool = True,
) -> list[Row]:
    """Rows of exactly width × height; `top` is the first of the table that is shown."""
    room = max(0, height - 3)
    columns = _columns(metrics, width - 4)
    lines: list[Row] = [[("  ", ""), *cells([(c.title, c.width, "dim") for c in columns])]]
    for i, row in enumerate(rows[top : top + room], top):
        mark = ("❯ ", "key") if i == chosen else ("  ", "")
        lines.append([mark, *cells([(text, c.width, style) for c in columns for text, style in [c.cell(row, now)]])])
    if not rows:
        lines = [[(" no checkpoint yet" if is_read else " reading …", "dim")]]
    current = [row for row in rows if row.is_current]
    total = sum(row.size_bytes or 0 for row in rows)
    title: Row = [("checkpoints", "title"), (f" {len(current)}", "value")]
    if len(rows) > len(current):
        title.append((f" and {len(rows) - len(current)} put aside", "dim"))
    if total:
        title.append((f"  {size(total)}", "dim"))
    hidden = len(rows) - top - room
    note: Row = [(f"{hidden} more ↓", "dim")] if hidden > 0 else []
    return box(title, lines, width, height, note=note, style="border-chosen")


def _columns(names: Sequence[str], width: int) -> list[_Column]:
    """As many as there is room for; one metric goes before the epoch."""
    step = _Column("step", 11, lambda row, _: (fmt.count(row.step), "value" if row.is_current else "faint"))
    epoch = _Column("epoch", 8, lambda row, _: (f"{row.epoch:.2f}" if row.epoch is not None else fmt.MISSING, "dim"))
    num_bytes = _Column("size", 10, lambda row, _: (size(row.size_bytes), ""))
    kept = _Column(" kept as", -22 if width > _WIDE else -19, _kept)
    age = _Column("age", 7, lambda row, now: (fmt.age(now - row.at if row.at is not None else None), "dim"))
    valid = _Column(" valid", -14, _valid)
    chosen, room = [step], width - step.width
    first = [_metric(name) for name in names[:1]]
    for column in (valid, kept, num_bytes, age, *first, epoch):
        if abs(column.width) <= room:
            chosen.append(column)
            room -= abs(column.width)
    metrics = [_metric(name) for name in names[1:]][: min(_MOST_METRICS - 1, room // _METRIC)]
    order = [step, epoch, num_bytes, *first, *metrics, kept, age, valid]
    return [column for column in order if column in chosen or column in metrics]


def _metric(name: str) -> _Column:
    def cell(row: CheckpointRow, _: float) -> tuple[str, str]:
        if name not in row.metrics:
            return fmt.MISSING, "faint"
        return fmt.number(row.metrics[name]), "ok" if row.is_best else ""

    return _Column(fmt.clip(plain(name).replace("_", " "), _METRIC - 1), _METRIC, cell)


def _kept(row: CheckpointRow, _: float) -> tuple[str, str]:
    if not row.is_current:
        return f" aside, attempt {plain(row.found.put_aside)}", "faint"
    words = ", ".join(row.kept_for)
    return (f" {words}", "ok" if row.is_best else "") if words else (" until the next save", "dim")


def _valid(row: CheckpointRow, _: float) -> tuple[str, str]:
    health = row.check.health
    share = f" {int(100 * row.check.share)}%" if health is Health.CHECKING else ""
    return f" {health}{share}", _HEALTH_STYLES[health]


def paint_checkpoint(row: CheckpointRow | None, place: str, width: int, height: int) -> list[Row]:
    """More of one: all it measured, why it stays, what is wrong with it, where it is."""
    if row is None:
        return box([], [], width, height)
    lines: list[Row] = [[(" " + plain(place), "value")]]
    if row.check.fault:
        lines.append([(" ! ", "alert"), (plain(row.check.fault), "alert")])
    lines.append([(" ", ""), (_why(row), "")])
    measured: list[Row] = [
        [(plain(name).replace("_", " ") + " ", "dim"), (fmt.number(value), "value")]
        for name, value in row.metrics.items()
    ]
    lines += flow(measured, width - 2) if measured else [[(" nothing was measured at this step", "dim")]]
    title: Row = [(f"step {fmt.count(row.step)}", "title")]
    if row.is_best:
        title.append(("  best", "ok"))
    return box(title, lines, width, height)


def _why(row: CheckpointRow) -> str:
    if not row.is_current:
        return "a later attempt went on from before it; it goes when there is no room for another"
    parts = []
    if row.found.reason:
        parts.append(f"saved for: {plain(row.found.reason)}")
    parts.append("stays as " + ", ".join(row.kept_for) if row.kept_for else "goes after the next save")
    if row.is_newest:
        parts.append("a resume takes the newest that is whole")
    return "; ".join(parts)
