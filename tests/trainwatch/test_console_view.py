"""Looking at a long log: moving, wrapping, filtering, line numbers, places in time; and how it is painted."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rundir.layout import RunDir
from rundir.records import SystemRecord
from tests.trainwatch.runs import append, make_run
from trainwatch.consolelog import index as index_module
from trainwatch.consolelog.index import LineIndex
from trainwatch.consolelog.lines import LineFile
from trainwatch.consolelog.place import Kind, Place, offset_at, parse_place
from trainwatch.consolelog.search import Sieve, Wanted, compiled
from trainwatch.consolelog.view import ConsoleView
from trainwatch.paint import row_width, text_of
from trainwatch.panes.console_page import About, paint_console_page


def view_of(path: Path, text: str, height: int = 4, width: int = 20) -> ConsoleView:
    path.write_text(text, encoding="utf-8")
    return ConsoleView(LineFile(path), width=width, height=height)


def numbered(count: int) -> str:
    return "".join(f"line {number}\n" for number in range(1, count + 1))


def texts(view: ConsoleView) -> list[str]:
    return [row.text for row in view.rows()]


def test_it_opens_at_the_end_and_stays_there(tmp_path: Path) -> None:
    view = view_of(tmp_path / "log", numbered(10))
    assert texts(view) == ["line 7", "line 8", "line 9", "line 10"]
    with view.file.path.open("a") as log:
        log.write("line 11\nli")
    view.file.refresh()
    assert texts(view) == ["line 9", "line 10", "line 11", "li"]


def test_up_lets_go_and_down_to_the_end_follows_again(tmp_path: Path) -> None:
    view = view_of(tmp_path / "log", numbered(10))
    view.rows()
    view.move(-2)
    assert texts(view) == ["line 5", "line 6", "line 7", "line 8"]
    assert not view.follows
    view.move(1)
    assert texts(view)[0] == "line 6"
    view.move(50)
    assert view.follows
    view.move(-500)
    assert texts(view)[0] == "line 1"
    view.to_first()
    assert texts(view)[0] == "line 1"
    view.to(30, above=1)
    assert texts(view)[:2] == ["line 4", "line 5"]


def test_a_short_log_is_all_there(tmp_path: Path) -> None:
    view = view_of(tmp_path / "log", numbered(2))
    for _ in range(2):
        assert texts(view) == ["line 1", "line 2"]
        view.move(-3)
    view.to_first()
    assert view.follows


@given(moves=st.lists(st.integers(-9, 9), max_size=12))
def test_wrapped_rows_are_moved_through_one_by_one(tmp_path_factory: pytest.TempPathFactory, moves: list[int]) -> None:
    text = "".join(
        letter * length + "\n" for letter, length in zip("abcdefgh", (3, 25, 0, 61, 9, 10, 11, 40), strict=True)
    )
    view = view_of(tmp_path_factory.mktemp("log") / "log", text, height=3, width=10)
    view.wraps = True
    everything = [line[i : i + 10] for line in text.splitlines() for i in range(0, max(1, len(line)), 10)]
    at = len(everything) - 3
    assert texts(view) == everything[at:]
    for move in moves:
        view.move(move)
        at = max(0, min(at + move, len(everything) - 3))
        assert texts(view) == everything[at : at + 3]
    view.file.close()


def test_sideways(tmp_path: Path) -> None:
    view = view_of(tmp_path / "log", "0123456789\nab\n")
    view.scroll_sideways(8)
    assert texts(view) == ["89", ""]
    view.scroll_sideways(-50)
    assert texts(view) == ["0123456789", "ab"]


def test_with_a_filter_only_its_lines_are_moved_through(tmp_path: Path) -> None:
    view = view_of(tmp_path / "log", numbered(40), height=3)
    view.sieve = Sieve(Wanted((compiled("2"),)))
    while view.sieve.advance(view.file):
        pass
    assert texts(view) == ["line 28", "line 29", "line 32"]
    view.move(-2)
    assert texts(view) == ["line 26", "line 27", "line 28"]
    view.to_first()
    assert texts(view) == ["line 2", "line 12", "line 20"]
    view.sieve = Sieve(Wanted((compiled("zzz"),)))
    assert texts(view) == []
    view.move(-1)
    view.move(1)


def test_lines_are_numbered_and_found_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "BLOCK_BYTES", 16)
    path = tmp_path / "log"
    path.write_text(numbered(30), encoding="utf-8")
    file, index = LineFile(path), LineIndex()
    assert index.offset_of(file, 20) is None
    assert not index.covers(file, file.size - 1)
    while index.advance(file):
        pass
    for number, line in enumerate(file.after(0, 100), 1):
        assert index.covers(file, line.start)
        assert index.number_of(file, line.start) == number
        assert index.offset_of(file, number) == line.start
    assert index.offset_of(file, 32) is None
    assert index.offset_of(file, 0) == 0


NOW = time.mktime((2026, 11, 26, 14, 0, 0, 0, 0, -1))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("1234", Place(Kind.LINE, 1234)),
        (" 50 %", Place(Kind.SHARE, 0.5)),
        ("s400", Place(Kind.STEP, 400)),
        ("Step 400", Place(Kind.STEP, 400)),
        ("13:30", Place(Kind.MOMENT, NOW - 1800)),
        ("13:59:58", Place(Kind.MOMENT, NOW - 2)),
        ("15:00", Place(Kind.MOMENT, NOW - 23 * 3600)),
        ("2026-11-26 12:00", Place(Kind.MOMENT, NOW - 7200)),
        ("2026-11-26T12:00:05", Place(Kind.MOMENT, NOW - 7195)),
    ],
)
def test_a_place(text: str, place: Place) -> None:
    assert parse_place(text, NOW) == place


@pytest.mark.parametrize("text", ["", "x", "150%", "25:00", "12:60", "-5", "1" * 20, "9999-99-99", "half"])
def test_no_place(text: str) -> None:
    with pytest.raises(ValueError, match=r"a line 1234|no time of day"):
        parse_place(text, NOW)


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    run = make_run(tmp_path)
    run.console.write_text(numbered(100), encoding="utf-8")
    return run


def test_the_supervisor_notes_what_was_printed_when(run: RunDir) -> None:
    append(run.system, [SystemRecord(at=100.0 + i, attempt=1, seq=i, console_bytes=i) for i in range(800)])
    file = LineFile(run.console)
    for at, length in ((50.0, 0), (100.0, 0), (357.9, 257), (899.0, 799), (5000.0, 799)):
        assert offset_at(run, file, at) == file.start_of(length)


def test_lines_with_time_stamps_will_do(run: RunDir) -> None:
    append(run.system, [SystemRecord(at=100.0 + i, attempt=1, seq=i) for i in range(5)])
    stamps = [time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(NOW + i)) for i in range(0, 20_000, 4)]
    run.console.write_text("".join(f"{stamp} INFO x\n  and more\n" for stamp in stamps), encoding="utf-8")
    file = LineFile(run.console)
    for seconds in (-5, 0, 1, 4, 9_999, 10_000, 19_996, 99_999):
        offset = offset_at(run, file, NOW + seconds)
        assert offset is not None
        line = file.line_at(offset)
        assert line is not None
        assert line.text.startswith(stamps[max(0, min(seconds // 4, len(stamps) - 1))])


def test_else_nothing_tells(run: RunDir) -> None:
    assert offset_at(run, LineFile(run.console), NOW) is None
    run.system.write_text("garbage\n[1]\n")
    assert offset_at(run, LineFile(run.console), NOW) is None


def test_the_picture(tmp_path: Path) -> None:
    view = view_of(
        tmp_path / "log", "[bold]x[/bold] \x1b[31mred\x1b[0m \x1b]0;title\x07 loss\nanother loss\n50%\r100% done\n"
    )
    view.expression, view.hit = compiled("loss"), view.file.after(0, 2)[1].start
    rows = paint_console_page(view, About(number=1), 60, 6)
    assert text_of(rows) == (
        "╭─ console  71B ────────────────────── line 1  at the end ─╮\n"
        "│  [bold]x[/bold] red ␛]0;title␇ loss                      │\n"
        "│❯ another loss                                            │\n"
        "│  100% done                                               │\n"
        "│                                                          │\n"
        "╰──────────────────────────────────────────────────────────╯"
    )
    assert [span for row in rows for span in row if span[1] == "notice"] == [("loss", "notice")] * 2


def test_what_was_found_is_highlighted_across_rows(tmp_path: Path) -> None:
    view = view_of(tmp_path / "log", "x" * 8 + "needle in it\n")
    view.wraps, view.expression = True, compiled("needle")
    rows = paint_console_page(view, About(), 15, 6)
    assert [text for row in rows for text, style in row if style == "notice"] == ["ne", "edle"]


@pytest.mark.parametrize("size", [(1, 1), (4, 3), (9, 40), (160, 3), (80, 24)])
@pytest.mark.parametrize("wraps", [False, True])
def test_any_size_is_filled_exactly(tmp_path: Path, size: tuple[int, int], *, wraps: bool) -> None:
    width, height = size
    view = view_of(tmp_path / "log", numbered(50) + "漢字" * 200 + "\n" + "y" * 500)
    view.wraps, view.expression = wraps, compiled("字|y*")
    about = About(what="the end of it", number=7, filter_text="x", filter_share=0.5)
    for painted in (paint_console_page(view, about, width, height), paint_console_page(None, About(), width, height)):
        assert [row_width(row) for row in painted] == [width] * height
