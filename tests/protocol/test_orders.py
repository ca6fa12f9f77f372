"""Orders come out once each, in order, with ids that do not change, whatever is done to the control files."""

import json
import os
import shutil
import tempfile
import tracemalloc
from pathlib import Path

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from rundir import layout
from rundir.control import (
    MAX_ORDER_BYTES,
    ControlPosition,
    ControlReader,
    Malformed,
    Order,
    Verb,
    new_order_id,
    send,
    send_by_rename,
)
from rundir.layout import RunDir
from rundir.orders import MAX_DEPTH, MAX_ID_LENGTH, parse_order


def read_all(reader: ControlReader) -> list[Order | Malformed]:
    """Everything there is: a poll takes in a bounded piece, and a piece of a long line holds no order."""
    found: list[Order | Malformed] = []
    before = None
    while reader.position != before:
        before = reader.position
        found += reader.poll()
    return found


class AnyInterleaving(RuleBasedStateMachine):
    """Writers and a reader that dies and is born again from what it saved; each line has a number of its own."""

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.run = layout.create(self.folder, "test", 0.0)
        self.reader = ControlReader(self.run)
        self.count = 0
        self.torn = b""
        self.written: list[int] = []
        self.handed: list[int] = []
        self.ids: list[str] = []
        self.num_bad = 0
        self.num_refused = 0

    def teardown(self) -> None:
        if not hasattr(self, "folder"):
            return
        try:
            self.settle()
            assert self.handed == self.written
            assert self.num_refused == self.num_bad
            assert len(set(self.ids)) == len(self.ids)
        finally:
            shutil.rmtree(self.folder)

    def line(self, *, with_id: bool) -> bytes:
        self.count += 1
        self.written.append(self.count)
        order = {"verb": "note", "args": {"text": str(self.count)}}
        return json.dumps(order | ({"id": f"order-{self.count}"} if with_id else {})).encode() + b"\n"

    def settle(self) -> None:
        """Let the reader see all that is there: what is overwritten unread is lost, and no reader can help it."""
        if self.torn:
            self.finish_the_torn_line()
        self.take(read_all(self.reader))

    def take(self, orders: list[Order | Malformed]) -> None:
        for order in orders:
            self.ids.append(order.id)
            if isinstance(order, Order):
                self.handed.append(int(order.args["text"]))
            else:
                self.num_refused += 1

    def append(self, data: bytes) -> None:
        if self.torn:
            self.finish_the_torn_line()
        with self.run.control.open("ab") as file:
            file.write(data)

    @rule(with_id=st.booleans())
    def appends(self, with_id: bool) -> None:
        self.append(self.line(with_id=with_id))

    @rule(at=st.integers(1, 20))
    def appends_half_a_line(self, at: int) -> None:
        line = self.line(with_id=False)
        self.append(line[:at])
        self.torn = line[at:]

    @precondition(lambda self: self.torn)
    @rule()
    def finish_the_torn_line(self) -> None:
        rest, self.torn = self.torn, b""
        self.append(rest)

    @rule(garbage=st.sampled_from([b"{\n", b"pause\n", b'{"verb":"dance"}\n', b"\xff\x00\n", b"[1]\n", b"7\n"]))
    def appends_garbage(self, garbage: bytes) -> None:
        self.append(garbage)
        self.num_bad += 1

    @rule()
    def appends_blank_lines(self) -> None:
        self.append(b"\n  \n\n")

    @rule(size=st.sampled_from([MAX_ORDER_BYTES + 1, MAX_ORDER_BYTES + 2, 1024 * 1024 - 1, 1024 * 1024]))
    def appends_an_oversized_line(self, size: int) -> None:
        # Never twice the same length: a file replaced within one tick of the clock, by one of the same inode, size and
        # bytes, cannot be told from the old one.
        self.append(b"x" * (size + self.num_bad) + b"\n")
        self.num_bad += 1

    @rule(num=st.integers(1, 3))
    def rewrites(self, num: int) -> None:
        self.settle()
        self.run.control.write_bytes(b"".join(self.line(with_id=False) for _ in range(num)))

    @rule(num=st.integers(1, 3))
    def replaces_by_rename(self, num: int) -> None:
        self.settle()
        new = self.run.path / "new"
        new.write_bytes(b"".join(self.line(with_id=False) for _ in range(num)))
        new.replace(self.run.control)

    @rule()
    def puts_a_symlink(self) -> None:
        self.settle()
        secret = self.run.path / "secret"
        secret.write_bytes(b'{"verb":"kill"}\n')
        self.run.control.unlink(missing_ok=True)
        self.run.control.symlink_to(secret)
        assert self.reader.poll() == []
        self.run.control.unlink()

    @rule()
    def drops_a_file_into_control_d(self) -> None:
        self.settle()
        self.count += 1
        self.written.append(self.count)
        send_by_rename(self.run, Order(verb=Verb.NOTE, id=f"order-{self.count}", args={"text": str(self.count)}))
        self.settle()

    @rule()
    def polls(self) -> None:
        self.take(self.reader.poll())

    @rule()
    def dies_and_is_born_again(self) -> None:
        saved = msgspec.json.encode(self.reader.position)
        self.reader = ControlReader(self.run, msgspec.json.decode(saved, type=ControlPosition))


