"""Recorded runs for tests of time travel: any course of what may happen to a run; and copies as of a time."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from rundir.layout import RunDir
from rundir.records import (
    AlertEvent,
    AnyRecord,
    CheckpointEvent,
    EpochRecord,
    EvalRecord,
    LifecycleEvent,
    NoteEvent,
    OutcomeEvent,
    ResumeEvent,
    ResumeRecord,
    Severity,
    StepRecord,
    SystemRecord,
    encode,
)
from trainwatch.store import Store

LOGS = ("metrics.jsonl", "events.jsonl", "system.jsonl", "control.jsonl")

KINDS = (
    "step",
    "step",
    "step",
    "nan",
    "eval",
    "epoch",
    "resume",
    "checkpoint",
    "alert",
    "clear",
    "order",
    "note",
    "ram",
)
MOVES = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 3), st.integers(0, 40)), min_size=1, max_size=60)
"""What happens next, how many seconds later, and a number that it may need."""


@dataclass
class Recorder:
    """Where a run that is being made up stands."""

    at: float = 1000.0
    step: int = 0
    attempt: int = 1
    number: int = 0

    def records(self, kind: str, value: int) -> tuple[list[AnyRecord], list[AnyRecord], list[bytes]]:
        """What a kind of happening adds to metrics, events and orders."""
        if kind in ("step", "nan"):
            self.step += 1
        if kind == "resume":
            self.attempt, self.step = self.attempt + 1, max(0, self.step - value % 7)
        base: dict[str, Any] = {"at": self.at, "attempt": self.attempt, "seq": self.number}
        event: dict[str, Any] = {**base, "writer": "supervisor", "step": self.step}
        if kind == "resume":
            told: list[AnyRecord] = [LifecycleEvent(**event, what="spawned"), ResumeEvent(**event, reason="rollback")]
            return [ResumeRecord(**base, step=self.step)], [*told, LifecycleEvent(**event, what="training")], []
        if kind == "order":
            name = f"o{self.number}"
            answer = OutcomeEvent(**event, order=name, verb="set", result="applied", args={"lr": value})
            order = encode({"verb": "set", "id": name, "at": self.at, "args": {"lr": value}})
            return [], [answer] if value % 2 else [], [order]
        return _metrics(kind, value, {**base, "step": self.step}), _events(kind, value, event), []


def _metrics(kind: str, value: int, base: dict[str, Any]) -> list[AnyRecord]:
    match kind:
        case "step" | "nan":
            extra: dict[str, Any] = {"metrics": {"odd": value / 3}} if value % 5 == 0 else {}
            loss: Any = "nan" if kind == "nan" else value / 7
            return [StepRecord(**base, loss=loss, lr=value / 9, epoch=base["step"] / 10, **extra)]
        case "eval":
            return [EvalRecord(**base, loss=value / 3, metrics={"f1": value / 40}, best=value > 20)]
        case "epoch":
            return [EpochRecord(**base, epoch=value, loss=1.0)]
        case _:
            return []


def _events(kind: str, value: int, event: dict[str, Any]) -> list[AnyRecord]:
    match kind:
        case "checkpoint":
            return [CheckpointEvent(**event, path=f"checkpoints/{value}", size_bytes=value)]
        case "alert" | "clear":
            change: Any = "raised" if kind == "alert" else "cleared"
            told: dict[str, Any] = {"severity": Severity.WARNING, "message": "", "onset_step": event["step"]}
            return [AlertEvent(**event, rule=f"r{value % 3}", change=change, **told)]
        case "note":
            return [NoteEvent(**event, text=f"{value}")]
        case _:
            return []


def record(run: RunDir, moves: list[tuple[str, int, int]]) -> list[float]:
    """Write a run that goes so; the times at which anything happened."""
    run.path.mkdir(parents=True)
    lines: dict[str, list[bytes]] = {name: [] for name in LOGS}
    recorder = Recorder()
    times = [recorder.at]
    for kind, wait_s, value in moves:
        recorder.at += wait_s
        recorder.number += 1
        times.append(recorder.at)
        metrics, events, orders = recorder.records(kind, value)
        lines["metrics.jsonl"] += map(encode, metrics)
        lines["events.jsonl"] += map(encode, events)
        lines["control.jsonl"] += orders
        if kind == "ram":
            sample = SystemRecord(at=recorder.at, attempt=recorder.attempt, run_rss_bytes=value)
            lines["system.jsonl"].append(encode(sample))
    for name, written in lines.items():
        (run.path / name).write_bytes(b"".join(written))
    return times


def copy_as_of(run: RunDir, at: float, to: Path) -> RunDir:
    """A copy of the run whose logs end as they did at a time: before the first line that was written later."""
    copied = RunDir(to)
    to.mkdir(parents=True)
    for path in run.path.iterdir():
        if path.name in LOGS:
            (to / path.name).write_bytes(_written_by(path.read_bytes(), at))
        elif path.is_file():
            shutil.copy(path, to)
        elif path.name == "control.d":
            shutil.copytree(path, to / path.name)  # whoever reads these orders sees in them when they were given
    return copied


def _written_by(content: bytes, at: float) -> bytes:
    kept = b""
    for line in content.splitlines(keepends=True):
        try:
            if json.loads(line)["at"] > at:
                break
        except (ValueError, KeyError):
            pass  # a fragment
        kept += line
    return kept


def facts(store: Store) -> dict[str, Any]:
    """All that a store shows, in values that compare."""
    return {
        "x": store.steps.x.tolist(),
        "columns": {name: _values(store.steps.column(name)) for name in sorted(store.steps.names)},
        "system": (store.system.x.tolist(), [_values(store.system.column(name)) for name in store.system.names]),
        "attempt": (store.attempt, store.attempt_start),
        "seams": store.seams,
        "evals": (store.scores.records, store.scores.best, store.scores.best_record),
        "epochs": store.epochs,
        "events": list(store.events),
        "alerts": store.alerts,
        "checkpoints": store.checkpoints,
        "report": (store.report, store.baseline, store.parameters),
        "orders": sorted((order.id, order.sent_at, order.outcome is None) for order in store.orders.values()),
        "lr": store.peak_lr,
    }


def _values(column: Any) -> tuple[bytes, list[int]]:
    return np.nan_to_num(column.values, nan=-77.0).tobytes(), column.marks.tolist()
