"""The columns of the table of runs: what each shows, sorts by and is called. Pure."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from rich.cells import cell_len

from rundir.records import Severity
from rundir.status import Liveness
from rundir.text import plain
from trainwatch import format as fmt
from trainwatch.listing.course import robust_range
from trainwatch.listing.entry import Entry
from trainwatch.paint import Row, Span, row_width
from trainwatch.panes.words import SEVERITY_STYLES, STATE_STYLES

_BAR = 6
_BLOCKS = "▁▂▃▄▅▆▇█"
_STAMP_DATE, _STAMP = len("20261126-"), len("20261126-101500-")
"""A run's directory begins with when it was made."""
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
    """One column."""

    name: str
    width: int
    """Cells that it takes at least."""
    help: str
    key: Callable[[Entry, float], float | str | None]
    """What is sorted by, given the time; None comes last whichever way."""
    cell: Callable[[Entry, float, int], Row]
    descending: bool = False
    """Which way is looked at first."""
    right: bool = False
    rank: int = 0
    """Columns of higher rank go first where there is no room."""
    need: Callable[[Entry], int] | None = None
    """Cells that it would take to show all of a run's, 0 where the run has nothing; None: always its width."""


def state_of(entry: Entry) -> Span:
    """State with liveness, in a word: of what is not alive, that is what matters."""
    if entry.status_fault:
        return "unreadable", "alert"
    if entry.state is None:
        return entry.source or "no status", "dim"
    return _VERDICTS.get(entry.verdict, (str(entry.state), STATE_STYLES[entry.state]))


def sparkline(entry: Entry, width: int) -> Row:
    """The course of the loss in eight levels, outliers cut off; a value that is not finite is a cross."""
    ended = entry.state is not None and entry.state.has_ended
    values = entry.figures.course.drawn(width, ended=ended)
    low, high = robust_range(values)
    return [_block(value, low, high) for value in values]


def _block(value: float, low: float, high: float) -> Span:
    if not math.isfinite(value):
        return "×", "alert"
    extent = high / 2 - low / 2  # halves, as the difference of two large floats may be none
    level = (value / 2 - low / 2) / extent if extent > 0 else 0.0
    return _BLOCKS[int(max(0.0, min(7.0, level * 8)))], "curve"


def _progress(entry: Entry, _now: float, width: int) -> Row:
    total, share = entry.total_steps, entry.share
    if share is None or total is None:
        steps = "step" if entry.step == 1 else "steps"
        return [(f"{fmt.short_count(entry.step)} {steps}", "value")] if entry.step else [(fmt.MISSING, "faint")]
    done = int(share * _BAR)
    row: Row = [("━" * done, "ok"), ("─" * (_BAR - done), "faint")]
    row += [(f"{math.floor(share * 100):4d}%", "dim")] if width >= _WITH_PERCENT else []
    return [*row, (f" {fmt.short_count(entry.step)}", "value"), (f"/{fmt.short_count(total)}", "dim")]


def _loss(entry: Entry, _now: float, _width: int) -> Row:
    value = entry.figures.loss
    return [(fmt.number(value), "faint" if value is None else ("value" if math.isfinite(value) else "alert"))]


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


def alert_counts(entry: Entry) -> tuple[int, int]:
    """How many critical alerts are active, and how many warnings."""
    criticals = sum(alert.severity is Severity.CRITICAL for alert in entry.serious)
    return criticals, len(entry.serious) - criticals


def _alerts(entry: Entry, _now: float, width: int) -> Row:
    """`!1 ▲2 rule`: critical ones, warnings, and the name of the gravest where there is room for it."""
    counts = zip("!▲", alert_counts(entry), (Severity.CRITICAL, Severity.WARNING), strict=True)
    row: Row = [(f"{sign}{count} ", SEVERITY_STYLES[severity]) for sign, count, severity in counts if count]
    if not row:
        return [(fmt.MISSING, "faint")]
    if width >= _WITH_RULE:
        gravest = entry.serious[0]
        row.append((plain(gravest.rule), SEVERITY_STYLES[gravest.severity]))
    return row


def _tags(entry: Entry, _now: float, _width: int) -> Row:
    row: Row = [("archived ", "dim")] if entry.remarks.archived else []
    row += [(plain(" ".join(entry.tags)) + " ", "smooth")] if entry.tags else []
    row += [("✎ " + plain(entry.remarks.note), "dim")] if entry.remarks.note else []
    return row or [(fmt.MISSING, "faint")]


