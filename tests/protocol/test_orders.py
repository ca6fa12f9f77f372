"""Orders come out once each, in order, with ids that do not change, whatever is done to the control files."""

import json
import os
import shutil
import socket
import tempfile
import tracemalloc
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from rundir import layout, trust
from rundir.control import (
    MAX_ORDER_BYTES,
    ControlPosition,
    ControlReader,
    Malformed,
    Order,
    Verb,
    distrusted,
    new_order_id,
    send,
    send_by_rename,
)
from rundir.layout import RunDir
from rundir.orders import MAX_BY_LENGTH, MAX_DEPTH, MAX_ID_LENGTH, MAX_REASON_LENGTH, parse_order
from rundir.records import EVENT_DECODER, decode_lines
from traind.eventlog import EventLog


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
        # Never twice the same length: a file replaced by one of the same inode, size and bytes cannot be told from the
        # old one.
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
    def touches(self) -> None:
        self.run.control.touch(mode=0o600)
        os.utime(self.run.control, ns=(0, self.run.control.stat().st_mtime_ns + 1_000_000))

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


@pytest.mark.parametrize("meanwhile", ["empty", "gone", "a symlink"])
def test_the_same_line_written_anew_is_a_new_order_where_something_else_was_seen(
    run_dir: RunDir, meanwhile: str
) -> None:
    """`echo … > control.jsonl` twice: the same size and bytes, and mostly the same inode, even after `rm`."""
    run_dir.control.write_text('{"verb":"checkpoint"}\n')
    reader = ControlReader(run_dir)
    [first] = reader.poll()
    run_dir.control.write_text("") if meanwhile == "empty" else run_dir.control.unlink()
    if meanwhile == "a symlink":
        run_dir.control.symlink_to("nowhere")
    assert reader.poll() == []
    reader = ControlReader(run_dir, reader.position)
    if meanwhile == "a symlink":
        run_dir.control.unlink()
    run_dir.control.write_text('{"verb":"checkpoint"}\n')
    os.utime(run_dir.control, ns=(0, reader.position.mtime_ns + 1_000_000))  # within the clock's grain otherwise
    [second] = reader.poll()
    assert first.id != second.id
    assert reader.poll() == []


def test_a_file_that_was_put_away_and_back_gives_no_order_again(run_dir: RunDir) -> None:
    run_dir.control.write_text(note("old"))
    reader = ControlReader(run_dir)
    assert texts(reader.poll()) == ["old"]
    aside = run_dir.control.rename(run_dir.path / "aside")
    assert reader.poll() == []
    aside.rename(run_dir.control)
    assert reader.poll() == []
    send(run_dir, Order(verb=Verb.NOTE, id="a", args={"text": "new"}))
    assert texts(reader.poll()) == ["new"]


def test_a_file_that_could_not_be_read_for_a_while_was_not_gone(
    run_dir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object, **__: object) -> int:
        raise trust.DistrustedError("it cannot be read")

    run_dir.control.write_text(note("old"))
    reader = ControlReader(run_dir)
    assert texts(reader.poll()) == ["old"]
    with monkeypatch.context() as patched:
        patched.setattr(trust, "open_file", unreadable)  # the tests may run as root, who can read it
        assert reader.poll() == []
    send(run_dir, Order(verb=Verb.NOTE, id="a", args={"text": "new"}))
    os.utime(run_dir.control, ns=(0, reader.position.mtime_ns + 1_000_000))
    assert texts(reader.poll()) == ["new"]


