"""The configuration as a tree, alone or beside another run's. Pure."""

from rundir.text import plain
from trainwatch import format as fmt
from trainwatch.paint import Row, box
from trainwatch.panes.page import window
from trainwatch.settings.tree import Origin, SettingsTree, TreeLine

_ORIGIN_STYLES = {Origin.UNKNOWN: "value", Origin.DEFAULT: "dim", Origin.GIVEN: "value", Origin.COMMAND: "notice"}
_MOST_NAME = 34
HEAD_LINES = 2
"""Of the box: its edge and the names of the columns."""


def paint_config(tree: SettingsTree, other: str, width: int, height: int) -> list[Row]:
    """Rows of exactly width × height; `other` is the run that it is held against, empty where it is none."""
    lines = tree.lines()
    chosen, room = tree.index(lines), max(0, height - 1 - HEAD_LINES)
    tree.top = window(chosen, tree.top, len(lines), room)
    inner = width - 2
    name_width = min(_MOST_NAME, max(8, inner // 3))
    cell = max(4, (inner - name_width - 2) // len(tree.runs))
    rows = [_heading(tree, other, name_width, cell)]
    for i, line in enumerate(lines[tree.top : tree.top + room], tree.top):
        rows.append(_line(tree, line, name_width, cell, is_chosen=i == chosen))
    if not lines:
        rows.append([(f" {_nothing(tree)}", "dim")])
    hidden = len(lines) - tree.top - room
    note: Row = [(f"{hidden} more ↓", "dim")] if hidden > 0 else []
    return box(_title(tree, other, lines), rows, width, height, note=note, style="border-chosen")


def _title(tree: SettingsTree, other: str, lines: list[TreeLine]) -> Row:
    title: Row = [("configuration", "title")]
    if other:
        num_keys = sum(line.differs for line in lines if not line.is_table)
        num_keys += sum(line.num_differing for line in lines if line.is_table and not line.is_open)
        title += [
            ("  against ", "dim"),
            (plain(other), "value"),
            (f"  {num_keys} differ", "warn" if num_keys else "ok"),
        ]
        if not tree.only_differing:
            title.append((", all shown", "dim"))
    if tree.text:
        title.append((f"  / {plain(tree.text)}", "notice"))
    return title


def _nothing(tree: SettingsTree) -> str:
    if tree.text:
        return "no key passes the filter"
    return "no difference" if tree.is_comparison else "no configuration was found"


def _heading(tree: SettingsTree, other: str, name_width: int, cell: int) -> Row:
    if tree.is_comparison:
        names: Row = [(fmt.fit("this run", cell), "dim"), (fmt.fit(plain(other), cell), "dim")]
    else:
        known = any(run.given for run in tree.runs)
        names = [("bright: not the default" if known else "", "dim")]
    return [(" " * (name_width + 2), ""), *names]


def _line(tree: SettingsTree, line: TreeLine, name_width: int, cell: int, *, is_chosen: bool) -> Row:
    mark = ("❯ ", "key") if is_chosen else ("  ", "")
    indent = "  " * line.depth
    if line.is_table:
        sign = "▾" if line.is_open else "▸"
        row: Row = [mark, (f"{indent}{sign} {plain(line.name)}", "title")]
        if not line.is_open:
            row.append((f"  {line.num_keys} keys", "dim"))
            if line.num_differing:
                row.append((f", {line.num_differing} differ", "warn"))
        return row
    name = (fmt.fit(f"{indent}  {plain(line.name)}", name_width - 1) + " ", "dim" if not line.differs else "")
    values: Row = []
    for run, value in zip(tree.runs, line.values, strict=True):
        text = plain(value) if value is not None else fmt.MISSING
        origin = run.origin(line.path)
        style = "faint" if value is None else ("notice" if line.differs else _ORIGIN_STYLES[origin])
        if tree.is_comparison:
            values.append((fmt.fit(text, cell - 1) + " ", style))
        else:
            values += [(text, style), (f"  {origin}" if origin is Origin.COMMAND else "", "dim")]
    return [mark, name, *values]


def paint_setting(line: TreeLine | None, tree: SettingsTree, width: int, height: int) -> list[Row]:
    """The chosen key in full: a long value on several lines."""
    if line is None or line.is_table:
        return box([], [], width, height)
    rows: list[Row] = []
    for name, run, value in zip(("this run", "the other"), tree.runs, line.values, strict=False):
        if tree.is_comparison:
            rows.append([(f" {name}", "dim")])
        text = plain(value) if value is not None else "(not there)"
        rows += [[(" " + part, "value")] for part in fmt.wrap(text, max(1, width - 4)) or [""]]
        if (origin := run.origin(line.path)) and not tree.is_comparison:
            rows.append([(f" {_WORDS[origin]}", "dim")])
    return box([(plain(line.path), "title")], rows, width, height)


_WORDS = {
    Origin.UNKNOWN: "",
    Origin.DEFAULT: "the default",
    Origin.GIVEN: "not the default",
    Origin.COMMAND: "set on the command line",
}
