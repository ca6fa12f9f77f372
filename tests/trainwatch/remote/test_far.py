"""The few lines of shell on the other side, in every shell that is here. Nothing but `put` writes."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.trainwatch.remote.conftest import Host
from trainwatch.remote.line import Line, LostError
from trainwatch.remote.wire import Answer, Request, parse_list, parse_looks, parse_one

SHELLS = [name for name in ("dash", "bash", "busybox", "ksh", "mksh", "yash", "zsh") if shutil.which(name)] or ["sh"]
ODD_NAMES = [b"a b", b"-rf", b"x\ny", b"q'\"$(touch hacked)`\\", b"\xff\xfe", "ñ".encode(), b"*", b"~"]


@pytest.fixture(params=SHELLS)
def line(host: Host, request: pytest.FixtureRequest) -> Iterator[Line]:
    shell = shutil.which(request.param)
    assert shell
    (host.bin / "sh").symlink_to(shell)  # each of them does as `sh` does where that is its name
    if request.param == "busybox":  # with its own tools, which are not those of GNU
        for tool in ("cat", "cksum", "date", "dd", "ls", "mkdir", "mv", "rm"):
            (host.bin / tool).symlink_to(shell)
    line = Line(host.address)
    try:
        line.greet()
        yield line
    finally:
        line.close()


def ask(line: Line, verb: str, *words: bytes) -> Answer:
    (answer,) = line.ask([Request(verb, words)])
    return answer


def make(host: Host, name: bytes, metrics: bytes = b"{}\n") -> Path:
    path = Path(os.fsdecode(os.fsencode(host.runs) + b"/" + name))
    path.mkdir()
    (path / "metrics.jsonl").write_bytes(metrics)
    return path


def begin(line: Line, path: Path) -> Answer:
    return ask(line, "root", os.fsencode(path))


def test_lists_runs_of_any_name_and_nothing_else(line: Line, host: Host) -> None:
    for name in ODD_NAMES:
        make(host, name)
    (host.runs / "no-run").mkdir()
    (host.runs / "file").touch()
    (host.runs / "latest").symlink_to("a b")
    assert begin(line, host.runs).body.split(b"\0") == [os.fsencode(host.runs), b"", b""]
    newest, names = parse_list(ask(line, "list").body)
    assert newest == b"a b"
    assert sorted(names) == sorted(ODD_NAMES)


def test_reads_any_bytes_from_anywhere_in_files_of_any_name(line: Line, host: Host) -> None:
    content = bytes(range(256)) * 50 + b"\n\n"
    for name in ODD_NAMES:
        make(host, name, content)
    begin(line, host.runs)
    for name in ODD_NAMES:
        look = parse_one(ask(line, "one", name, b"0").body)
        assert look.files["metrics.jsonl"].size == len(content)
        for offset, length in ((0, 100_000), (0, 1), (1, 1), (1, 2), (4097, 300), (12_801, 100), (20_000, 5)):
            got = ask(line, "fetch", name, b"metrics.jsonl", b"%d" % offset, b"%d" % length)
            assert got.body == content[offset : offset + length], (name, offset, length)
    assert not list(host.runs.rglob("hacked"))
    assert not Path("hacked").exists()


def test_a_path_that_is_a_run_is_known_as_one(line: Line, host: Host) -> None:
    make(host, b"1-run")
    (host.runs / "latest").symlink_to("1-run")
    for path in (host.runs / "1-run", host.runs / "latest"):
        assert begin(line, path).body.split(b"\0") == [os.fsencode(host.runs), b"1-run", b""]


def test_a_place_that_is_not_there_is_said(line: Line, host: Host) -> None:
    answer = begin(line, host.runs / "nowhere")
    assert (answer.status, answer.body) == (1, b"no such directory")
    assert begin(line, host.runs).status == 0
    host.runs.rmdir()
    assert ask(line, "list").status == 1


def test_many_runs_are_looked_at_at_once(line: Line, host: Host) -> None:
    for number in range(5):
        (make(host, b"run-%d" % number, b"x" * number) / "status.json").write_text("{}")
    begin(line, host.runs)
    names = [b"run-%d" % number for number in range(6)]
    total, sights = parse_looks(ask(line, "look", b"0", *names).body)
    again = ask(line, "look", total, *names).body
    assert parse_looks(again) == (total, sights if total == b"unknown" else {})
    assert {run: files["metrics.jsonl"].size for run, files in sights.items()} == {
        b"run-%d" % number: number for number in range(5)
    }
    assert sights[b"run-3"]["metrics.jsonl"].inode == (host.runs / "run-3" / "metrics.jsonl").stat().st_ino
    assert sights[b"run-3"]["status.json"].time
    (host.runs / "run-3" / "metrics.jsonl").write_bytes(b"longer")
    assert parse_looks(ask(line, "look", total, *names).body)[1][b"run-3"]["metrics.jsonl"].size == 6


def test_the_status_comes_where_it_is_another(line: Line, host: Host) -> None:
    status = make(host, b"run") / "status.json"
    status.write_bytes(b'{"a": "\\u0000"}\n\n')
    begin(line, host.runs)
    first = parse_one(ask(line, "one", b"run", b"0").body)
    assert first.status == b'{"a": "\\u0000"}\n\n'
    if shutil.which("cksum", path=str(host.bin)) is None:  # else what stands for busybox's, which may lack it
        assert parse_one(ask(line, "one", b"run", first.status_sum.encode()).body).status_sum == ""
    status.write_bytes(b"other")
    assert parse_one(ask(line, "one", b"run", first.status_sum.encode()).body).status == b"other"


def test_checkpoints_and_orders_are_named(line: Line, host: Host) -> None:
    run = make(host, b"run")
    (run / "checkpoints" / "step-00000010").mkdir(parents=True)
    (run / "control.d").mkdir()
    (run / "control.d" / "o-1.json").write_text("{}")
    begin(line, host.runs)
    look = parse_one(ask(line, "one", b"run", b"0").body)
    assert look.checkpoints == ("checkpoints/step-00000010/",)
    assert "control.d/o-1.json" in look.files


def test_put_replaces_a_file_whole_and_only_those_it_may(line: Line, host: Host) -> None:
    run = make(host, b"a b")
    begin(line, host.runs)
    text = b'{"text": "100% \\\\n \'$x\' `y` \\u00e9"}\n\n'
    assert ask(line, "put", b"a b", b"control.d/o-1.json", text).status == 0
    assert (run / "control.d" / "o-1.json").read_bytes() == text
    assert (run / "control.d").stat().st_mode & 0o777 == 0o700
    assert (run / "control.d" / "o-1.json").stat().st_mode & 0o777 == 0o600
    assert ask(line, "put", b"a b", b"remarks.json", text).status == 0
    before = sorted(host.runs.rglob("*"))
    for file in (
        b"status.json",
        b"../x.json",
        b"control.d/../x.json",
        b"control.d/a/b.json",
        b"control.d/.json",
        b"/x",
    ):
        assert ask(line, "put", b"a b", file, b"x").status == 2, file
    assert ask(line, "put", b"gone", b"remarks.json", b"x").status == 1
    assert sorted(host.runs.rglob("*")) == before


def test_what_it_is_not_told_to_do_it_does_not(line: Line, host: Host) -> None:
    make(host, b"run")
    begin(line, host.runs)
    for verb in ("rm", "decode", "eval", "echo"):
        assert ask(line, verb, b"x").status == 1


def test_a_pipe_in_place_of_a_log_holds_nothing_up(line: Line, host: Host) -> None:
    run = make(host, b"run")
    os.mkfifo(run / "events.jsonl")
    begin(line, host.runs)
    assert ask(line, "fetch", b"run", b"events.jsonl", b"0", b"10").status == 1


def test_the_clock_of_the_other_side_is_told(line: Line, host: Host) -> None:
    assert begin(line, host.runs).now == pytest.approx(float(subprocess.check_output(["date", "+%s"])), abs=5)


def test_a_line_that_breaks_inside_an_answer_is_lost(line: Line, host: Host) -> None:
    make(host, b"run", b"x" * 5_000_000)
    begin(line, host.runs)
    line._process.kill()
    with pytest.raises(LostError):
        line.ask([Request("fetch", (b"run", b"metrics.jsonl", b"0", b"5000000"))])
    line.close()
    line.close()
    assert line._process.poll() is not None