AnyInterleaving.TestCase.settings = settings(
    max_examples=settings().max_examples // 2, stateful_step_count=20, deadline=None
)
TestAnyInterleaving = AnyInterleaving.TestCase


def texts(orders: list[Order | Malformed]) -> list[str]:
    return [order.args["text"] if isinstance(order, Order) else order.reason for order in orders]


def note(text: str) -> str:
    return json.dumps({"verb": "note", "args": {"text": text}}) + "\n"


def test_what_send_writes_is_read_back(run_dir: RunDir) -> None:
    order = Order(verb=Verb.SET, id=new_order_id(), args={"lr": 1e-5}, at=1.0, by="me")
    send(run_dir, order)
    assert ControlReader(run_dir).poll() == [order]


def test_send_says_when_there_is_no_room(run_dir: RunDir) -> None:
    run_dir.control.symlink_to("/dev/full")
    with pytest.raises(OSError, match="no room"):
        send(run_dir, Order(verb=Verb.PAUSE, id="a"))


def test_a_new_reader_gives_the_same_ids(run_dir: RunDir) -> None:
    run_dir.control.write_text('{"verb":"pause"}\n{"verb":"pause"}\nnonsense\n')
    first, second = ControlReader(run_dir).poll(), ControlReader(run_dir).poll()
    assert [order.id for order in first] == [order.id for order in second]
    assert len({order.id for order in first}) == 3


def test_the_same_line_written_anew_is_a_new_order(run_dir: RunDir) -> None:
    """`echo … > control.jsonl` twice: the same inode, size and bytes; only the time of writing differs."""
    run_dir.control.write_text('{"verb":"checkpoint"}\n')
    reader = ControlReader(run_dir)
    [first] = reader.poll()
    run_dir.control.write_text('{"verb":"checkpoint"}\n')
    os.utime(run_dir.control, ns=(0, reader.position.mtime_ns + 1_000_000))  # within the clock's grain otherwise
    [second] = reader.poll()
    assert first.id != second.id
    assert reader.poll() == []


@pytest.mark.parametrize("kind", ["directory", "pipe", "symlink", "dangling"])
def test_what_is_no_regular_file_is_no_order(run_dir: RunDir, kind: str) -> None:
    if kind == "directory":
        run_dir.control.mkdir()
    elif kind == "pipe":
        os.mkfifo(run_dir.control)
    else:
        (run_dir.path / "target").write_text(note("secret"))
        run_dir.control.symlink_to("target" if kind == "symlink" else "nowhere")
    reader = ControlReader(run_dir)
    assert reader.poll() == []
    run_dir.control.rmdir() if kind == "directory" else run_dir.control.unlink()
    run_dir.control.write_text(note("hello"))
    assert texts(reader.poll()) == ["hello"]


