"""The verdict on a run as a table, the status file on whatever lies there, and what is observed of real processes."""

import itertools
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from rundir import process
from rundir.status import (
    PRESUMED_DEAD_S,
    SILENT_TRAINER_S,
    Heart,
    Intent,
    Liveness,
    RunInfo,
    State,
    Status,
    Vitals,
    judge,
    liveness,
    observe,
    read_run_info,
    read_status,
    write_status,
)

OLD = PRESUMED_DEAD_S + 0.1
MUTE = SILENT_TRAINER_S + 0.1
L = Liveness


def vitals(host: str, supervisor: bool, trainer: bool, beat: float | None, trainer_beat: float | None) -> Vitals:
    """`host`: here, rebooted or elsewhere."""
    return Vitals(
        same_host=host != "elsewhere",
        same_boot=host == "here",
        supervisor_alive=supervisor,
        trainer_alive=trainer,
        supervisor_beat_age_s=beat,
        trainer_beat_age_s=trainer_beat,
    )


RUN, PAUSED, PARKED, STOPPED = Intent.RUN, Intent.PAUSED, Intent.PARKED, Intent.STOPPED

TABLE = [
    # state, intent, host, supervisor alive, trainer alive, its beats' ages → verdict
    (State.RUNNING, RUN, "here", True, True, 0.5, 0.5, L.LIVE),
    (State.RUNNING, RUN, "here", True, True, 0.5, SILENT_TRAINER_S, L.LIVE),
    (State.RUNNING, RUN, "here", True, True, 0.5, MUTE, L.SILENT),
    (State.RUNNING, RUN, "here", True, False, 0.5, MUTE, L.SILENT),
    (State.RUNNING, RUN, "here", True, True, OLD, 0.5, L.SILENT),
    (State.RUNNING, RUN, "here", True, True, PRESUMED_DEAD_S, 0.5, L.LIVE),
    (State.STARTING, RUN, "here", True, False, 0.5, None, L.LIVE),
    (State.STARTING, RUN, "here", True, False, None, None, L.LIVE),
    (State.PAUSED, PAUSED, "here", True, True, 0.5, 0.5, L.LIVE),
    (State.PAUSED, PAUSED, "here", True, True, 0.5, MUTE, L.SILENT),
    (State.PARKED, PARKED, "here", True, False, 0.5, MUTE, L.LIVE),
    (State.RESTARTING, RUN, "here", True, False, 0.5, MUTE, L.LIVE),
    (State.STOPPING, STOPPED, "here", True, True, 0.5, 0.5, L.LIVE),
    (State.RUNNING, RUN, "here", False, True, 100.0, 0.5, L.ORPHANED),
    (State.PAUSED, PAUSED, "here", False, True, 100.0, 0.5, L.ORPHANED),
    (State.RUNNING, RUN, "here", False, False, 0.1, 0.1, L.DEAD),
    (State.RUNNING, RUN, "here", False, False, None, None, L.DEAD),
    (State.STOPPING, STOPPED, "here", False, False, 0.1, 0.1, L.DEAD),
    (State.PAUSED, PAUSED, "here", False, False, 100.0, 100.0, L.UNATTENDED),
    (State.PARKED, PARKED, "here", False, False, 100.0, None, L.UNATTENDED),
    (State.RUNNING, PARKED, "here", False, False, 1.0, 1.0, L.UNATTENDED),
    (State.RUNNING, RUN, "rebooted", False, False, 0.1, 0.1, L.REBOOTED),
    (State.STARTING, RUN, "rebooted", False, False, None, None, L.REBOOTED),
    (State.PARKED, PARKED, "rebooted", False, False, 100.0, None, L.UNATTENDED),
    (State.PAUSED, PAUSED, "rebooted", False, False, 100.0, None, L.UNATTENDED),
    (State.STOPPING, STOPPED, "rebooted", False, False, 100.0, None, L.REBOOTED),
    (State.RUNNING, RUN, "elsewhere", False, False, 0.5, 0.5, L.LIVE),
    (State.RUNNING, RUN, "elsewhere", False, False, PRESUMED_DEAD_S, 0.5, L.LIVE),
    (State.RUNNING, RUN, "elsewhere", False, False, 0.5, MUTE, L.SILENT),
    (State.PARKED, PARKED, "elsewhere", False, False, 0.5, MUTE, L.LIVE),
    (State.RUNNING, RUN, "elsewhere", False, False, OLD, 0.5, L.DEAD),
    (State.PARKED, PARKED, "elsewhere", False, False, OLD, None, L.UNATTENDED),
    (State.RUNNING, RUN, "elsewhere", False, False, None, None, L.UNKNOWN),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0]}-{row[2]}-{row[3]}-{row[4]}-{row[5]}-{row[6]}")
def test_verdicts(
    row: tuple[State, Intent, str, bool, bool, float | None, float | None, Liveness],
) -> None:
    state, intent, host, supervisor, trainer, beat, trainer_beat, verdict = row
    assert judge(state, intent, vitals(host, supervisor, trainer, beat, trainer_beat)) is verdict


ALL_VITALS = [
    vitals(*row)
    for row in itertools.product(
        ["here", "rebooted", "elsewhere"], [True, False], [True, False], [None, 0.5, OLD], [None, 0.5, MUTE]
    )
]


