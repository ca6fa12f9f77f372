"""One alert with its curve, causes and fixes; a key gives the order of a fix, once it was confirmed."""

import asyncio
import os
import re
import time
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from rundir import checkpoint_dir, control, process
from rundir.alerts.anew import command_anew
from rundir.control import Order, new_order_id
from rundir.orders import command_of
from rundir.records import AlertEvent, CheckpointEvent
from rundir.series import STEP_FIELDS
from rundir.text import plain
from trainwatch.actions import CHART_ACTIONS, order_refusal
from trainwatch.checkpoints.row import Health
from trainwatch.dashboard import situation
from trainwatch.evidence import Case, Fix, case_of, cases_of, drawn_by, fixes_of
from trainwatch.feed import Feed
from trainwatch.layout import Layout
from trainwatch.lens import ZOOM, Extent, Lens, XAxis, words, zoomed
from trainwatch.metric import Lines, marked_words
from trainwatch.paint import Row
from trainwatch.panes import hints
from trainwatch.panes.chart import Scales, paint_chart
from trainwatch.panes.evidence import (
    Line,
    advice_lines,
    arrange_evidence,
    evidence_chart,
    extent_around,
    paint_evidence_header,
    paint_lines,
    said_lines,
    seen_lines,
)
from trainwatch.panes.footer import line_of
from trainwatch.panes.orders import words_of
from trainwatch.remote.run import RemoteRun
from trainwatch.screens.ask import Confirm
from trainwatch.screens.panes import Command, dragged, looked, said_of_copy
from trainwatch.screens.run_page import RunPage
from trainwatch.store import Store
from trainwatch.travel.past import Past
from trainwatch.widgets.pane import Pane

if TYPE_CHECKING:
    from trainwatch.screens.run import RunScreen

_LENS_NAMES = {action.name for action in CHART_ACTIONS}
_SCROLLS = {"down": 1, "up": -1, "page-down": 10, "page-up": -10}
_FIRST_TO_GO = ("theme", "cursor-right", "smoother", "outliers", "log", "pan-right", "fit", "zoom-in", "down")
QUESTION_WIDTH = 66
"""Cells of a line of a question."""
POLL_S = 1.0
STILL_POLL_S = 15.0


