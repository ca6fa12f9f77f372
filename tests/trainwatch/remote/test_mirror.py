"""Copies of runs elsewhere: only new bytes come, and nothing is lost, whatever happens to files and connection."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rundir.control import ControlReader, Order, Verb
from rundir.layout import RunDir
from rundir.process import this_process
from rundir.records import encode
from rundir.remarks import Remarks, read_remarks
from rundir.status import Heart, Liveness, RunInfo, State, Status, read_status, write_status
from rundir.tail import Tail
from tests.conftest import eventually
from tests.trainwatch.remote.conftest import Host
from tests.trainwatch.runs import append, make_run, outcome, set_status, steps
from trainwatch.feed import Feed
from trainwatch.listing.scan import Scanner
from trainwatch.remote.cache import Place, cache_root, trim
from trainwatch.remote.mirror import Mirror
from trainwatch.remote.run import deliver, lag, reference_of, remark, trouble, verdict

Begin = Callable[[], Mirror]
NAME = "20261126-120000-far"


def make(host: Host, name: str = NAME, state: State = State.RUNNING, count: int = 20) -> RunDir:
    run = make_run(host.runs, name)
    run.run_json.write_bytes(encode(RunInfo(id=name, name="far", task="token-classification", created_at=1.0)))
    run.config_toml.write_text("[train]\nlr = 1e-4\n", encoding="utf-8")
    append(run.metrics, steps(count))
    set_status(run, state, step=count, total=40)
    return run


def is_copied(far: RunDir, here: RunDir) -> bool:
    names = ("run.json", "config.toml", "status.json", "metrics.jsonl", "events.jsonl", "console.log")
    return all(
        (here.path / name).exists() and (far.path / name).read_bytes() == (here.path / name).read_bytes()
        for name in names
        if (far.path / name).exists()
    )


def ssh_of(mirror: Mirror) -> "subprocess.Popen[bytes]":
    assert mirror._line is not None
    return mirror._line._process


@pytest.mark.parametrize("name", [NAME, "a b", "-rf", "x\ny", "q'\"$(touch hacked)`\\", "\udcff"])
def test_a_run_of_any_name_is_copied_and_followed(host: Host, visit: Begin, name: str) -> None:
    far = make_run(host.runs, name)
    append(far.metrics, steps(20))
    set_status(far, State.RUNNING, step=20)
    far.console.write_bytes(bytes(range(256)) * 3000)
    here = visit().open(name)
    eventually(lambda: here.metrics.exists() and here.metrics.read_bytes() == far.metrics.read_bytes())
    eventually(here.console.exists)
    assert here.console.read_bytes()[-250_000:] == far.console.read_bytes()[-250_000:]
    append(far.metrics, steps(5, first=21))
    set_status(far, State.DONE, step=25)
    eventually(lambda: here.metrics.read_bytes() == far.metrics.read_bytes())
    eventually(lambda: read_status(here.status_json) == read_status(far.status_json))
    assert not list(host.runs.rglob("hacked"))


def test_the_table_reads_the_ends_of_logs_alone(host: Host, visit: Begin) -> None:
    far = make(host, count=20_000)
    make(host, "1-odd name", State.DONE)
    mirror = visit()
    mirror.wants_table = True
    eventually(lambda: mirror.contact.is_complete)
    scanner = Scanner(mirror.table_dir, make=mirror.run_at)
    entries = {entry.id: entry for entry in scanner.poll(budget_s=5).entries}
    assert set(entries) == {NAME, "1-odd name"}
    assert (entries[NAME].figures.step, entries[NAME].verdict) == (20_000, Liveness.LIVE)
    assert entries[NAME].config == {"train": {"lr": 1e-4}}
    assert reference_of(entries["1-odd name"].run) == f"{host.url}/1-odd%20name"
    mirror.close()
    assert far.metrics.stat().st_size > 2_000_000
    assert mirror.num_bytes_in < 100_000


def test_a_log_that_is_cut_replaced_or_written_anew_is_begun_anew(host: Host, visit: Begin) -> None:
    far = make(host)
    here = visit().open(NAME)
    eventually(lambda: is_copied(far, here))
    tail = Tail(here.metrics)
    tail.poll()
    changes = (
        lambda: os.truncate(far.metrics, 300),
        lambda: far.metrics.write_bytes(b'{"other": 1}\n' * 500),  # longer, in the same file
        lambda: append_to_new(far.metrics),
    )
    for change in changes:
        change()
        eventually(lambda: is_copied(far, here))
        assert tail.poll().restarted


def append_to_new(path: Path) -> None:
    new = path.with_name("new")
    new.write_bytes(path.read_bytes() + b'{"more": 1}\n')
    new.replace(path)


def test_only_new_bytes_travel_also_for_the_next_program(host: Host, visit: Begin) -> None:
    far = make(host, count=5000)
    first = visit()
    eventually(lambda: is_copied(far, first.open(NAME)))
    first.close()
    size = far.metrics.stat().st_size
    assert first.num_bytes_in > size
    append(far.metrics, steps(5, first=5001))
    second = visit()
    here = second.open(NAME)
    eventually(lambda: is_copied(far, here))
    second.close()
    assert second.num_bytes_in < 20_000 < size


def test_a_connection_killed_in_mid_frame_loses_nothing(host: Host, visit: Begin) -> None:
    far = make(host, count=60_000)  # several chunks
    mirror = visit()
    here = mirror.open(NAME)
    for _ in range(3):
        eventually(lambda: mirror.contact.is_up and mirror._line is not None)
        process = ssh_of(mirror)
        os.killpg(process.pid, signal.SIGKILL)
        eventually(lambda process=process: mirror._line is None or ssh_of(mirror) is not process)  # type: ignore[misc]
    eventually(lambda: is_copied(far, here) and not lag(here))


def test_a_lost_connection_is_said_with_its_age_and_comes_back_by_itself(host: Host, visit: Begin) -> None:
    far = make(host)
    mirror = visit()
    here = mirror.open(NAME)
    eventually(lambda: is_copied(far, here))
    assert trouble(here) == ""
    host.set_down(down=True)
    os.killpg(ssh_of(mirror).pid, signal.SIGKILL)
    eventually(lambda: "Connection refused" in trouble(here))
    assert mirror.trouble(mirror.contact.lost_at + 90).startswith("farhost: no connection for 1m 30s (")
    status = read_status(here.status_json)
    assert status is not None
    assert verdict(here, status, time.time() + 10_000) is Liveness.LIVE  # as of the last answer: nobody knows better
    append(far.metrics, steps(5, first=21))
    host.set_down(down=False)
    eventually(lambda: not trouble(here) and is_copied(far, here))


def test_an_order_arrives_once_and_its_outcome_comes_back(host: Host, visit: Begin) -> None:
    far = make(host)
    supervisor = ControlReader(far)
    here = visit().open(NAME)
    feed = Feed(here)
    text = "100 % 'quoted' \"too\" \\ $HOME\n`line`"
    deliver(here, Order(verb=Verb.NOTE, id="o-1", args={"text": text}, at=1.0, by="test"), "far")
    (order,) = supervisor.poll()
    assert isinstance(order, Order)
    assert (order.id, order.verb, order.args) == ("o-1", Verb.NOTE, {"text": text})
    deliver(here, order, "far")  # sent again: the same order
    assert supervisor.poll() == []
    assert supervisor.distrust == {}
    append(far.events, [outcome("o-1", "note")])
    eventually(lambda: any(getattr(event, "order", "") == "o-1" for event in feed.poll().events))
    eventually((here.control_dir / "o-1.json").exists)  # other viewers see it too


def test_an_order_without_a_connection_is_not_sent_later(host: Host, visit: Begin) -> None:
    far = make(host)
    mirror = visit()
    here = mirror.open(NAME)
    host.set_down(down=True)
    os.killpg(ssh_of(mirror).pid, signal.SIGKILL)
    eventually(lambda: not mirror.contact.is_up)
    with pytest.raises(OSError, match="no connection to farhost"):
        deliver(here, Order(verb=Verb.STOP, id="o-1", at=1.0, by="test"), "far")
    host.set_down(down=False)
    append(far.metrics, steps(1, first=21))
    eventually(lambda: is_copied(far, here))
    assert not far.control_dir.exists()


def test_remarks_are_written_there(host: Host, visit: Begin) -> None:
    far = make(host)
    here = visit().open(NAME)
    remark(here, Remarks(tags=["good"], note="a 'note' with \\ and ü"))
    assert read_remarks(far.remarks_json) == Remarks(tags=["good"], note="a 'note' with \\ and ü")
    eventually(lambda: read_remarks(here.remarks_json) == read_remarks(far.remarks_json))


@pytest.mark.parametrize(("age_s", "expected"), [(0.0, Liveness.LIVE), (60.0, Liveness.DEAD)])
def test_beats_are_held_against_the_clock_there(host: Host, visit: Begin, age_s: float, expected: Liveness) -> None:
    """Half an hour apart from ours, and with pids that mean something here."""
    (host.bin / "date").write_text("#!/bin/sh\necho 1700000000\n")
    (host.bin / "date").chmod(0o755)
    far = make_run(host.runs, NAME)
    heart = Heart(process=this_process(), beat_at=1_700_000_000 - age_s)
    write_status(far.status_json, Status(run=NAME, state=State.RUNNING, supervisor=heart, trainer=heart))
    here = visit().open(NAME)
    eventually(lambda: is_copied(far, here))
    status = read_status(here.status_json)
    assert status is not None
    assert verdict(here, status, time.time()) is expected


def test_runs_that_come_and_go_are_noticed(host: Host, visit: Begin) -> None:
    mirror = visit()
    mirror.wants_table = True
    eventually(lambda: mirror.contact.is_complete)
    far = make(host)
    eventually((mirror.table_dir / NAME / "metrics.jsonl").exists)
    for path in far.path.iterdir():
        path.unlink()
    far.path.rmdir()
    eventually(lambda: not (mirror.table_dir / NAME).exists())


@pytest.mark.slow
def test_runs_that_rest_cost_next_to_nothing_and_may_begin_anew(host: Host, visit: Begin) -> None:
    runs = [make(host, f"{number}-run", State.DONE) for number in range(30)]
    mirror = visit()
    mirror.wants_table = True
    eventually(lambda: mirror.contact.is_complete)
    line = mirror._line
    assert line is not None
    before, asked = line.num_bytes_in, line.num_bytes_out
    eventually(lambda: line.num_bytes_out - asked > 5_000)  # asked again and again
    assert line.num_bytes_in - before < 10_000  # with all sizes in each answer: a hundred thousand
    append(runs[3].metrics, steps(5, first=21))
    set_status(runs[3], State.RUNNING, step=25)
    copy = mirror.table_dir / "3-run"
    eventually(lambda: (copy / "status.json").read_bytes() == runs[3].status_json.read_bytes())
    eventually(lambda: (copy / "metrics.jsonl").read_bytes() == runs[3].metrics.read_bytes())


def test_closing_leaves_no_process_behind(host: Host, visit: Begin) -> None:
    mirror = visit()
    process = ssh_of(mirror)
    mirror.close()
    assert process.returncode is not None
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_nothing_is_written_there_by_looking(host: Host, visit: Begin) -> None:
    make(host)
    before = {path: path.stat().st_mtime_ns for path in [host.runs, *host.runs.rglob("*")]}
    mirror = visit()
    mirror.wants_table = True
    here = mirror.open(NAME)
    eventually(lambda: mirror.contact.is_complete and here.metrics.exists())
    assert {path: path.stat().st_mtime_ns for path in [host.runs, *host.runs.rglob("*")]} == before


def test_copies_are_for_their_owner_alone_and_held_by_one_program(host: Host) -> None:
    one, other = Place(host.address), Place(host.address)
    assert one.path != other.path
    assert one.path.stat().st_mode & 0o777 == 0o700
    other.close()
    assert not other.path.exists()
    (one.path / "big").write_bytes(b"x" * 200_000)
    trim(cache_root(), 100_000)
    assert (one.path / "big").exists()  # in use
    one.close()
    trim(cache_root(), 100_000)
    assert not one.path.exists()