@pytest.mark.parametrize("state", [state for state in State if state.has_ended])
def test_an_ended_run_has_ended_whatever_its_processes(state: State) -> None:
    verdicts = {judge(state, intent, seen) for intent in Intent for seen in ALL_VITALS}
    assert verdicts == {Liveness.ENDED}


def test_what_holds_of_every_verdict() -> None:
    states = [state for state in State if not state.has_ended]
    for state, intent, seen in itertools.product(states, Intent, ALL_VITALS):
        verdict = judge(state, intent, seen)
        assert verdict is not Liveness.ENDED
        if seen.same_host and seen.same_boot and seen.supervisor_alive:
            assert verdict in (Liveness.LIVE, Liveness.SILENT)
        if verdict is Liveness.REBOOTED:
            assert seen.same_host
            assert not seen.same_boot
        if verdict is Liveness.UNATTENDED:
            assert intent in (Intent.PARKED, Intent.PAUSED)
        if verdict is Liveness.ORPHANED:
            assert seen.trainer_alive
            assert not seen.supervisor_alive


def test_a_run_presumed_dead_revives_when_it_beats_again() -> None:
    dead = judge(State.RUNNING, RUN, vitals("elsewhere", False, False, OLD, OLD))
    beats = judge(State.RUNNING, RUN, vitals("elsewhere", False, False, 0.2, 0.2))
    assert (dead, beats) == (Liveness.DEAD, Liveness.LIVE)


def status_of(pid: process.ProcessId, now: float, **fields: object) -> Status:
    heart = Heart(process=pid, beat_at=now)
    values = {"run": "r", "state": State.RUNNING, "supervisor": heart, "trainer": heart} | fields
    values = {"host": process.host(), "boot_id": process.boot_id()} | values
    return Status(**values)  # type: ignore[arg-type]


def test_observing_this_very_process() -> None:
    now = time.time()
    seen = observe(status_of(process.this_process(), now - 3.0), now)
    assert seen.supervisor_alive
    assert seen.trainer_alive
    assert seen.supervisor_beat_age_s == pytest.approx(3.0)


def test_a_clock_that_stepped_back_makes_no_negative_age() -> None:
    assert observe(status_of(process.this_process(), 1000.0), 900.0).supervisor_beat_age_s == 0.0


@pytest.mark.parametrize("fields", [{"host": "another-machine"}, {"boot_id": "another-boot"}])
def test_processes_of_another_machine_or_boot_are_not_looked_for(fields: dict[str, str]) -> None:
    seen = observe(status_of(process.this_process(), 0.0, **fields), 0.0)
    assert not seen.supervisor_alive
    assert not seen.trainer_alive


def test_a_killed_supervisor_is_noticed_without_waiting() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    pid = process.identify(child.pid)
    assert pid is not None
    now = time.time()
    assert liveness(status_of(pid, now), now) is Liveness.LIVE
    child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead and not reaped: a zombie is not alive
    assert liveness(status_of(pid, now), now) is Liveness.DEAD
    child.communicate()
    assert liveness(status_of(pid, now), now) is Liveness.DEAD


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    status = status_of(process.this_process(), 5.0, epoch=1.5, last_error="no \ud800 room")
    write_status(tmp_path / "status.json", status, durable=True)
    back = read_status(tmp_path / "status.json")
    assert back == msgspec.structs.replace(status, last_error="no ? room")


def test_a_non_finite_figure_does_not_cost_the_status(tmp_path: Path) -> None:
    write_status(tmp_path / "status.json", status_of(process.this_process(), 5.0, epoch=math.nan))
    back = read_status(tmp_path / "status.json")
    assert back is not None
    assert back.epoch is None


def test_no_status_yet(tmp_path: Path) -> None:
    assert read_status(tmp_path / "status.json") is None
    assert read_run_info(tmp_path / "run.json") is None


@pytest.mark.parametrize(
    "garbage",
    [b"", b"{", b"null", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"run":"r","state":"flying"}', b'{"run":1}'],
    ids=["empty", "torn", "null", "list", "bytes", "deep", "state", "type"],
)
def test_garbage_is_one_kind_of_error(tmp_path: Path, garbage: bytes) -> None:
    path = tmp_path / "status.json"
    path.write_bytes(garbage)
    with pytest.raises(msgspec.DecodeError):
        read_status(path)
    with pytest.raises(msgspec.DecodeError):
        read_run_info(path)


def test_fields_of_a_later_version_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    path.write_bytes(b'{"run":"r","state":"running","mood":"calm"}')
    assert read_status(path) == Status(run="r", state=State.RUNNING)
    path.write_bytes(b'{"run":"r","state":"running","phase":"dreaming","step":7,"epoch":1,"supervisor":null}')
    assert read_status(path) == Status(run="r", state=State.RUNNING, phase=None, step=7, epoch=1.0)
    path.write_bytes(b'{"run":"r","state":"flying","phase":"dreaming"}')
    with pytest.raises(msgspec.ValidationError, match="flying"):
        read_status(path)
    path.write_bytes(b'{"id":"r","name":"n","task":"t","created_at":1.0,"mood":"calm"}')
    assert read_run_info(path) == RunInfo(id="r", name="n", task="t", created_at=1.0)
