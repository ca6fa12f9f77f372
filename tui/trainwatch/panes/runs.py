"""The table of runs, the line above it and the box below it. Pure."""

from rundir.records import Severity
from rundir.text import plain
from trainwatch import format as fmt
from trainwatch.listing.column import GAP, Column, state_of
from trainwatch.listing.entry import Entry
from trainwatch.listing.roster import Marks, Roster
from trainwatch.paint import Row, box, fit_row, flow, hint_line, row_width, spread
from trainwatch.panes.words import SEVERITY_STYLES, state_words
from trainwatch.scores import ordered

MARGIN = 4
"""Cells before the first column: what is chosen, and the mark in the run's colour."""
_SIGNS = {Severity.CRITICAL: "!", Severity.WARNING: "▲", Severity.INFO: "·"}


def paint_runs_header(roster: Roster, where: str, width: int, archived_key: str = "A") -> list[Row]:
    """One line: the directory, how its runs are, the filter. `archived_key`: lists those that were put away."""
    entries = roster.entries.values()
    moving = sum(entry.is_moving for entry in entries)
    left: Row = [
        (" " + fmt.clip(plain(where), max(8, width // 3)), "title"),
        (f"  {moving:,} live", "ok" if moving else "dim"),
    ]
    if alerts := sum(bool(entry.serious) for entry in entries if entry.is_moving):
        left.append((f"  {alerts:,} with alerts", "warn"))
    if archived := sum(entry.remarks.archived for entry in entries):
        left.append((f"  {archived:,} archived: {archived_key}", "dim"))
    if marked := len(roster.marks.chosen):
        left.append((f"  {marked:,} marked", "smooth"))
    right: Row = [("filter ", "dim"), (plain(roster.query.text), "notice"), (" ", "")] if roster.query.text else []
    if roster.sort.name not in [column.name for column, _, _ in roster.columns(width - MARGIN)]:
        left.append((f"  by {roster.sort.name} {'▼' if roster.descending else '▲'}", "key"))
    return [spread(left, right, width)]


def paint_runs(roster: Roster, width: int, height: int, archived_key: str = "A") -> list[Row]:
    """Rows of exactly width × height: the titles, then the runs from `roster.top` on."""
    if height < 1:
        return []
    places = roster.columns(width - MARGIN)
    rows = [_titles(roster, places, width)]
    if height > 1:
        rows += [_line(entry, roster, places, width) for entry in roster.on_screen(height - 1)]
    if len(rows) == 1 and height > 2:
        rows += [fit_row([], width), fit_row([("    " + _empty(roster, archived_key), "dim")], width)]
    rows = rows[:height]
    return rows + [fit_row([], width)] * (height - len(rows))


def _empty(roster: Roster, archived_key: str) -> str:
    if roster.fault:
        return plain(roster.fault)
    if not roster.has_listed:
        return "reading …"
    if not roster.entries:
        return "no runs here yet"
    if not roster.query.text:
        return f"all runs are archived; {archived_key} shows them"
    return "no run passes the filter; esc clears it" + put_away_words(roster, archived_key, "; ")


def put_away_words(roster: Roster, archived_key: str, before: str = "") -> str:
    """That a filter would find archived runs too; empty where it would not, or where there is none."""
    num = roster.num_put_away if roster.query.text else 0
    return f"{before}{num:,} archived would: {archived_key} shows {'it' if num == 1 else 'them'}" if num else ""


def _titles(roster: Roster, places: list[tuple[Column, int, int]], width: int) -> Row:
    row: Row = [(" " * MARGIN, "")]
    for column, _, cells in places:
        is_sort = column.name == roster.sort.name
        arrow = ("▼" if roster.descending else "▲") if is_sort else ""
        title = fmt.clip(column.name + (" " + arrow if arrow else ""), cells)
        title = title.rjust(cells) if column.right else fmt.fit(title, cells)
        row += [(title, "key" if is_sort else "dim"), (" " * GAP, "")]
    return fit_row(row[:-1], width)


def _line(entry: Entry, roster: Roster, places: list[tuple[Column, int, int]], width: int) -> Row:
    is_chosen, marks = entry.id == roster.selected, roster.marks
    row: Row = [("❯ " if is_chosen else "  ", "key"), *mark_of(entry.id, marks)]
    for column, _, cells in places:
        cell = column.cell(entry, roster.now, cells)
        if is_chosen and column.name == "run":
            cell = [(text, "chosen") for text, _ in cell]
        missing = cells - row_width(cell)
        row += [(" " * missing, ""), *cell] if column.right and missing > 0 else fit_row(cell, cells)
        row.append((" " * GAP, ""))
    return fit_row(row[:-1], width)


def mark_of(run_id: str, marks: Marks) -> Row:
    """Two cells: the run's colour where it is marked."""
    return [("● ", marks.style(run_id))] if run_id in marks.chosen else [("  ", "")]


def column_at(roster: Roster, x: int, width: int) -> Column | None:
    """The column under a cell of the table."""
    for column, start, cells in roster.columns(width - MARGIN):
        if start <= x - MARGIN < start + cells + GAP:
            return column
    return None


def paint_detail(entry: Entry | None, width: int, height: int) -> list[Row]:
    """Rows of exactly width × height on the chosen run: what has no room in a row."""
    if entry is None:
        return box([], [], width, height)
    words, style = state_of(entry) if entry.source else state_words(entry.state, entry.verdict)
    title: Row = [(plain(entry.id), "title"), ("  " + words, style)]
    lines = [[(" ", ""), *row] for row in _reasons(entry)]
    lines += flow(_facts(entry), width - 2)
    return box(title, lines, width, height)


def _reasons(entry: Entry) -> list[Row]:
    """What needs a person, or was said by one."""
    rows: list[Row] = []
    if entry.status_fault:
        rows.append([("! " + plain(entry.status_fault), "alert")])
    if entry.status is not None and entry.status.last_error and entry.state != "done":
        rows.append([("! " + plain(entry.status.last_error), "alert")])
    rows += [
        [(f"{_SIGNS[alert.severity]} {plain(alert.rule)}: {plain(alert.message)}", SEVERITY_STYLES[alert.severity])]
        for alert in entry.alerts[:1]
    ]
    if entry.remarks.note:
        rows.append([("✎ " + plain(entry.remarks.note), "value")])
    return rows


def _facts(entry: Entry) -> list[Row]:
    facts = [("also", "  ".join(f"{_SIGNS[alert.severity]}{alert.rule}" for alert in entry.alerts[1:]))]
    best = ordered(dict(entry.figures.best)).items()
    facts += [(name if number else f"best {name}", fmt.number(value)) for number, (name, value) in enumerate(best)]
    facts.append(("tags", " ".join(entry.tags)))
    status, info = entry.status, entry.info
    if status is not None:
        facts += [("attempt", str(status.attempt)), ("device", status.device or fmt.MISSING)]
    facts += [("task", entry.task), ("host", entry.host)]
    if info is not None:
        facts += [("by", info.user), ("commit", (info.git_commit or "")[:9] + ("+" if info.git_dirty else ""))]
    return [[(f"{plain(name)} ", "dim"), (plain(value), "value")] for name, value in facts if value.strip("+")]


def paint_runs_status(
    roster: Roster,
    width: int,
    notice: str,
    pointed: str,
    *,
    read_only: bool,
    trouble: str = "",
    archived_key: str = "A",
) -> list[Row]:
    """One line. "N runs" (of one "1 run") is written only once all were read: scripts wait for it.

    `trouble`: which hosts are not reached, in words.
    """
    total, shown = len(roster.entries), len(roster.shown)
    left: Row
    if roster.fault:
        left = [(" " + plain(roster.fault), "alert")]
    elif not roster.has_listed:
        left = [(f" reading … {total:,} of {total + roster.num_unread:,}", "warn")]
    else:
        left = [
            (
                f" {shown:,} of {fmt.counted(total, 'run')}" if shown != total else " " + fmt.counted(total, "run"),
                "value",
            )
        ]
        if words := put_away_words(roster, archived_key):
            left.append((f"  {words}", "dim" if shown else "warn"))
        if roster.num_shallow:
            left.append((f"  looking closer: {roster.num_shallow:,} left", "dim"))
    if read_only:
        left.append(("  read-only", "dim"))
    return [hint_line(left, notice, pointed, width, trouble)]


def describe(entry: Entry) -> str:
    """A run in a line, for the footer."""
    best = entry.best
    parts = [entry.id, state_of(entry)[0], f"{best[0]} {fmt.number(best[1])}" if best is not None else ""]
    return " · ".join(part for part in parts if part)
