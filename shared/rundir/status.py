"""`status.json`: what the supervisor says of the run, and the one function that judges whether it lives.

Guarantees: the file is replaced atomically, so that it is always whole; `judge` is pure, a table of its inputs.
"""

import errno
import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
from msgspec import field

from rundir import FORMAT, process
from rundir.atomic import write_atomic, write_in_room
from rundir.control import ControlPosition, Verb
from rundir.process import ProcessId
from rundir.records import encode
from rundir.regular import read_regular

HEARTBEAT_S = 1.0
"""The supervisor beats at least this often."""
PRESUMED_DEAD_S = 15.0
"""Without a beat for so long, on a machine whose processes cannot be looked at, a run is presumed dead."""
SILENT_TRAINER_S = 60.0
"""A trainer whose safe points stand still for so long is called silent."""


class State(StrEnum):
    """Where the run is."""

    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    PARKED = "parked"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def has_ended(self) -> bool:
        return self in (State.DONE, State.STOPPED, State.FAILED)


class Intent(StrEnum):
    """What the run was last told to be; survives crashes and reboots."""

    RUN = "run"
    PAUSED = "paused"
    PARKED = "parked"
    STOPPED = "stopped"


INTENT_OF: Mapping[Verb, Intent] = {
    Verb.PAUSE: Intent.PAUSED,
    Verb.RESUME: Intent.RUN,
    Verb.PARK: Intent.PARKED,
    Verb.STOP: Intent.STOPPED,
    Verb.KILL: Intent.STOPPED,
}
"""What an order that was taken makes of it; others leave it as it is."""


class Phase(StrEnum):
    """What the trainer is doing. The one open set: a later version of this format may know more."""

    LOADING = "loading"
    TOKENIZING = "tokenizing"
    PRETRAIN = "pretrain"
    TRAIN = "train"
    EVAL = "eval"
    SAVE = "save"
    PAUSED = "paused"
    PARKING = "parking"
    """It was told to park: a checkpoint is made, then it leaves. Said by the supervisor, which knows of the order."""
    LEAVING = "leaving"


def _this_format() -> int:
    return FORMAT  # from a function, as msgspec leaves out what equals a plain default


