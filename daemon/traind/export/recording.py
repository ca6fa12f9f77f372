"""Reads a whole run directory, live or finished, into plain records that hold. Knows no format it goes to.

Exports are handed on: what is a secret here and now is left out, whoever has written the directory.
"""

import os
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from rundir.effective import effective
from rundir.layout import RunDir
from rundir.records import (
    EVENT_DECODER,
    METRICS_DECODER,
    SYSTEM_DECODER,
    CheckpointEvent,
    EpochRecord,
    EvalRecord,
    EventRecord,
    MetricsRecord,
    ResumeRecord,
    StepRecord,
    SystemRecord,
    decode_lines,
    number,
)
from rundir.secret import redact, redact_fields, redact_value
from rundir.series import MAX_STEP
from rundir.status import RunInfo, Status, read_run_info, read_status
from rundir.tail import Tail


@dataclass(slots=True)
class Recording:
    """What a run directory says at one moment. What is missing or not ours is empty or None."""

    run: RunDir
    info: RunInfo | None = None
    status: Status | None = None
    config: dict[str, Any] = field(default_factory=dict)
    """config.toml, section by section."""
    config_text: str = ""
    steps: list[StepRecord] = field(default_factory=list)
    """Effective, ascending by step."""
    evals: list[EvalRecord] = field(default_factory=list)
    """Effective, ascending by step."""
    epochs: list[EpochRecord] = field(default_factory=list)
    resumes: list[ResumeRecord] = field(default_factory=list)
    checkpoints: list[CheckpointEvent] = field(default_factory=list)
    """Of the current lineage; the older ones may have been pruned."""
    events: list[EventRecord] = field(default_factory=list)
    """All that happened, in file order, what a resume superseded included."""
    system: list[SystemRecord] = field(default_factory=list)
    skipped: int = 0
    """Lines of the logs that are no record of this format."""

    @property
    def name(self) -> str:
        return self.info.name if self.info is not None else self.run.id

    @property
    def best(self) -> EvalRecord | None:
        """The newest evaluation that was the best so far when it was made; without such a mark that of lowest loss."""
        marked = [record for record in self.evals if record.best]
        finite = [record for record in self.evals if abs(number(record.loss)) < float("inf")]
        return marked[-1] if marked else min(finite, key=lambda record: number(record.loss), default=None)


def read_recording(run: RunDir) -> Recording:
    """Everything a run directory holds now. Never fails for what stands in a file. Raises OSError."""
    recording = Recording(
        run, info=_or_none(read_run_info, run.run_json), status=_or_none(read_status, run.status_json)
    )
    if recording.info is not None:
        recording.info.argv = redact_value(recording.info.argv, os.environ)
    recording.config_text, recording.config = _read_config(run.config_toml)
    metrics, num_bad_metrics = _read(run.metrics, METRICS_DECODER)
    for record in effective(metrics):
        _sort_in(recording, record)
    recording.steps = _ascending(recording.steps)
    for records in (recording.evals, recording.epochs):
        records.sort(key=lambda record: record.step)
    events, num_bad_events = _read(run.events, EVENT_DECODER)
    recording.events = _once(events)
    for event in recording.events:
        redact_fields(event, os.environ)
    recording.checkpoints = [event for event in effective(events) if isinstance(event, CheckpointEvent)]
    recording.system, num_bad_system = _read(run.system, SYSTEM_DECODER)
    recording.skipped = num_bad_metrics + num_bad_events + num_bad_system
    return recording


def _sort_in(recording: Recording, record: MetricsRecord) -> None:
    match record:
        case ResumeRecord():
            recording.resumes.append(record)
        case _ if not 0 <= record.step < MAX_STEP:
            recording.skipped += 1  # a damaged line: no run gets there, and no column of int64 holds it
        case StepRecord():
            recording.steps.append(record)
        case EvalRecord():
            recording.evals.append(record)
        case EpochRecord():
            recording.epochs.append(record)


def _ascending(steps: list[StepRecord]) -> list[StepRecord]:
    """The same by step, the last of each: where a resume marker was lost, the later attempt holds."""
    if all(before.step < after.step for before, after in pairwise(steps)):
        return steps
    return sorted({record.step: record for record in steps}.values(), key=lambda record: record.step)


def _once(events: Iterable[EventRecord]) -> list[EventRecord]:
    """The events without those written again after a torn write."""
    written: dict[tuple[int, str, int], EventRecord] = {}
    kept = []
    for event in events:
        key = (event.attempt, event.writer, event.seq)
        if event.seq == 0 or written.get(key) != event:
            kept.append(event)
        written[key] = event
    return kept


def _read(path: Path, decoder: "msgspec.json.Decoder[Any]") -> tuple[list[Any], int]:
    """All whole records of a log, and how many lines were none."""
    tail, records, num_bad = Tail(path), list[Any](), 0
    while True:
        chunk = tail.poll()
        if chunk.restarted:
            records, num_bad = [], 0
        decoded = decode_lines(chunk.lines, decoder)
        records += decoded.records
        num_bad += decoded.skipped
        if chunk.at_end:
            return records, num_bad


def _or_none(read: Any, path: Path) -> Any:
    try:
        return read(path)
    except (OSError, msgspec.DecodeError):  # another format's, or half copied: the logs may still be read
        return None


def _read_config(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", {}
    text = redact(text, os.environ)
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return text, {}
