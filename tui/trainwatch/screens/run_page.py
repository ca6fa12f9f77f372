"""What pages above a run's own have in common that show what that one has read. Owns no records."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, cast

from trainwatch.paint import Row
from trainwatch.panes.footer import paint_status
from trainwatch.remote.run import place_of
from trainwatch.screens.ask import Help
from trainwatch.screens.panes import PaneScreen
from trainwatch.store import Store
from trainwatch.travel.past import Past
from trainwatch.travel.whole import read_past
from trainwatch.widgets.pane import Pane

if TYPE_CHECKING:
    from trainwatch.app import TrainwatchApp
    from trainwatch.screens.run import RunScreen

LOOK_S = 0.25
"""Between two looks at whether the run's page has read, or said, anything new."""


class RunPage(PaneScreen):
    """Reads the store of the run's page, which goes on filling it, and gives orders through that page."""

    STAYS = "the run goes on"

    def __init__(self, front: "RunScreen") -> None:
        super().__init__()
        self.front = front
        self.pointed = ""
        """What the pointer is on, in words."""
        self._seen: tuple[object, ...] = ()

    @property
    def store(self) -> Store:
        return self.front.store

    def on_mount(self) -> None:
        self.place_panes()
        self.set_interval(LOOK_S, self._look)

    def _look(self) -> None:
        seen = (self.store.revision, self.front.view.notice, self.front.view.trouble)
        if seen != self._seen:
            self._seen = seen
            self.repaint()

    async def follow_past(self, store: Store, show: Callable[[Past, float], Awaitable[None]]) -> None:
        """Stand where the run's page does, which may be playing: `show` what was at each of its times, once all of
        the run, as `store` has it, was read."""
        try:
            past = await asyncio.to_thread(read_past, store.run, store.opened)
        except OSError as error:
            self.say(f"cannot read the run: {error}")
            return
        while True:
            at = self.front.as_of
            if at is not None and at != past.at:
                await show(past, at)
                self.repaint()
            await asyncio.sleep(LOOK_S)

    def on_pane_pointed(self, message: Pane.Pointed) -> None:
        pointed = self.hint(message.pane, message.x)
        if pointed != self.pointed:
            self.pointed = pointed
            self.repaint()

    @property
    def subject(self) -> str:
        return self.store.run.id

    def copied(self) -> str:
        return place_of(self.store.run)

    def say(self, notice: str) -> None:
        self.front.view.notice = notice
        self.repaint()

    def paint_status(self, width: int) -> list[Row]:
        view, quit_key = self.front.view, "" if "keys" in self.places else self.key_of("quit")
        read_only = view.read_only or bool(self.store.opened.source)
        return paint_status(
            self.store,
            width,
            view.notice,
            self.pointed,
            read_only=read_only,
            quit_key=quit_key,
            trouble=view.trouble,
            as_of=view.as_of,
        )

    def do_anywhere(self, action: str) -> None:
        """What every page does alike."""
        match action:
            case "theme":
                cast("TrainwatchApp", self.app).next_theme()
            case "help":
                self.app.push_screen(Help(self.rows, (("ctrl+p", "palette", "every action by name"),)))
            case _:
                self.app.exit()