class Heart(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One process and when it last gave a sign of life."""

    process: ProcessId
    beat_at: float
    """UTC seconds of its last beat. A trainer beats at safe points: its beat says that work moves on."""
    safe_points: int = 0


class Status(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The content of status.json."""

    format: int = field(default_factory=_this_format)
    """Of the directory. Always written: what a reader of a later format takes for the default would be wrong."""
    run: str
    state: State
    intent: Intent = Intent.RUN
    attempt: int = 0
    step: int = 0
    total_steps: int | None = None
    epoch: float | None = None
    total_epochs: float | None = None
    phase: Phase | None = None
    """None too where the file names one that is not known here."""
    device: str | None = None
    supervisor: Heart | None = None
    trainer: Heart | None = None
    ranks: dict[int, ProcessId] = {}
    """By rank the processes that train one model, where there are several; `trainer` is then what started them."""
    host: str = ""
    boot_id: str = ""
    updated_at: float = 0.0
    started_at: float | None = None
    """When the first attempt began."""
    active_s: float = 0.0
    """Seconds spent with a trainer alive, over all attempts."""
    ended_at: float | None = None
    last_error: str | None = None
    is_mistake: bool = False
    """The run could not begin, by its configuration or data and not by a fault: nothing was trained, and starting it
    again as it is would be of no use."""
    signal: str | None = None
    """The one that ended the run, e.g. SIGTERM: it was neither done nor stopped by order."""
    oom_kills: int = 0
    """How often the kernel has ended a trainer of this run for want of memory."""
    checkpoint: str | None = None
    """The newest whole checkpoint, relative to the run directory."""
    control: ControlPosition | None = None
    """How far the supervisor has read control.jsonl."""
    takes: list[str] | None = None
    """Of a script's run: which orders it carries out, and what may be set, besides pause, resume, note and stop. None:
    not known, or all of them."""


class Liveness(StrEnum):
    """The verdict on a run."""

    LIVE = "live"
    SILENT = "silent"
    """Its processes are there, yet the trainer has reached no safe point for long, or the supervisor does not beat."""
    ORPHANED = "orphaned"
    """The supervisor is gone, its trainer still runs (it will checkpoint and leave)."""
    UNATTENDED = "unattended"
    """Paused or parked on purpose, and no supervisor: `traind resume` goes on from the checkpoint."""
    DEAD = "dead"
    """Neither ended nor alive: `traind resume` goes on from the newest checkpoint."""
    REBOOTED = "rebooted"
    """The machine was started anew since: dead, and the cause is known."""
    ENDED = "ended"
    UNKNOWN = "unknown"
    """Another machine's run whose last beat is not old enough to say."""


class Vitals(msgspec.Struct, frozen=True, kw_only=True):
    """What can be observed from outside about a run's processes, at one moment."""

    same_host: bool
    same_boot: bool
    supervisor_alive: bool
    trainer_alive: bool
    supervisor_beat_age_s: float | None
    trainer_beat_age_s: float | None


def judge(state: State, intent: Intent, vitals: Vitals) -> Liveness:
    """Whether a run lives. Pure; a run presumed dead revives as soon as it beats again."""
    if state.has_ended:
        return Liveness.ENDED
    age_s = vitals.supervisor_beat_age_s
    if not vitals.same_host:
        if age_s is None:
            return Liveness.UNKNOWN
        if age_s > PRESUMED_DEAD_S:
            return _without_supervisor(intent)
        return _with_supervisor(state, vitals)
    if not vitals.same_boot:
        return Liveness.UNATTENDED if intent in (Intent.PARKED, Intent.PAUSED) else Liveness.REBOOTED
    if vitals.supervisor_alive:
        return _with_supervisor(state, vitals)
    return Liveness.ORPHANED if vitals.trainer_alive else _without_supervisor(intent)


def _with_supervisor(state: State, vitals: Vitals) -> Liveness:
    beat_age_s = vitals.supervisor_beat_age_s
    if beat_age_s is not None and beat_age_s > PRESUMED_DEAD_S:
        return Liveness.SILENT  # stopped by SIGSTOP, or held up by its disk
    age_s = vitals.trainer_beat_age_s
    waits = state in (State.PARKED, State.RESTARTING)
    return Liveness.SILENT if age_s is not None and age_s > SILENT_TRAINER_S and not waits else Liveness.LIVE


def _without_supervisor(intent: Intent) -> Liveness:
    return Liveness.UNATTENDED if intent in (Intent.PARKED, Intent.PAUSED) else Liveness.DEAD


def observe(status: Status, now: float) -> Vitals:
    """Look at this machine's processes for the ones a status names."""
    same_host = status.host in ("", process.host())
    same_boot = status.boot_id in ("", process.boot_id())

    def alive(heart: Heart | None) -> bool:
        return same_host and same_boot and heart is not None and process.is_alive(heart.process)

    def age_s(heart: Heart | None) -> float | None:
        return None if heart is None else max(0.0, now - heart.beat_at)

    return Vitals(
        same_host=same_host,
        same_boot=same_boot,
        supervisor_alive=alive(status.supervisor),
        trainer_alive=alive(status.trainer)
        or (same_host and same_boot and any(map(process.is_alive, status.ranks.values()))),
        supervisor_beat_age_s=age_s(status.supervisor),
        trainer_beat_age_s=age_s(status.trainer),
    )


def liveness(status: Status, now: float) -> Liveness:
    """`judge` of what `observe` finds now."""
    return judge(status.state, status.intent, observe(status, now))


def presumed(status: Status, now: float) -> Liveness:
    """The verdict of one who sees no process of the run, by its heartbeats alone. `now`: of the run's own clock."""
    vitals = observe(status, now)
    return judge(status.state, status.intent, msgspec.structs.replace(vitals, same_host=False))


_DECODER = msgspec.json.Decoder(Status)


def read_status(path: Path) -> Status | None:
    """The status in a file; None when there is none yet. Raises msgspec.DecodeError when it is not ours."""
    try:
        return _decode(read_regular(path))
    except FileNotFoundError:
        return None
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from error


def known_status(path: Path) -> Status | None:
    """The status in a file; None where there is none that can be read, for those who do without."""
    try:
        return read_status(path)
    except (OSError, msgspec.DecodeError):
        return None


def _decode(data: bytes) -> Status:
    try:
        return _DECODER.decode(data)
    except msgspec.ValidationError:
        content = msgspec.json.decode(data)
        phase = content.get("phase") if isinstance(content, dict) else None
        if not isinstance(phase, str) or phase in set(Phase):
            raise
        del content["phase"]
        return msgspec.convert(content, Status)


def write_status(path: Path, status: Status, *, durable: bool = False) -> None:
    """Replace the file. `durable` where what follows relies on it (an intent, a new attempt). Raises OSError.

    On a disk without room the old content is overwritten in place, so that a run that waits for room is seen alive.
    """
    data = encode(status)
    try:
        write_atomic(path, data, durable=durable)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        write_in_room(path, data, durable=durable)


class RunInfo(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The content of run.json: written once, by the supervisor, when the run is made."""

    format: int = field(default_factory=_this_format)
    """Of the directory. Always written: what a reader of a later format takes for the default would be wrong."""
    id: str
    name: str
    task: str
    created_at: float
    argv: list[str] = []
    host: str = ""
    user: str = ""
    git_commit: str | None = None
    git_dirty: bool | None = None
    versions: dict[str, str] = {}
    seed: int | None = None
    planned_steps: int | None = None
    threads: int | None = None
    cpu_capability: str | None = None
    hashes: dict[str, str] = {}
    """sha256 of the data files and the tokenizer."""
    tags: dict[str, Any] = {}
    given: list[str] = []
    """Keys of config.toml that are not left at their default, by dotted path; empty where nobody noted it."""
    by_script: bool = False
    """A script writes the run for itself: no supervisor takes it up, only the script can go on with it."""


def read_run_info(path: Path) -> RunInfo | None:
    """The content of run.json; None when it is missing. Raises msgspec.DecodeError when it is not ours."""
    try:
        return msgspec.json.decode(read_regular(path), type=RunInfo)
    except FileNotFoundError:
        return None
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from error


def umask_private() -> None:
    """Files made from here on are for their owner alone."""
    os.umask(0o077)
