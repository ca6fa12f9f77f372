"""The page of checkpoints: looks at the directory, verifies in the background, turns keys into orders. Asks first."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial

from rundir import checkpoint_dir, manifest, process
from rundir.checkpoint_dir import NotDoneError
from rundir.control import Order, Verb, new_order_id
from rundir.manifest import InvalidCheckpointError
from rundir.size import size
from rundir.text import plain
from trainwatch import format as fmt
from trainwatch.actions import Action, refusal
from trainwatch.checkpoints.row import Check, CheckpointRow, Health, metric_names, rows_of
from trainwatch.checkpoints.shelf import Found, Shelf, look
from trainwatch.dashboard import situation
from trainwatch.export.sheet import Texts, harmless
from trainwatch.listing.removal import StillAliveError, unattended
from trainwatch.paint import Row
from trainwatch.panes import hints
from trainwatch.panes.checkpoints import paint_checkpoint, paint_checkpoints
from trainwatch.panes.page import window
from trainwatch.remote.run import RemoteRun
from trainwatch.screens.ask import Confirm, Prompt
from trainwatch.screens.page import PageScreen
from trainwatch.store import OrderView
from trainwatch.widgets.pane import Pane

_MOVES = {"down": 1, "up": -1, "page-down": 10, "page-up": -10, "first": -(10**6), "last": 10**6}
HEAD_LINES = 2
"""Of the table's box: its edge and the names of the columns."""


class _LeftError(Exception):
    """The page was closed while files were read."""