def test_an_endless_line_is_refused_once_and_held_in_bounded_memory(run_dir: RunDir) -> None:
    reader = ControlReader(run_dir)
    found: list[Order | Malformed] = []
    with run_dir.control.open("wb") as file:
        tracemalloc.start()
        for _ in range(40):
            file.write(b"y" * 500_000)
            file.flush()
            found += reader.poll()
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        file.write(b"\n" + note("after").encode())
    found += read_all(reader)
    assert [type(order) for order in found] == [Malformed, Order]
    assert "longer than 65536 bytes" in texts(found)[0]
    assert peak_bytes < 8_000_000


def test_ten_megabytes_hide_no_order(run_dir: RunDir) -> None:
    run_dir.control.write_bytes(note("before").encode() + b"z" * 10_000_000 + b"\n" + note("after").encode())
    found = read_all(ControlReader(run_dir))
    assert [isinstance(order, Order) for order in found] == [True, False, True]


def test_a_file_of_control_d_is_read_once_over_restarts(run_dir: RunDir) -> None:
    send_by_rename(run_dir, Order(verb=Verb.PAUSE, id="b"))
    send_by_rename(run_dir, Order(verb=Verb.RESUME, id="a"))
    reader = ControlReader(run_dir)
    assert [order.id for order in reader.poll()] == ["a", "b"]
    reader = ControlReader(run_dir, reader.position)
    assert reader.poll() == []
    for path in run_dir.control_dir.iterdir():
        path.unlink()
    reader.poll()
    assert reader.position.files == []


def test_odd_things_in_control_d(run_dir: RunDir) -> None:
    folder = run_dir.control_dir
    folder.mkdir()
    (folder / "secret").write_text(note("secret"))
    (folder / "link.json").symlink_to("secret")
    (folder / ".hidden.json").write_text(note("half"))
    (folder / "folder.json").mkdir()
    (folder / "long.json").write_bytes(b"x" * 200_000)
    (folder / "empty.json").touch()
    Path(os.fsdecode(bytes(folder) + b"/\xff.json")).write_text(note("not utf-8"))
    reader = ControlReader(run_dir)
    assert texts(reader.poll()) == [f"the line is longer than {MAX_ORDER_BYTES} bytes", "not utf-8"]
    (folder / "empty.json").write_text(note("late"))
    assert texts(reader.poll()) == ["late"]
    msgspec.json.encode(reader.position)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"verb":"dance"}', "unknown verb 'dance'; known: pause"),
        ('{"id":"x"}', "unknown verb 'None'"),
        ('{"verb":["pause"]}', "unknown verb"),
        ('{"verb":"set","args":[1]}', "Expected `object`, got `array` - at `$.args`"),
        ('{"verb":"pause","at":"noon"}', "Expected `float | null`"),
        ('{"verb":"pause","id":7}', "Expected `str`, got `int` - at `$.id`"),
        ("pause", "not JSON"),
        ('"pause"', "not an object like"),
        ('{"verb":"set","args":{"lr":NaN}}', "not JSON"),
        ('{"verb":"set","args":' + '{"a":' * 100 + "1" + "}" * 101, f"nested deeper than {MAX_DEPTH}"),
        ("[" * 50_000, "not JSON"),
    ],
)
def test_why_a_line_is_refused(line: str, reason: str) -> None:
    refused = parse_order(line.encode(), b"0:0")
    assert isinstance(refused, Malformed)
    assert reason in refused.reason
    assert refused.id


def test_a_refusal_keeps_the_id_and_the_name_that_were_given() -> None:
    refused = parse_order(b'{"verb":"dance","id":"abc","by":"me"}', b"")
    assert refused == Malformed(id="abc", verb="dance", by="me", reason=getattr(refused, "reason", ""))


@pytest.mark.parametrize("given", ["", "x" * (MAX_ID_LENGTH + 1)])
def test_an_id_of_no_use_is_replaced(given: str) -> None:
    order = parse_order(json.dumps({"verb": "pause", "id": given}).encode(), b"0:0")
    assert isinstance(order, Order)
    assert len(order.id) == 12


def test_unknown_fields_of_an_order_are_ignored() -> None:
    assert isinstance(parse_order(b'{"verb":"pause","mood":"calm"}', b""), Order)
