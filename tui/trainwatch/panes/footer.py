"""The two lowest lines: how much was read and what was last said; and the keys. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from rundir.text import plain
from trainwatch import format as fmt
from trainwatch.actions import PAGE_ACTIONS, Action, Situation, for_key, is_heard, is_taken, refusal
from trainwatch.keyname import shown as shown_key
from trainwatch.paint import Row, fit_row, hint_line, row_width, spread
from trainwatch.store import Store


def paint_status(
    store: Store,
    width: int,
    notice: str = "",
    pointed: str = "",
    *,
    read_only: bool = False,
    quit_key: str = "",
    trouble: str = "",
    as_of: str = "",
) -> list[Row]:
    """One line. "N steps" is written only once the last record is painted: scripts wait for it.

    `pointed` says what the pointer is on; `quit_key` is named on a screen without a line of keys; `trouble`: why
    this is not the newest; `as_of`: the place in the past.
    """
    left: Row
    if as_of:
        left = [(" ◷ ", "notice"), (as_of, "notice")]
    elif store.caught_up:
        left = [(f" {fmt.counted(store.last_step, 'step')}", "value")]
    else:
        left = [(f" reading … {min(99, int(store.progress * 100))}%", "warn")]
    if store.skipped:
        left.append((f"  {fmt.counted(store.skipped, 'line')} passed over", "warn"))
    if read_only:
        left.append(("  read-only", "dim"))
    if pointed and not quit_key:
        return [hint_line(left, notice, pointed, width, trouble)]
    if trouble:
        left.append(("  " + plain(trouble), "warn"))
    if notice:
        said: Row = [("   ", ""), (plain(notice), "notice")]
        is_full = bool(as_of) and row_width(left) + row_width(said) > width
        left = [(" ◷", "notice"), *said] if is_full else [*left, *said]
    right: Row = [("watching " + plain(store.run.id) + " ", "dim")] if width >= 100 else []
    if store.newer:
        right = [("newer run: " + plain(store.newer) + " ", "notice")]
    if quit_key:
        way_out: Row = [(shown_key(quit_key), "key"), (" quit ", "dim")]
        right = [(plain(pointed) + " ", "dim")] if pointed else right
        both = [*right, *way_out]
        right = both if row_width(left) + row_width(both) < width else way_out
    return [spread(left, right, width)]


_NOT_ON_LINE = frozenset({"theme", "later", "go-to", "play", "faster", "now", "export", "copy"})
"""Actions that the help names, and the line does not."""
_MAY_ALWAYS_GO = ("copy", "export", "theme")
"""Actions that are everywhere: a line names them only where it has room for all that its screen can do."""
_LAST_TO_GO = ("back", "quit", "help")
_FIRST_TO_GO = ("earlier", "note", "eval", "zoom", "checkpoint", "grid", "set-lr", "park", "next", "pause", "stop")
"""Actions in the order in which a narrow line loses their keys."""
_IN_THE_PAST = ("earlier", "later", "go-to", "play", "faster", "now", "grid", "zoom", "help", "quit")
"""Actions that the line names while the past is shown."""
_FIRST_TO_GO_IN_THE_PAST = ("zoom", "grid", "faster", "go-to", "play", "later", "earlier")


def paint_keys(
    now: Situation,
    width: int,
    *,
    has_table: bool = False,
    has_alert: bool = False,
    actions: Sequence[Action] = PAGE_ACTIONS,
) -> list[Row]:
    """One line of keys. Those that make no sense now are greyed; where nobody would hear an order, they are left out.

    Help is always among them. `has_table`: there is a table of runs to go back to; `has_alert`: an alert to look at.
    """
    shown: dict[str, tuple[str, bool]] = {}
    if now.is_past:
        rows = {row.name: row for row in actions}
        return line_of([rows[name] for name in _IN_THE_PAST if name in rows], width, _FIRST_TO_GO_IN_THE_PAST)
    for key in dict.fromkeys(action.key for action in _in_order(actions) if action.key):
        action = for_key(key, now, actions)
        there_is = {"back": has_table, "alert": has_alert}
        if action.name in _NOT_ON_LINE or not there_is.get(action.name, True):
            continue
        if action.label and (action.verb is None or (is_heard(now) and is_taken(action, now))):
            shown[key] = (action.label, not refusal(action, now))
    return key_line(shown, width, _keys_that_go(_FIRST_TO_GO, actions))


def line_of(
    rows: Sequence[Action], width: int, first_to_go: Sequence[str], refused: Callable[[Action], object] = lambda _: ""
) -> list[Row]:
    """The line of keys of a table, in which those that are refused are greyed. `first_to_go`: names of actions."""
    shown = {row.key: (row.label, not refused(row)) for row in _in_order(rows) if row.label and row.key}
    return key_line(shown, width, _keys_that_go(first_to_go, rows))


def _in_order(rows: Iterable[Action]) -> list[Action]:
    """How to go back, to leave and to learn more stand last on every screen, in this order."""
    return sorted(rows, key=lambda row: _LAST_TO_GO.index(row.name) if row.name in _LAST_TO_GO else -1)


def _keys_that_go(first: Sequence[str], rows: Sequence[Action]) -> list[str]:
    """The keys that a narrow line loses, the first to go first: all but that of the help."""
    keys = {row.name: row.key for row in rows}
    rest = [row.name for row in reversed(_in_order(rows)) if row.name not in _LAST_TO_GO]
    names = [*_MAY_ALWAYS_GO, *first, *rest, *_LAST_TO_GO[:-1]]
    return [keys[name] for name in dict.fromkeys(names) if name in keys]


def key_line(shown: Mapping[str, tuple[str, bool]], width: int, first_to_go: Sequence[str]) -> list[Row]:
    """One line of keys with their labels, those that are not possible greyed, as many as have room."""
    entries: dict[str, Row] = {}
    for key, (label, possible) in shown.items():
        name = (shown_key(key), "key" if possible else "faint")
        entries[key] = [(" ", ""), name, (f" {label} ", "dim" if possible else "faint")]
    for key in first_to_go:
        if sum(map(row_width, entries.values())) <= width + 1:  # the last blank may go
            break
        entries.pop(key, None)
    row = [span for entry in entries.values() for span in entry]
    last, style = row[-1]
    return [fit_row([*row[:-1], (last.rstrip(), style)], width)]


def key_under(line: Row, x: int) -> str:
    """The key that a line of `key_line` shows at a cell, or beside its label there; empty beyond the last."""
    end = 0
    for blank, key, label in zip(line[::3], line[1::3], line[2::3], strict=False):
        end += row_width([blank, key, label])
        if x < end:
            return key[0]
    return ""
