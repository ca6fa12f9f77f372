"""Starting a supervisor that outlives the terminal, and waiting for what one does. Torch-free."""

import importlib.util
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from rundir import layout
from rundir.append import RESERVE_BYTES
from rundir.atomic import write_atomic
from rundir.control import Order, Verb, distrusted, new_order_id, send
from rundir.layout import RunDir
from rundir.records import EVENT_DECODER, OutcomeEvent, decode_lines
from rundir.secret import redact
from rundir.status import (
    HEARTBEAT_S,
    Liveness,
    State,
    Status,
    liveness,
    observe,
    read_run_info,
    write_status,
)
from rundir.tail import Tail
from traind import config
from traind.config import Config, ConfigError
from traind.run_state import status_of

T = TypeVar("T")

NO_ANSWER_S = 3 * HEARTBEAT_S


class LaunchError(Exception):
    """The supervisor could not take up the run; the text is its own."""


def require_trainer() -> None:
    """Raises ConfigError where the extra that trains is not installed."""
    if importlib.util.find_spec("torch") is None:
        raise ConfigError(
            "the trainer is not installed here; pip install 'trainwatch[train]', or '.[train]' in its tree"
        )


def create_run(settings: Config, runs_dir: Path) -> RunDir:
    """Make a run directory with its configuration. Raises ConfigError where it cannot be made; nothing is left then."""
    try:
        run = layout.create(runs_dir, settings.name, time.time())
    except OSError as error:
        raise ConfigError(
            f"{runs_dir}: a run directory cannot be made there: {error.strerror}; use --runs-dir"
        ) from None
    try:
        run.checkpoints.mkdir(mode=0o700)
        write_atomic(run.config_toml, config.dump(settings))
        write_atomic(run.reserve, bytes(RESERVE_BYTES))
        write_status(run.status_json, Status(run=run.id, state=State.STARTING, updated_at=time.time()))
        layout.point_latest(run)
    except OSError as error:
        shutil.rmtree(run.path, ignore_errors=True)
        raise ConfigError(f"{run.path}: cannot be written: {error.strerror}") from None
    return run


def discard(run: RunDir) -> None:
    """Take back a run that never began, and point `latest` at the newest one left."""
    shutil.rmtree(run.path, ignore_errors=True)
    rest = layout.find_runs(run.path.parent)
    if rest:
        layout.point_latest(rest[0])
    else:
        (run.path.parent / layout.LATEST).unlink(missing_ok=True)


def spawn_supervisor(run: RunDir, *, reason: str, order_id: str | None, argv: list[str]) -> None:
    """Start a supervisor in a session of its own. Returns when it holds the lock. Raises LaunchError."""
    ready_read, ready_write = os.pipe()
    command = [sys.executable, "-m", "traind.supervise", str(run.path), "--reason", reason]
    command += ["--ready-fd", str(ready_write)] + (["--order", order_id] if order_id else [])
    with open(run.supervisor_log, "ab") as log:
        supervisor = subprocess.Popen(
            [*command, "--argv", json.dumps([redact(word, os.environ) for word in argv])],  # anybody may see it in ps
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(ready_write,),
            start_new_session=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
    os.close(ready_write)
    with os.fdopen(ready_read) as ready:
        answer = ready.readline().strip()
    if answer != "ok":
        supervisor.wait()
        last_words = run.supervisor_log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        raise LaunchError(answer or f"the supervisor ended at once: {' '.join(last_words)}")


BY_SCRIPT = "a script wrote this run and does not run now; only that script can go on with it"


def is_by_script(run: RunDir) -> bool:
    """Whether a script writes the run for itself: a supervisor knows nothing of how to train it."""
    try:
        info = read_run_info(run.run_json)
    except (OSError, msgspec.DecodeError):
        return False
    return info is not None and info.by_script


def is_supervised(run: RunDir) -> bool:
    """Whether a supervisor lives that reads the run's orders."""
    status = status_of(run)
    return status is not None and liveness(status, time.time()) in (Liveness.LIVE, Liveness.SILENT)


def is_supervisor_alive(run: RunDir) -> bool:
    """Whether a supervisor process, other than this one, still runs, be the run ended or not."""
    status = status_of(run)
    if status is None or status.supervisor is None or status.supervisor.process.pid == os.getpid():
        return False
    return observe(status, time.time()).supervisor_alive


def give_order(run: RunDir, verb: Verb, args: dict[str, object], argv: list[str]) -> OutcomeEvent | None:
    """Write an order, with a supervisor called for it if none lives, and wait for its outcome.

    None when there was no answer within three heartbeats of a run that is not just starting.
    Raises LaunchError, OSError.
    """
    attended = is_supervised(run)
    if not attended and is_by_script(run):
        raise LaunchError(f"{run.path}: {BY_SCRIPT}")
    events = Tail(run.events)
    while not events.poll().at_end:
        pass
    order = write_order(run, verb, args)
    if not attended:
        spawn_supervisor(run, reason="order", order_id=order.id, argv=argv)
    outcome = await_outcome(events, order.id, NO_ANSWER_S)
    while outcome is None and _is_getting_ready(run):
        outcome = await_outcome(events, order.id, NO_ANSWER_S)
    return outcome


def _is_getting_ready(run: RunDir) -> bool:
    """Whether an answer is sure to come: a trainer is on its way that has its libraries to load, or on its way out."""
    status = status_of(run)
    is_busy = status is not None and status.state in (State.STARTING, State.RESTARTING, State.STOPPING)
    return is_busy and is_supervised(run)


def write_order(run: RunDir, verb: Verb, args: dict[str, object]) -> Order:
    """Append an order of this command line. Raises OSError, ConfigError where no order would be taken."""
    if why := distrusted(run):
        raise ConfigError(f"no orders are taken from {why}")
    order = Order(verb=verb, id=new_order_id(), args=args, at=time.time(), by="traind")
    send(run, order)
    return order


def await_outcome(events: Tail, order_id: str, timeout_s: float) -> OutcomeEvent | None:
    """The outcome of an order, as soon as it is written."""

    def look() -> OutcomeEvent | None:
        while True:
            chunk = events.poll()
            for record in decode_lines(chunk.lines, EVENT_DECODER).records:
                if isinstance(record, OutcomeEvent) and record.order == order_id:
                    return record
            if chunk.at_end:
                return None

    return poll_until(look, timeout_s)


def poll_until(look: Callable[[], T | None], timeout_s: float | None) -> T | None:
    """What `look` gives once it gives something; None after the time."""
    give_up_at = None if timeout_s is None else time.monotonic() + timeout_s
    while (found := look()) is None:
        if give_up_at is not None and time.monotonic() > give_up_at:
            return None
        select.select([], [], [], 0.03)
    return found


def first_step_or_end(run: RunDir) -> State | None:
    """The state once the trainer has done a step, the run has ended, or nobody is left to bring either about."""
    status = status_of(run)
    if status is None:
        return None
    has_begun = status.state in (State.RUNNING, State.PAUSED) and status.step > 0
    return status.state if has_begun or is_over(status) else None


def is_over(status: Status) -> bool:
    """Whether nothing more will come of a run by itself: it has ended, or neither supervisor nor trainer is left."""
    return status.state.has_ended or liveness(status, time.time()) in (
        Liveness.DEAD,
        Liveness.REBOOTED,
        Liveness.UNATTENDED,
    )
