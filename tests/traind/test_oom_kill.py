"""The kernel's count of processes that it ended for want of memory: which file, which line, and how old it may be."""

from pathlib import Path

import pytest

from traind.oom_kill import OomKills, count, counter_file

PID = 42


def write(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="ascii")
    return path


V2 = "low 0\nhigh 0\nmax 12\noom 3\noom_kill {n}\noom_group_kill 0\n"
V1 = "oom_kill_disable 0\nunder_oom 0\noom_kill {n}\n"


@pytest.mark.parametrize(
    ("membership", "file", "text"),
    [
        ("0::/user.slice/run.scope\n", "sys/fs/cgroup/user.slice/run.scope/memory.events", V2),
        ("0::/user.slice/run.scope\n", "sys/fs/cgroup/user.slice/memory.events", V2),  # no controller in the scope
        ("0::/\n", "sys/fs/cgroup/memory.events", V2),  # in a container's own namespace
        ("0::/../../elsewhere\n", "sys/fs/cgroup/memory.events", V2),
        ("9:name=systemd:/x\n4:memory:/job/7\n0::/\n", "sys/fs/cgroup/memory/job/7/memory.oom_control", V1),
        ("4:cpu,memory:/seen/by/the/host\n", "sys/fs/cgroup/memory/memory.oom_control", V1),
    ],
)
def test_the_innermost_count_there_is(tmp_path: Path, membership: str, file: str, text: str) -> None:
    write(tmp_path, f"proc/{PID}/cgroup", membership)
    written = write(tmp_path, file, text.format(n=2))
    found = counter_file(PID, tmp_path)
    assert found == written
    assert count(written) == 2


@pytest.mark.parametrize("membership", ["", "garbage\n", "4:cpu:/\n", "0::/x\n", "4:memory:/x\n"])
def test_nothing_known_is_no_kill(tmp_path: Path, membership: str) -> None:
    write(tmp_path, f"proc/{PID}/cgroup", membership)
    kills = OomKills(PID, 0.0, tmp_path)
    kills.look(100.0)
    assert not kills.has_one_come()
    assert not OomKills(PID + 1, 0.0, tmp_path).has_one_come()


def test_a_kill_counts_while_it_is_fresh(tmp_path: Path) -> None:
    """Else a person's `kill -9`, hours after a loader worker was ended for memory, would pass for the kernel's."""
    write(tmp_path, f"proc/{PID}/cgroup", "0::/job\n")
    events = write(tmp_path, "sys/fs/cgroup/job/memory.events", V2.format(n=5))
    kills = OomKills(PID, 0.0, tmp_path)
    assert not kills.has_one_come()
    events.write_text(V2.format(n=6), encoding="ascii")
    assert kills.has_one_come()
    kills.look(31.0)
    assert kills.has_one_come()
    kills.look(62.0)
    assert not kills.has_one_come()


def test_a_count_that_vanished_is_no_kill(tmp_path: Path) -> None:
    write(tmp_path, f"proc/{PID}/cgroup", "0::/job\n")
    events = write(tmp_path, "sys/fs/cgroup/job/memory.events", V2.format(n=5))
    kills = OomKills(PID, 0.0, tmp_path)
    events.unlink()
    assert not kills.has_one_come()
