"""Every pane at any size on any run: exact cells, nothing unprintable, never an exception."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rundir.layout import RunDir
from rundir.records import (
    AlertEvent,
    EventRecord,
    LifecycleEvent,
    MetricsRecord,
    NoteEvent,
    ResumeEvent,
    ResumeRecord,
    Severity,
    SystemRecord,
    encode,
)
from rundir.status import State
from tests.protocol.records import event_records, metrics_records, system_records
from tests.trainwatch.runs import append, evaluation, make_run, memory, outcome, set_status, step, steps
from trainwatch.actions import PANES
from trainwatch.dashboard import View, paint_pane, paint_text
from trainwatch.layout import arrange
from trainwatch.paint import row_width
from trainwatch.snapshot import read_run, state_of
from trainwatch.store import Store


def live(run: RunDir) -> None:
    append(run.metrics, [*steps(100), ResumeRecord(at=1.0, attempt=2, step=50), *steps(60, 51, 2)])
    append(run.metrics, [evaluation(60, 1.0, 0.5, 2, labels={"PER": {"precision": 0.25, "f1": 0.5, "support": 3}})])
    append(run.system, memory(50))
    set_status(run, State.RUNNING, step=110, total=400)


def one_point(run: RunDir) -> None:
    append(run.metrics, steps(1))


def only_nan(run: RunDir) -> None:
    append(run.metrics, [step(i, "nan", grad_norm="inf") for i in range(1, 50)])


def hostile(run: RunDir) -> None:
    """Every odd value at once."""
    append(run.metrics, [*steps(30), step(31, -1e308), step(32, 1e308), step(10**30, 1.0)])
    append(run.metrics, [step(40, "-inf", metrics={"x\n": 1e-320, "loss": 1.0})])
    labels = {"a\x1b[31m" * 20: {"f1": "nan", "support": 1e30}}
    append(run.metrics, [evaluation(10, "nan", "inf"), evaluation(20, 1e300, -1e300, labels=labels)])
    with run.metrics.open("ab") as file:
        file.write(b'{"kind":"zzz"}\n\xff\xfe\n{"kind":"step","at":1e999,"attempt":1,"step":50,"loss":0}\nnull\n[]\n')
    detail = {"f1": 10**400, "x": {"y": [1]}, "loss": "nan"}
    append(
        run.events,
        [
            AlertEvent(
                at=1e300, attempt=1, writer="trainer", rule="\x1b]0;x\x07", change="raised",
                severity=Severity.CRITICAL, message="日本語" * 50,
            ),
            LifecycleEvent(at=-1e18, attempt=1, writer="trainer", what="baseline", detail=detail),
            ResumeEvent(at=1.0, attempt=2, writer="trainer", step=10),
            outcome("x", "set", args={"lr": "\x1b[2J"}),
            NoteEvent(at=1.0, attempt=1, writer="supervisor", text="\x1b[2Jعربى\u202e\u0301"),
        ],
    )  # fmt: skip
    run.console.write_bytes(b"\x1b[31mred\x1b[0m\r\n\x00\xff\t\x9b2J\n" * 50)
    run.status_json.write_bytes(b"{not json \x1b[2J")
    run.control.write_bytes(b'zzz\n{"verb":"pause"}\n{"verb":"set","args":{"lr":[1]},"at":1e300}\n')


RUNS: list[Callable[[RunDir], None]] = [lambda _: None, one_point, only_nan, hostile, live]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> list[Store]:
    found = []
    for fill in RUNS:
        run = make_run(tmp_path_factory.mktemp("panes"))
        fill(run)
        found.append(read_run(run))
    return found


@given(
    which=st.integers(0, len(RUNS) - 1),
    width=st.integers(1, 60) | st.sampled_from([79, 80, 109, 110, 160, 300]),
    height=st.integers(1, 20) | st.sampled_from([24, 29, 30, 48, 80]),
    chosen=st.sampled_from(list(PANES.values())),
    zoomed=st.booleans(),
    scroll=st.sampled_from([0, 1, 10**5]),
)
def test_every_pane_fills_its_place(
    stores: list[Store], which: int, width: int, height: int, chosen: str, zoomed: bool, scroll: int
) -> None:
    store = stores[which]
    view = View(chosen=chosen, zoomed=zoomed, now=time.time(), scroll={chosen: scroll})
    for name, place in arrange(width, height, chosen, zoomed=zoomed).items():
        rows = paint_pane(name, store, view, place.width, place.height)
        assert len(rows) == place.height, name
        for row in rows:
            assert row_width(row) == place.width, name
            assert all(text.isprintable() for text, _ in row), name


def test_the_steps_are_said_once_and_only_when_all_is_read(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    append(run.metrics, steps(1234))
    set_status(run, State.RUNNING, step=1234, total=5000)
    store = read_run(run)
    text = paint_text(store, View(now=time.time()), 160, 48)
    assert text.count("1,234 steps") == text.count(" steps ") == 1
    store.caught_up = False
    store.progress = 0.43
    text = paint_text(store, View(now=time.time()), 160, 48)
    assert "reading … 43%" in text
    assert " steps " not in text


def test_a_dead_run_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = make_run(tmp_path)
    append(run.metrics, steps(3))
    set_status(run, State.RUNNING, step=3, total=9, alive=False)
    text = paint_text(read_run(run), View(now=time.time()), 120, 40)
    assert "dead, was running" in text
    assert f"traind resume {run.id}" in text


@settings(max_examples=100)
@given(
    metrics=st.lists(metrics_records, max_size=12),
    events=st.lists(event_records, max_size=12),
    system=st.lists(system_records, max_size=4),
    states=st.none() | st.sampled_from(list(State)),
)
def test_no_record_however_odd_raises(
    tmp_path_factory: pytest.TempPathFactory,
    metrics: list[MetricsRecord],
    events: list[EventRecord],
    system: list[SystemRecord],
    states: State | None,
) -> None:
    run = make_run(tmp_path_factory.mktemp("odd"))
    append(run.metrics, metrics)
    append(run.events, events)
    append(run.system, system)
    if states is not None:
        set_status(run, states, step=5, total=100)
    store = read_run(run)
    view = View(now=time.time())
    for width, height in ((160, 48), (80, 24)):
        text = paint_text(store, view, width, height)
        assert all(c.isprintable() or c == "\n" for c in text)
    json.loads(encode(state_of(store, time.time())))
