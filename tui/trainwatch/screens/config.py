"""The page of the configuration: a tree to search and fold, and what differs from another run. Writes nothing."""

import asyncio
from functools import partial
from pathlib import Path

from rundir import layout
from rundir.layout import RunDir
from rundir.status import known_status
from trainwatch.actions import Action
from trainwatch.export.sheet import Texts, harmless
from trainwatch.feed import Opened, read_opened
from trainwatch.keyname import shown
from trainwatch.paint import Row
from trainwatch.panes import hints
from trainwatch.panes.config_page import HEAD_LINES, paint_config, paint_setting
from trainwatch.remote.run import RemoteRun
from trainwatch.screens.choose import Choose
from trainwatch.screens.page import PageScreen
from trainwatch.settings.tree import Settings, SettingsTree, TreeLine, settings_of
from trainwatch.widgets.pane import Pane

_MOVES = {"down": 1, "up": -1, "page-down": 10, "page-up": -10, "first": -(10**6), "last": 10**6}


class ConfigScreen(PageScreen):
    """Owns the tree, and the run that it is held against."""

    SCREEN = "config"
    HINTS = hints.CONFIG
    FIRST_TO_GO = ("theme", "down", "fold-all", "fold", "all")
    HAS_DETAIL = True

    other = ""
    """Id of the run that it is held against."""
    _other_settings: Settings | None = None
    _opened: Opened | None = None
    _stamp: int = 0
    """Of the run.json that `_opened` was read from."""

    def on_mount(self) -> None:
        self.tree_of_settings = SettingsTree([self._own()])

    def _own(self) -> Settings:
        """As run.json is now: that of a run which began when its page was opened is written later."""
        store = self.front.store
        stamp = _stamp(store.run.run_json)
        if self._opened is None or stamp != self._stamp:
            self._opened, self._stamp = read_opened(store.run), stamp
        return settings_of(store.run, self._opened.config, self._opened.info, store.status, store.gpus)

    def renewed(self) -> None:
        """A run that began just now has a device and a run.json only later."""
        own = self._own()
        if own != self.tree_of_settings.runs[0]:
            self.tree_of_settings.runs[0] = own

    # --- painting ---------------------------------------------------------------------------------------------------

    def paint_body(self, width: int, height: int) -> list[Row]:
        return paint_config(self.tree_of_settings, self.other, width, height)

    def paint_detail(self, width: int, height: int) -> list[Row]:
        return paint_setting(self.line, self.tree_of_settings, width, height)

    @property
    def line(self) -> TreeLine | None:
        lines = self.tree_of_settings.lines()
        return lines[self.tree_of_settings.index(lines)] if lines else None

    # --- keys -------------------------------------------------------------------------------------------------------

    def refusal_of(self, action: Action) -> str:
        if action.name == "all" and not self.other:
            return f"{shown(self.key_of('compare'))} chooses a run to compare with first"
        return ""

    def do_here(self, action: str) -> None:
        tree = self.tree_of_settings
        if action in _MOVES:
            tree.move(_MOVES[action])
            return
        match action:
            case "fold":
                tree.toggle()
            case "fold-all":
                tree.close_all()
            case "unfold-all":
                tree.open_all()
            case "filter":
                self.open_filter(tree.text, "train  lr  -alerts")
            case "compare":
                self._ask_other()
            case _:
                tree.only_differing = not tree.only_differing

    def copied(self) -> str:
        """The chosen key as `--set` takes it."""
        line = self.line
        if line is None or line.is_table:
            return super().copied()
        return f"{line.path}={line.values[0] or ''}"

    def data(self) -> Texts:
        tree = self.tree_of_settings
        keys = [line for line in tree.lines() if not line.is_table]
        titles = ["key", harmless(self.store.run.id), *([harmless(self.other)] if self.other else [])]
        return Texts(titles, [[harmless(key.path), *(harmless(value or "") for value in key.values)] for key in keys])

    def filtered(self, text: str) -> str:
        self.tree_of_settings.search(text)
        return "" if self.tree_of_settings.lines() else "no key passes"

    def go_back(self) -> None:
        """What narrows the tree, then the comparison, then the page."""
        tree = self.tree_of_settings
        if tree.text:
            tree.text = ""
        elif self.other:
            self.other = ""
            del tree.runs[1:]
        else:
            self.app.pop_screen()

    def on_pane_chosen(self, message: Pane.Chosen) -> None:
        tree, lines = self.tree_of_settings, self.tree_of_settings.lines()
        at = tree.top + message.y - HEAD_LINES
        if message.pane == "body" and message.y >= HEAD_LINES and at < len(lines):
            tree.chosen = lines[at].path
            if lines[at].is_table:
                tree.toggle()
            self.repaint()

    def on_pane_scrolled(self, message: Pane.Scrolled) -> None:
        self.tree_of_settings.move(-1 if message.lines > 0 else 1)
        self.repaint()

    # --- another run ------------------------------------------------------------------------------------------------

    def _ask_other(self) -> None:
        self.run_worker(self._list_others(), name="list", exit_on_error=True)

    async def _list_others(self) -> None:
        run = self.front.store.run
        # Of another host, what the table has copied.
        root = run.mirror.table_dir if isinstance(run, RemoteRun) else run.path.parent
        found = await asyncio.to_thread(layout.find_runs, root)
        others = {other.id: other for other in found if other.id != run.id}
        if not others:
            self.say(f"there is no other run in {root}")
            return
        ask = Choose("what differs from which run?", list(others))
        self.app.push_screen(ask, partial(self._chosen, others))

    def _chosen(self, others: dict[str, RunDir], run_id: str | None) -> None:
        if run_id is not None:
            self.run_worker(self._hold_against(others[run_id]), name="read", exclusive=True, exit_on_error=True)

    async def _hold_against(self, other: RunDir) -> None:
        settings = await asyncio.to_thread(_read, other)
        if not settings.facts:
            self.say(f"{other.id}: no configuration can be read")
            return
        tree = self.tree_of_settings
        self.other = other.id
        tree.runs[1:] = [settings]
        tree.only_differing = True
        self.repaint()


def _stamp(path: Path) -> int:
    """Changes with the file; 0 while there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _read(run: RunDir) -> Settings:
    """In a thread."""
    opened = read_opened(run)
    return settings_of(run, opened.config, opened.info, known_status(run.status_json))