def test_a_poll_in_the_midst_of_a_write_brings_no_old_order_again(run_dir: RunDir) -> None:
    """The kernel sets the time of writing, then the size: here as it lies in between, and after it."""
    run_dir.control.write_text('{"verb":"stop"}\n' + note("old"))
    reader = ControlReader(run_dir)
    assert len(reader.poll()) == 2
    written_ns = reader.position.mtime_ns + 1_000_000
    os.utime(run_dir.control, ns=(0, written_ns))
    assert reader.poll() == []
    with run_dir.control.open("a") as file:
        file.write(note("new"))
    os.utime(run_dir.control, ns=(0, written_ns))
    assert texts(reader.poll()) == ["new"]
    assert reader.position.generation == 0


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("directory", "a directory"),
        ("pipe", "a pipe"),
        ("socket", "a socket"),
        ("symlink", "a symlink"),
        ("dangling", "a symlink"),
    ],
)
def test_what_is_no_regular_file_is_no_order(
    run_dir: RunDir, kind: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "directory":
        run_dir.control.mkdir()
    elif kind == "pipe":
        os.mkfifo(run_dir.control)
    elif kind == "socket":
        monkeypatch.chdir(run_dir.path)  # its path may have 107 bytes
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(run_dir.control.name)
    else:
        (run_dir.path / "target").write_text(note("secret"))
        run_dir.control.symlink_to("target" if kind == "symlink" else "nowhere")
    reader = ControlReader(run_dir)
    assert reader.poll() == []
    assert why in reader.distrust["control.jsonl"]
    assert str(run_dir.control) in (distrusted(run_dir) or "")
    run_dir.control.rmdir() if kind == "directory" else run_dir.control.unlink()
    run_dir.control.write_text(note("hello"))
    assert texts(reader.poll()) == ["hello"]
    assert reader.distrust == {}
    assert distrusted(run_dir) is None


def test_a_second_name_of_the_control_file_is_one_too_many(run_dir: RunDir) -> None:
    """Who may append to the file under its other name has no say here."""
    log = run_dir.path / "log"
    log.write_text(note("GET /"))
    os.link(log, run_dir.control)
    reader = ControlReader(run_dir)
    assert reader.poll() == []
    assert "2 names" in reader.distrust["control.jsonl"]


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o777])
def test_what_others_may_have_written_is_never_taken(run_dir: RunDir, mode: int) -> None:
    """Not even once the file is in order again: the lines that were there are passed over, those after it are taken."""
    run_dir.control.write_text(note("mine"))
    reader = ControlReader(run_dir)
    assert texts(reader.poll()) == ["mine"]
    run_dir.control.chmod(mode)
    assert reader.poll() == []
    for text in ("theirs", "also theirs"):
        with run_dir.control.open("a") as file:
            file.write(note(text))
        assert reader.poll() == []
    assert f"mode {mode:o}): chmod 600" in reader.distrust["control.jsonl"]
    run_dir.control.chmod(0o600)
    with run_dir.control.open("a") as file:
        file.write('{"verb": "kill"')  # written before the reader looked again: whose is it?
    assert reader.poll() == []
    assert reader.distrust == {}
    assert reader.passed_over_bytes == len(note("theirs") + note("also theirs")) + 15
    with run_dir.control.open("a") as file:
        file.write("}\n" + note("mine again"))
    assert texts(reader.poll()) == ["mine again"]


def test_a_new_file_in_place_of_one_that_others_could_write_is_read(run_dir: RunDir) -> None:
    run_dir.control.write_text(note("theirs, and rather long"))
    run_dir.control.chmod(0o666)
    reader = ControlReader(run_dir)
    assert reader.poll() == []
    run_dir.control.unlink()
    run_dir.control.write_text(note("mine"))  # on many file systems with the inode number of the old one
    assert texts(reader.poll()) == ["mine"]


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o1777])
def test_a_folder_that_others_may_write_gives_no_orders(run_dir: RunDir, mode: int) -> None:
    send_by_rename(run_dir, Order(verb=Verb.PAUSE, id="a"))
    send(run_dir, Order(verb=Verb.RESUME, id="b"))
    run_dir.control_dir.chmod(mode)
    reader = ControlReader(run_dir)
    assert [order.id for order in reader.poll()] == ["b"]
    assert f"mode {mode:o}): chmod 700" in reader.distrust["control.d"]
    run_dir.control_dir.chmod(0o700)
    assert [order.id for order in reader.poll()] == ["a"]
    run_dir.path.chmod(mode)
    send(run_dir, Order(verb=Verb.RESUME, id="c"))
    assert reader.poll() == []
    assert "chmod 700" in reader.distrust["."]
    run_dir.path.chmod(0o700)
    assert reader.poll() == []  # others may have put the file there
    send(run_dir, Order(verb=Verb.RESUME, id="d"))
    assert [order.id for order in reader.poll()] == ["d"]


