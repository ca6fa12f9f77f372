"""Searching a log: every line that holds what is meant, in either direction, and no other."""

import contextlib
import re
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainwatch.consolelog import search
from trainwatch.consolelog.lines import LineFile
from trainwatch.consolelog.search import Sieve, Wanted, compiled, first_after, last_before, searchable

LINES = ["alpha", "Beta 7", "\x1b[31mred\x1b[0m beta", "10%\r100% beta", "", "gamma\t", "ünïcode", "b" * 40]


def written(path: Path, data: bytes) -> LineFile:
    path.write_bytes(data)
    return LineFile(path, max_line_bytes=16)


def ignore(num_bytes: int) -> None:
    assert num_bytes > 0


@given(
    lines=st.lists(st.sampled_from(LINES), max_size=12),
    pattern=st.sampled_from(
        ["beta", "Beta", "a$", "^$", "^1", "ed b", r"\s", "[^z]", "ï", "b{20}", "zzz", "x*", "b+", "a 7"]
    ),
    chunk_bytes=st.sampled_from([40, 100, 1 << 20]),
)
def test_both_directions_and_the_sieve_find_what_a_look_at_each_line_finds(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], pattern: str, chunk_bytes: int
) -> None:
    file = written(tmp_path_factory.mktemp("log") / "console.log", "".join(f"{line}\n" for line in lines).encode())
    wanted = Wanted((compiled(pattern),))
    expected = [line for line in file.after(0, 1000) if compiled(pattern).is_in(searchable(line.text))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "CHUNK_BYTES", chunk_bytes)
        found, start = [], 0
        while (line := first_after(file, start, wanted, ignore)) is not None:
            found.append(line)
            start = line.end
        backwards, stop = [], file.size
        while (line := last_before(file, stop, wanted, ignore)) is not None:
            backwards.insert(0, line)
            stop = line.start
        sieve = Sieve(wanted)
        while sieve.advance(file):
            pass
    assert found == backwards == expected
    starts = [line.start for line in expected]
    assert sieve.at(0, 1000) == starts
    for i, start in enumerate(starts):
        assert sieve.at(i, 2) == starts[i : i + 2]
        assert sieve.index_of(start) == i
    file.close()


def test_all_of_several_patterns_have_to_be_found(tmp_path: Path) -> None:
    file = written(tmp_path / "console.log", b"one two\none\ntwo\n")
    line = first_after(file, 0, Wanted((compiled("two"), compiled("^two"))), ignore)
    assert line is not None
    assert line.text == "two"


def test_a_line_that_is_still_being_written_waits(tmp_path: Path) -> None:
    file = written(tmp_path / "console.log", b"beta 1\nbet")
    sieve = Sieve(Wanted((compiled("beta"),)))
    while sieve.advance(file):
        pass
    assert sieve.at(0, 9) == [0]
    with file.path.open("ab") as log:
        log.write(b"a 2\n")
    file.refresh()
    while sieve.advance(file):
        pass
    assert sieve.at(0, 9) == [0, 7]


def test_a_full_sieve_holds_no_more(tmp_path: Path) -> None:
    file = written(tmp_path / "console.log", b"a\n" * 50)
    sieve = Sieve(Wanted((compiled("a"),)), most=7)
    while sieve.advance(file):
        pass
    assert (sieve.count, sieve.at(0, 99), sieve.is_full) == (7, [0, 2, 4, 6, 8, 10, 12], True)


def test_a_search_can_be_ended(tmp_path: Path) -> None:
    file = written(tmp_path / "console.log", b"a\n" * 50)

    def leave(num_bytes: int) -> None:
        raise InterruptedError(num_bytes)

    with pytest.raises(InterruptedError):
        first_after(file, 0, Wanted((compiled("zzz"),)), leave)


@pytest.mark.parametrize("text", ["(", "a{2", "[", "*", "(?P<x", "\\"])
def test_a_bad_expression_is_one_clear_message(text: str) -> None:
    try:
        re.compile(text)
    except re.error:
        with pytest.raises(ValueError, match=r"is no regular expression: .+"):
            compiled(text)
    else:
        assert compiled(text)


@pytest.mark.parametrize(
    ("text", "line", "is_found"),
    [
        ("loss", "Loss", True), ("Loss", "loss", False), (r"\Sloss", "aLOSS", True), ("[@-_]", "a", True),
        (r"\x41", "a", True), ("ß", "a ß", True), ("ï", "a Ï", True), ("a.b", "xA.B", True), ("(?-i:a)", "A", False),
    ],
)  # fmt: skip
def test_a_capital_letter_makes_case_matter(text: str, line: str, *, is_found: bool) -> None:
    expression = compiled(text)
    assert expression.is_in(line) == bool(list(expression.places(line + "\n"))) == is_found


@pytest.mark.parametrize(("pattern", "line"), [(r"(a|aa)+$", "a" * 50 + "b"), (r"(.*)(.*)(.*)(.*)[^a]$", "a" * 2000)])
def test_an_expression_that_takes_too_long_is_ended(pattern: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "PATIENCE_S", 0.05)
    expression, begun = compiled(pattern), time.monotonic()
    for look in (expression.is_in, lambda text: list(expression.places(text))):
        with pytest.raises(search.TooSlowError, match="takes too long"):
            look(line)
    assert expression.marks(line) == []
    assert time.monotonic() - begun < 5


def test_other_threads_go_on_while_an_expression_is_matched(monkeypatch: pytest.MonkeyPatch) -> None:
    """The screen is one of them."""
    monkeypatch.setattr(search, "PATIENCE_S", 1.0)
    expression, ended = compiled(r"(a|aa)+$"), threading.Event()

    def match() -> None:
        with contextlib.suppress(search.TooSlowError):
            expression.is_in("a" * 50 + "b")
        ended.set()

    threading.Thread(target=match).start()
    begun = time.monotonic()
    turns = 0
    while not ended.wait(0.01):
        turns += 1
        assert time.monotonic() - begun < 20
    assert turns > 5


@pytest.mark.parametrize("pattern", ["((a{99}){99}){99}", "x{1000000}", "(a{1,999}){1,999}"])
def test_an_expression_that_is_written_out_without_end_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="repeats too often"):
        compiled(pattern)
    assert compiled(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}").is_in("2026-11-26 10:00:00")


def test_what_only_regex_knows_is_no_expression() -> None:
    with pytest.raises(ValueError, match="is no regular expression"):
        compiled("(?r)ab")


@pytest.mark.parametrize("pattern", ["(", "[a", "a{2,1}", "*", "\\", "(" * 3000 + ")" * 3000])
def test_what_is_no_expression_is_said(pattern: str) -> None:
    with pytest.raises(ValueError, match="is no regular expression"):
        compiled(pattern)
