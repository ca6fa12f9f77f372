"""Going back in a run: which moment a page shows, and the keys that move it. What was known then: `travel`."""

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.timer import Timer

from rundir.layout import RunDir
from rundir.records import AlertEvent
from trainwatch.actions import TRAVEL_ACTIONS
from trainwatch.dashboard import View
from trainwatch.export.reading import run_reading, run_sheet
from trainwatch.export.sheet import Table
from trainwatch.feed import Opened
from trainwatch.keyname import shown
from trainwatch.news import Sight, news, sight_of
from trainwatch.remote.run import place_of
from trainwatch.screens.ask import Prompt
from trainwatch.screens.panes import PaneScreen
from trainwatch.store import Store
from trainwatch.travel.past import COARSE, FINE, Past, Playhead, read_tape
from trainwatch.travel.tape import Tape
from trainwatch.travel.target import HINT, place_words, target

if TYPE_CHECKING:
    from trainwatch.app import TrainwatchApp

PLAY_FRAME_S = 0.2
_TO_END = 1_000_000
"""Lines: what the key that comes back from the past does when this is now."""
TRAVEL_NAMES = frozenset(action.name for action in TRAVEL_ACTIONS)
_SHARES = {"earlier": -FINE, "later": FINE, "far-earlier": -COARSE, "far-later": COARSE}


