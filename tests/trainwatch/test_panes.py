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
    CheckpointEvent,
    EpochRecord,
    EventRecord,
    LifecycleEvent,
    MetricsRecord,
    NoteEvent,
    Number,
    ResumeEvent,
    ResumeRecord,
    Sample,
    Severity,
    SystemRecord,
    encode,
)
from rundir.status import State, read_status, write_status
from tests.protocol.records import event_records, metrics_records, system_records
from tests.trainwatch.runs import append, evaluation, make_run, memory, outcome, set_status, step, steps
from trainwatch.actions import PANES
from trainwatch.dashboard import View, paint_pane, paint_text, scroll_limit
from trainwatch.feed import Feed, read_opened
from trainwatch.layout import arrange
from trainwatch.paint import row_width, text_of
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


def huge(run: RunDir) -> None:
    """Integers beyond what a float can hold, wherever a file may have one."""
    big = 10**400
    run.config_toml.write_text(f"[train]\nlr = {big}\n", encoding="utf-8")
    far, early, late = step(7, 1.0), evaluation(8, 1.0, 0.5), evaluation(9, 1.0, 0.5, 3)
    far.step = early.step = late.step = big
    append(run.metrics, [*steps(5), step(6, 1.0, gpu_mem_allocated_bytes=big), far, early])
    append(run.metrics, [EpochRecord(at=1.0, attempt=1, step=big, epoch=big, loss=1.0)])
    append(run.metrics, [ResumeRecord(at=1.0, attempt=2, step=big), ResumeRecord(at=1.0, attempt=3, step=-big)])
    append(run.metrics, [*steps(5, 1, 3), late])
    append(
        run.events,
        [
            NoteEvent(at=1.0, attempt=1, writer="trainer", step=big, text="far"),
            CheckpointEvent(at=1.0, attempt=1, writer="trainer", step=big, path="checkpoints/x", size_bytes=big),
            outcome("a", "set", step=big, args={"lr": big}),
            ResumeEvent(at=1.0, attempt=2, writer="trainer", step=big),
            AlertEvent(
                at=1.0, attempt=2, writer="trainer", rule="r", change="raised", severity=Severity.INFO, message="m",
                step=big, onset_step=big,
            ),
        ],
    )  # fmt: skip
    append(run.system, [SystemRecord(at=1.0, attempt=1, run_rss_bytes=big)])
    set_status(run, State.RUNNING)
    status = read_status(run.status_json)
    assert status is not None
    status.step, status.total_steps = big, big - 1
    write_status(run.status_json, status)


WIDE_TEXT = "".join(map(chr, range(0x4E00, 0x4E00 + 200)))
"""Two hundred characters of two cells, no blank among them."""


def texts(run: RunDir) -> None:
    """What a language model and a classifier write: generated texts, confusions, a report."""
    samples = [
        Sample(prompt="ROMEO:\n", text="\nWhat say you\n\n\x1b[2J" + "of the world " * 20 + WIDE_TEXT + " end."),
        Sample(prompt="", text=""),
    ]
    labels: dict[str, dict[str, Number]] = {name: {"f1": 0.5, "support": 7} for name in ("good", "bad\x1b[31m", "日本")}
    append(run.metrics, [*steps(9), evaluation(7, 0.5, 0.75)])
    metrics: dict[str, Number] = {"bits_per_char": 2.5, "f1": 0.5, "perplexity": 1e7}
    confusion = [[5, 1, 10**12], [0, 7, 0], [-1, 2, 3]]
    append(run.metrics, [evaluation(9, 0.4, 0.8, samples=samples, metrics=metrics, labels=labels, confusion=confusion)])
    told = [
        lifecycle("model", "x", {"num_parameters": 66_955_010, "num_trained_parameters": 887_042}),
        lifecycle("starting_loss", "4.17; a model that knows nothing has ln(65) = 4.174"),
        lifecycle("sink_failed", "csv: OSError: " + "no room " * 30),
        lifecycle("report", "best f1 0.9 at step 9; well above the baseline; use checkpoints/best, of epoch 3" * 2),
    ]
    append(run.events, told)
    run.config_toml.write_text('[task]\nkind = "causal-lm"\n', encoding="utf-8")
    set_status(run, State.DONE, step=9, total=9)


def lifecycle(what: str, message: str, detail: dict[str, int] | None = None) -> LifecycleEvent:
    return LifecycleEvent(at=1.0, attempt=1, writer="trainer", step=1, what=what, message=message, detail=detail)


