"""What the end of a run's logs says of it, and a few samples of its course: bytes in, plain values out. Pure.

A glance costs the same whatever the length of the run: its figures are those of the newest records, not of all.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from rundir.direction import is_lower_better
from rundir.records import (
    METRICS_DECODER,
    EvalRecord,
    ResumeRecord,
    StepRecord,
    decode_lines,
    number,
)
from rundir.series import MAX_STEP
from trainwatch.listing.course import Course
from trainwatch.pace import pace
from trainwatch.scores import Scores, values_of


@dataclass(frozen=True, slots=True)
class Figures:
    """What the newest records of metrics.jsonl come to."""

    step: int = 0
    loss: float | None = None
    """None where no record is there; nan and inf as they stand in the file."""
    rate: float = math.nan
    """Steps a second."""
    course: Course = field(default_factory=Course)
    """Of the loss: what was known, and the records looked at."""
    latest: Mapping[str, float] = field(default_factory=dict)
    """The newest evaluation's, loss included."""
    best: Mapping[str, float] = field(default_factory=dict)
    """Of the evaluations looked at, each metric by itself."""
    chosen: Mapping[str, float] = field(default_factory=dict)
    """The newest evaluation that is marked as the best so far."""


def figures_of(
    lines: bytes, directions: Mapping[str, bool] | None = None, known: Course | None = None, *, is_timed: bool = True
) -> Figures:
    """Of whole lines from the end of a metrics.jsonl. Never raises on what they hold.

    `known`: the course of the loss so far; `is_timed`: the rate as well.
    """
    steps: list[StepRecord] = []
    scores = Scores(directions)
    for record in decode_lines(lines, METRICS_DECODER).records:
        match record:
            case StepRecord():
                if not steps or (0 <= record.step < MAX_STEP and record.attempt == steps[-1].attempt):
                    steps.append(record)
                elif record.attempt > steps[-1].attempt:  # the resume marker is further back, or was lost
                    steps = [*_until(steps, record.step - 1), record]
            case EvalRecord():
                scores.add(record)
            case ResumeRecord():
                steps = _until(steps, record.step)
                scores.cut(record.step)
            case _:
                pass  # an epoch's own figures are not shown
    marked = next((each for each in reversed(scores.records) if each.best), None)
    return Figures(
        step=steps[-1].step if steps else 0,
        loss=number(steps[-1].loss) if steps else None,
        rate=_rate(steps) if is_timed else math.nan,
        course=(known or Course()).extended(ascending([(each.step, number(each.loss)) for each in steps])),
        latest=values_of(scores.latest) if scores.latest is not None else {},
        best=dict(scores.best),
        chosen=values_of(marked) if marked is not None else {},
    )


def _until(steps: list[StepRecord], step: int) -> list[StepRecord]:
    return steps if not steps or steps[-1].step <= step else [each for each in steps if each.step <= step]


def _rate(steps: Sequence[StepRecord]) -> float:
    current = [each for each in steps if each.attempt == steps[-1].attempt]
    return pace(np.array([float(each.step) for each in current]), np.array([each.at for each in current]))


def better(one: Mapping[str, float], other: Mapping[str, float], told: Mapping[str, bool]) -> dict[str, float]:
    """Of each metric the better value of two; `told` as in `rundir.direction`."""
    best = dict(one)
    for name, value in other.items():
        known = best.get(name, value)
        best[name] = min(value, known) if is_lower_better(name, told) else max(value, known)
    return best


def sampled_steps(piece: bytes) -> list[tuple[int, float]]:
    """Step and loss of the step records that stand whole in a piece of a metrics.jsonl, cut anywhere."""
    found = []
    for line in piece.split(b"\n")[1:-1]:
        try:
            record = METRICS_DECODER.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if isinstance(record, StepRecord) and 0 <= record.step < MAX_STEP:
            found.append((record.step, number(record.loss)))
    return found


def course_of(samples: Sequence[tuple[int, float]]) -> Course:
    """Of samples in file order, without those that a later one goes back behind."""
    return Course().extended(ascending(samples))


def ascending(records: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Steps and losses in file order, without those that a later one goes back behind."""
    kept: list[tuple[int, float]] = []
    least = MAX_STEP
    for step, loss in reversed(records):
        if 0 <= step < least:
            kept.append((step, loss))
            least = step
    return kept[::-1]
