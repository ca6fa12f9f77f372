"""A few pictures of the dashboard. Each is a promise: `make snap-update`, then look at the SVG in a browser."""

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from rundir.layout import RunDir
from rundir.records import (
    AlertEvent,
    CheckpointEvent,
    LifecycleEvent,
    Number,
    ResumeEvent,
    ResumeRecord,
    Sample,
    Severity,
    StepRecord,
    encode,
)
from rundir.remarks import Remarks, write_remarks
from rundir.status import RunInfo, State, Status, write_status
from tests.trainwatch.runs import START_AT, append, evaluation, make_run, memory, outcome, step
from trainwatch.app import TrainwatchApp
from trainwatch.screens.compare import CompareScreen
from trainwatch.screens.gallery import GalleryScreen
from trainwatch.screens.runs import RunsScreen

TOTAL = 600
LABELS = {
    "Loaded_Language": {"precision": 0.71, "recall": 0.66, "f1": 0.684, "support": 412},
    "Name_Calling,Labeling": {"precision": 0.64, "recall": 0.58, "f1": 0.608, "support": 198},
    "Flag-Waving": {"precision": 0.52, "recall": 0.61, "f1": 0.561, "support": 77},
}


def noisy(i: int) -> float:
    return 0.3 + 2.7 * math.exp(-i / 120) + 0.12 * math.sin(i * 1.7) * math.cos(i * 0.37)


def records(first: int, last: int, attempt: int) -> list[StepRecord]:
    return [
        step(
            i, "nan" if i in (401, 402) else noisy(i), attempt, grad_norm=0.8 + 0.5 * abs(math.sin(i * 0.9)),
            lr=5e-5 * min(i / 60, (TOTAL - i) / (TOTAL - 60)), tokens_per_s=41_250.0,
        )
        for i in range(first, last + 1)
    ]  # fmt: skip


