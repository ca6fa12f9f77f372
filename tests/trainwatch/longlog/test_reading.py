"""A long log read through an index, by helpers, in any portions, comes to what its lines come to one by one."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rundir.column import BLOCK, Column
from rundir.layout import RunDir
from rundir.records import EpochRecord, ResumeRecord, StepRecord, encode
from rundir.series import STEP_FIELDS, Series
from tests.trainwatch.runs import evaluation, make_run, steps
from trainwatch.feed import SHOWN_FIELDS, Feed, Opened
from trainwatch.longlog import crew, helper, index, pieces, reader, writer
from trainwatch.longlog.pieces import pieces_of
from trainwatch.longlog.reader import MetricsReader
from trainwatch.store import Store

NEVER = 2**60
EXAMPLES = 30 if settings().max_examples <= 50 else 1000
"""Each opens a dozen viewers."""
SUM_ROWS = 100
"""So few that a small log has several sums, whose borders are not those of blocks."""


@contextmanager
def limits(monkeypatch: pytest.MonkeyPatch, **bounds: int) -> Iterator[None]:
    """Everything is long unless said otherwise, and helpers never come."""
    with monkeypatch.context() as patch:
        for name, value in {"LONG_BYTES": 1, "CREW_BYTES": NEVER, "COMMIT_BYTES": 1, **bounds}.items():
            patch.setattr(reader, name, value)
        patch.setattr(index, "SUM_ROWS", SUM_ROWS)
        patch.setattr(writer, "SUM_ROWS", SUM_ROWS)
        patch.setattr(writer, "LEAST_ROOM_ROWS", 40)
        yield


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "trainwatch" / "index"


@dataclass
class Viewer:
    """A feed and the store that it fills."""

    run: RunDir
    fields: tuple[str, ...] = STEP_FIELDS
    store: Store = field(init=False)
    feed: Feed = field(init=False)

    def __post_init__(self) -> None:
        self.store, self.feed = Store(self.run, Opened("", None, None)), Feed(self.run, self.fields)

    def read(self) -> "Viewer":
        while True:
            batch = self.feed.poll()
            self.store.apply(batch)
            if batch.at_end:
                return self


def read(run: RunDir, fields: tuple[str, ...] = STEP_FIELDS) -> Store:
    viewer = Viewer(run, fields).read()
    viewer.feed.close()
    return viewer.store


def without_index(run: RunDir, fields: tuple[str, ...] = STEP_FIELDS) -> Store:
    """An oracle that is faster than `line_by_line`, to which it is held."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "LONG_BYTES", NEVER)
        return read(run, fields)


def line_by_line(run: RunDir, fields: tuple[str, ...] = STEP_FIELDS) -> Store:
    """The oracle: every line by itself, straight into a store."""
    store = Store(run, Opened("", None, None))
    data = run.metrics.read_bytes() if run.metrics.exists() else b""
    for line in data[: data.rfind(b"\n") + 1].splitlines(keepends=True):
        found, skipped = pieces_of(line, fields)
        store.skipped += skipped
        for piece in found:
            store._apply_metric(piece)
    return store


def state(store: Store) -> dict[str, Any]:
    """All that came of the metrics, comparable."""
    return {
        "x": store.steps.x.tolist(),
        "columns": {name: column_state(store.steps, name) for name in sorted(store.steps.names)},
        "attempt": (store.attempt, store.attempt_start),
        "seams": [encode(seam) for seam in store.seams],
        "scores": [encode(record) for record in store.scores.records],
        "best": dict(sorted(store.scores.best.items())),
        "epochs": [encode(record) for record in store.epochs],
        "skipped": store.skipped,
    }


def column_state(series: Series, name: str) -> dict[str, Any]:
    column = series.column(name)
    assert isinstance(column, Column)
    edges = np.unique(np.linspace(0, len(column), 4).astype(np.int64)) if len(column) else np.array([0])
    bounds = column.summarise(edges) if len(edges) > 1 else None
    whole = column.summarise(np.array([0, len(column)])) if len(column) > 4 * BLOCK else None
    summaries = [each for each in (bounds, whole) if each is not None]
    return {
        "values": list(map(repr, column.values.tolist())),
        "marks": column.marks.tolist(),
        "bounds": [(repr(each.low.tolist()), repr(each.high.tolist()), each.count.tolist()) for each in summaries],
    }


# --- what logs hold -------------------------------------------------------------------------------------------------

numbers = st.sampled_from([1.5, -0.0, 1e300, "nan", "inf", "-inf"])
maybe = st.one_of(st.none(), numbers)


