"""Sends messages in a thread of its own, one try at a time, each in a process: nobody else waits for what it waits for.

A target that could not be reached is tried again, ever later; the others get no second copy. What went wrong is handed
back, to be written down by who owns the log.
"""

import queue
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from traind.config_notify import Notify
from traind.notify.errand import Errand, end, run_command, send
from traind.notify.notice import Notice

QUEUE_LIMIT = 100
"""Messages on their way, those to be tried again included; what comes beyond is lost, and said."""
DELAYS_S = (5.0, 30.0, 120.0, 600.0, 1800.0)
"""Between one try and the next: a service that is down for half an hour loses nothing."""
LAST_DELAY_S = 1.0
"""The same when the run has ended and its supervisor waits to leave."""
_IDLE_S = 0.5


@dataclass(frozen=True, slots=True)
class Word:
    """What became of a message that did not simply arrive."""

    notice: Notice
    text: str
    is_over: bool
    """Whether nothing more will be tried."""
    was_sent: bool = False
    num_tries: int = 1


@dataclass(frozen=True, slots=True)
class _Job:
    """A message for the targets of `only` (none: all), or for the command."""

    notice: Notice
    is_command: bool
    only: Sequence[int] = ()
    num_tries: int = 0
    due_at: float = field(default=0.0)


class Courier:
    """Owns the thread, and the messages on their way."""

    def __init__(self, notify: Notify, *, delays_s: Sequence[float] = DELAYS_S) -> None:
        self._notify, self._delays_s = notify, delays_s
        self._fresh: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._again: list[_Job] = []
        self._words: queue.SimpleQueue[Word] = queue.SimpleQueue()
        self._num_open = 0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_last_call = threading.Event()
        """Set when there is little time left: what waits for its next try is tried at once, and again soon."""
        self._has_quit = threading.Event()
        self._end_current: Callable[[], None] = lambda: None

    def take(self, notice: Notice, *, is_command: bool) -> bool:
        """Send it soon. False where too much is on its way already: it is lost. Never waits."""
        with self._lock:
            if self._num_open >= QUEUE_LIMIT:
                return False
            self._num_open += 1
        self._fresh.put(_Job(notice, is_command))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="courier", daemon=True)
            self._thread.start()
        return True

    def words(self) -> list[Word]:
        """What went wrong, or right after all, since the last call."""
        words = []
        while not self._words.empty():
            words.append(self._words.get())
        return words

    @property
    def num_open(self) -> int:
        """Messages on their way."""
        with self._lock:
            return self._num_open

    def last_call(self) -> None:
        """Try what waits for another try at once, and no longer wait for long: the run has ended."""
        self._is_last_call.set()

    def quit(self) -> None:
        """Leave what is still on its way: end the process under way, and the thread with it."""
        self._has_quit.set()
        self._end_current()

    # --- in the thread -------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while not self._has_quit.is_set():
            job = self._next()
            if job is not None:
                self._try(job)

    def _next(self) -> _Job | None:
        now = time.monotonic()
        is_last = self._is_last_call.is_set()
        for job in self._again:
            if job.due_at <= now or (is_last and job.due_at > now + LAST_DELAY_S):
                self._again.remove(job)
                return job
        wait_s = min([_IDLE_S, *(job.due_at - now for job in self._again)])
        try:
            return self._fresh.get(timeout=max(wait_s, 0.0))
        except queue.Empty:
            return None

    def _try(self, job: _Job) -> None:
        job = replace(job, num_tries=job.num_tries + 1)
        if job.is_command:
            why = run_command(
                self._notify.command, job.notice, self._notify.command_timeout_s, on_start=self._note_process
            )
            self._close(job, why and f"notify.command {why}")
            return
        errand = Errand(notify=self._notify, notice=job.notice, only=list(job.only))
        found = send(errand, on_start=self._note_process)
        failed = [result for result in found.results if result.why]
        why = found.fault or "; ".join(f"{result.name} {result.why}" for result in failed)
        if not why:
            self._close(job, "")
            return
        # Of a try that came to nothing nobody knows whom it reached: those are tried again that it was for.
        missed = job.only if found.fault else [result.number for result in failed if not result.is_hopeless]
        is_hopeless = not found.fault and not missed
        if is_hopeless or job.num_tries > len(self._delays_s):
            self._close(job, why)
            return
        delay_s = self._delays_s[job.num_tries - 1]
        if self._is_last_call.is_set():
            delay_s = min(delay_s, LAST_DELAY_S)
        if job.num_tries == 1:
            self._words.put(Word(job.notice, f"{why}; tried again in {delay_s:g} s", is_over=False))
        self._again.append(replace(job, only=missed, due_at=time.monotonic() + delay_s))

    def _note_process(self, process: "subprocess.Popen[bytes]") -> None:
        self._end_current = partial(end, process)
        if self._has_quit.is_set():
            self._end_current()

    def _close(self, job: _Job, why: str) -> None:
        tries = job.num_tries
        if why:
            text = f"{why}; given up" if tries == 1 else f"{why}; given up after {tries} tries"
            self._words.put(Word(job.notice, text, is_over=True, num_tries=tries))
        elif tries > 1:
            self._words.put(Word(job.notice, f"sent at try {tries}", is_over=True, was_sent=True, num_tries=tries))
        with self._lock:
            self._num_open -= 1
