"""The two lowest lines: how much was read and what was last said; and the keys. Pure."""

from rundir.text import plain
from trainwatch import format as fmt
from trainwatch.actions import ACTIONS, KEY_NAMES, Situation, for_key, refusal
from trainwatch.paint import Row, fit_row, row_width, spread
from trainwatch.store import Store


def paint_status(store: Store, width: int, notice: str = "", *, read_only: bool = False) -> list[Row]:
    """One line. "N steps" is written only once the last record is painted: scripts wait for it."""
    left: Row
    if store.caught_up:
        left = [(f" {fmt.count(store.last_step)} steps", "value")]
    else:
        left = [(f" reading … {min(99, int(store.progress * 100))}%", "warn")]
    if store.skipped:
        left.append((f"  {store.skipped:,} lines passed over", "warn"))
    if read_only:
        left.append(("  read-only", "dim"))
    if notice:
        left += [("   ", ""), (plain(notice), "notice")]
    right: Row = [("watching " + plain(store.run.id) + " ", "dim")] if width >= 100 else []
    if store.newer:
        right = [("newer run: " + plain(store.newer) + " ", "notice")]
    return [spread(left, right, width)]


def paint_keys(now: Situation, width: int) -> list[Row]:
    """One line of keys, those that make no sense now greyed. Help and quit are always among them."""
    entries: list[Row] = []
    for key in dict.fromkeys(action.key for action in ACTIONS if action.key):
        action = for_key(key, now)
        possible = not refusal(action, now)
        name = (KEY_NAMES.get(key, key), "key" if possible else "faint")
        entries.append([(" ", ""), name, (f" {action.label} ", "dim" if possible else "faint")])
    always = entries[-2:]
    room = width - sum(map(row_width, always))
    row: Row = []
    for entry in entries[:-2]:
        if row_width(row) + row_width(entry) > room:
            break
        row += entry
    return [fit_row([span for entry in (row, *always) for span in entry], width)]