@st.composite
def stretches(draw: st.DrawFn) -> bytes:
    """Some lines: a run of steps, odd steps, other records, or what is no record at all."""
    kind = draw(st.sampled_from(["run", "run", "odd", "eval", "epoch", "resume", "junk"]))
    first, attempt = draw(st.integers(1, 300)), draw(st.integers(1, 3))
    match kind:
        case "run":
            return b"".join(map(encode, steps(draw(st.integers(1, 250)), first, attempt)))
        case "odd":
            metrics = draw(st.sampled_from([None, {"kl": 0.5}, {"kl": "nan", "acc": 1.0}]))
            odd = [
                StepRecord(
                    at=float(i), attempt=attempt, step=first + i, loss=draw(numbers), lr=draw(maybe), metrics=metrics
                )
                for i in draw(st.lists(st.integers(0, 9), max_size=4))
            ]
            return b"".join(map(encode, odd))
        case "eval":
            return encode(evaluation(first, 0.5, draw(st.sampled_from([0.5, 0.75])), attempt))
        case "epoch":
            return encode(EpochRecord(at=1.0, attempt=attempt, step=first, epoch=1, loss=1.0))
        case "resume":
            return encode(ResumeRecord(at=1.0, attempt=attempt, step=first))
        case _:
            return draw(
                st.sampled_from([b"\n", b"{}\n", b'{"kind":"step"\n', b'{"kind":"later","at":1,"attempt":1}\n'])
            )


logs = st.lists(stretches(), max_size=8).map(b"".join)


@given(log=logs)
def test_portions_of_any_lines_come_to_what_each_line_comes_to(
    log: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fresh_run(tmp_path, log)
    monkeypatch.setattr(pieces, "SLICE_BYTES", 700)
    with limits(monkeypatch):
        assert state(without_index(run)) == state(line_by_line(run))


def test_slices_are_one_but_where_a_cut_or_another_attempt_parts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    resume = ResumeRecord(at=1.0, attempt=2, step=30)
    records = [*steps(20), evaluation(9, 0.5, 0.5), *steps(20, 21), resume, *steps(20, 31, 2), *steps(20, 60, 3)]
    monkeypatch.setattr(pieces, "SLICE_BYTES", 700)
    found, _ = pieces_of(b"".join(map(encode, records)), STEP_FIELDS)
    assert [(type(each).__name__, each.attempt, getattr(each, "x", [])[:1]) for each in found] == [
        ("StepBlock", 1, [1]), ("EvalRecord", 1, []), ("ResumeRecord", 2, []), ("StepBlock", 2, [31]),
        ("StepBlock", 3, [60]),
    ]  # fmt: skip


def fresh_run(tmp_path: Path, log: bytes) -> RunDir:
    shutil.rmtree(tmp_path / "runs", ignore_errors=True)
    run = make_run(tmp_path / "runs")
    run.metrics.write_bytes(log)
    return run


# --- through an index -----------------------------------------------------------------------------------------------


@dataclass
class Change:
    """Something that happens to a log or to its index between two viewers."""

    kind: str
    lines: bytes
    share: float
    number: int

    def do(self, log: Path, index: Path) -> None:
        size = log.stat().st_size
        match self.kind:
            case "append":
                with open(log, "ab") as file:
                    file.write(self.lines)
            case "cut":
                os.truncate(log, int(size * self.share))
            case "replace":
                new = log.with_name("new")
                new.write_bytes(self.lines)
                new.replace(log)
            case "rewrite":
                log.write_bytes(self.lines)
            case "edit":
                with open(log, "r+b") as file:
                    file.seek(int(size * self.share))
                    file.write(b"7")
            case _:
                self._damage(index)

    def _damage(self, index: Path) -> None:
        places = [place for place in index.iterdir() if place.is_dir()] if index.is_dir() else []
        files = sorted(each for place in places for each in place.iterdir())
        if not files:
            return
        file = files[self.number % len(files)]
        size = file.stat().st_size
        at = int(size * self.share)
        match self.kind:
            case "delete index":
                shutil.rmtree(places[0])
            case "delete file":
                file.unlink()
            case "cut file":
                os.truncate(file, at)
            case "spoil file" if size:
                with open(file, "r+b") as opened:
                    opened.seek(min(at, size - 1))
                    old = opened.read(1)
                    opened.seek(-1, os.SEEK_CUR)
                    opened.write(bytes([old[0] ^ 0x55]))
            case _:
                pass


changes = st.builds(
    Change,
    st.sampled_from(
        ["append"] * 6 + ["cut", "replace", "rewrite", "edit"] + ["delete index", "delete file", "cut file"]
        + ["spoil file"] * 3
    ),
    logs,
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 200),
)  # fmt: skip