def checkpoint(at_step: int) -> CheckpointEvent:
    return CheckpointEvent(
        at=START_AT + at_step, attempt=1, writer="trainer", step=at_step, path=f"checkpoints/step-{at_step:08d}",
        size_bytes=760_000_000, best=at_step != 600,
    )  # fmt: skip


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunDir]:
    """A finished run with a restart in the middle, two NaN losses, an alert and an order: every time in it is fixed."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    run = make_run(tmp_path)
    append(run.metrics, records(1, 250, 1))
    append(run.metrics, [evaluation(150, 1.4, 0.31), evaluation(150, 1.4, 0.31)])
    append(run.metrics, [ResumeRecord(at=START_AT + 250, attempt=2, step=200, reason="restart")])
    append(run.metrics, records(201, TOTAL, 2))
    append(
        run.metrics, [evaluation(s, v, f, 2, best=b) for s, v, f, b in ((300, 0.8, 0.52, True), (450, 0.62, 0.6, True))]
    )
    append(run.metrics, [evaluation(600, 0.71, 0.59, 2, labels=LABELS)])
    append(run.system, memory(300))
    baseline = {"f1": 0.214, "precision": 0.341, "recall": 0.156}
    append(
        run.events,
        [
            LifecycleEvent(at=START_AT, attempt=1, writer="trainer", what="baseline", detail=baseline),
            checkpoint(200),
            outcome("a", "set", step=230, args={"lr": 5e-5}, at=START_AT + 230),
            ResumeEvent(at=START_AT + 250, attempt=2, writer="trainer", step=200, reason="restart"),
            checkpoint(450),
            checkpoint(600),
            AlertEvent(
                at=START_AT + 600, attempt=2, writer="supervisor", step=600, rule="overfitting", change="raised",
                severity=Severity.WARNING, message="eval loss 0.71 is 15 % over its best", onset_step=450,
            ),
        ],
    )  # fmt: skip
    run.console.write_text("tokenizer trained: 4000 tokens\nno progress bars here\n", encoding="utf-8")
    write_status(
        run.status_json,
        Status(
            run=run.id, state=State.DONE, attempt=2, step=TOTAL, total_steps=TOTAL, epoch=3.0, total_epochs=3.0,
            device="cpu", updated_at=START_AT + 660, started_at=START_AT, ended_at=START_AT + 660,
        ),
    )  # fmt: skip
    yield run
    monkeypatch.undo()
    time.tzset()


async def settled(pilot: Pilot[None]) -> None:
    app = pilot.app
    assert isinstance(app, TrainwatchApp)
    while not app.run_screen.store.caught_up:
        await pilot.pause(0.02)
    await pilot.pause()


@pytest.mark.parametrize("size", [(160, 48), (80, 24), (40, 10)], ids=["wide", "compact", "tiny"])
def test_a_finished_run(run: RunDir, snap_compare: Callable[..., bool], size: tuple[int, int]) -> None:
    assert snap_compare(TrainwatchApp(run), terminal_size=size, run_before=settled)


def test_the_help(run: RunDir, snap_compare: Callable[..., Any]) -> None:
    async def open_help(pilot: Pilot[None]) -> None:
        await settled(pilot)
        await pilot.press("question_mark")
        await pilot.pause()

    assert snap_compare(TrainwatchApp(run), terminal_size=(110, 36), run_before=open_help)


SAMPLES = [
    Sample(
        prompt="ROMEO:",
        text="What say you to the heavens, and the rest of the world\nthat I have seen the state of my lord?\n\n"
        "JULIET:\nI would not be a man of such a thing.\n",
    ),
    Sample(prompt="The king", text="shall be the king of the world, and the king of the world shall be the king " * 2),
]


@pytest.fixture
def language_model(tmp_path: Path, run: RunDir) -> RunDir:
    """A finished run of a language model: generated texts, perplexity, a report, a sink that failed."""
    run = make_run(tmp_path, "20261121-101500-char-lm")
    run.config_toml.write_text('[task]\nkind = "causal-lm"\n', encoding="utf-8")
    append(run.metrics, records(1, 400, 1))
    for at_step, loss in ((200, 2.1), (400, 1.92)):
        metrics: dict[str, Number] = {"perplexity": math.exp(loss), "bits_per_char": loss / math.log(2)}
        append(run.metrics, [evaluation(at_step, loss, 0, metrics=metrics, samples=SAMPLES, best=True)])
    report = "best loss 1.92 at step 400 (epoch 2); well above the baseline (3.3, -1.38); use checkpoints/best"
    told: list[tuple[str, int, str, dict[str, float]]] = [
        (
            "model",
            0,
            "GPT2LMHeadModel, 801,024 parameters",
            {"num_parameters": 801024, "num_trained_parameters": 801024},
        ),
        (
            "baseline",
            0,
            "each character as often as in training",
            {"loss": 3.3, "perplexity": 27.1, "bits_per_char": 4.76},
        ),
        ("starting_loss", 1, "4.174; a model that knows nothing has ln(65) = 4.174", {}),
        ("sink_failed", 90, "wandb: UsageError: No API key configured. Use `wandb login` to log in.", {}),
        ("report", 400, report, {}),
    ]
    events = [
        LifecycleEvent(at=START_AT + s, attempt=1, writer="trainer", step=s or None, what=w, message=m, detail=d)
        for w, s, m, d in told
    ]
    append(run.events, events)
    write_status(
        run.status_json,
        Status(
            run=run.id, state=State.DONE, attempt=1, step=400, total_steps=400, epoch=2.0, total_epochs=2.0,
            device="cpu", updated_at=START_AT + 460, started_at=START_AT, ended_at=START_AT + 460,
        ),
    )  # fmt: skip
    return run


def test_a_language_model(language_model: RunDir, snap_compare: Callable[..., bool]) -> None:
    assert snap_compare(TrainwatchApp(language_model), terminal_size=(160, 48), run_before=settled)


@pytest.fixture
def runs_dir(run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six runs of several kinds, the one above among them; every time in them is fixed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "time", lambda: START_AT + 7200)
    kinds = [
        ("20261121-093000-char-lm", "causal-lm", State.STOPPED, 240, 1.4),
        ("20261121-094500-sentiment", "text-classification", State.FAILED, 90, 0.7),
        ("20261121-100000-legal-lora", "text-classification", State.DONE, 600, 0.9),
        ("20261121-110000-ner-lr3e-4", "token-classification", State.DONE, 600, 1.2),
    ]
    for number, (name, task, state, last, scale) in enumerate(kinds):
        made = make_run(tmp_path, name)
        info = RunInfo(
            id=name, name=name[16:], task=task, created_at=START_AT - 3600 * (4 - number), host="gpu1", user="ada",
            git_commit="0b1e7a5c9d", versions={"torch": f"2.{6 + number}.0"},
        )  # fmt: skip
        made.run_json.write_bytes(encode(info))
        made.config_toml.write_text(
            f'[task]\nkind = "{task}"\n[train]\nlr = {1e-4 * (number + 1)}\nepochs = 3\n', encoding="utf-8"
        )
        append(made.metrics, [step(i, scale * noisy(i), lr=1e-4) for i in range(1, last + 1)])
        append(made.metrics, [evaluation(last, scale, 0.9 - scale / 3, best=True)])
        write_status(
            made.status_json,
            Status(
                run=name, state=state, attempt=1, step=last, total_steps=TOTAL, host="gpu1", updated_at=START_AT,
                started_at=START_AT - 600, ended_at=START_AT,
                last_error="CUDA error: device-side assert" if state is State.FAILED else None,
            ),
        )  # fmt: skip
    write_remarks(RunDir(tmp_path / kinds[3][0]).remarks_json, Remarks(tags=["good"], note="a higher rate"))
    return Path()


@pytest.mark.parametrize("size", [(160, 48), (80, 24)], ids=["wide", "compact"])
def test_the_table(runs_dir: Path, snap_compare: Callable[..., bool], size: tuple[int, int]) -> None:
    async def listed(pilot: Pilot[None]) -> None:
        await all_read(pilot)
        await pilot.press("down", "space", "down", "down", "space", "up")
        await pilot.pause()

    assert snap_compare(TrainwatchApp(runs_dir), terminal_size=size, run_before=listed)


def test_the_table_in_the_light(runs_dir: Path, snap_compare: Callable[..., bool]) -> None:
    assert snap_compare(TrainwatchApp(runs_dir, palette="light-safe"), terminal_size=(110, 20), run_before=all_read)


def test_all_metrics(run: RunDir, snap_compare: Callable[..., bool]) -> None:
    async def opened(pilot: Pilot[None]) -> None:
        await settled(pilot)
        await pilot.press("g", "full_stop")
        while not (isinstance(pilot.app.screen, GalleryScreen) and pilot.app.screen.gallery.lines.store.caught_up):
            await pilot.pause(0.02)
        await pilot.pause()
        await pilot.press("full_stop", "m", "m", "m", "m", "m")
        await pilot.pause()

    assert snap_compare(TrainwatchApp(run), terminal_size=(160, 48), run_before=opened)


def test_a_comparison(runs_dir: Path, snap_compare: Callable[..., bool]) -> None:
    async def compared(pilot: Pilot[None]) -> None:
        await all_read(pilot)
        await pilot.press("space", "space", "space", "c")
        while not (isinstance(pilot.app.screen, CompareScreen) and pilot.app.screen.board.is_read):
            await pilot.pause(0.02)
        await pilot.pause()

    assert snap_compare(TrainwatchApp(runs_dir), terminal_size=(160, 48), run_before=compared)


async def all_read(pilot: Pilot[None]) -> None:
    app = pilot.app
    assert isinstance(app, TrainwatchApp)
    assert isinstance(app.root, RunsScreen)
    while not app.root.roster.has_listed or app.root.roster.num_shallow:
        await pilot.pause(0.02)
    await pilot.pause()
