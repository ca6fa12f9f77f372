"""Bytes in any portions, torn files, several writers, full disks: the same records come out, whole."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rundir import append as append_module
from rundir.append import Appender
from rundir.records import EVENT_DECODER, METRICS_DECODER, StepRecord, decode_lines, encode
from rundir.tail import Tail
from tests.protocol.records import metrics_records


def drain(tail: Tail) -> tuple[list[Any], int, bool]:
    """Everything there is to read: records, skipped lines, and whether reading began anew."""
    records: list[Any] = []
    skipped, restarted = 0, False
    while True:
        chunk = tail.poll()
        restarted |= chunk.restarted
        decoded = decode_lines(chunk.lines, METRICS_DECODER)
        records += decoded.records
        skipped += decoded.skipped
        if chunk.at_end:
            return records, skipped, restarted


lines = st.one_of(
    metrics_records.map(encode), st.sampled_from([b"\n", b"garbage\n", b'{"kind":"other"}\n', b'{"kind":\n'])
)


@given(st.lists(lines, max_size=12), st.data())
def test_any_split_over_writes_and_polls_gives_the_same_records(
    tmp_path_factory: pytest.TempPathFactory, content: list[bytes], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("log") / "metrics.jsonl"
    whole = b"".join(content)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    tail = Tail(path, chunk_bytes=data.draw(st.sampled_from([1, 2, 7, 64, 256 * 1024])))
    records: list[Any] = []
    skipped = 0
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        with path.open("ab") as file:
            file.write(whole[start:end])
        if data.draw(st.booleans()):
            found, bad, restarted = drain(tail)
            records, skipped = records + found, skipped + bad
            assert not restarted
    found, bad, _ = drain(tail)
    expected = decode_lines(whole, METRICS_DECODER)
    assert (records + found, skipped + bad) == (expected.records, expected.skipped)


@given(st.lists(metrics_records, min_size=1, max_size=5), metrics_records, st.data())
def test_a_file_cut_at_any_byte_goes_on_with_whole_records(
    tmp_path_factory: pytest.TempPathFactory, records: list[Any], later: Any, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("log") / "metrics.jsonl"
    whole = b"".join(encode(record) for record in records)
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    appender = Appender(path, sole_writer=data.draw(st.booleans()))
    assert appender.append(encode(later))
    appender.close()
    found, _, _ = drain(Tail(path))
    num_whole = whole[:cut].count(b"\n")
    # The cut may fall on the newline alone: that record was whole, and is again.
    assert found in ([*records[:num_whole], later], [*records[: num_whole + 1], later])
    assert path.read_bytes().endswith(b"\n" + encode(later)) or path.read_bytes() == encode(later)


@given(st.lists(metrics_records, min_size=2, max_size=6), st.data())
def test_a_reader_opened_in_the_middle_begins_with_the_next_line(
    tmp_path_factory: pytest.TempPathFactory, records: list[Any], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("log") / "metrics.jsonl"
    whole = b"".join(encode(record) for record in records)
    path.write_bytes(whole)
    offset = data.draw(st.integers(0, len(whole)))
    found, skipped, _ = drain(Tail(path, offset=offset))
    num_before = whole[: max(offset - 1, 0)].count(b"\n") + (1 if offset else 0)
    assert (found, skipped) == (records[num_before:], 0)


def numbered(n: int) -> bytes:
    return encode(StepRecord(at=1.0, attempt=1, seq=n, step=n, loss=0.5))


def steps_in(path: Path, **options: int) -> list[int]:
    return [record.step for record in drain(Tail(path, **options))[0]]


def test_a_replaced_a_cut_and_a_rewritten_file_are_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"".join(map(numbered, range(1, 6))))
    tail = Tail(path)
    assert drain(tail)[2] is False
    replacement = tmp_path / "new"
    replacement.write_bytes(b"".join(map(numbered, range(11, 21))))
    replacement.replace(path)
    records, _, restarted = drain(tail)
    assert ([r.step for r in records], restarted) == (list(range(11, 21)), True)
    path.write_bytes(numbered(31))
    records, _, restarted = drain(tail)
    assert ([r.step for r in records], restarted) == ([31], True)
    path.write_bytes(b"".join(map(numbered, range(41, 60))))  # the same inode, and longer than before
    records, _, restarted = drain(tail)
    assert ([r.step for r in records], restarted) == (list(range(41, 60)), True)
    path.unlink()
    assert drain(tail) == ([], 0, False)
    path.write_bytes(numbered(71))
    assert drain(tail)[2] is True


def test_a_missing_file_is_empty_until_it_is_there(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "metrics.jsonl")
    assert tail.poll().at_end
    tail.path.write_bytes(numbered(1))
    records, _, restarted = drain(tail)
    assert ([r.step for r in records], restarted) == ([1], False)


@pytest.mark.parametrize("size", [9 * 1024 * 1024, 70 * 1024 * 1024])
def test_a_monstrous_line_hides_none_after_it(tmp_path: Path, size: int) -> None:
    path = tmp_path / "metrics.jsonl"
    with path.open("wb") as file:
        file.write(numbered(1))
        file.write(b'{"x":"' + b"y" * size + b'"}\n')
        file.write(numbered(2))
    assert steps_in(path) == [1, 2]


def test_chunks_grow_while_behind_and_shrink_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"".join(map(numbered, range(2000))))
    tail = Tail(path, chunk_bytes=1024)
    sizes = []
    while not (chunk := tail.poll()).at_end:
        sizes.append(len(chunk.lines))
    assert sizes[0] <= 1024 < sizes[-1]
    with path.open("ab") as file:
        file.write(b"".join(map(numbered, range(200))))
    assert len(tail.poll().lines) <= 1024


_WRITE_UNTIL_FULL = """
import resource, sys
from pathlib import Path
from rundir.append import Appender
from rundir.records import StepRecord, encode
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
appender = Appender(Path(sys.argv[1]), sole_writer=limit % 2 == 1)
written = [appender.append(encode(StepRecord(at=1.0, attempt=1, seq=n, step=n, loss=0.5))) for n in range(1, 41)]
assert written[0] and not written[-1], written
assert appender.pending == written.count(False)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert appender.append(encode(StepRecord(at=1.0, attempt=1, seq=41, step=41, loss=0.5)))
assert appender.pending == 0
"""


@pytest.mark.parametrize("limit", [1000, 1013, 1040, 1077])
def test_real_short_writes_leave_a_fragment_and_the_whole_record(tmp_path: Path, limit: int) -> None:
    path = tmp_path / "metrics.jsonl"
    subprocess.run([sys.executable, "-c", _WRITE_UNTIL_FULL, str(path), str(limit)], check=True)
    records, skipped, _ = drain(Tail(path))
    steps = [record.step for record in records]
    assert sorted(set(steps)) == list(range(1, 42))
    assert steps == sorted(steps)
    assert len(steps) + skipped in (41, 42)


@pytest.fixture
def small_disk(tmp_path: Path) -> Any:
    """A file system of 64 kB; only root may mount one."""
    mount = tmp_path / "disk"
    mount.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(mount)], check=False, capture_output=True
        ).returncode
    ):
        pytest.skip("cannot mount a small tmpfs here")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


def test_a_full_disk_keeps_records_waiting_and_the_reserve_says_so(small_disk: Path) -> None:
    reserve = small_disk / ".reserve"
    reserve.write_bytes(bytes(8192))
    path = small_disk / "metrics.jsonl"
    appender = Appender(path, reserve=reserve)
    n = 0
    while appender.append(numbered(n + 1)):
        n += 1
    assert appender.pending == 1
    assert not appender.flush()
    appender.free_reserve()
    assert appender.flush()
    assert appender.append(numbered(n + 2))
    appender.sync()
    appender.close()
    steps = steps_in(path)
    assert sorted(set(steps)) == list(range(1, n + 3))


_WRITE_MANY = """
import sys
from pathlib import Path
from rundir.append import Appender
from rundir.records import NoteEvent, encode
appender = Appender(Path(sys.argv[1]))
for n in range(1, 301):
    text = sys.argv[2] * (n * 37 % 5000)
    assert appender.append(encode(NoteEvent(at=1.0, attempt=int(sys.argv[2]), seq=n, writer="trainer", text=text)))