def nothing_planned(run: RunDir) -> None:
    set_status(run, State.RUNNING, total=0)


RUNS: list[Callable[[RunDir], None]] = [
    lambda _: None,
    one_point,
    only_nan,
    hostile,
    huge,
    nothing_planned,
    live,
    texts,
]


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


@pytest.mark.parametrize("fill", RUNS)
def test_every_run_is_json(tmp_path: Path, fill: Callable[[RunDir], None]) -> None:
    run = make_run(tmp_path)
    fill(run)
    assert json.loads(encode(state_of(read_run(run), time.time())))["run"] == run.id


@pytest.mark.parametrize("size", [(40, 8), (60, 12), (100, 30)])
def test_every_alert_and_event_can_be_scrolled_to(tmp_path: Path, size: tuple[int, int]) -> None:
    run = make_run(tmp_path)
    alerts = [
        AlertEvent(
            at=1.0, attempt=1, writer="supervisor", step=1, rule=f"rule{i}", change="raised",
            severity=Severity.WARNING, message="word " * 30, advice="advice " * 20,
        )
        for i in range(2)
    ]  # fmt: skip
    notes = [NoteEvent(at=1.0, attempt=1, writer="trainer", step=i, text=f"note {i}.") for i in range(40)]
    append(run.events, [*notes, *alerts])
    store = read_run(run)
    pictures = [
        text_of(paint_pane("events", store, View(scroll={"events": scroll}), *size))
        for scroll in range(scroll_limit("events", store, *size) + 1)
    ]
    assert "rule0: word" in "".join(pictures)
    assert all(any(note.text in picture for picture in pictures) for note in notes)
    assert "▲" in pictures[0]
    assert notes[0].text in pictures[-1]


