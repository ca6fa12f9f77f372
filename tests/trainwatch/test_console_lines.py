"""A log by byte offsets: the same lines from every side, however long they are and wherever one begins."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainwatch.consolelog.lines import Line, LineFile, shown

LONGEST = 8


def split(data: bytes) -> list[bytes]:
    """The lines as the module defines them, found byte by byte."""
    lines, start = [], 0
    for i in range(len(data)):
        ends = data[i : i + 1] == b"\n"
        is_cut = (
            (i + 1) % LONGEST == 0
            and i + 1 < len(data)
            and i + 1 - LONGEST >= 0
            and b"\n" not in data[i + 1 - LONGEST : i + 2]
        )
        if ends or is_cut or i + 1 == len(data):
            lines.append(data[start : i + 1])
            start = i + 1
    return lines


def as_bytes(line: Line) -> bytes:
    return line.text.encode("utf-8", "surrogateescape")


logs = st.lists(st.sampled_from([b"\n", b"\n", b"a", b"bcd", b"\xff", "ü".encode(), b"e" * 9]), max_size=25).map(
    b"".join
)


@given(data=logs)
def test_from_every_side_the_lines_are_the_same(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("log") / "console.log"
    path.write_bytes(data)
    file = LineFile(path, max_line_bytes=LONGEST)
    expected = split(data)
    starts = [sum(map(len, expected[:i])) for i in range(len(expected))]
    assert [(line.start, line.end) for line in file.after(0, 1000)] == [
        (start, start + len(line)) for start, line in zip(starts, expected, strict=True)
    ]
    assert [as_bytes(line) for line in file.after(0, 1000)] == [line.removesuffix(b"\n") for line in expected]
    assert file.before(len(data), 1000) == file.after(0, 1000)
    for offset in range(len(data)):
        start = max(start for start in starts if start <= offset)
        assert file.start_of(offset) == start
        found = file.line_at(offset)
        assert found is not None
        assert found.start == start
    for i, start in enumerate(starts):
        assert file.after(start, 2) == file.after(0, 1000)[i : i + 2]
        assert file.before(start, 2) == file.after(0, 1000)[max(0, i - 2) : i]
    file.close()


def test_long_lines_are_read_in_parts_of_a_bounded_size(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    path.write_bytes(b"x" * 1_000_000 + b"\nshort\n")
    file = LineFile(path)
    lines = file.after(0, 10**6)
    assert max(len(line.text) for line in lines) <= 2 * file.max_line_bytes
    assert lines[-1].text == "short"
    assert file.before(file.size, 2)[1].text == "short"


def test_it_grows_and_is_known_when_it_is_another(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    path.write_text("one\ntw")
    file = LineFile(path)
    assert [line.text for line in file.after(0, 9)] == ["one", "tw"]
    with path.open("a") as log:
        log.write("o\n")
    assert not file.refresh()
    assert [line.text for line in file.after(0, 9)] == ["one", "two"]
    path.write_text("new\n")
    assert file.refresh()
    (tmp_path / "other").write_text("another\nfile\n")
    (tmp_path / "other").rename(path)
    assert file.refresh()
    assert [line.text for line in file.after(0, 9)] == ["another", "file"]
    path.unlink()
    with pytest.raises(FileNotFoundError):
        file.refresh()


def test_of_a_copy_with_a_hole_only_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    with path.open("wb") as log:
        log.seek(1 << 20)
        log.write(b"half of a line\nwhole\n")
    file = LineFile(path, behind_hole=True)
    if os.stat(path).st_blocks * 512 < 1 << 20:  # else this file system knows no holes
        assert [line.text for line in file.after(file.begin, 9)] == ["whole"]
        assert [line.text for line in file.before(file.size, 9)] == ["whole"]
        assert file.start_of(5) == file.begin


@pytest.mark.parametrize(("text", "seen"), [("10%\r50%\r", "50%"), ("plain", "plain"), ("a\rb", "b"), ("", "")])
def test_what_was_written_over_is_its_last_state(text: str, seen: str) -> None:
    assert shown(text) == seen


def done(work: Callable[[], object]) -> bool:
    """Whether it comes to an end; in a thread, as it may not."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(10.0)
    return not thread.is_alive()


def test_a_log_that_was_cut_since_it_was_looked_at_has_no_lines(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    path.write_bytes(b"a line\n" * 1000)
    file = LineFile(path)
    path.write_bytes(b"")
    found: list[Line] = []
    assert done(lambda: found.extend([*file.after(0, 10), *file.before(file.size, 10)]))
    assert found == []
    file.close()


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "console.log")
    said: list[str] = []

    def look() -> None:
        try:
            LineFile(tmp_path / "console.log")
        except OSError as error:
            said.append(str(error))

    assert done(look)
    assert "no regular file" in said[0]