"""


def test_four_processes_at_once_lose_and_mix_nothing(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", _WRITE_MANY, str(path), str(n)]) for n in range(1, 5)]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0, 0]
    decoded = decode_lines(path.read_bytes(), EVENT_DECODER)
    assert decoded.skipped == 0
    for attempt in range(1, 5):
        mine = [record for record in decoded.records if record.attempt == attempt]
        assert [record.seq for record in mine] == list(range(1, 301))
        assert all(record.text == str(attempt) * (record.seq * 37 % 5000) for record in mine)


def test_another_writers_fragment_does_not_swallow_our_record(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    ours = Appender(path)
    assert ours.append(numbered(1))
    with path.open("ab") as other:
        other.write(b'{"kind":"note","at":1.0,"att')
    assert ours.append(numbered(2))
    assert ours.append(numbered(3))
    assert steps_in(path) == [1, 2, 3]


def test_what_waits_is_bounded_in_lines_and_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(append_module, "PENDING_LIMIT", 5)
    monkeypatch.setattr(append_module, "PENDING_BYTES", 1000)
    appender = Appender(Path("/dev/full"))
    for n in range(1, 11):
        assert not appender.append(numbered(n))
    assert (appender.pending, appender.dropped) == (5, 5)
    assert not appender.append(b"x" * 950 + b"\n")
    assert appender.pending == 1
    assert not appender.append(b"x" * 5000 + b"\n")
    assert (appender.pending, appender.dropped) == (1, 11)


def test_an_appender_on_a_closed_descriptor_keeps_the_line(tmp_path: Path) -> None:
    appender = Appender(tmp_path / "metrics.jsonl")
    appender.close()
    appender.close()
    assert not appender.append(numbered(1))
    assert appender.pending == 1