def _name(entry: Entry, _now: float, _width: int) -> Row:
    """The directory, when it was made less bright than what it is called."""
    stamp, name = parted(entry.run.id)
    return [*([(stamp, "dim")] if stamp else []), (name, "dim" if entry.remarks.archived else "title")]


def _short_name(entry: Entry, now: float, width: int) -> Row:
    """The same without the date."""
    row = _name(entry, now, width)
    return row if len(row) == 1 else [(row[0][0][_STAMP_DATE:], row[0][1]), row[1]]


def parted(directory: str) -> tuple[str, str]:
    """When a run was made, and what it is called, from its directory: `20261126-101500-` and `ner`.

    Without control characters; of one that is named otherwise the first is empty.
    """
    name = plain(directory)
    date, time, rest = name[:8], name[_STAMP_DATE : _STAMP - 1], name[_STAMP:]
    is_stamped = date.isdecimal() and time.isdecimal() and len(time) == 6 and name[8] == name[_STAMP - 1] == "-"
    return (name[:_STAMP], rest) if is_stamped and rest else ("", name)


def _host(entry: Entry) -> str:
    return plain(entry.place or entry.host)


def _or_dash(text: str, style: str) -> Row:
    return [(text, style)] if text else [(fmt.MISSING, "faint")]


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

_WITH_PERCENT, _WITH_RULE = 24, 10
"""Cells from which on the progress has a percentage, and the alerts a name."""

COLUMNS = (
    Column("state", 10, "state, and whether it lives", lambda e, _: _STATE_ORDER.get(state_of(e)[0], 9),
           lambda e, _, __: [state_of(e)]),
    Column("run", 12, "the run's directory: when it was made, and its name", lambda e, _: e.run.id, _name,
           descending=True, need=lambda e: cell_len(plain(e.run.id))),
    Column("task", 9, "kind of task", lambda e, _: e.task, lambda e, _, __: _or_dash(plain(e.short_task), "dim"),
           rank=8, need=lambda e: cell_len(plain(e.short_task))),
    Column("progress", 18, "optimizer steps done, of those planned", lambda e, _: e.share, _progress,
           descending=True, rank=2),
    Column("ETA", 7, "time left at the pace of the last 20 s", lambda e, _: e.eta_s,
           lambda e, _, __: [(fmt.duration(e.eta_s), "value" if e.eta_s is not None else "faint")], right=True, rank=6,
           need=lambda e: 7 if e.eta_s is not None else 0),
    Column("loss", 8, "loss of the newest step", lambda e, _: _finite(e.figures.loss), _loss, right=True, rank=1),
    Column("curve", 8, "mean training loss over the run, outliers cut off; × not finite",
           lambda e, _: _finite(e.figures.loss), lambda e, _, w: sparkline(e, w), rank=4),
    Column("best", 12, "best value of the metric by which the best checkpoint is chosen", _best_key, _best,
           descending=True, rank=5, need=lambda e: row_width(_best(e, 0.0, 99))),
    Column("alerts", 6, "! critical alerts and ▲ warnings that are active, the gravest named",
           lambda e, _: 1e6 * alert_counts(e)[0] + alert_counts(e)[1], _alerts,
           descending=True, rank=3, need=lambda e: row_width(_alerts(e, 0.0, 99)) if e.serious else 0),
    Column("age", 5, "since the run was made", lambda e, now: e.age_s(now),
           lambda e, now, _: [(fmt.age(e.age_s(now)), "dim")], right=True, rank=7),
    Column("host", 6, "the machine that it runs on", lambda e, _: _host(e),
           lambda e, _, __: _or_dash(_host(e), "dim"), rank=10, need=lambda e: cell_len(_host(e))),
    Column("tags", 10, "tags and note", lambda e, _: " ".join(e.tags) or None, _tags, rank=9,
           need=lambda e: row_width(_tags(e, 0.0, 0)) if e.tags or e.remarks.note or e.remarks.archived else 0),
)  # fmt: skip
BY_NAME = {column.name: column for column in COLUMNS}

