"""A file replaced whole: readers see the old or the new content, failures leave the old one and no rubbish."""

import json
import stat
import threading
from pathlib import Path

import pytest

from rundir.atomic import write_atomic, write_in_room


@pytest.mark.parametrize("durable", [True, False])
def test_the_new_content_is_there_private_and_alone(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "status.json"
    path.write_bytes(b"old and longer")
    write_atomic(path, b"new", durable=durable)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_content(tmp_path: Path) -> None:
    (tmp_path / "status.json" / "occupied").mkdir(parents=True)
    with pytest.raises(OSError, match=r"status\.json"):
        write_atomic(tmp_path / "status.json", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["status.json"]


def test_readers_and_writers_at_once_see_whole_contents(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    write_atomic(path, b"0" * 10_000)
    stop = threading.Event()

    def write(digit: bytes) -> None:
        while not stop.is_set():
            write_atomic(path, digit * 10_000, durable=False)

    writers = [threading.Thread(target=write, args=(digit,)) for digit in (b"1", b"2")]
    for writer in writers:
        writer.start()
    try:
        seen = {path.read_bytes() for _ in range(300)}
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert all(len(content) == 10_000 and len(set(content)) == 1 for content in seen)
    assert list(tmp_path.iterdir()) == [path]


def test_overwriting_in_place_takes_no_more_room(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    path.write_bytes(b'{"step": 1000}\n')
    inode = path.stat().st_ino
    write_in_room(path, b'{"step": 7}\n')
    assert json.loads(path.read_bytes()) == {"step": 7}
    assert path.stat().st_ino == inode
    with pytest.raises(OSError, match="No space"):
        write_in_room(path, b" " * 100_000)
    assert json.loads(path.read_bytes()) == {"step": 7}