def test_a_file_of_control_d_that_others_may_write_is_refused_for_good(run_dir: RunDir) -> None:
    """And not under its own id: that might be the id of an order that is on its way."""
    send_by_rename(run_dir, Order(verb=Verb.KILL, id="victim"))
    (run_dir.control_dir / "victim.json").chmod(0o622)
    reader = ControlReader(run_dir)
    [refused] = reader.poll()
    assert isinstance(refused, Malformed)
    assert "others may write it" in refused.reason
    assert refused.id != "victim"
    (run_dir.control_dir / "victim.json").chmod(0o600)
    assert reader.poll() == []


@pytest.mark.parametrize("given", ["../../x", "a/b", "", ".hidden", "x" * 65, "a\0b"])
def test_no_id_leads_out_of_control_d(run_dir: RunDir, given: str) -> None:
    with pytest.raises(ValueError, match="no id for a file"):
        send_by_rename(run_dir, Order(verb=Verb.PAUSE, id=given))
    assert not any(run_dir.path.parent.rglob("*.json"))


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
    (folder / "twice.json").write_text(note("a log of mine"))
    os.link(folder / "twice.json", run_dir.path / "other name")
    assert texts(reader.poll()) == [
        "control.d/folder.json: it is a directory, no regular file: remove it, and give the order anew",
        "control.d/link.json: it is a symlink, which is not followed: remove it, and give the order anew",
        f"the line is longer than {MAX_ORDER_BYTES} bytes",
        "control.d/twice.json: it has 2 names (hard links): remove this one, and give the order anew",
        "not utf-8",
    ]
    assert reader.poll() == []
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
        ('{"verb":"pause","by":"' + "x" * 129 + '"}', "by: longer than 128 characters"),
        ('{"verb":"note","args":{"text":"' + "x" * 2001 + '"}}', "args: a text longer than 2000 characters"),
        ('{"verb":"note","args":{"' + "x" * 2001 + '":1}}', "args: a text longer than 2000 characters"),
        ('{"verb":"set","args":{"lr":[' + "1," * 64 + "1]}}", "args: more than 64 names and values"),
        ('{"verb":"set","args":{"lr":-9007199254740993}}', "args: a whole number beyond 9007199254740992"),
        ('{"verb":"pause","at":1' + "0" * 340 + "}", "out of range"),
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


WORDS = st.sampled_from(["pause", "set", "note", "dance", "", 'é"', "\\ud800", "x" * 100, "y" * 40_000, "\x01" * 3000])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(10**300, 10**310) | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=80) | st.dictionaries(WORDS, inner, max_size=80),
    max_leaves=100,
)


@given(
    st.fixed_dictionaries(
        {}, optional={"verb": WORDS | VALUES, "id": WORDS | VALUES, "by": WORDS | VALUES, "args": VALUES, "at": VALUES}
    )
)
def test_no_order_makes_an_outcome_without_bounds(fields: dict[str, object]) -> None:
    """Whatever the line holds: it is an order or refused, and its outcome is a line of bounded length."""
    line = json.dumps(fields).encode()
    order = parse_order(line, b"0:0")
    with tempfile.TemporaryDirectory() as folder:
        run = RunDir(Path(folder))
        log = EventLog(run.events, "supervisor", 1, run.reserve)
        log.outcome(order, step=1, refused=order.reason if isinstance(order, Malformed) else "x" * 100_000)
        log.close()
        written = run.events.read_bytes()
    [outcome] = decode_lines(written, EVENT_DECODER).records
    assert outcome.order == order.id
    assert 0 < len(outcome.order) <= MAX_ID_LENGTH
    assert len(outcome.reason) <= MAX_REASON_LENGTH
    assert len(outcome.by or "") <= MAX_BY_LENGTH
    assert len(written) <= MAX_ORDER_BYTES + 8192


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_make_it_raise(line: bytes) -> None:
    assert isinstance(parse_order(line, b""), Order | Malformed)
