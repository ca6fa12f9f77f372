"""The columns of the table of runs: what each shows, sorts by and is called. Pure."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from rundir.status import Liveness
from rundir.text import plain
from trainwatch import format as fmt
from trainwatch.listing.entry import Entry
from trainwatch.paint import Row, Span
from trainwatch.panes.words import SEVERITY_STYLES, STATE_STYLES

_BAR = 6
_BLOCKS = "▁▂▃▄▅▆▇█"
_VERDICTS = {
    Liveness.SILENT: ("silent", "warn"),
    Liveness.ORPHANED: ("orphaned", "alert"),
    Liveness.UNATTENDED: ("unattended", "warn"),
    Liveness.DEAD: ("dead", "alert"),
    Liveness.REBOOTED: ("dead", "alert"),
    Liveness.UNKNOWN: ("unknown", "dim"),
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `width` cells; of the one that is 0 wide whatever is left."""

    name: str
    width: int
    help: str
    key: Callable[[Entry, float], float | str | None]
    """What is sorted by, given the time; None comes last whichever way."""
    cell: Callable[[Entry, float, int], Row]
    descending: bool = False
    """Which way is looked at first."""
    right: bool = False
    rank: int = 0
    """Columns of higher rank go first where there is no room."""


def state_of(entry: Entry) -> Span:
    """State with liveness, in a word: of what is not alive, that is what matters."""
    if entry.status_fault:
        return "unreadable", "alert"
    if entry.state is None:
        return "no status", "dim"
    return _VERDICTS.get(entry.verdict, (str(entry.state), STATE_STYLES[entry.state]))


