"""What is taken from the end of a console for the event of a crash."""

from pathlib import Path

from traind.crash_report import MAX_CONSOLE, MAX_TRACEBACK, READ_BYTES, read_console, report_of

RAISED = """loading
Traceback (most recent call last):
  File "/run/first.py", line 1, in early
    int("x")
ValueError: a warning that was printed, long ago
step 7
Traceback (most recent call last):
  File "/x/loop.py", line 91, in run
    self._step(batches)
  File "/y/points.py", line 31, in forward
    return 1 / 0
ZeroDivisionError: division by zero
"""
CHAINED = """Traceback (most recent call last):
  File "/y/points.py", line 3, in read
    {}["a"]
KeyError: 'a'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/y/points.py", line 5, in make
    raise ValueError("no a") from error
ValueError: no a
"""
FATAL = """step 3
Fatal Python error: Segmentation fault

Thread 0x00007f (most recent call first):
  File "/usr/lib/threading.py", line 324 in wait

Current thread 0x00007e (most recent call first):
  File "/usr/lib/ctypes/__init__.py", line 517 in string_at
  File "/y/points.py", line 44 in forward

Extension modules: numpy, torch._C (total: 2)
"""


def test_the_last_traceback_and_its_innermost_frame() -> None:
    report = report_of(RAISED)
    assert report.place == "points.py:31 in forward"
    assert report.traceback.startswith("Traceback")
    assert report.traceback.endswith("ZeroDivisionError: division by zero")
    assert "first.py" not in report.traceback
    assert report.console == RAISED


def test_the_exceptions_that_led_to_it_belong_to_it() -> None:
    report = report_of(CHAINED)
    assert "KeyError: 'a'" in report.traceback
    assert report.place == "points.py:5 in make"


def test_a_fatal_signal_has_the_stacks_of_all_threads_and_the_place_of_the_current_one() -> None:
    report = report_of(FATAL)
    assert report.place == "__init__.py:517 in string_at"
    assert "points.py" in report.traceback
    assert "threading.py" in report.traceback
    assert "Extension modules" not in report.traceback


def test_a_console_without_a_traceback_has_its_last_lines() -> None:
    report = report_of("".join(f"line {n}\n" for n in range(1000)))
    assert (report.traceback, report.place) == ("", "")
    assert report.console.endswith("line 999\n")
    assert report.console.startswith("line ")
    assert len(report.console) <= MAX_CONSOLE


def test_however_long_it_is_bounded() -> None:
    frames = '  File "/a.py", line 1, in f\n' * 20_000
    endless = f"Traceback (most recent call last):\n{frames}RecursionError: deep\n"
    report = report_of(endless)
    assert len(report.traceback) <= MAX_TRACEBACK + 3
    assert report.traceback.endswith("RecursionError: deep")
    assert len(report_of("x" * 100_000).console) == MAX_CONSOLE


def test_only_this_attempts_part_is_read(tmp_path: Path) -> None:
    console = tmp_path / "console.log"
    console.write_text(RAISED + "attempt 2\n", encoding="utf-8")
    assert read_console(console, len(RAISED)) == "attempt 2\n"
    assert read_console(console, 10**9) == ""
    assert read_console(tmp_path / "none", 0) == ""
    console.write_bytes(b"x" * (2 * READ_BYTES))
    assert len(read_console(console, 5)) == READ_BYTES
