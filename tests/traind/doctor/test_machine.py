"""Room, cores, hub, logout, clock and versions: the texts that systems give, and the verdicts on them."""

import os
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traind.check.finding import Finding, Level
from traind.doctor.clock import EARLIEST_AT, Moment, examine_clock, parse_timedatectl
from traind.doctor.cpu import Limits, examine_cpu, own_groups, parse_bytes, parse_cpu_max, read_limits
from traind.doctor.hub import examine_hub, hub_places, measure
from traind.doctor.logout import examine_logout, is_spared, owner_of, parse_yes, unit_of
from traind.doctor.room import (
    examine_descriptors,
    examine_disk,
    examine_inotify,
    examine_memory,
    examine_room,
    examine_shm,
    existing,
)
from traind.doctor.shell import ask, read, run
from traind.doctor.versions import examine_versions

GIB = 2**30
MIB = 2**20
SHM = Path("/dev/shm")  # noqa: S108 - looked at, not written to


# --- room ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("finding", "level", "words"),
    [
        (examine_disk("disk", Path("/runs"), GIB // 2, 100 * GIB), Level.FAULT, "512 MiB of 100 GiB free at /runs"),
        (examine_disk("disk", Path("/runs"), 5 * GIB, 100 * GIB), Level.WARN, "5 GiB"),
        (examine_disk("disk", Path("/runs"), 50 * GIB, 100 * GIB), Level.OK, "50 GiB"),
        (examine_memory(GIB // 2, 16 * GIB, Limits()), Level.FAULT, "512 MiB of 16 GiB available"),
        (
            examine_memory(8 * GIB, 16 * GIB, Limits(memory_bytes=2 * GIB)),
            Level.WARN, "2 GiB allowed to this control group",
        ),
        (
            examine_memory(60 * GIB, 64 * GIB, Limits(memory_bytes=16 * GIB, memory_left_bytes=GIB // 2)),
            Level.FAULT, "16 GiB allowed to this control group, 512 MiB of them left",
        ),
        (
            examine_memory(8 * GIB, 16 * GIB, Limits(memory_bytes=64 * GIB, memory_left_bytes=GIB)),
            Level.OK, "8 GiB of 16 GiB available",
        ),
        (examine_shm(60 * MIB, 64 * MIB), Level.WARN, "bus error"),
        (examine_shm(8 * GIB, 8 * GIB), Level.OK, "8 GiB"),
        (examine_shm(None, 0), Level.OK, "no /dev/shm"),
        (examine_descriptors(256, 4096), Level.WARN, "256 a process (at most 4,096)"),
        (examine_descriptors(1024, -1), Level.OK, "at most unlimited"),
        (examine_inotify("65536\n", "128\n"), Level.OK, "65,536 watches"),
        (examine_inotify("65536\n", "8\n"), Level.WARN, "by a timer"),
        (examine_inotify(None, None), Level.OK, "not told"),
    ],
)  # fmt: skip
def test_room_has_thresholds(finding: Finding, level: Level, words: str) -> None:
    assert finding.level is level
    assert words in finding.text
    assert bool(finding.cure) == (level is not Level.OK)


def test_this_machine_has_some_room(tmp_path: Path) -> None:
    found = list(examine_room(tmp_path / "not" / "there" / "yet", tmp_path / "hub", Limits()))
    assert [f.check for f in found] == ["memory", "shared memory", "disk", "open files", "inotify"]
    assert existing(tmp_path / "not" / "there") == tmp_path


@pytest.mark.skipif(not SHM.is_dir(), reason="needs a second file system")
def test_a_hub_cache_on_a_disk_of_its_own_is_looked_at(tmp_path: Path) -> None:
    if SHM.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("temporary files lie in /dev/shm")
    found = {f.check: f.text for f in examine_room(tmp_path, SHM / "no-such-cache" / "hub", Limits())}
    assert found["disk"].endswith(f"at {tmp_path}")
    assert found["hub disk"].endswith("at /dev/shm")


# --- cores --------------------------------------------------------------------------------------------------------


def test_quotas_of_both_versions_are_read(tmp_path: Path) -> None:
    second = tmp_path / "2"
    (second / "pod" / "me").mkdir(parents=True)
    (second / "pod" / "cpu.max").write_text("150000 100000\n")
    (second / "pod" / "me" / "cpu.max").write_text("max 100000\n")
    (second / "pod" / "me" / "memory.max").write_text("2147483648\n")
    assert read_limits(second, "0::/pod/me\n") == Limits(1.5, 2 * GIB)
    (second / "pod" / "me" / "memory.current").write_text(f"{GIB + 300 * MIB}\n")
    (second / "pod" / "me" / "memory.stat").write_text(f"anon 5\ninactive_file {300 * MIB}\nactive_file 7\n")
    assert read_limits(second, "0::/pod/me\n") == Limits(1.5, 2 * GIB, GIB)
    (second / "pod" / "memory.max").write_text(f"{8 * GIB}\n")
    (second / "pod" / "memory.current").write_text(f"{9 * GIB}\n")
    assert read_limits(second, "0::/pod/me\n") == Limits(1.5, 2 * GIB, 0)
    first = tmp_path / "1"
    (first / "cpu").mkdir(parents=True)
    (first / "cpu" / "cpu.cfs_quota_us").write_text("50000\n")
    (first / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    (first / "memory" / "a").mkdir(parents=True)
    (first / "memory" / "a" / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert read_limits(first, "3:cpu,cpuacct:/\n4:memory:/a\n") == Limits(0.5, None)
    (first / "memory" / "memory.limit_in_bytes").write_text(f"{4 * GIB}\n")
    (first / "memory" / "memory.usage_in_bytes").write_text(f"{3 * GIB}\n")
    (first / "memory" / "memory.stat").write_text(f"inactive_file 0\ntotal_inactive_file {GIB}\n")
    assert read_limits(first, "3:cpu,cpuacct:/\n4:memory:/a\n") == Limits(0.5, 4 * GIB, 2 * GIB)
    assert read_limits(tmp_path / "none", "") == Limits()


@pytest.mark.parametrize(
    ("text", "cores"), [("max 100000", None), ("50000 100000", 0.5), ("-1 100000", None), ("", None)]
)
def test_a_quota_is_cores(text: str, cores: float | None) -> None:
    assert parse_cpu_max(text) == cores


@given(st.text())
def test_odd_texts_of_a_kernel_are_no_limits(text: str) -> None:
    assert own_groups(text) is not None
    assert parse_bytes("max" + text) is None


@pytest.mark.parametrize(
    ("quota", "environment", "levels"),
    [
        (None, {}, [Level.OK, Level.OK]),
        (2.0, {}, [Level.WARN, Level.OK]),
        (None, {"OMP_NUM_THREADS": "1"}, [Level.OK, Level.WARN]),
        (None, {"OMP_NUM_THREADS": "64"}, [Level.OK, Level.WARN]),
        (None, {"OMP_NUM_THREADS": "8"}, [Level.OK, Level.OK]),
        (2.0, {"OMP_NUM_THREADS": "8,1"}, [Level.WARN, Level.WARN]),
        (None, {"MKL_NUM_THREADS": "4"}, [Level.OK, Level.OK]),
        (None, {"OMP_NUM_THREADS": "many"}, [Level.OK, Level.OK]),
    ],
)
def test_threads_are_held_against_cores(quota: float | None, environment: dict[str, str], levels: list[Level]) -> None:
    assert [finding.level for finding in examine_cpu(16, 8, quota, environment)] == levels


# --- hub ----------------------------------------------------------------------------------------------------------


def test_a_token_is_found_and_never_shown(tmp_path: Path) -> None:
    secret = "hf_secretsecretsecret"  # noqa: S105 - made up
    by_variable = list(examine_hub({"HF_TOKEN": secret}, tmp_path))
    token = tmp_path / ".cache" / "huggingface" / "token"
    token.parent.mkdir(parents=True)
    token.write_text(secret)
    by_file = list(examine_hub({}, tmp_path))
    assert by_variable[0].text == "a token is in HF_TOKEN"
    assert by_file[0].text == f"a token is in {token}"
    assert not any(secret in finding.text + finding.cure for finding in by_variable + by_file)


def test_places_are_those_of_the_library(tmp_path: Path) -> None:
    from huggingface_hub import constants

    places = hub_places(os.environ, Path.home())
    assert (str(places.token), str(places.cache)) == (constants.HF_TOKEN_PATH, constants.HF_HUB_CACHE)
    assert hub_places({"HF_HOME": "/big/hf"}, tmp_path).cache == Path("/big/hf/hub")
    assert hub_places({"XDG_CACHE_HOME": "/x"}, tmp_path).token == Path("/x/huggingface/token")


def test_the_cache_is_measured_within_its_time(tmp_path: Path) -> None:
    blobs = tmp_path / "models--bert" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / "abc").write_bytes(b"x" * 3000)
    (tmp_path / "datasets--empty").mkdir()
    (tmp_path / "version.txt").touch()
    assert measure(tmp_path, time.monotonic() + 60) == (3000, 2, True)
    assert measure(tmp_path, time.monotonic() - 1) == (0, 2, False)
    *_, cache = examine_hub({"HF_HUB_CACHE": str(tmp_path)}, tmp_path)
    assert cache.text == f"{tmp_path}: 2.93 KiB in 2 models and data sets"


def test_offline_is_a_warning(tmp_path: Path) -> None:
    levels = {f.check: f.level for f in examine_hub({"HF_HUB_OFFLINE": "1"}, tmp_path)}
    assert levels == {"hub login": Level.OK, "hub": Level.WARN, "hub cache": Level.OK}


# --- logout -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("has_logind", "kills", "lingers", "unit", "level", "cure"),
    [
        (False, None, None, "", Level.OK, ""),
        (True, False, False, "session-3.scope", Level.OK, ""),
        (True, False, True, "user@1000.service", Level.OK, ""),
        (True, False, False, "user@1000.service", Level.WARN, "loginctl enable-linger"),
        (True, True, False, "session-3.scope", Level.FAULT, "loginctl enable-linger"),
        (True, True, True, "session-3.scope", Level.FAULT, "systemd-run --user --scope"),
        (True, True, True, "user@1000.service", Level.OK, ""),
        (True, None, None, "session-3.scope", Level.OK, ""),
    ],
)
def test_what_a_logout_ends(
    has_logind: bool, kills: bool | None, lingers: bool | None, unit: str, level: Level, cure: str
) -> None:
    finding = examine_logout(has_logind=has_logind, kills=kills, lingers=lingers, unit=unit)
    assert finding.level is level
    assert finding.cure.startswith(cure)
    assert bool(finding.cure) == bool(cure)


@pytest.mark.parametrize(
    ("user", "only", "excluded", "spared"),
    [
        ("root", "as 0\n", 'as 1 "root"\n', True),
        ("root", None, None, True),
        ("ada", "as 0\n", 'as 1 "root"\n', False),
        ("ada", "as 0\n", 'as 2 "root" "ada"\n', True),
        ("root", "as 0\n", "as 0\n", False),
        ("ada", 'as 1 "bob"\n', "as 0\n", True),
        ("bob", 'as 1 "bob"\n', "as 0\n", False),
    ],
)
def test_logind_leaves_some_users_alone(user: str, only: str | None, excluded: str | None, spared: bool) -> None:
    assert is_spared(user, only, excluded) is spared
    finding = examine_logout(has_logind=True, kills=True, spared=spared, lingers=False, unit="session-3.scope")
    assert finding.level is (Level.OK if spared else Level.FAULT)
    assert ("but not for this user" in finding.text) == spared


def test_the_owner_of_a_session_is_not_who_sudo_makes_us() -> None:
    assert owner_of("0::/user.slice/user-0.slice/session-3.scope\n") == "root"
    assert owner_of("0::/user.slice/user-4123456789.slice/session-3.scope\n") == "4123456789"
    assert owner_of("0::/\n") == owner_of(f"0::/user.slice/user-{os.getuid()}.slice/session-3.scope\n")


@pytest.mark.parametrize(
    ("text", "value"), [("Linger=yes\n", True), ("b true\n", True), ("Linger=no", False), ("", None), (None, None)]
)
def test_answers_of_logind(text: str | None, value: bool | None) -> None:
    assert parse_yes(text) is value


def test_the_unit_we_are_in() -> None:
    assert unit_of("0::/user.slice/user-1000.slice/session-3.scope\n") == "session-3.scope"
    manager = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/vte-spawn-1.scope\n"
    assert unit_of(manager) == "user@1000.service"
    assert unit_of("0::/system.slice/ssh.service\n") == "ssh.service"
    assert unit_of("0::/\n") == ""


# --- clock --------------------------------------------------------------------------------------------------------

NOW = EARLIEST_AT + 1e7


@pytest.mark.parametrize(
    ("wall_at", "newest_at", "is_synchronised", "level", "words"),
    [
        (NOW + 1, NOW, True, Level.OK, "zone Europe/Berlin, synchronised"),
        (NOW + 1, None, None, Level.OK, "zone Europe/Berlin"),
        (NOW + 1, None, False, Level.WARN, "not synchronised"),
        (NOW - 30, None, True, Level.WARN, "it was put 31 s back"),
        (NOW + 31, None, True, Level.WARN, "it was put 30 s forward"),
        (NOW + 1, NOW + 3601, True, Level.WARN, "the newest run was written 1 h 00 min after now"),
        (12.0, None, None, Level.FAULT, "it is wrong"),
    ],
)
def test_a_clock_is_held_against_the_other_and_the_runs(
    wall_at: float, newest_at: float | None, is_synchronised: bool | None, level: Level, words: str
) -> None:
    before, after = Moment(NOW, 100.0), Moment(wall_at, 101.0)
    (finding,) = examine_clock(before, after, newest_at, is_synchronised=is_synchronised, zone="Europe/Berlin")
    assert finding.level is level
    assert words in finding.text


def test_timedatectl_is_read() -> None:
    text = "Timezone=Europe/Berlin\nLocalRTC=no\nCanNTP=yes\nNTP=yes\nNTPSynchronized=no\nTimeUSec=x\n"
    assert parse_timedatectl(text) == (False, "Europe/Berlin")
    assert parse_timedatectl(None) == (None, "")


# --- versions, shell ----------------------------------------------------------------------------------------------


def test_what_is_not_installed_is_a_fault() -> None:
    _, bare, _ = examine_versions("3.11.7", lambda name: "2.0" if name == "numpy" else None)
    assert (bare.level, bare.cure) == (Level.FAULT, "pip install 'trainwatch[train]'")
    assert "missing: torch, transformers" in bare.text
    _, old, _ = examine_versions("3.11.7", lambda _: "4.57.1")
    assert old.level is Level.WARN
    _, good, optional = examine_versions("3.11.7", lambda _: "5.1")
    assert (good.level, optional.level) == (Level.OK, Level.OK)


def test_what_is_not_there_is_none(tmp_path: Path) -> None:
    assert ask("no-such-program") is None
    assert ask("false") is None
    assert ask("sleep", "60", limit_s=0.05) is None
    assert ask("echo", "yes") == "yes\n"
    assert read(tmp_path) is None


def test_a_program_that_no_signal_ends_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one is that hangs within a driver: the signal stays without effect, and nobody may wait for its end."""
    children: list[subprocess.Popen[bytes]] = []

    def stay(child: subprocess.Popen[bytes]) -> None:
        children.append(child)

    monkeypatch.setattr(subprocess.Popen, "kill", stay)
    began = time.monotonic()
    try:
        assert run(["sleep", "30"], 0.05) is None
        took_s = time.monotonic() - began
    finally:
        monkeypatch.undo()
        for child in children:
            child.kill()
            child.wait()
    assert len(children) == 1
    assert took_s < 15


def test_an_answer_has_status_and_both_texts() -> None:
    assert run(["sh", "-c", "echo out; echo err >&2; exit 3"], 30) == (3, b"out\n", "err\n")