def sparkline(values: tuple[float, ...], width: int) -> Row:
    """Eight levels between lowest and highest; a value that is not finite is a cross."""
    if not values or width < 1:
        return []
    shown = [values[i * (len(values) - 1) // max(1, width - 1)] for i in range(min(width, len(values)))]
    if len(values) <= width:
        shown = list(values)
    finite = [value for value in shown if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    return [_block(value, low, high) for value in shown]


def _block(value: float, low: float, high: float) -> Span:
    if not math.isfinite(value):
        return "×", "alert"
    extent = high / 2 - low / 2  # halves, as the difference of two large floats may be none
    level = (value / 2 - low / 2) / extent if extent > 0 else 0.0
    return _BLOCKS[min(7, int(level * 8))], "curve"


def _progress(entry: Entry, _now: float, width: int) -> Row:
    total, share = entry.total_steps, entry.share
    if share is None or total is None:
        return [(fmt.short_count(entry.step), "value")]
    counts: Row = [(fmt.short_count(entry.step), "value"), (f"/{fmt.short_count(total)}", "dim")]
    if width < 16:
        return counts
    done = int(share * _BAR)
    return [("━" * done, "ok"), ("─" * (_BAR - done), "faint"), (f"{math.floor(share * 100):4d}% ", "dim"), *counts]


def _loss(entry: Entry, _now: float, _width: int) -> Row:
    value = entry.figures.loss
    return [(fmt.number(value), "dim" if value is None else ("value" if math.isfinite(value) else "alert"))]


def _best(entry: Entry, _now: float, width: int) -> Row:
    best = entry.best
    if best is None:
        return [(fmt.MISSING, "faint")]
    value = fmt.number(best[1])  # never cut: a shorter number is another one
    return [(fmt.clip(plain(best[0]), width - len(value) - 1) + " ", "dim"), (value, "point")]


def _best_key(entry: Entry, _now: float) -> float | None:
    """Larger is better, so that one order serves scores and losses."""
    best = entry.best
    if best is None or math.isnan(best[1]):
        return None
    return -best[1] if entry.is_lower_better(best[0]) else best[1]


def _alerts(entry: Entry, _now: float, _width: int) -> Row:
    if not entry.alerts:
        return []
    first, more = entry.alerts[0], len(entry.alerts) - 1
    return [(f"▲ {plain(first.rule)}" + (f" +{more}" if more else ""), SEVERITY_STYLES[first.severity])]


def _tags(entry: Entry, _now: float, _width: int) -> Row:
    row: Row = [("archived ", "dim")] if entry.remarks.archived else []
    row += [(plain(" ".join(entry.tags)), "smooth")] if entry.tags else []
    return [*row, (" ✎ " + plain(entry.remarks.note), "dim")] if entry.remarks.note else row


def _name(entry: Entry, _now: float, _width: int) -> Row:
    return [(plain(entry.run.id), "dim" if entry.remarks.archived else "title")]


def _finite(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


_STATE_ORDER: dict[str, int] = {
    name: order
    for order, name in enumerate(
        ("running", "starting", "restarting", "stopping", "silent", "paused", "parked", "orphaned", "unattended",
         "dead", "unreadable", "failed", "stopped", "done", "unknown", "no status")
    )
}  # fmt: skip
"""What moves first, then what needs a person, then what is over."""

COLUMNS = (
    Column("state", 11, "state, and whether it lives", lambda e, _: _STATE_ORDER.get(state_of(e)[0], 9),
           lambda e, _, __: [state_of(e)]),
    Column("run", 0, "the run's directory: when it was made, and its name", lambda e, _: e.run.id, _name,
           descending=True),
    Column("task", 14, "kind of task", lambda e, _: e.task, lambda e, _, __: [(plain(e.task), "dim")], rank=7),
    Column("progress", 24, "optimizer steps done, of those planned", lambda e, _: e.share, _progress,
           descending=True, rank=3),
    Column("ETA", 7, "time left at the pace of the last 20 s", lambda e, _: e.eta_s,
           lambda e, _, __: [(fmt.duration(e.eta_s), "value" if e.eta_s is not None else "faint")], right=True, rank=6),
    Column("loss", 8, "loss of the newest step", lambda e, _: _finite(e.figures.loss), _loss, right=True, rank=1),
    Column("curve", 12, "training loss over the run, each between its own lowest and highest",
           lambda e, _: _finite(e.figures.loss), lambda e, _, w: sparkline(e.losses, w), rank=5),
    Column("best", 15, "best value of the metric by which the best checkpoint is chosen", _best_key, _best,
           descending=True, rank=2),
    Column("alerts", 14, "alerts that are active, the gravest named", lambda e, _: len(e.alerts), _alerts,
           descending=True, rank=4),
    Column("age", 7, "since the run was made", lambda e, now: e.age_s(now),
           lambda e, now, _: [(fmt.age(e.age_s(now)), "dim")], right=True, rank=8),
    Column("host", 12, "the machine that it runs on", lambda e, _: e.place or e.host,
           lambda e, _, __: [(plain(e.place or e.host), "dim")], rank=10),
    Column("tags", 16, "tags and note", lambda e, _: " ".join(e.tags) or None, _tags, rank=9),
)  # fmt: skip
BY_NAME = {column.name: column for column in COLUMNS}

GAP = 2
LEAST_NAME = 30


def placed(width: int, *, has_places: bool = False) -> list[tuple[Column, int, int]]:
    """Columns that have room in a width, with where each begins and how wide it is; those of high rank go first.

    `has_places`: of several places, where each run lies is worth more than most else.
    """
    shown = list(COLUMNS)
    while len(shown) > 2 and _taken(shown) + LEAST_NAME > width:
        shown.remove(max(shown, key=lambda column: 1 if has_places and column.name == "host" else column.rank))
    left = max(1, width - _taken(shown))
    places: list[tuple[Column, int, int]] = []
    x = 0
    for column in shown:
        cells = column.width or left
        places.append((column, x, cells))
        x += cells + GAP
    return places


def _taken(columns: list[Column]) -> int:
    return sum(column.width for column in columns) + GAP * (len(columns) - 1)