class CheckpointsScreen(PageScreen):
    """Owns what was seen in the directory, and which one is chosen."""

    SCREEN = "checkpoints"
    HINTS = hints.CHECKPOINTS
    FIRST_TO_GO = ("theme", "down", "verify", "keep", "rollback-here")
    HAS_DETAIL = True

    shelf: Shelf | None = None
    chosen = ""
    """Path of the chosen one: it stays the same when newer ones come."""
    top = 0
    _num_bytes_read = 0
    _looked_for: object = None
    _has_left = False

    def on_mount(self) -> None:
        self._wanted: list[Found] = []
        self.renewed()

    def on_unmount(self) -> None:
        self._has_left = True
        for stamp, check in list(self.front.checks.items()):
            if check.health is Health.CHECKING:
                del self.front.checks[stamp]

    # --- reading ----------------------------------------------------------------------------------------------------

    def renewed(self) -> None:
        """Look again where a checkpoint was written, or an order answered."""
        store = self.front.store
        answered = sum(order.outcome is not None for order in store.orders.values())
        now = (len(store.checkpoints), answered, store.attempt, store.caught_up)
        if now != self._looked_for:
            self._looked_for = now
            self.run_worker(self._look_again(), name="look", exclusive=True, group="look", exit_on_error=True)

    async def _look_again(self) -> None:
        store = self.front.store
        named = {event.path: event.step or 0 for event in store.checkpoints} if store.by_script else {}
        try:
            self.shelf = await asyncio.to_thread(look, store.run, named)
        except OSError as error:
            self.shelf = self.shelf or Shelf()
            self.say(f"cannot read the checkpoints: {error}")
        self.repaint()

    def seen(self) -> tuple[object, ...]:
        return (*super().seen(), self._num_bytes_read, int(self.front.view.now) // 10)

    @property
    def table(self) -> tuple[CheckpointRow, ...]:
        return rows_of(self.front.store, self.shelf, self.front.checks) if self.shelf is not None else ()

    def _index(self, rows: tuple[CheckpointRow, ...]) -> int:
        return next((i for i, row in enumerate(rows) if row.found.path == self.chosen), 0)

    @property
    def row(self) -> CheckpointRow | None:
        rows = self.table
        return rows[self._index(rows)] if rows else None

    # --- painting ---------------------------------------------------------------------------------------------------

    def paint_body(self, width: int, height: int) -> list[Row]:
        rows = self.table
        chosen = self._index(rows)
        self.top = window(chosen, self.top, len(rows), height - 1 - HEAD_LINES)
        is_read = self.shelf is not None
        names = metric_names(rows, self.front.store.opened.config)
        return paint_checkpoints(rows, chosen, self.top, width, height, self.front.view.now, names, is_read=is_read)

    def paint_detail(self, width: int, height: int) -> list[Row]:
        row = self.row
        return paint_checkpoint(row, self._place(row) if row is not None else "", width, height)

    def _place(self, row: CheckpointRow) -> str:
        """Its path where it is, as a program there understands it."""
        store = self.front.store
        base = store.opened.far_path or str(store.run.path.resolve())
        return f"{base}/{row.found.path}"

    def copied(self) -> str:
        row = self.row
        return self._place(row) if row is not None else super().copied()

    def data(self) -> Texts:
        table = self.table
        metrics = metric_names(table, self.front.store.opened.config)
        titles = ["path", "step", "epoch", "size_bytes", "at", "kept_as", "best", "valid", *map(harmless, metrics)]
        return Texts(titles, [_cells(row, metrics) for row in table])

    # --- keys -------------------------------------------------------------------------------------------------------

    def refusal_of(self, action: Action) -> str:
        row = self.row
        if action.verb is None:
            return "" if row is not None or action.name not in ("verify", "verify-all") else "no checkpoint yet"
        now = situation(self.front.store, self.front.view)
        if now.read_only:
            return "read-only: nothing is written to this run"
        if row is None:
            return "no checkpoint yet"
        if now.by_script:
            return f"a script's run knows no {action.verb}: its files are its own"
        if not row.is_current:
            return "it was put aside: the run does not go back to it"
        if self._is_attended:
            return refusal(action, now)
        if action.verb is Verb.ROLLBACK or isinstance(self.front.store.run, RemoteRun):
            on = f"on {now.host}: " if now.host else ""
            return f"{on}nobody attends the run: traind {action.verb} {now.reference} --step {row.step}"
        return ""

    @property
    def _is_attended(self) -> bool:
        """Whether an order would be heard, or nobody here can say that it would not."""
        return not self.front.store.is_still

    def do_here(self, action: str) -> None:
        row = self.row
        if action in _MOVES:
            self._move(_MOVES[action])
        elif row is None:
            return
        elif action in ("verify", "verify-all"):
            self._verify([row.found] if action == "verify" else [each.found for each in self.table])
        else:
            self._ask(action, row)

    def _move(self, by: int) -> None:
        rows = self.table
        if rows:
            self.chosen = rows[max(0, min(self._index(rows) + by, len(rows) - 1))].found.path

    def on_pane_chosen(self, message: Pane.Chosen) -> None:
        at, rows = self.top + message.y - HEAD_LINES, self.table
        if message.pane == "body" and message.y >= HEAD_LINES and at < len(rows):
            self.chosen = rows[at].found.path
            self.repaint()

    def on_pane_scrolled(self, message: Pane.Scrolled) -> None:
        self._move(-1 if message.lines > 0 else 1)
        self.repaint()

    # --- orders -----------------------------------------------------------------------------------------------------

    def _ask(self, action: str, row: CheckpointRow) -> None:
        match action:
            case "rollback-here":
                self.app.push_screen(
                    Confirm(self._rollback_question(row), self.key_of(action)), partial(self._roll_back, row)
                )
            case "rollback-lower":
                hint = "the lower of the learning rates now and then, times this; esc: not"
                factor = Prompt(f"{self._rollback_question(row)}  Learning rate times:", hint, _factor, "0.5")
                self.app.push_screen(factor, partial(self._roll_back_lower, row))
            case "keep" if row.found.marked:
                question = (
                    f"keep step {fmt.count(row.step)} no more?  It goes with the next save, if nothing else keeps it."
                )
                self.app.push_screen(Confirm(question, self.key_of(action)), partial(self._keep_no_more, row))
            case "keep":
                self._carry_out(Verb.KEEP, row, {"step": row.step})
            case _:
                self.app.push_screen(Confirm(_discard_question(row), self.key_of(action)), partial(self._discard, row))

    def _rollback_question(self, row: CheckpointRow) -> str:
        newer = sum(each.is_current and each.step > row.step for each in self.table)
        step, last = fmt.count(row.step), fmt.count(self.front.store.step)
        aside = f"; {newer} newer checkpoint{'s are' if newer > 1 else ' is'} put aside" if newer else ""
        return f"roll back to step {step}?  What was trained from there to step {last} is done again{aside}."

    def _roll_back(self, row: CheckpointRow, answer: bool | None) -> None:
        if answer:
            self._carry_out(Verb.ROLLBACK, row, {"step": row.step})
        else:
            self.say("rollback: not sent")

    def _roll_back_lower(self, row: CheckpointRow, text: str | None) -> None:
        if text is not None:
            self._carry_out(Verb.ROLLBACK, row, {"step": row.step, "lr_factor": _factor(text)})
        else:
            self.say("rollback: not sent")

    def _keep_no_more(self, row: CheckpointRow, answer: bool | None) -> None:
        if answer:
            self._carry_out(Verb.KEEP, row, {"step": row.step, "kept": False})

    def _discard(self, row: CheckpointRow, answer: bool | None) -> None:
        if answer:
            self._carry_out(Verb.DISCARD, row, {"step": row.step})
        else:
            self.say("not deleted")

    def _carry_out(self, verb: Verb, row: CheckpointRow, args: dict[str, object]) -> None:
        """By an order where somebody attends the run; else here, its lock held meanwhile."""
        if self._is_attended or isinstance(self.front.store.run, RemoteRun):
            by = f"trainwatch:{process.user()}"
            self.front.give(Order(verb=verb, id=new_order_id(), args=args, at=time.time(), by=by))
            self.repaint()
        else:
            self.run_worker(self._do_here(verb, row, kept=args.get("kept", True) is True), exit_on_error=True)

    async def _do_here(self, verb: Verb, row: CheckpointRow, *, kept: bool) -> None:
        step = fmt.count(row.step)
        try:
            await asyncio.to_thread(self._done_here, verb, row.step, kept=kept)
        except (NotDoneError, StillAliveError, OSError) as error:
            self.say(f"{verb} of step {step} was not done: {error}")
        else:
            words = {Verb.DISCARD: "was deleted", Verb.KEEP: "is kept" if kept else "is kept no more"}
            self.say(f"step {step} {words[verb]}")
        await self._look_again()

    def _done_here(self, verb: Verb, step: int, *, kept: bool) -> None:
        """In a thread."""
        store = self.front.store
        with unattended(store.run):
            if verb is Verb.KEEP:
                by = f"trainwatch:{process.user()}"
                checkpoint_dir.mark(store.run, step, kept=kept, at=time.time(), by=by)
            else:
                checkpoint_dir.discard(store.run, step, needed=self._needed())

    def _needed(self) -> set[int]:
        store = self.front.store
        if store.has_ended:
            return set()
        back = [order for order in store.orders.values() if order.verb == Verb.ROLLBACK and _is_applied(order)]
        steps = [order.outcome.args["step"] for order in back if order.outcome is not None and order.outcome.args]
        needed = checkpoint_dir.needed(store.run)
        return needed | (checkpoint_dir.needed(store.run, at_most=steps[-1]) if steps else set())

    # --- verifying --------------------------------------------------------------------------------------------------

    def _verify(self, wanted: list[Found]) -> None:
        if self.shelf is None or not self.shelf.is_here:
            self.say("the files are on another host: they are verified there")
            return
        waiting = {found.stamp for found in self._wanted}
        self._wanted += [found for found in wanted if found.stamp not in waiting]
        for found in wanted:
            self.front.checks[found.stamp] = Check(Health.CHECKING)
        self.run_worker(self._verify_all(), name="verify", group="verify", exit_on_error=True)

    async def _verify_all(self) -> None:
        """One after the other; a second call finds nothing left to do."""
        while self._wanted:
            found = self._wanted.pop(0)
            self._num_bytes_read = 0
            progress = self.set_interval(0.3, partial(self._say_progress, found))
            check = await asyncio.to_thread(self._checked, found)
            progress.stop()
            if check is not None:
                self.front.checks[found.stamp] = check
            self.repaint()

    def _say_progress(self, found: Found) -> None:
        share = self._num_bytes_read / max(1, found.size_bytes or 0)
        self.front.checks[found.stamp] = Check(Health.CHECKING, min(0.99, share))
        self.repaint()

    def _checked(self, found: Found) -> Check | None:
        """In a thread. None where nobody waits for it any more."""
        try:
            manifest.verify(self.front.store.run.path / found.path, on_read=self._on_read)
        except InvalidCheckpointError as error:
            return Check(Health.DAMAGED, fault=str(error))
        except _LeftError:
            return None
        return Check(Health.WHOLE)

    def _on_read(self, num_bytes: int) -> None:
        self._num_bytes_read += num_bytes
        if self._has_left:
            raise _LeftError


def _cells(row: CheckpointRow, metrics: Sequence[str]) -> list[str]:
    known = [row.step, row.epoch, row.size_bytes, row.at]
    return [
        harmless(row.found.path),
        *("" if value is None else repr(value) for value in known),
        harmless(", ".join(row.kept_for)),
        str(row.is_best).lower(),
        str(row.check.health),
        *(repr(row.metrics[name]) if name in row.metrics else "" for name in metrics),
    ]


def _is_applied(order: OrderView) -> bool:
    return order.outcome is not None and order.outcome.result == "applied"


def _discard_question(row: CheckpointRow) -> str:
    what = f" ({size(row.size_bytes)})" if row.size_bytes else ""
    kept = f"  It is kept as: {plain(', '.join(row.kept_for))}." if row.kept_for else ""
    newest = "  A resume would go on from an older one." if row.is_newest else ""
    return f"delete the checkpoint of step {fmt.count(row.step)}{what}?  Its files go for good.{kept}{newest}"


def _factor(text: str) -> float:
    """As typed. Raises ValueError with a reason in words."""
    try:
        value = float(text.strip())
    except ValueError:
        raise ValueError(f"{text.strip()[:20]!r} is not a number; write 0.5 for half") from None
    if not 0 < value <= 1000:
        raise ValueError("above 0 and at most 1000; 0.5 is half, 1 is the same")
    return value