def test_an_alert_says_what_it_is_likely_due_to(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    found = AlertEvent(
        at=1.0, attempt=1, writer="supervisor", step=5, rule="divergence", change="raised", message="loss is up",
        severity=Severity.CRITICAL, advice="1. go back", causes=["the learning rate is too high", "no warm-up"],
    )  # fmt: skip
    append(run.events, [found])
    lines = ["".join(text for text, _ in row) for row in paint_pane("events", read_run(run), View(), 80, 12)]
    at = next(n for n, line in enumerate(lines) if "divergence: loss is up" in line)
    assert "likely: the learning rate is too high; no warm-up" in lines[at + 1]
    assert "1. go back" in lines[at + 2]


def test_a_mark_is_no_news_for_the_header(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    mark = AlertEvent(
        at=1.0, attempt=1, writer="supervisor", step=5, rule="plateau", change="raised", message="flat",
        severity=Severity.INFO,
    )  # fmt: skip
    append(run.events, [mark])
    assert "plateau" not in "\n".join(paint_text(read_run(run), View(now=1.0), 100, 30).splitlines()[:3])


def test_a_full_disk_is_an_alert(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    append(run.events, [LifecycleEvent(at=1.0, attempt=1, writer="trainer", what="disk_full", message="no room")])
    rows = paint_pane("events", read_run(run), View(), 60, 5)
    assert ("disk full", "alert") in rows[1]


def test_a_status_that_went_is_said_and_the_rest_stays(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    set_status(run, State.RUNNING, step=3, total=9)
    store, feed = Store(run, read_opened(run)), Feed(run)
    store.apply(feed.poll())
    run.status_json.unlink()
    store.apply(feed.poll())
    for width, height in ((80, 24), (120, 40)):
        header = paint_text(store, View(now=time.time()), width, height).splitlines()[0]
        assert "no status, was running" in header
        assert "step 3 / 9" in header
    assert "status.json is gone" in paint_text(store, View(now=time.time()), 120, 40)
    set_status(run, State.RUNNING, step=4, total=9)
    store.apply(feed.poll())
    assert store.status_fault == ""


def test_a_dead_run_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = make_run(tmp_path)
    append(run.metrics, steps(3))
    set_status(run, State.RUNNING, step=3, total=9, alive=False)
    text = paint_text(read_run(run), View(now=time.time()), 120, 40)
    assert "dead, was running" in text
    assert f"traind resume {run.id}" in text


def test_a_killed_run_does_not_look_like_a_stopped_one(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    append(run.metrics, steps(3))
    set_status(run, State.STOPPED, step=3, total=9)
    assert "killed" not in paint_text(read_run(run), View(now=time.time()), 80, 24)
    status = read_status(run.status_json)
    assert status is not None
    status.last_error = "killed by order"
    write_status(run.status_json, status)
    for width, height in ((40, 10), (80, 24), (120, 40)):
        header = paint_text(read_run(run), View(now=time.time()), width, height).splitlines()[0]
        assert "● stopped: killed by order" in header


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


def test_an_order_says_its_arguments_and_an_evaluation_its_score(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    append(run.metrics, [*steps(9), evaluation(7, 0.5, 0.75, trigger="order")])
    append(run.events, [outcome("a", "set", step=5, args={"lr": 1e-4}), outcome("b", "eval", step=7)])
    store = read_run(run)
    assert "set lr=1e-4 applied" in text_of(paint_pane("events", store, View(), 80, 8))
    orders = text_of(paint_pane("orders", store, View(now=time.time()), 80, 8))
    assert "at step 7 loss 0.5000 f1 0.7500" in orders


def test_epochs_have_two_decimals_at_most(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    set_status(run, State.RUNNING, step=4, total=62)
    status = read_status(run.status_json)
    assert status is not None
    status.total_epochs = 0.619835
    write_status(run.status_json, status)
    assert "epoch 0.04 / 0.62 " in paint_text(read_run(run), View(now=time.time()), 120, 40)


def read_texts(tmp_path: Path) -> Store:
    run = make_run(tmp_path)
    texts(run)
    return read_run(run)


def scrolled(name: str, store: Store, width: int, height: int) -> list[str]:
    """The pane's picture at each place it can be scrolled to."""
    return [
        text_of(paint_pane(name, store, View(scroll={name: scroll}), width, height))
        for scroll in range(scroll_limit(name, store, width, height) + 1)
    ]


@pytest.mark.parametrize("size", [(80, 10), (57, 20), (30, 8)])
def test_a_generated_text_is_read_to_its_end_with_its_own_lines(tmp_path: Path, size: tuple[int, int]) -> None:
    pictures = scrolled("evals", read_texts(tmp_path), *size)
    lines = {line.strip(" │") for picture in pictures for line in picture.splitlines()}
    assert {"❯ ROMEO:", "What say you", "❯ (no prompt)", "(nothing)"} <= lines
    text = "".join(pictures)
    assert "␛[2J" in text
    assert all(character in text for character in WIDE_TEXT)
    assert "end." in text
    assert "true ↓" in pictures[-1] or size[0] == 30


def test_the_confusions_stand_under_their_names(tmp_path: Path) -> None:
    text = text_of(paint_pane("evals", read_texts(tmp_path), View(scroll={"evals": 10**5}), 60, 40))
    table = text[text.index("true ↓") :].splitlines()
    assert table[0].split()[3:5] == ["→", "good"]
    assert [line.strip(" │").split()[-3:] for line in table[1:4]] == [
        ["5", "1", "1e+03G"],
        ["0", "7", "0"],
        ["-1", "2", "3"],
    ]


def test_confusions_that_do_not_fit_their_labels_are_not_shown(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    labels: dict[str, dict[str, Number]] = {"a": {"f1": 0.5}, "b": {"f1": 0.5}}
    for confusion in ([[1]], [[1, 2], [3]], []):
        append(run.metrics, [evaluation(9, 0.4, 0.8, labels=labels, confusion=confusion)])
        assert "true ↓" not in text_of(paint_pane("evals", read_run(run), View(), 60, 30))


def test_seventy_seven_labels_can_be_scrolled_to(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    labels: dict[str, dict[str, Number]] = {f"label-{i:02d}.": {"f1": 0.5, "support": i} for i in range(77)}
    append(run.metrics, [evaluation(9, 0.4, 0.8, labels=labels)])
    pictures = scrolled("evals", read_run(run), 60, 12)
    assert all(any(label in picture for picture in pictures) for label in labels)
    assert "label-00." in pictures[-1]


def test_what_is_to_be_read_is_wrapped_and_the_header_says_the_last_word(tmp_path: Path) -> None:
    store = read_texts(tmp_path)
    events = text_of(paint_pane("events", store, View(), 60, 30))
    assert "report best f1 0.9 at step 9" in events
    assert " ".join(events.replace("│", " ").split()).count("use checkpoints/best, of epoch 3") == 2
    assert "sink failed csv: OSError" in events
    assert "starting loss 4.17" in events
    wide = paint_text(store, View(now=time.time()), 160, 48).splitlines()
    assert "params 887k of 67M" in wide[1]
    assert "task causal-lm" in wide[1]
    assert wide[2].startswith(" ✓ best f1 0.9 at step 9")


def test_an_event_is_read_to_its_end_on_a_small_screen(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    data = "800 texts to train, 200 to evaluate, 2 classes; text from 'sentence', label from 'category' (no header)"
    refused = "not possible while the run is paused: " + "because " * 12 + "so"
    told = LifecycleEvent(at=1.0, attempt=1, writer="trainer", what="data", message=data)
    crashed = LifecycleEvent(at=1.0, attempt=1, writer="supervisor", what="crashed", message="x" * 1_000_000)
    append(run.events, [told, outcome("1", "eval", "refused", reason=refused), crashed])
    store = read_run(run)
    place = View(chosen="events").layout(80, 24)["events"]
    size = place.width, place.height
    limit = scroll_limit("events", store, *size)
    assert limit < 60  # an endless one is cut, and says so
    pictures = [text_of(paint_pane("events", store, View(scroll={"events": at}), *size)) for at in range(limit + 1)]
    last = " ".join(pictures[-1].replace("│", " ").split())
    assert data in last
    assert refused in last
    assert any("│                  …" in picture for picture in pictures)


@pytest.mark.parametrize(("reason", "said"), [("best", "7 B, best"), ("order", "7 B, order, best")])
def test_a_checkpoint_is_called_best_once(tmp_path: Path, reason: str, said: str) -> None:
    run = make_run(tmp_path)
    checkpoint = CheckpointEvent(
        at=1.0, attempt=1, writer="trainer", step=3, path="checkpoints/x", size_bytes=7, reason=reason, best=True
    )
    append(run.events, [checkpoint])
    (line,) = [row for row in text_of(paint_pane("events", read_run(run), View(), 80, 8)).splitlines() if "7 B" in row]
    assert line.strip(" │").endswith(said)


def test_a_run_that_goes_on_takes_its_last_word_back(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    texts(run)
    append(run.events, [ResumeEvent(at=2.0, attempt=2, writer="trainer", step=9, reason="extend")])
    assert read_run(run).report is None


def test_the_direction_of_a_metric_is_the_configured_one(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    for at_step, value in ((5, 3.0), (6, 2.5), (7, 2.75)):
        append(run.metrics, [evaluation(at_step, 0.4, 0.8, metrics={"regret": value})])
    assert read_run(run).scores.best["regret"] == 3.0
    run.config_toml.write_text('[eval]\nmetric = "regret"\ndirection = "lower"\n', encoding="utf-8")
    store = read_run(run)
    assert store.scores.best["regret"] == 2.5
    rows = paint_pane("evals", store, View(), 70, 12)
    assert any(("    +0.250", "warn") in row for row in rows)


def test_lower_is_better_for_what_measures_surprise(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    for at_step, value in ((5, 3.0), (6, 2.5), (7, 2.75)):
        metrics: dict[str, Number] = {"bits_per_char": value, "perplexity": 10 * value}
        append(run.metrics, [evaluation(at_step, 0.4, 0.8, metrics=metrics)])
    store = read_run(run)
    assert store.scores.best["bits_per_char"] == 2.5
    assert store.scores.best["perplexity"] == 25.0
    rows = paint_pane("evals", store, View(), 70, 12)
    names = [text.strip(" │") for text in text_of(rows).splitlines()]
    assert [name.split()[0] for name in names[2:5]] == ["loss", "perplexity", "bits"]
    assert any(("    +0.250", "warn") in row for row in rows)


@pytest.mark.parametrize(
    ("name", "width", "shown"),
    [
        ("20261126-111237-fine", 120, "20261126-111237-fine"),
        ("20261126-111237-fine-bert", 80, "  111237-fine-bert "),
        ("20261126-111237-finetune-ner-bert", 80, "  finetune-ner-bert "),
        ("20261126-111237-much-too-long-a-name-that-ends-in-b", 80, "  …a-name-that-ends-in-b "),
        ("no-stamp-but-much-too-long-a-name-b", 80, "  …uch-too-long-a-name-b "),
    ],
)
def test_the_header_never_cuts_the_end_of_a_name(tmp_path: Path, name: str, width: int, shown: str) -> None:
    """Runs of one day differ there."""
    run = make_run(tmp_path, name)
    set_status(run, State.RUNNING, step=3, total=1000)
    header = paint_text(read_run(run), View(now=time.time()), width, 24).splitlines()[0]
    assert shown in header