_SHORT = "run without its date"
_SHORT_RUN = replace(BY_NAME["run"], cell=_short_name)
"""Where not all names have room: then all of them are without the date, so that they stand below one another."""
GAP = 2
NAME_BEFORE_OTHERS = 22
"""Cells that a name may take before there are columns which can be done without."""
_CAN_GO = 4
"""From this rank on a column can be done without."""
_EMPTY_RANK = 20
"""A column in which no run has anything goes before all others."""
MOST_NAME = 32
"""Cells for a name with its date."""
_FIRST_SHARES = (("run", NAME_BEFORE_OTHERS), ("alerts", 12), ("tags", 16))
_SHARES = (
    ("run", MOST_NAME), ("alerts", 18), ("host", 10), ("tags", 16), ("progress", _WITH_PERCENT), ("curve", 16),
    ("best", 18), ("task", 14), ("run", 60), ("tags", 60), ("host", 24), ("alerts", 40),
)  # fmt: skip
"""Which columns grow, and up to how many cells, where there is more room than all need: first the first, before it is
known whether names have room for their dates."""


_NEEDING = tuple(column for column in COLUMNS if column.need is not None)


def need_of(entry: Entry) -> tuple[int, ...]:
    """Cells that would show all that a run has, in the columns whose cells differ in width; and of `_SHORT`."""
    needs = [column.need(entry) for column in _NEEDING if column.need is not None]
    return (*needs, row_width(_short_name(entry, 0.0, 0)))


def needs_of(each: Iterable[tuple[int, ...]]) -> dict[str, int]:
    """Cells that would show all that runs have, of what `need_of` says of each."""
    names = [*(column.name for column in _NEEDING), _SHORT]
    largest = [max(column) for column in zip(*each, strict=True)] or [0] * len(names)
    return dict(zip(names, largest, strict=True))


def with_dates(needs: Mapping[str, int]) -> dict[str, int]:
    """The same needs where no name may lose its date."""
    return {**needs, _SHORT: needs["run"]}


def placed(width: int, needs: Mapping[str, int], *, has_places: bool = False) -> list[tuple[Column, int, int]]:
    """Columns that have room in a width, with where each begins and how wide it is; those of high rank go first.

    `needs`: of `needs_of`; `has_places`: of several places, where each run lies is worth more than most else.
    """
    widths: dict[str, int] = {}
    ranked = sorted(COLUMNS, key=lambda column: _rank(column, needs, has_places=has_places))
    for column in ranked:
        if _rank(column, needs, has_places=has_places) < _EMPTY_RANK:
            _add(widths, column, width, needs)
    short = {**needs, "run": needs[_SHORT]}
    for name, most in _FIRST_SHARES:
        _grow(widths, name, min(most, short.get(name, most)), width - _taken(widths))
    is_short = needs[_SHORT] < needs["run"] > min(MOST_NAME, widths["run"] + width - _taken(widths))
    for name, most in _SHARES:
        _grow(widths, name, min(most, (short if is_short else needs).get(name, most)), width - _taken(widths))
    for column in ranked:
        if column.name not in widths:
            _add(widths, column, width, needs)
    if _taken(widths) > width:
        widths["run"] = max(1, widths["run"] - (_taken(widths) - width))
    places: list[tuple[Column, int, int]] = []
    x = 0
    for column in COLUMNS:
        if (cells := widths.get(column.name)) is not None:
            places.append((_SHORT_RUN if column.name == "run" and is_short else column, x, cells))
            x += cells + GAP
    return places


def _add(widths: dict[str, int], column: Column, width: int, needs: Mapping[str, int]) -> None:
    """One more column where it has room, at its least width. State and run are there always."""
    wanted = {**widths, column.name: column.width}
    if column.rank >= _CAN_GO:
        wanted["run"] = max(wanted["run"], min(NAME_BEFORE_OTHERS, needs[_SHORT]))
    if len(widths) < 2 or _taken(wanted) <= width:
        widths[column.name] = column.width


def _rank(column: Column, needs: Mapping[str, int], *, has_places: bool) -> int:
    if has_places and column.name == "host":
        return 1
    is_empty = column.rank >= _CAN_GO and not needs.get(column.name, 1)
    return column.rank + (_EMPTY_RANK if is_empty else 0)


def _grow(widths: dict[str, int], name: str, wanted: int, left: int) -> None:
    if name in widths:
        more = min(wanted - widths[name], left)
        if name in ("curve", "progress") and more < wanted - widths[name]:
            return  # the curve is drawn in powers of two, and half a percentage is none
        widths[name] += max(0, more)


def _taken(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + GAP * (len(widths) - 1)
