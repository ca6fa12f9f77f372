"""What lines of metrics.jsonl come to: columns of steps, and the few other records, in an order that holds. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import numpy as np

from rundir.column import Floats, Indices
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
SLICE_BYTES = 256 * 1024
"""Decoded at once: the records of so much lie in the processor's cache until columns are made of them. Ten times as
much takes a quarter longer."""


def pieces_of(lines: bytes, fields: Sequence[str]) -> tuple[list[MetricsPiece], int]:
    """What whole lines hold, and how many of them are no record. `fields`: of a step record, those to make columns of.

    Between two resume markers of one attempt the steps come as one block, wherever evaluations stood between them:
    only a cut concerns both.
    """
    if len(lines) <= 2 * SLICE_BYTES:
        return _pieces_of_slice(lines, fields)
    return pieces_of_slices(_slices(lines), fields)


def _slices(lines: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(lines):
        stop = lines.rfind(b"\n", start, start + SLICE_BYTES) + 1 or lines.find(b"\n", start) + 1 or len(lines)
        yield lines[start:stop]
        start = stop


def pieces_of_slices(slices: Iterable[bytes], fields: Sequence[str]) -> tuple[list[MetricsPiece], int]:
    """The same of lines that come some at a time."""
    pieces: list[MetricsPiece] = []
    skipped = 0
    for lines in slices:
        found, bad = _pieces_of_slice(lines, fields)
        pieces += found
        skipped += bad
    return joined(pieces), skipped


def _pieces_of_slice(lines: bytes, fields: Sequence[str]) -> tuple[list[MetricsPiece], int]:
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


def joined(pieces: Sequence[MetricsPiece]) -> list[MetricsPiece]:
    """The same in fewer pieces: blocks of one attempt that go on from one another, no cut between them, become one."""
    found: list[MetricsPiece] = []
    blocks: list[StepBlock] = []
    others: list[MetricsPiece] = []
    """What stood between and behind the blocks."""
    for piece in pieces:
        if isinstance(piece, StepBlock):
            if blocks and not (blocks[-1].attempt == piece.attempt and blocks[-1].x[-1] < piece.x[0]):
                found += [*_as_one(blocks), *others]
                blocks, others = [], []
            blocks.append(piece)
        elif isinstance(piece, ResumeRecord) or not blocks:
            found += [*_as_one(blocks), *others, piece]
            blocks, others = [], []
        else:
            others.append(piece)
    return [*found, *_as_one(blocks), *others]


def _as_one(blocks: list[StepBlock]) -> list[StepBlock]:
    if len(blocks) < 2:
        return blocks
    starts = np.cumsum([0, *map(len, blocks)])
    columns: dict[str, Floats] = {}
    marks: dict[str, Indices] = {}
    for name in dict.fromkeys(name for block in blocks for name in block.columns):
        columns[name] = np.concatenate(
            [block.columns[name] if name in block.columns else np.full(len(block), np.nan) for block in blocks]
        )
        odd = [block.marks[name] + start for block, start in zip(blocks, starts, strict=False) if name in block.marks]
        if odd:
            marks[name] = np.concatenate(odd)
    x = np.concatenate([block.x for block in blocks])
    return [StepBlock(x, columns, marks, attempt=blocks[0].attempt)]


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
