"""From metrics.jsonl to one sink: where its reading stands, kept so that the next process goes on from there."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from rundir.atomic import write_atomic
from rundir.records import METRICS_DECODER, MetricsRecord, ResumeRecord, decode_lines, encode
from rundir.tail import Tail
from traind.sinks.sink import Sink, StartOverError, State


class Position(msgspec.Struct, kw_only=True):
    """The content of a sink's file in `sinks`: what it wrote, and how far in metrics.jsonl that reaches."""

    offset: int = 0
    last: tuple[int, int] = (0, 0)
    """(attempt, seq) of the last record: one that stands there twice, after a torn write, is taken once."""
    state: State | None = None


class Pump:
    """Owns a sink, the tail that feeds it, and the file of its position."""

    def __init__(self, metrics: Path, kept: Path, make: Callable[[State | None], Sink]) -> None:
        """`make` opens the sink, with the state of its last commit or afresh."""
        self._kept = kept
        self._position = _read_position(kept)
        try:
            self._sink = make(self._position.state)
        except StartOverError:
            self._position = Position()
            self._sink = make(None)
        self._tail = Tail(metrics, offset=self._position.offset)

    def run_to_end(self, beat: Callable[[], None]) -> None:
        """Feed what there is; `beat` after each chunk. Raises whatever the sink raises, and OSError."""
        while True:
            chunk = self._tail.poll()
            if chunk.restarted:
                raise StartOverError("metrics.jsonl is not the file that was read before")
            for record in decode_lines(chunk.lines, METRICS_DECODER).records:
                self._feed(record)
            if chunk.lines:
                self._position.offset, self._position.state = self._tail.offset, self._sink.commit()
                write_atomic(self._kept, encode(self._position), durable=False)
            beat()
            if chunk.at_end:
                return

    def _feed(self, record: MetricsRecord) -> None:
        key = (record.attempt, record.seq)
        if record.seq and key == self._position.last:
            return
        self._position.last = key
        if isinstance(record, ResumeRecord):
            self._sink.cut(record.step, record.at)
        else:
            self._sink.write(record)

    def close(self) -> None:
        self._sink.close()


def _read_position(path: Path) -> Position:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Position)
    except (FileNotFoundError, msgspec.DecodeError):
        return Position()
