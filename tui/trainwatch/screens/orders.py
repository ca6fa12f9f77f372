"""The orders of a run's page: asks what has to be asked, writes them, and says what became of each."""

import asyncio
import time
from functools import partial

from rundir import process
from rundir.control import Order, Verb, new_order_id
from rundir.layout import RunDir
from trainwatch import format as fmt
from trainwatch.actions import Action, Ask, order_refusal, parse_lr
from trainwatch.dashboard import situation
from trainwatch.feed import Opened
from trainwatch.panes.orders import describe, reason_of
from trainwatch.remote.run import RemoteRun, deliver
from trainwatch.screens.ask import Confirm, Prompt
from trainwatch.screens.travel import TravelScreen
from trainwatch.store import Answer


class OrderScreen(TravelScreen):
    """Owns what it has ordered that has no outcome yet. The one place of the dashboard where orders are written."""

    def __init__(self, run: RunDir, opened: Opened, replay: int = 0) -> None:
        super().__init__(run, opened, replay)
        self._awaited: dict[str, Answer] = {}
        """Our own orders that have no outcome yet, by id, and what was last said of each."""
        self._sending: list[Verb] = []
        """Of the orders that are on their way to another host."""

    def hasten(self) -> None:
        """Look at the run at once: something was written for it."""
        raise NotImplementedError

    def ask(self, action: Action) -> None:
        """Ask what the order of an action needs to be asked, and give it."""
        verb = action.verb
        if verb is None:
            return
        match action.ask:
            case Ask.NOTHING:
                self._send(verb, {})
            case Ask.CONFIRM:
                question = f"{action.label} this run?  {action.help[0].upper()}{action.help[1:]}."
                self.app.push_screen(Confirm(question, action.key), partial(self._confirmed, verb))
            case Ask.LR:
                now, peak = self.store.steps.last("lr"), self.store.peak_lr
                hint = f"now {fmt.number(now)}, peak {fmt.number(peak)}; {action.help}"
                value = f"{peak:g}" if peak is not None else ""
                self.app.push_screen(Prompt("peak learning rate", hint, parse_lr, value), self._lr_typed)
            case Ask.TEXT:
                self.app.push_screen(Prompt("note", action.help, _some_text), self._note_typed)

    def _confirmed(self, verb: Verb, answer: bool | None) -> None:
        if answer:
            self._send(verb, {})
        else:
            self.say(f"{verb}: not sent")

    def _lr_typed(self, text: str | None) -> None:
        if text is not None:
            self._send(Verb.SET, {"lr": parse_lr(text)})

    def _note_typed(self, text: str | None) -> None:
        if text is not None:
            self._send(Verb.NOTE, {"text": text.strip()})

    def _send(self, verb: Verb, args: dict[str, object]) -> None:
        self.give(Order(verb=verb, id=new_order_id(), args=args, at=time.time(), by=f"trainwatch:{process.user()}"))

    def give(self, order: Order) -> None:
        """Write an order. It is pending until its outcome is read; a question may have taken long, so look again."""
        verb = order.verb
        if reason := order_refusal(verb, order.args.keys(), situation(self.store, self.view)):
            self.say(reason)
            return
        if isinstance(self.store.run, RemoteRun):  # which may take a while
            if verb in self._sending and verb is not Verb.NOTE:
                self.say(f"{verb} is being sent already")
                return
            self._sending.append(verb)
            self.say(f"{verb}: sending")
            self.run_worker(self._deliver_far(order), name="send", exit_on_error=True)
            return
        host = self.store.status.host if self.store.status is not None else ""
        try:
            deliver(self.store.run, order, host)
        except OSError as error:
            self.say(f"{verb} was not sent: {error}")
            return
        self._sent(order)

    async def _deliver_far(self, order: Order) -> None:
        try:
            await asyncio.to_thread(deliver, self.store.run, order, "")
        except OSError as error:
            self.say(f"{order.verb} was not sent: {error}")
            return
        finally:
            self._sending.remove(order.verb)
        self._sent(order)

    def _sent(self, order: Order) -> None:
        self.live.sent(order)
        self._awaited[order.id] = Answer.PENDING
        self.say(f"{order.verb} sent, pending")
        self.hasten()

    def say_answers(self) -> None:
        """What became of our own orders, once for each change: an outcome may still come after "no answer"."""
        for order_id, said in list(self._awaited.items()):
            order = self.live.orders.get(order_id)
            answer = order.answer(self.live.now) if order is not None else said
            if order is None or answer is said:
                continue
            self.view.notice = ", ".join(filter(None, (f"{describe(order)}: {answer}", reason_of(order, self.live))))
            self._awaited[order_id] = answer
            if order.outcome is not None:
                del self._awaited[order_id]


def _some_text(text: str) -> None:
    if not text.strip():
        raise ValueError("a note needs a text")
