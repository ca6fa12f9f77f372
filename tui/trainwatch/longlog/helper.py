"""A process that decodes stretches of a log for a dashboard: asked by standard input, it answers by standard output.

A request is two int64, start and stop; both ends of lines. An answer is the two lengths of body and head, the body
(float64: axis and columns of each block of steps) and the head (msgpack: what the pieces are). Ends with its input.
"""

import contextlib
import gc
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from struct import Struct as Packing
from typing import IO

import msgspec
import numpy as np
import numpy.typing as npt

from rundir.column import Floats
from rundir.records import METRICS_DECODER, encode
from rundir.series import STEP_FIELDS, StepBlock
from trainwatch.longlog.pieces import SLICE_BYTES, MetricsPiece, pieces_of_slices

REQUEST = Packing("=qq")
LENGTHS = Packing("=qq")
NICENESS = 5
"""What the dashboard does goes first: a picture, a key."""


class Steps(msgspec.Struct, tag="steps"):
    """A block of steps, whose numbers are in the body."""

    attempt: int
    num_rows: int
    names: list[str]
    marks: dict[str, list[int]]


class Line(msgspec.Struct, tag="line"):
    """A record of another kind."""

    line: bytes


class Head(msgspec.Struct):
    """What a stretch of the log holds."""

    pieces: list[Steps | Line]
    skipped: int
    """Lines that were no record."""


_HEAD_DECODER = msgspec.msgpack.Decoder(Head)


def packed(pieces: Sequence[MetricsPiece], skipped: int) -> tuple[bytes, list[Floats]]:
    """Head and body of an answer."""
    head = Head([], skipped)
    body: list[Floats] = []
    for piece in pieces:
        if isinstance(piece, StepBlock):
            marks = {name: indices.tolist() for name, indices in piece.marks.items()}
            head.pieces.append(Steps(piece.attempt, len(piece), list(piece.columns), marks))
            body += [piece.x, *piece.columns.values()]
        else:
            head.pieces.append(Line(encode(piece)))
    return msgspec.msgpack.encode(head), body


def unpacked(head_bytes: bytes, body: npt.NDArray[np.uint8]) -> tuple[list[MetricsPiece], int]:
    """The pieces of an answer, views into its body, and how many lines were no record. Raises ValueError."""
    head = _HEAD_DECODER.decode(head_bytes)
    numbers = body.view(np.float64)
    pieces: list[MetricsPiece] = []
    at = 0
    for each in head.pieces:
        if isinstance(each, Line):
            pieces.append(METRICS_DECODER.decode(each.line))  # type: ignore[arg-type]
            continue
        count = each.num_rows
        x, *columns = (numbers[at + i * count : at + (i + 1) * count] for i in range(1 + len(each.names)))
        marks = {name: np.array(indices, dtype=np.int64) for name, indices in each.marks.items()}
        pieces.append(StepBlock(x, dict(zip(each.names, columns, strict=True)), marks, attempt=each.attempt))
        at += count * (1 + len(each.names))
    return pieces, head.skipped


def slices(log: int, start: int, stop: int) -> Iterator[bytes]:
    """The lines of a stretch, some at a time: what lies in the processor's cache costs a fifth less."""
    size = SLICE_BYTES
    while start < stop:
        data = os.pread(log, min(size, stop - start), start)
        if end := data.rfind(b"\n") + 1:
            yield data[:end]
            start, size = start + end, SLICE_BYTES
        elif len(data) < size:
            return  # the log was cut or written anew, which the dashboard sees by itself
        else:
            size *= 8  # a long line


def answer(lines: Iterable[bytes], out: IO[bytes]) -> None:
    """Write what some lines come to."""
    head, body = packed(*pieces_of_slices(lines, STEP_FIELDS))
    out.write(LENGTHS.pack(sum(part.nbytes for part in body), len(head)))
    for part in body:
        out.write(part.data.cast("B"))
    out.write(head)
    out.flush()


def _stand_back() -> None:
    """Leave the processor to the dashboard where both want it, and to a run that trains."""
    os.nice(NICENESS)
    with contextlib.suppress(OSError):  # Linux alone: there sessions are weighed against each other first
        Path("/proc/self/autogroup").write_text(str(NICENESS))


def main() -> None:
    gc.disable()  # records hold no cycles
    _stand_back()
    log = int(sys.argv[1])
    requests = sys.stdin.buffer
    try:
        while len(request := requests.read(REQUEST.size)) == REQUEST.size:
            answer(slices(log, *REQUEST.unpack(request)), sys.stdout.buffer)
    except BrokenPipeError:
        os._exit(0)  # the dashboard has left; there is nobody to complain to


if __name__ == "__main__":
    main()
