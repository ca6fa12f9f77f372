"""A hundred thousand hostile lines through all that reads them without a screen: decoding, store, rules, panes."""

import time
from pathlib import Path

import pytest

from rundir.alerts import Engine
from rundir.layout import RunDir
from rundir.records import EVENT_DECODER, METRICS_DECODER, SYSTEM_DECODER, decode_lines
from rundir.series import STEP_FIELDS
from rundir.status import State
from rundir.text import plain
from tests.fuzz.hostile import events_lines, hostile_lines, metrics_lines, system_lines
from tests.trainwatch.runs import make_run, set_status
from trainwatch.dashboard import View, paint_pane
from trainwatch.feed import Feed, read_opened
from trainwatch.lens import Lens, XAxis
from trainwatch.metric import Lines
from trainwatch.paint import row_width
from trainwatch.panes.chart import Scales, paint_chart
from trainwatch.panes.gallery import metric_chart
from trainwatch.store import Store

RUNS, LINES = 100, {"metrics": 600, "events": 300, "system": 100}
"""Of each run, by log: a hostile resume may cut all that came before, so that one long log would show little."""
MOST_METRICS = 4
"""Charts of so many are painted; a hostile log names hundreds."""
COMMON = 15
"""A step is so many times as frequent as another kind."""


def written(parent: Path, seed: int) -> RunDir:
    """A run whose logs are such lines."""
    run = make_run(parent, f"run-{seed}")
    set_status(run, State.RUNNING, step=40, total=400)
    steps, *others = metrics_lines()
    kinds = {"metrics": [*[steps] * COMMON, *others], "events": events_lines(), "system": system_lines()}
    for number, (name, count) in enumerate(LINES.items()):
        (run.path / f"{name}.jsonl").write_bytes(b"".join(hostile_lines(3 * seed + number, count, kinds[name])))
    return run


def followed(run: RunDir) -> Store:
    """A store that has read all of it."""
    store, feed = Store(run, read_opened(run)), Feed(run, STEP_FIELDS)
    while not store.caught_up:
        store.apply(feed.poll())
    return store


def check_panes(store: Store) -> None:
    view = View(now=time.time())
    for name, place in view.layout(150, 44).items():
        rows = paint_pane(name, store, view, place.width, place.height)
        assert len(rows) == place.height
        for row in rows:
            assert row_width(row) == place.width, name
            for text, _ in row:
                assert plain(text) == text, (name, text)


def check_charts(store: Store) -> None:
    lines = Lines(store)
    for name in lines.names[:MOST_METRICS]:
        for axis in XAxis:
            lens = Lens(axis=axis)
            rows, _ = paint_chart(metric_chart(name, lines, lens, []), 60, 12, Scales(), lens)
            for row in rows:
                assert row_width(row) == 60, (name, axis)
                for text, _ in row:
                    assert plain(text) == text, (name, axis, text)


def judged(run: RunDir) -> None:
    """Every rule has seen every record."""
    engine = Engine()
    decoders = {"metrics": METRICS_DECODER, "events": EVENT_DECODER, "system": SYSTEM_DECODER}
    for name, decoder in decoders.items():
        for record in decode_lines((run.path / f"{name}.jsonl").read_bytes(), decoder).records:
            engine.feed(record)


@pytest.mark.slow
def test_no_line_breaks_what_reads_it(tmp_path: Path) -> None:
    num_with_steps = num_skipped = 0
    for seed in range(RUNS):
        run = written(tmp_path, seed)
        store = followed(run)
        num_with_steps += len(store.steps) > 0
        num_skipped += store.skipped
        check_panes(store)
        check_charts(store)
        judged(run)
    assert num_with_steps > RUNS / 2
    assert 0.2 < num_skipped / RUNS / sum(LINES.values()) < 0.8
