"""What lines of metrics.jsonl come to: columns of steps, and the few other records, in an order that holds. Pure."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from rundir.records import (
    METRICS_DECODER,
    EpochRecord,
    EvalRecord,
    MetricsRecord,
    ResumeRecord,
    StepRecord,
    decode_lines,
)
from rundir.series import STEP_FIELDS, StepBlock, step_blocks

MetricsPiece: TypeAlias = StepBlock | EvalRecord | EpochRecord | ResumeRecord
_NEWLINE = ord("\n")


def pieces_of(lines: bytes, fields: Sequence[str]) -> tuple[list[MetricsPiece], int]:
    """What whole lines hold, and how many of them are no record. `fields`: of a step record, those to make columns of.

    Between two resume markers of one attempt the steps come as one block, wherever evaluations stood between them:
    only a cut concerns both.
    """
    num_lines = int(np.count_nonzero(np.frombuffer(lines, np.uint8) == _NEWLINE))
    decoded = decode_lines(lines, METRICS_DECODER, num_lines)
    records: list[MetricsRecord] = decoded.records
    kinds = list(map(type, records))
    if kinds.count(StepRecord) == len(kinds):  # almost always
        return list(step_blocks(records, fields)), decoded.skipped  # type: ignore[arg-type]
    pieces: list[MetricsPiece] = []
    start = 0
    for i in [i for i, kind in enumerate(kinds) if kind is ResumeRecord]:
        pieces += _between_cuts(records[start:i], fields)
        pieces.append(records[i])  # type: ignore[arg-type]
        start = i + 1
    return pieces + _between_cuts(records[start:], fields), decoded.skipped


def _between_cuts(records: Sequence[MetricsRecord], fields: Sequence[str]) -> list[MetricsPiece]:
    steps = [record for record in records if isinstance(record, StepRecord)]
    blocks = step_blocks(steps, fields)
    if len(blocks) > 1:  # a marker was lost: what is cut then depends on what stood before it
        return _in_file_order(records, fields)
    first = next((i for i, record in enumerate(records) if isinstance(record, StepRecord)), len(records))
    return [*_others(records[:first]), *blocks, *_others(records[first:])]


def _others(records: Sequence[MetricsRecord]) -> list[MetricsPiece]:
    return [record for record in records if not isinstance(record, StepRecord)]


def _in_file_order(records: Sequence[MetricsRecord], fields: Sequence[str]) -> list[MetricsPiece]:
    pieces: list[MetricsPiece] = []
    steps: list[StepRecord] = []
    for record in records:
        if isinstance(record, StepRecord):
            steps.append(record)
            continue
        pieces += [*step_blocks(steps, fields), record]
        steps = []
    return pieces + list(step_blocks(steps, fields))


def narrowed(piece: MetricsPiece, fields: Sequence[str]) -> MetricsPiece:
    """A piece without the columns of step records that are not wanted."""
    if not isinstance(piece, StepBlock):
        return piece
    unwanted = set(STEP_FIELDS) - set(fields)
    if unwanted.isdisjoint(piece.columns):
        return piece
    columns = {name: values for name, values in piece.columns.items() if name not in unwanted}
    marks = {name: marks for name, marks in piece.marks.items() if name in columns}
    return StepBlock(piece.x, columns, marks, attempt=piece.attempt)
