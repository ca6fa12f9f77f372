"""The supervisor's handles on its sinks: starting their processes, noticing a failure, letting them finish.

Nothing here waits for a sink but `finish`, and that for a bounded time.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rundir.layout import RunDir
from traind.exit_status import exit_status, signal_name
from traind.sinks.catalog import NO_ROOM, SinkName

HUNG_S = 60.0
"""A sink that has not caught up or said anything for so long is ended."""
DRAIN_S = 15.0
"""What a sink is given at the run's end to take in the last records and close."""
HURRIED_S = 1.0
"""The same where the run was killed, or its supervisor told to leave."""
ROOM_S = 30.0
"""How long one that found the disk full is left alone before it is started again."""
MAX_REVIVALS = 3
"""How often a sink that something killed is started again."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A sink that will not be tried again by this supervisor."""

    name: SinkName
    reason: str


class _SinkProcess:
    """Owns one process, the leash that holds it (its standard input), and what it says (its standard output)."""

    def __init__(self, run: RunDir, name: SinkName) -> None:
        """Raises OSError where it cannot be started; nothing is left open then."""
        with contextlib.ExitStack() as on_failure, contextlib.ExitStack() as theirs:
            leash_read, self._leash = os.pipe()
            theirs.callback(os.close, leash_read)
            on_failure.callback(os.close, self._leash)
            self._report, report_write = os.pipe()
            theirs.callback(os.close, report_write)
            on_failure.callback(os.close, self._report)
            log = theirs.enter_context(open(run.sinks / f"{name}.log", "ab"))
            self._process = subprocess.Popen(
                [sys.executable, "-m", "traind.sinks", str(run.path), name],
                stdin=leash_read,
                stdout=report_write,
                stderr=log,
                start_new_session=True,
            )
            on_failure.pop_all()
        os.set_blocking(self._report, False)
        self._said = b""
        self.heard_at = time.monotonic()

    def ended(self) -> int | None:
        """Its exit status, negative for a signal; None while it lives. Notes what it said meanwhile.

        Not reaped before `close`, which must signal its group and no other's.
        """
        code = exit_status(self._process.pid)
        while data := self._read():
            self._said = (self._said + data)[-4096:]
            self.heard_at = time.monotonic()
        return code

    def _read(self) -> bytes | None:
        try:
            return os.read(self._report, 4096)
        except BlockingIOError:
            return None

    @property
    def reason(self) -> str:
        """Why it ended, in its own words; empty when it had none."""
        return self._said.strip().decode("utf-8", "replace").rpartition("\n")[2]

    def release(self) -> None:
        """Tell it to take in what is there and leave."""
        if self._leash >= 0:
            os.close(self._leash)
            self._leash = -1

    def close(self) -> None:
        """End it and what it started, if any of it still lives; once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self.release()
        os.close(self._report)


class Sinks:
    """Owns the sink processes of a run."""

    def __init__(
        self,
        run: RunDir,
        names: Iterable[SinkName],
        *,
        hung_s: float = HUNG_S,
        drain_s: float = DRAIN_S,
        room_s: float = ROOM_S,
    ) -> None:
        self._run = run
        self._names = list(names)
        self._hung_s, self._drain_s, self._room_s = hung_s, drain_s, room_s
        self._processes: dict[SinkName, _SinkProcess] = {}
        self._num_revivals = dict.fromkeys(self._names, 0)
        self._waiting_for_room: dict[SinkName, float] = {}
        self._are_due = False

    def start(self) -> None:
        """Start them as soon as there is a record, at the next look: before, they would only compete for the CPU."""
        self._are_due = True

    def look(self) -> list[Failure]:
        """Start what is due, start again what was killed. Returns the sinks that have failed since the last call."""
        failures = []
        if self._are_due and _has_records(self._run):
            self._are_due = False
            failures = [failure for name in self._names[:] if (failure := self._spawn(name)) is not None]
        self._look_for_room()
        for name, process in list(self._processes.items()):
            code = process.ended()
            if code == NO_ROOM:
                self._processes.pop(name).close()
                self._waiting_for_room[name] = time.monotonic() + self._room_s
            elif code is None:
                if time.monotonic() - process.heard_at > self._hung_s:
                    failures.append(self._drop(name, f"hung: nothing heard of it for {self._hung_s:.0f} s"))
            elif code < 0 and not process.reason and self._num_revivals[name] < MAX_REVIVALS:
                self._num_revivals[name] += 1
                self._processes.pop(name).close()
                if (failure := self._spawn(name)) is not None:
                    failures.append(failure)
            else:
                failures.append(self._drop(name, process.reason or _cause(code)))
        return failures

    def _look_for_room(self) -> None:
        for name in [name for name, due_at in self._waiting_for_room.items() if time.monotonic() > due_at]:
            del self._waiting_for_room[name]
            self._spawn(name)

    def _spawn(self, name: SinkName) -> Failure | None:
        if name in self._processes:
            return None
        try:
            self._run.sinks.mkdir(mode=0o700, exist_ok=True)
            self._processes[name] = _SinkProcess(self._run, name)
        except OSError as error:
            return self._drop(name, f"could not be started: {error}")
        return None

    def _drop(self, name: SinkName, reason: str) -> Failure:
        self._names.remove(name)
        if (process := self._processes.pop(name, None)) is not None:
            process.close()
        return Failure(name, reason)

    def finish(self, beat: Callable[[], None], is_hurried: Callable[[], bool]) -> list[Failure]:
        """Let them take in the last records and close; what does not within `DRAIN_S` is ended. `beat` meanwhile.

        A hurried end (a kill, a second signal) waits for `HURRIED_S` at most: their next process takes in the rest.
        """
        failures = self.look()
        for name in self._waiting_for_room:
            self._spawn(name)
        self._waiting_for_room.clear()
        for process in self._processes.values():
            process.release()
        began = time.monotonic()
        while self._processes:
            for name, process in list(self._processes.items()):
                code = process.ended()
                if code == 0:
                    self._processes.pop(name).close()
                elif code is not None:
                    failures.append(self._drop(name, process.reason or _cause(code)))
                elif is_hurried() and time.monotonic() > began + HURRIED_S:
                    self._drop(name, "")  # no failure: its files wait for their next process
                elif time.monotonic() > began + self._drain_s:
                    failures.append(self._drop(name, f"did not finish within {self._drain_s:.0f} s of the run's end"))
            beat()
            time.sleep(0.02)
        return failures


def _has_records(run: RunDir) -> bool:
    try:
        return run.metrics.stat().st_size > 0
    except FileNotFoundError:
        return False


def _cause(code: int) -> str:
    return f"killed by {signal_name(-code)}" if code < 0 else f"exit status {code}"
