"""Which key does what on which screen: the tables of `actions`, and what a person has put on other keys in a TOML.

Which keys are in use is the one thing that this module owns; the command line alone changes it, before there are
screens.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from rundir.text import plain
from trainwatch.actions import (
    CHART_ACTIONS,
    COMPARE_ACTIONS,
    COPIED,
    EVENTS_ACTIONS,
    EVERYWHERE_ACTIONS,
    EVIDENCE_ACTIONS,
    FRONT_CHART_ACTIONS,
    GRID_ACTIONS,
    PAGE_ACTIONS,
    PANES,
    RUNS_ACTIONS,
    SYSTEM_ACTIONS,
    Action,
)
from trainwatch.keyname import key_of, shown, written
from trainwatch.page_actions import CHECKPOINT_ACTIONS, CONFIG_ACTIONS, CONSOLE_ACTIONS, EVAL_ACTIONS

Keymap: TypeAlias = Mapping[str, Mapping[str, str]]
"""Section to name of an action to key; an empty key: in the palette only."""

EVERYWHERE, CHARTS = "everywhere", "charts"
SCREENS: Mapping[str, tuple[Action, ...]] = {
    "runs": (*RUNS_ACTIONS, *EVERYWHERE_ACTIONS),
    "run": (*PAGE_ACTIONS, *FRONT_CHART_ACTIONS, *EVERYWHERE_ACTIONS),
    "metrics": (*GRID_ACTIONS, *EVERYWHERE_ACTIONS),
    "events": (*EVENTS_ACTIONS, *EVERYWHERE_ACTIONS),
    "evidence": (*EVIDENCE_ACTIONS, *EVERYWHERE_ACTIONS),
    "system": (*SYSTEM_ACTIONS, *EVERYWHERE_ACTIONS),
    "compare": (*COMPARE_ACTIONS, *EVERYWHERE_ACTIONS),
    "checkpoints": (*CHECKPOINT_ACTIONS, *EVERYWHERE_ACTIONS),
    "console": (*CONSOLE_ACTIONS, *EVERYWHERE_ACTIONS),
    "config": (*CONFIG_ACTIONS, *EVERYWHERE_ACTIONS),
    "evals": (*EVAL_ACTIONS, *EVERYWHERE_ACTIONS),
}
"""Everything that has a key on a screen, as it is without a file."""
_ALWAYS = ("ctrl+p", "ctrl+c", "ctrl+q")
FIXED: Mapping[str, tuple[str, ...]] = {
    "runs": (*_ALWAYS, "up", "down", "k", "j", "home", "end", "pageup", "pagedown"),
    "run": (*_ALWAYS, *map(str, PANES), "up", "down", "pageup", "pagedown"),
}
"""Keys of a screen that are in no table, and stay: those that move and scroll, among them."""

_in_use: list[Keymap] = [{}]


class KeymapError(Exception):
    """A file of keys that cannot be used: which, where in it, and what to do."""


def use(keymap: Keymap) -> None:
    """Take other keys into use, for screens that are made from now on; `{}`: none."""
    _in_use[0] = keymap


def rows(screen: str) -> tuple[Action, ...]:
    """The table of a screen, with the keys that are in use."""
    return _rebound(screen, _in_use[0])


def _rebound(screen: str, keymap: Keymap) -> tuple[Action, ...]:
    table = []
    for given in SCREENS[screen]:
        row = replace(given, help=COPIED.get(screen, given.help)) if given.name == "copy" else given
        section = _said_in(screen, row, keymap)
        table.append(replace(row, key=keymap[section][row.name]) if section else row)
    return tuple(table)


def _said_in(screen: str, row: Action, keymap: Keymap) -> str:
    """The section that gives an action of a screen its key, the nearest first; empty where none does."""
    sections = (screen, CHARTS, EVERYWHERE) if _is_of_charts(row) else (screen, EVERYWHERE)
    return next((section for section in sections if row.name in keymap.get(section, {})), "")


def _is_of_charts(row: Action) -> bool:
    return any(row.name == each.name for each in CHART_ACTIONS)


def sections() -> dict[str, tuple[Action, ...]]:
    """What a file may hold: the actions of each section, those of every screen and of all charts once."""
    names = [{row.name for row in table} for table in SCREENS.values()]
    shared = set.intersection(*names)
    found = {EVERYWHERE: tuple(row for row in SCREENS["run"] if row.name in shared), CHARTS: CHART_ACTIONS}
    for screen, table in SCREENS.items():
        found[screen] = tuple(row for row in table if row.name not in shared and not _is_of_charts(row))
    return found


def default_path() -> Path:
    """Where a file of keys is looked for when none is named."""
    config = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(config) if config.startswith("/") else Path.home() / ".config") / "trainwatch" / "keys.toml"


def read(path: Path | None) -> Keymap:
    """The keys of a file that is named, or of the usual one, which need not be there. Raises KeymapError."""
    wanted = path if path is not None else default_path()
    try:
        text = wanted.read_text(encoding="utf-8")
    except FileNotFoundError:
        if path is None:
            return {}
        raise KeymapError(f"{wanted}: no such file; `trainwatch --print-keys > {wanted}` makes one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise KeymapError(f"{wanted}: cannot be read: {plain(str(error))}") from None
    try:
        return parse(text)
    except ValueError as fault:
        raise KeymapError(f"{wanted}: {plain(str(fault))}") from None


def parse(text: str) -> Keymap:
    """The keys of a file's text. Raises ValueError: the place, what is wrong with it, and the cure."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise ValueError(f"is no TOML: {fault}") from None
    keymap = {section: dict(_section(section, table)) for section, table in document.items()}
    for screen in SCREENS:
        _check(screen, keymap)
    return keymap