class TravelScreen(PaneScreen):
    """Shows a run as it is now, or as it stood. Owns the store of now, and the tape while one is in the past."""

    view: View

    def __init__(self, run: RunDir, opened: Opened, replay: int = 0) -> None:
        """`replay`: play the run from its beginning at so many times its speed."""
        super().__init__()
        self.live = Store(run, opened)
        """The run as it is; goes on while the past is looked at."""
        self.store = self.live
        """What is shown."""
        self.playhead: Playhead | None = None
        """None: what is shown is now."""
        self._replay = replay
        self._is_reading = False
        self._played_at = 0.0
        """By the monotonic clock, when playing last moved on."""
        self._player: Timer | None = None
        self._sight: Sight | None = None

    @property
    def seen_share(self) -> float:
        """Of the whole axis, how much the charts show: so much finer a key moves."""
        seen, scales = self.view.lens.seen, self.view.scales.get("loss")
        whole = scales.whole if scales is not None else None
        return seen.length / whole.length if seen is not None and whole is not None and whole.length > 0 else 1.0

    def data(self) -> Table | None:
        return run_sheet(self.store, self.view, self.places)

    def copied(self) -> str:
        return run_reading(self.store, self.view, self.places)

    @property
    def subject(self) -> str:
        return self.live.run.id

    @property
    def is_reading(self) -> bool:
        """Whether what was is still being read."""
        return self._is_reading

    @property
    def as_of(self) -> float | None:
        """The time that is shown; None: now."""
        return self.playhead.at if self.playhead is not None else None

    def read_tape(self) -> Tape:
        """All that is there now, of what the screen shows. In a thread. Raises OSError."""
        return read_tape(self.live.run)

    def begin_replay(self) -> None:
        """Once the screen is up: play, if that was asked for."""
        if self._replay:
            self._enter("replay")

    def place_in_past(self, now: float) -> str:
        """Where in the past the screen stands, in words; empty where it shows now."""
        head = self.playhead
        if head is None:
            return ""
        words = place_words(self.store, head.tape, head.at, now)
        return f"{words}   ▶ ×{head.speed:,}" if head.is_playing else words

    def tell_news(self) -> None:
        """What has happened to the run since the last look, once it was read to its end."""
        live = self.live
        if live.caught_up:
            sight = sight_of(live.run.id, live.active_alerts, live.status, live.verdict)
            app = cast("TrainwatchApp", self.app)
            app.tell(news(self._sight, sight))
            self._sight = app.sights[place_of(live.run)] = sight

    def choose(self, action: str) -> None:
        if action in TRAVEL_NAMES:
            self.travel(action)
        else:
            super().choose(action)

    def action_scroll_pane(self, lines: int) -> None:
        """Scroll the chosen pane; up is positive."""
        raise NotImplementedError

    def travel(self, name: str) -> None:
        """Do what a row of `actions.TRAVEL_ACTIONS` says."""
        head = self.playhead
        self.say("")
        if head is None:
            if name == "now":
                self.action_scroll_pane(-_TO_END)
            elif name in ("later", "far-later", "slower", "faster"):
                self.say(f"this is now; {self._way('earlier')} goes back")
            elif not self._is_reading:
                self._enter(name)
        elif name in _SHARES:
            self.stand(head.moved(_SHARES[name] * self.seen_share))
        else:
            self._do_in_past(name, head)

    def _do_in_past(self, name: str, head: Playhead) -> None:
        match name:
            case "play":
                self._play(head, is_playing=not head.is_playing)
            case "slower" | "faster":
                head.faster(1 if name == "faster" else -1)
                self.say(f"×{head.speed:,}" + ("" if head.is_playing else f"; {self._way('play')} plays"))
            case "go-to":
                self._ask_where(head)
            case _:
                self.leave_past()

    def _way(self, action: str) -> str:
        """To an action: its key, if it has one."""
        return shown(self.key_of(action)) or "the palette"

    def _enter(self, name: str) -> None:
        self._is_reading = True
        self.say("reading what was …")
        self.run_worker(self._read(name), name="past", exit_on_error=True)

    async def _read(self, name: str) -> None:
        """The tape is read when it is first wanted, and again each time: a live run's has grown."""
        try:
            tape = await asyncio.to_thread(self.read_tape)
        except OSError as error:
            self.say(f"cannot read the run: {error}")
            return
        finally:
            self._is_reading = False
        if self.is_covered:  # a page that was opened meanwhile shows now
            self.say("the run is shown as it is now: another page was opened meanwhile")
            return
        if tape.is_empty:
            self.say("nothing was recorded yet")
            return
        self.say("")
        self._begin(name, tape)

    def _begin(self, name: str, tape: Tape) -> None:
        """In the past, where the key that went there leads."""
        tape.note_findings(view.event for view in self.live.told if view.found and isinstance(view.event, AlertEvent))
        head = Playhead(Past(self.live.run, self.live.opened, tape))
        is_replay = name == "replay"
        head.past.seek(tape.start if is_replay or name == "play" else tape.end)
        if name == "go-to":
            self._ask_where(head)
            return
        if name in _SHARES:
            head.past.seek(head.moved(_SHARES[name] * self.seen_share) or tape.end)
        self.playhead = head
        if is_replay:
            head.speed = self._replay
        self.stand(head.at)
        if name in ("play", "replay"):
            self._play(head, is_playing=True)

    def stand(self, at: float | None) -> None:
        """Show the run as of a time; None: as it is."""
        head = self.playhead
        if head is None or at is None:
            self.leave_past()
            return
        self.store = head.past.seek(at)
        self.repaint()

    def leave_past(self) -> None:
        """Show the run as it is."""
        if self._player is not None:
            self._player.stop()
            self._player = None
        self.playhead, self.store = None, self.live
        self.repaint()

    def _ask_where(self, head: Playhead) -> None:
        now = time.time()
        prompt = Prompt("as of", HINT, lambda text: target(text, head.tape, now))
        self.app.push_screen(prompt, partial(self._where_typed, head, now))

    def _where_typed(self, head: Playhead, now: float, text: str | None) -> None:
        if text is not None:
            self.playhead = head
            self.stand(target(text, head.tape, now))

    def _play(self, head: Playhead, *, is_playing: bool) -> None:
        head.is_playing, self._played_at = is_playing, time.monotonic()
        if self._player is None:
            self._player = self.set_interval(PLAY_FRAME_S, self._play_on)
        self.repaint()

    def _play_on(self) -> None:
        head, now = self.playhead, time.monotonic()
        elapsed_s, self._played_at = now - self._played_at, now
        if head is None or not head.is_playing:
            return
        at = head.played(elapsed_s)
        if at is None:
            head.is_playing = False
            self.say("the end of what was recorded")
        self.stand(head.tape.end if at is None else at)
