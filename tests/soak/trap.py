"""SIGKILL at a named place inside a process of ours: a system call of a save, a safe point of a phase, an outcome.

A test sets a trap, a file beside `runs/`; the process in which it lies counts the occasions, and at the chosen one
the victim dies: the process itself, its supervisor, or its loader worker. Each trap kills once. So the same seed kills
at the same place, inside what no outside observer would hit twice: between two renames, say.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Literal

Victim = Literal["trainer", "supervisor", "worker", "rank"]

_FILE_CALLS = ("open", "os.mkdir", "os.rename", "os.symlink", "os.remove", "shutil.rmtree")


@dataclass(frozen=True)
class Trap:
    """Where who is killed."""

    lies_in: Literal["trainer", "supervise"]
    occasion: str
    """`files`: a call that makes, opens, renames or removes something; `phase`: a safe point in it; `before` or
    `after`: the outcome of an order."""
    words: str
    """Parts of the call and its paths; or the name of the phase; or the verb."""
    nth: int
    victim: Victim


def _paths(directory: Path) -> tuple[Path, Path]:
    return directory / "trap.json", directory / "sprung.json"


def set_trap(directory: Path, trap: Trap) -> None:
    """For the run in `directory`; replaces the one that lies there."""
    lies, sprung = _paths(directory)
    sprung.unlink(missing_ok=True)
    temporary = lies.with_suffix(".new")
    temporary.write_text(json.dumps(asdict(trap)), encoding="utf-8")
    temporary.rename(lies)


def take_away(directory: Path) -> None:
    _paths(directory)[0].unlink(missing_ok=True)


def sprung(directory: Path) -> dict[str, Any] | None:
    """Where it killed, and whom: `place`, `pid`; None while it lies there or when it was taken away."""
    path = _paths(directory)[1]
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def install(run: str, lies_in: str) -> None:
    """Let this process fall into the traps that are set for its run."""
    counter = _Counter(Path(run).parents[1], lies_in)

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event in _FILE_CALLS:
            paths = [str(arg) for arg in args[:2] if isinstance(arg, str | os.PathLike)]
            counter.note("files", " ".join([event, *paths]))

    sys.addaudithook(hook)
    _watch_phases(counter)
    _watch_outcomes(counter)


class _Counter:
    """Owns the count of one trap's occasions in one process."""

    def __init__(self, directory: Path, lies_in: str) -> None:
        self.pid = os.getpid()
        self._lies, self._sprung = _paths(directory)
        self._lies_in = lies_in
        self._trap: Trap | None = None
        self._seen: tuple[int, int] | None = None
        self._count = 0
        self._is_looking = False

    def note(self, occasion: str, place: str) -> None:
        if self._is_looking or os.getpid() != self.pid:  # forked from where this one counts
            return
        self._is_looking = True  # looking opens files itself
        try:
            trap = self._current()
            if trap is None or (trap.lies_in, trap.occasion) != (self._lies_in, occasion):
                return
            self._count += all(word in place for word in trap.words.split())
            if self._count >= trap.nth:
                self._spring(trap, place)
        finally:
            self._is_looking = False

    def _current(self) -> Trap | None:
        try:
            found = os.stat(self._lies)
        except FileNotFoundError:
            self._trap = self._seen = None
            return None
        if self._seen != (found.st_ino, found.st_mtime_ns):
            self._seen, self._count = (found.st_ino, found.st_mtime_ns), 0
            self._trap = Trap(**json.loads(self._lies.read_text(encoding="utf-8")))
        return self._trap

    def _spring(self, trap: Trap, place: str) -> None:
        pid = self._victim(trap.victim)
        if pid is None:  # no loader worker at this moment: at the next occasion
            return
        self._lies.unlink()
        temporary = self._sprung.with_suffix(".new")
        temporary.write_text(json.dumps({"place": place, "pid": pid}), encoding="utf-8")
        temporary.rename(self._sprung)
        os.kill(pid, signal.SIGKILL)
        if pid == os.getpid():
            time.sleep(10)  # another thread of this process dies with it; this one must not go on meanwhile

    def _victim(self, victim: Victim) -> int | None:
        if victim == "worker":
            children = Path("/proc/self/task").glob("*/children")
            pids = [int(pid) for path in children for pid in path.read_text(encoding="ascii").split()]
            return pids[0] if pids else None
        is_own = victim == ("trainer" if self._lies_in == "trainer" else "supervisor")
        return os.getpid() if is_own else os.getppid()


def _watch_phases(counter: _Counter) -> None:
    from traind.wire import Pulse

    def safe_point(method: Callable[[Pulse], None]) -> Callable[[Pulse], None]:
        @wraps(method)
        def noted(self: Pulse) -> None:
            counter.note("phase", str(self.phase))
            method(self)

        return noted

    Pulse.safe_point = safe_point(Pulse.safe_point)  # type: ignore[method-assign]


def _watch_outcomes(counter: _Counter) -> None:
    from traind.eventlog import EventLog

    plain = EventLog.outcome

    @wraps(plain)
    def noted(self: EventLog, order: Any, **rest: Any) -> None:
        counter.note("before", str(order.verb))
        plain(self, order, **rest)
        counter.note("after", str(order.verb))

    EventLog.outcome = noted  # type: ignore[method-assign]