def _section(section: str, table: Any) -> Iterator[tuple[str, str]]:
    known = sections()
    if section not in known:
        raise ValueError(f"[{section}]: there is no such screen{_near(section, known)}; there are {', '.join(known)}")
    if not isinstance(table, dict):
        raise ValueError(f"{section}: write [{section}] on a line of its own, and below it the actions")
    names = {row.name for screen in SCREENS.values() for row in screen}
    if section != EVERYWHERE:
        names = {row.name for row in (*known[section], *SCREENS.get(section, ()))}
    for name, key in table.items():
        if name not in names:
            near = _near(name, names)
            raise ValueError(f"[{section}] {name}: there is no such action{near}; `trainwatch --print-keys` lists all")
        if not isinstance(key, str):
            raise ValueError(f'[{section}] {name}: must be a key in quotation marks, as in {name} = "P"')
        yield name, _known_key(f"[{section}] {name}", key) if key else ""


def _known_key(place: str, text: str) -> str:
    try:
        return key_of(text)
    except ValueError:
        raise ValueError(
            f'{place}: there is no key "{text}"; a key is a character, or a name such as '
            "space, enter, escape, f5, pagedown, ctrl+s, alt+x, shift+tab"
        ) from None


def _near(word: str, known: Mapping[str, Any] | set[str]) -> str:
    import difflib  # only what is wrong needs it

    found = difflib.get_close_matches(word, sorted(known), 1)
    return f", did you mean {found[0]}?" if found else ""


def _check(screen: str, keymap: Keymap) -> None:
    """No two actions on one key, but those that share one in the table itself. Raises ValueError."""
    before = {row.name: row.key for row in SCREENS[screen]}
    taken: dict[str, Action] = {}
    for row in filter(lambda row: row.key, _rebound(screen, keymap)):
        other = taken.setdefault(row.key, row)
        if before[other.name] != before[row.name]:
            moved, stayed = (row, other) if row.key != before[row.name] else (other, row)
            raise ValueError(
                f"[{_said_in(screen, moved, keymap)}] {moved.name}: {shown(row.key)} is the key of {stayed.name} "
                f"on the screen {screen}; give one of the two another key"
            )
        if row.key in FIXED.get(screen, _ALWAYS) and row.key != before[row.name]:
            raise ValueError(
                f"[{_said_in(screen, row, keymap)}] {row.name}: {shown(row.key)} has a fixed meaning "
                f"on the screen {screen}; take another key"
            )


def document() -> str:
    """The keys as they are without a file, as a TOML to begin with: every line a comment until it is changed."""
    lines = [
        f"# Which key does what in trainwatch. Kept as {default_path()}, or named by --keys.",
        "# Take the # from a line to change its key: a character, or a name such as space, enter, f5, ctrl+s, alt+x;",
        '# "" leaves the action to the palette (ctrl+p). What a screen says of a key goes before what [charts] says,',
        "# and that before [everywhere], where any action may stand. No two actions of a screen may share a key.",
    ]
    for section, table in sections().items():
        lines += ["", f"[{section}]"]
        entries = [f'# {row.name} = "{written(row.key)}"' for row in table]
        width = max(map(len, entries))
        lines += [f"{entry.ljust(width)}  # {row.help}" for entry, row in zip(entries, table, strict=True)]
    return "\n".join(lines) + "\n"