@settings(max_examples=EXAMPLES)
@given(log=logs, course=st.lists(changes, max_size=5), narrow=st.booleans())
def test_reading_through_an_index_is_reading_the_log(
    log: bytes, course: list[Change], narrow: bool, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fresh_run(tmp_path, log)
    shutil.rmtree(cache, ignore_errors=True)
    fields = SHOWN_FIELDS if narrow else STEP_FIELDS
    with limits(monkeypatch):
        assert state(read(run)) == state(without_index(run))
        for change in course:
            change.do(run.metrics, cache)
            for fields_now in (fields, STEP_FIELDS):
                assert state(read(run, fields_now)) == state(without_index(run, fields_now))


@settings(max_examples=EXAMPLES // 2)
@given(log=logs, more=st.lists(logs, max_size=4))
def test_viewers_that_stay_go_on_from_an_index_together(
    log: bytes, more: list[bytes], tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fresh_run(tmp_path, log)
    shutil.rmtree(cache, ignore_errors=True)
    with limits(monkeypatch):
        read(run)
        viewers = [Viewer(run), Viewer(run, SHOWN_FIELDS)]
        for lines in [b"", *more]:
            with open(run.metrics, "ab") as file:
                file.write(lines)
            for viewer in viewers:
                assert state(viewer.read().store) == state(without_index(run, viewer.fields))
        for viewer in viewers:
            viewer.feed.close()
        assert state(read(run)) == state(without_index(run))


def is_used(run: RunDir) -> bool:
    """Whether the first portion is that of an index."""
    opened = MetricsReader(run.metrics, STEP_FIELDS)
    portion = opened.poll()
    opened.close()
    return any(getattr(piece, "storage", None) is not None for piece in portion.pieces)


def test_an_index_is_made_used_gone_on_with_and_shared_out_no_further_than_its_directory(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fresh_run(tmp_path, b"".join(map(encode, steps(1000))))
    with limits(monkeypatch):
        assert not is_used(run)
        before = sorted(run.path.iterdir())
        read(run)
        assert sorted(run.path.iterdir()) == before
        assert is_used(run)
        (place,) = cache.iterdir()
        assert place.stat().st_mode & 0o077 == 0
        covered = meta_of(place).covered_bytes
        with open(run.metrics, "ab") as file:
            file.write(b"".join(map(encode, steps(500, 1001))))
        read(run)
        assert meta_of(place).covered_bytes == run.metrics.stat().st_size > covered
        assert len(meta_of(place).order) == 1
        assert is_used(run)


def meta_of(place: Path) -> index.Meta:
    meta = index.read_meta(place)
    assert meta is not None
    return meta


def test_after_the_first_reading_columns_lie_in_the_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = fresh_run(tmp_path, b"".join(map(encode, [*steps(1000), evaluation(9, 0.5, 0.5)])))

    def is_mapped(viewer: Viewer) -> bool:
        return not viewer.store.steps.x.base.flags.owndata  # type: ignore[union-attr]

    with limits(monkeypatch):
        viewer = Viewer(run).read()
        assert not is_mapped(viewer)
        with open(run.metrics, "ab") as file:
            file.write(b"".join(map(encode, steps(100, 1001))))
        viewer.read()
        assert is_mapped(viewer)
        assert state(viewer.store) == state(line_by_line(run))
        os.truncate(run.metrics, 1000)
        assert state(viewer.read().store) == state(line_by_line(run))
        viewer.feed.close()


def test_a_short_log_has_no_index(tmp_path: Path, cache: Path) -> None:
    read(fresh_run(tmp_path, b"".join(map(encode, steps(100)))))
    assert not cache.exists()


@pytest.mark.parametrize(
    "damaged", ["meta", "others", "0.values", "0.blocks", "1.values", "1.blocks", "2.values", "2.marks"]
)
def test_a_damaged_file_of_an_index_is_noticed_and_made_anew(
    damaged: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = StepRecord(at=1.0, attempt=1, step=10_000, loss="nan")
    run = fresh_run(tmp_path, b"".join(map(encode, [*steps(1000), evaluation(7, 0.5, 0.5), odd])))
    with limits(monkeypatch):
        read(run)
        (place,) = cache.iterdir()
        data = bytearray((place / damaged).read_bytes())
        data[min(len(data) // 3, 7000)] ^= 1
        (place / damaged).write_bytes(data)
        assert not is_used(run)
        assert state(read(run)) == state(line_by_line(run))
        assert is_used(run)


def test_a_full_disk_costs_the_index_and_no_record(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fresh_run(tmp_path, b"".join(map(encode, steps(1000))))

    def full(fd: int, data: bytes, offset: int) -> int:
        raise OSError(28, "No space left on device")

    with limits(monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(writer.os, "pwrite", full)
            assert state(read(run)) == state(line_by_line(run))
        assert [each.name for place in cache.iterdir() for each in place.iterdir()] == ["lock"]


def test_an_index_that_another_machine_may_remove_is_not_mapped(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fresh_run(tmp_path, b"".join(map(encode, steps(1000))))
    with limits(monkeypatch):
        read(run)
        monkeypatch.setattr(index, "is_remote", lambda _place: True)
        monkeypatch.delattr(index.mmap, "mmap")
        assert is_used(run)
        assert state(read(run)) == state(line_by_line(run))


def test_a_cache_that_cannot_be_written_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/no-such-place")
    run = fresh_run(tmp_path, b"".join(map(encode, steps(100))))
    with limits(monkeypatch):
        assert state(read(run)) == state(line_by_line(run))


def test_the_oldest_index_goes_where_there_are_too_many(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with limits(monkeypatch):
        runs = [make_run(tmp_path / f"runs{i}") for i in range(3)]
        for i, run in enumerate(runs):
            run.metrics.write_bytes(b"".join(map(encode, steps(1000))))
            monkeypatch.setattr(writer, "MAX_INDEX_BYTES", 2**40 if i < 2 else 1)
            read(run)
        kept = [index.read_meta(index.place_of(run.metrics)) is not None for run in runs]
        assert kept == [False, False, True]


def test_a_stretch_of_a_file_is_read_by_slices_whatever_its_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    monkeypatch.setattr(helper, "SLICE_BYTES", 16)
    for data in (b"", b"one\n", b"a line longer than a slice, several times\nshort\n" * 3, b"no end", b"ends\nnot yet"):
        path.write_bytes(data)
        with open(path, "rb") as file:
            for stop in (len(data), len(data) + 100):
                assert b"".join(helper.slices(file.fileno(), 0, stop)) == data[: data.rfind(b"\n") + 1]


# --- by helpers -----------------------------------------------------------------------------------------------------


@pytest.fixture
def long_run(tmp_path: Path) -> RunDir:
    records = [
        *steps(900), evaluation(400, 0.5, 0.5), *steps(300, 901), ResumeRecord(at=1.0, attempt=2, step=700),
        *steps(600, 701, 2), EpochRecord(at=1.0, attempt=2, step=1300, epoch=1, loss="nan"),
    ]  # fmt: skip
    return fresh_run(tmp_path, b"".join(map(encode, records)) + b'{"kind":"step"\n' + b'{"torn')


def with_helpers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "STRETCH_BYTES", 20_000)
    monkeypatch.setattr(reader, "num_helpers", lambda: 2)


def test_helpers_find_what_the_lines_hold(long_run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    with_helpers(monkeypatch)
    with limits(monkeypatch, CREW_BYTES=1):
        viewer = Viewer(long_run, SHOWN_FIELDS)
        shares = [viewer.feed.poll().progress]
        viewer.feed.close()
        viewer = Viewer(long_run, SHOWN_FIELDS)
        while not viewer.store.caught_up:
            viewer.store.apply(viewer.feed.poll())
            shares.append(viewer.store.progress)
        viewer.feed.close()
        assert state(viewer.store) == state(line_by_line(long_run, SHOWN_FIELDS))
        assert len({share for share in shares if 0 < share < 1}) > 5
        assert is_used(long_run)
        assert state(read(long_run)) == state(line_by_line(long_run))


def test_the_first_picture_waits_for_no_helper(long_run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    def poll(self: crew.Crew, wait_s: float) -> None:
        pytest.fail("waited for")

    with_helpers(monkeypatch)
    monkeypatch.setattr(crew.Crew, "poll", poll)
    with limits(monkeypatch, CREW_BYTES=1):
        viewer = Viewer(long_run)
        viewer.store.apply(viewer.feed.poll())
        viewer.feed.close()
        assert (viewer.store.revision, viewer.store.progress) == (1, 0.0)


@pytest.mark.parametrize("is_indexed", [False, True])
def test_what_is_begun_before_anybody_polls_is_found_all_the_same(
    is_indexed: bool, long_run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_helpers(monkeypatch)
    with limits(monkeypatch, CREW_BYTES=NEVER if is_indexed else 1):
        if is_indexed:
            read(long_run)
        viewer = Viewer(long_run)
        viewer.feed.begin()
        assert (viewer.feed._metrics._crew is None) == is_indexed
        viewer.feed.begin()
        assert viewer.feed.poll().progress == (0.0 if not is_indexed else pytest.approx(1.0, abs=0.01))
        viewer.feed.close()
        viewer = Viewer(long_run)
        viewer.feed.begin()
        assert state(viewer.read().store) == state(line_by_line(long_run))
        viewer.feed.close()


def test_what_cannot_be_begun_is_said_by_the_first_poll(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = fresh_run(tmp_path, b"")
    run.metrics.unlink()
    run.metrics.mkdir()
    with limits(monkeypatch):
        opened = MetricsReader(run.metrics, STEP_FIELDS)
        opened.begin()
        with pytest.raises(IsADirectoryError):
            opened.poll()


def killed(feed: Feed) -> None:
    found = feed._metrics._crew
    assert found is not None
    for each in found._helpers:
        each.process.kill()


def cut(feed: Feed) -> None:
    os.truncate(feed.run.metrics, 30_000)


def replaced(feed: Feed) -> None:
    new = feed.run.metrics.with_name("new")
    new.write_bytes(b"".join(map(encode, steps(2000))))
    new.replace(feed.run.metrics)


@pytest.mark.parametrize("accident", [killed, cut, replaced])
def test_what_happens_to_helpers_or_to_the_log_meanwhile_costs_no_record(
    accident: Callable[[Feed], None], long_run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_helpers(monkeypatch)
    with limits(monkeypatch, CREW_BYTES=1):
        viewer = Viewer(long_run)
        while len(viewer.store.steps) == 0:
            viewer.store.apply(viewer.feed.poll())
        accident(viewer.feed)
        viewer.read()
        viewer.feed.close()
        expected = line_by_line(long_run)
        viewer.store.skipped = expected.skipped  # of the file that was there before as well
        assert state(viewer.store) == state(expected)
        assert state(read(long_run)) == state(expected)


def test_helpers_are_gone_once_the_reader_is_closed(long_run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    with_helpers(monkeypatch)
    with limits(monkeypatch, CREW_BYTES=1):
        opened = MetricsReader(long_run.metrics, STEP_FIELDS)
        opened.poll()
        assert opened._crew is not None
        processes = [each.process for each in opened._crew._helpers]
        opened.close()
        assert all(process.returncode is not None for process in processes)


def test_a_line_longer_than_a_stretch_is_no_work_for_helpers(long_run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    note = {"kind": "eval", "at": 1, "attempt": 1, "step": 5, "loss": 1.0, "metrics": {"m" * 50_000: 1.0}}
    with open(long_run.metrics, "r+b") as file:
        rest = file.read()
        file.seek(0)
        file.write(msgspec.json.encode(note) + b"\n" + rest)
    with_helpers(monkeypatch)
    with limits(monkeypatch, CREW_BYTES=1):
        assert state(read(long_run)) == state(line_by_line(long_run))


def num_open() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="nothing here says which files are open")
def test_a_log_of_too_many_columns_has_no_index_and_holds_no_files(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path)
    run.metrics.write_bytes(b"".join(map(encode, steps(BLOCK + 5))))
    with limits(monkeypatch):
        before = num_open()
        monkeypatch.setattr(writer, "MOST_COLUMNS", 2)
        viewer = Viewer(run).read()
        viewer.read()
        assert len(viewer.store.steps) == BLOCK + 5
        assert num_open() == before
        assert not list(cache.glob("*/meta"))
        viewer.feed.close()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="nothing here says which files are open")
def test_an_index_that_cannot_be_gone_on_with_holds_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path)
    run.metrics.write_bytes(b"".join(map(encode, steps(BLOCK + 5))))
    with limits(monkeypatch):
        read(run)
        place = index.place_of(run.metrics)
        meta = index.read_meta(place)
        assert meta is not None
        last = place / f"{len(meta.columns) - 1}.marks"
        last.unlink()
        last.mkdir()
        before = num_open()
        with pytest.raises(IsADirectoryError):
            writer.continued(place, meta)
        assert num_open() == before
        last.rmdir()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="nothing here says which files are open")
def test_a_poll_that_comes_after_the_end_holds_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path)
    run.metrics.write_bytes(b"".join(map(encode, steps(50))))
    with limits(monkeypatch):
        before = num_open()
        feed = Feed(run)
        feed.close()
        feed.poll()
        assert num_open() == before