class EvidenceScreen(RunPage):
    """Owns how the alert is looked at; and a store with every column, where the run's own lacks the one to be drawn."""

    PANE_NAMES = ("header", "chart", "seen", "advice", "status", "keys")
    CHART_PANES = frozenset({"chart"})
    HINTS = hints.EVIDENCE
    SCREEN = "evidence"

    def __init__(self, front: "RunScreen", event: AlertEvent) -> None:
        super().__init__(front)
        self._event = event
        self._cases: tuple[object, list[Case]] = (None, [])
        self._fixes: tuple[object, list[Fix]] = (None, [])
        self._front_lines = Lines(self.store)
        self._own: Lines | None = None
        self._feed: Feed | None = None
        """Of a store of our own."""
        self._lens: Lens | None = None
        """None: as much as shows the alert."""
        self._around: Extent | None = None
        self._scales = Scales()
        self._scroll = {"seen": 0, "advice": 0}

    # --- what is shown ----------------------------------------------------------------------------------------------

    @property
    def _known(self) -> object:
        """The same as long as nothing new is known. In the past there is another store for each step back."""
        return self.store, self.store.revision

    @property
    def _lines(self) -> Lines:
        if self._front_lines.store is not self.store:
            self._front_lines = Lines(self.store)
        return self._front_lines

    @property
    def cases(self) -> list[Case]:
        if self._cases[0] != self._known:
            self._cases = self._known, cases_of(self.store.told)
        return self._cases[1]

    @property
    def case(self) -> Case:
        return case_of(self._event, self.cases)

    @property
    def fixes(self) -> list[Fix]:
        if self._fixes[0] != self._known:
            self._fixes = self._known, fixes_of(self.case, self.store, self._is_kept)
        return self._fixes[1]

    def _is_kept(self, checkpoint: CheckpointEvent) -> bool:
        """Of a run elsewhere nobody here knows; the run itself then says what there is."""
        if isinstance(self.store.run, RemoteRun):
            return True
        path, checks = self.store.run.path / checkpoint.path, self.front.checks.items()
        if any(of == checkpoint.path and check.health is Health.DAMAGED for (of, _), check in checks):
            return False
        # Not Path.exists: a damaged line may name anything.
        return os.path.exists(path) if self.store.by_script else checkpoint_dir.is_whole(path)

    def refusal(self, fix: Fix) -> str:
        """Why the order of a fix cannot be given now; empty where it can, or where there is none."""
        if fix.verb is None or fix.args is None:
            return ""
        said = words_of(fix.verb, dict(fix.args))
        return order_refusal(fix.verb, fix.args.keys(), situation(self.store, self.front.view), said)

    @property
    def _reference(self) -> str:
        return self.store.opened.far_path or self.store.opened.reference

    def arranged(self, width: int, height: int) -> Layout:
        return arrange_evidence(width, height)

    def paint(self, name: str, width: int, height: int) -> list[Row]:
        match name:
            case "header":
                return paint_evidence_header(self.case, self.store, width)
            case "chart":
                return self._paint_chart(width, height)
            case "seen" | "advice":
                lines = self._text(name, _text_width(width))
                self._scroll[name] = min(self._scroll[name], max(0, len(lines) - max(0, height - 2)))
                title = "what was seen" if name == "seen" else "causes and fixes"
                return paint_lines(title, lines, width, height, self._scroll[name])
            case "status":
                return self.paint_status(width)
            case _:
                label = self._apply_label
                rows = [replace(row, label=label) if row.name == "apply" else row for row in self.rows]
                return line_of(rows, width, _FIRST_TO_GO)

    def _text(self, name: str, width: int) -> list[Line]:
        """Where there is one pane for all of it, what is to be done comes before the figures."""
        case = self.case
        if name == "seen":
            return [*said_lines(case, width), Line([]), *seen_lines(case, self.cases, self.store, width)]
        advice = advice_lines(case, self.fixes, self._reference, self.store.opened.host, self.refusal, width)
        if "seen" in self.places:
            return advice
        seen = seen_lines(case, self.cases, self.store, width)
        return [*said_lines(case, width), Line([]), *advice, Line([]), *seen]

    # --- the curve --------------------------------------------------------------------------------------------------

    def _paint_chart(self, width: int, height: int) -> list[Row]:
        name, lines = self._drawn()
        line = lines.line(name, XAxis.STEP)
        self._around = extent_around(self.case, line.x) if line is not None else None
        lens = self._lens or Lens(seen=self._around)
        chart = evidence_chart(name, self.case, lines, lens, is_read=lines.store.caught_up)
        rows, self._scales = paint_chart(chart, width, height, self._scales, lens)
        return rows

    def _drawn(self) -> tuple[str, Lines]:
        """The metric to be drawn, and whose: the run's page has read a few columns, this one reads all where needed."""
        names = drawn_by(self.case)
        for name in names:
            if self._lines.line(name, XAxis.STEP) is not None:
                return name, self._lines
            if self._own is None and self.store.caught_up:
                self._own = Lines(Store(self.store.run, self.store.opened))
                is_now = self.front.playhead is None
                read = self._read_own(self._own.store) if is_now else self.follow_past(self.store, self._show_past)
                self.run_worker(read, name="read", exit_on_error=True)
            if self._own is None or not self._own.store.caught_up or self._own.line(name, XAxis.STEP) is not None:
                return name, self._own or self._lines
        return names[0], self._own or self._lines

    @property
    def is_read(self) -> bool:
        """Whether what is drawn is all there is."""
        return self.store.caught_up and (self._own is None or self._own.store.caught_up)

    async def _read_own(self, store: Store) -> None:
        """Ask for a batch, apply it, wait. The next is asked for only when the last was applied."""
        self._feed = Feed(store.run, STEP_FIELDS, whole_machine=True)
        while True:
            batch = await asyncio.to_thread(self._feed.polled)
            if isinstance(batch, OSError):
                self.say(f"cannot read the run: {batch}")
            else:
                store.apply(batch)
            if isinstance(batch, OSError) or batch.at_end:
                self.repaint()
                await asyncio.sleep(STILL_POLL_S if store.is_still else POLL_S)

    async def _show_past(self, past: Past, at: float) -> None:
        self._own = Lines(past.seek(at))

    def on_unmount(self) -> None:
        if self._own is not None and self._feed is not None:
            self._feed.close()
            self._own.let_go()

    # --- keys and pointer -------------------------------------------------------------------------------------------

    def commands(self) -> Iterable[Command]:
        for action in self.rows:
            fix = self._fix_of(action.name)
            why = "" if fix is None else _none_of(fix) or self.refusal(fix)
            if fix is not None or not action.name.startswith("fix-"):
                yield Command(action.name.replace("-", " "), action.help if fix is None else fix.text, action.name, why)

    def _fix_of(self, action: str) -> Fix | None:
        """The fix that an action is about; None for an action about none, or one that there is not."""
        if action == "apply":
            can = (fix for fix in self.fixes if fix.args is not None and not self.refusal(fix))
            return next(can, None) or next((fix for fix in self.fixes if fix.verb is not None or fix.anew), None)
        number = int(action.removeprefix("fix-")) if action.startswith("fix-") else 0
        return self.fixes[number - 1] if 0 < number <= len(self.fixes) else None

    @property
    def _apply_label(self) -> str:
        """What `apply` comes to now; empty where to nothing."""
        fix = self._fix_of("apply")
        if fix is None:
            return ""
        if not (_none_of(fix) or self.refusal(fix)):
            return "apply"
        return "copy" if self._begins_anew(fix) else ""

    def _begins_anew(self, fix: Fix) -> bool:
        return bool(fix.anew) and (fix.args is None or self.store.has_ended)

    def do(self, action: str) -> None:
        self.front.view.notice = self.pointed = ""
        if action in _LENS_NAMES:
            lens = self._lens or Lens(seen=self._around)
            lens, self.front.view.notice = looked(action, lens, self._scales.whole)
            self._lens = lens if self._scales.whole is not None else self._lens
        elif action in _SCROLLS:
            for name in self._scroll:
                self._scroll[name] = max(0, self._scroll[name] + _SCROLLS[action])
        else:
            self._do_other(action)
        self.repaint()

    def _do_other(self, action: str) -> None:
        match action:
            case "back":
                self.let_go()
                undone, self._lens = self._otherwise, None
                if undone:
                    self.say(f"the chart as it was: no more {undone}")
                else:
                    self.app.pop_screen()
            case "theme" | "help" | "quit":
                self.do_anywhere(action)
            case _:
                fix = self._fix_of(action)
                if fix is None and action != "apply":
                    self.say(f"there is no {action.replace('-', ' ')}")
                else:
                    self._ask(fix)

    @property
    def _otherwise(self) -> str:
        """How the chart is looked at otherwise than at first, in words."""
        if self._lens is None:
            return ""
        seen = None if self._lens.seen == self._around else self._lens.seen or self._scales.whole
        cursor = "crosshair" if self._lens.cursor is not None else ""
        return " · ".join(filter(None, (words(replace(self._lens, seen=seen)), cursor)))

    def _ask(self, fix: Fix | None) -> None:
        """Show the order that a fix comes to, in full, and give it once it was confirmed."""
        if fix is None:
            self.say("no fix of this alert is an order" if self.fixes else "nothing is known that helps")
        elif why := _none_of(fix) or self.refusal(fix):
            self._offer_anew(fix, why)
        elif fix.verb is not None:
            order = Order(
                verb=fix.verb, id=new_order_id(), args=dict(fix.args or {}), by=f"trainwatch:{process.user()}"
            )
            self.app.push_screen(Confirm(fix.text, "", self._in_full(order)), partial(self._answered, order))

    def _offer_anew(self, fix: Fix, why: str) -> None:
        """No order does a fix now: the command of a new run that does is copied, where there is one."""
        if not self._begins_anew(fix):
            self.say(why)
            return
        command = command_anew(self._reference, fix.anew)
        self.app.copy_to_clipboard(command)
        start, _, changed = command.partition(" --set ")
        where = f"on {self.store.opened.host}: " if self.store.opened.host else ""
        self.say(said_of_copy(f"--set {changed}", f"{where}{start}"))

    def _in_full(self, order: Order) -> str:
        host = self.store.opened.host
        command = command_of(order.verb, order.args, self._reference)
        line = _broken_after_commas(control.line_of(order).decode().rstrip("\n"))
        where = f"on {host}, " if host else ""
        return (
            f"{where}as a command:\n{plain(command)}\n\n"
            f"{where}what is written for the run, with the time at which it is (`at`):\n{line}"
        )

    def _answered(self, order: Order, answer: bool | None) -> None:
        if answer:
            self.front.give(msgspec.structs.replace(order, at=time.time()))
        else:
            self.say(f"{order.verb}: not sent")

    def on_pane_chosen(self, message: Pane.Chosen) -> None:
        if message.pane != "advice" or message.y < 1:
            return
        lines = self._text("advice", _text_width(self.places["advice"].width))
        at = self._scroll["advice"] + message.y - 1
        fix = self.fixes[lines[at].fix] if at < len(lines) and lines[at].fix >= 0 else None
        if fix is not None and (fix.verb is not None or fix.anew):
            self._ask(fix)

    def on_pane_scrolled(self, message: Pane.Scrolled) -> None:
        if message.pane in self._scroll:
            self._scroll[message.pane] = max(0, self._scroll[message.pane] - message.lines)
        elif message.pane == "chart" and self._scales.whole is not None:
            factor = 1 / ZOOM if message.lines > 0 else ZOOM
            at = self._scales.at(message.x, self.places["chart"].width)
            self._lens = zoomed(self._lens or Lens(seen=self._around), self._scales.whole, factor, at)
        self.repaint()

    def on_pane_pointed(self, message: Pane.Pointed) -> None:
        """The crosshair stands where the pointer is in the chart."""
        lens = self._lens
        at = self._scales.at(message.x, self.places["chart"].width) if message.pane == "chart" else None
        if at is not None or (lens is not None and lens.cursor is not None):
            lens = replace(lens or Lens(seen=self._around), cursor=at)
        if lens != self._lens:
            self._lens = lens
            self.repaint()

    def on_pane_dragged(self, message: Pane.Dragged) -> None:
        """A stretch of the axis is chosen, and seen alone once the button is let go."""
        if self._scales.whole is not None:
            lens, width = self._lens or Lens(seen=self._around), self.places["chart"].width
            self._lens = dragged(lens, self._scales.whole, message, self._scales, width)
            self.pointed = marked_words(self._lens) or self.hint(message.pane, message.x)
            self.repaint()


def _broken_after_commas(line: str) -> str:
    """A line of JSON has no blanks to break it at."""
    lines = [""]
    for part in re.findall(r"[^,]*,|[^,]+", plain(line)):
        if lines[-1] and len(lines[-1]) + len(part) > QUESTION_WIDTH:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def _text_width(width: int) -> int:
    return max(12, width - 3)


def _none_of(fix: Fix) -> str:
    """Why a fix is no order that could be given; empty where it is one."""
    if fix.verb is None:
        return f"no order does that: {fix.text}"
    return fix.missing
