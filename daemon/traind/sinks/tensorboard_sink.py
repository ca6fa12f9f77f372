"""The TensorBoard sink: one event file of the run's scalars, written by TensorBoard's own record writer.

But for its head the file is a function of the records: what a killed process left beyond its last commit is cut off
and written again, byte for byte, so that a TensorBoard that has read it already notices nothing. (Its EventFileWriter
can only begin a new file at each start, and fails in a thread of its own, where nobody would hear of it.)
"""

import time

from tensorboard.compat.proto.event_pb2 import Event, SessionLog, SourceMetadata
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from rundir.layout import RunDir
from rundir.records import EvalRecord
from traind.scalars import label_scalars, scalars
from traind.sinks.sink import Measured, StartOverError, State


class TensorBoardSink:
    """Owns the event file. Values are float32 there, as the format has it."""

    def __init__(self, run: RunDir, state: State | None) -> None:
        run.tensorboard.mkdir(mode=0o700, exist_ok=True)
        path = run.tensorboard / f"events.out.tfevents.{run.id}"
        self._step: int | None = None
        self._said: list[tuple[str, float, dict[str, float]]] = []
        """Trigger, wall time and values of each record at `_step`: to say them again when an evaluation goes."""
        if state is None:
            self._file = open(path, "w+b")  # noqa: SIM115 — as long as the sink
            self._writer = RecordWriter(self._file)
            metadata = SourceMetadata(writer="traind.sinks")
            self._put(Event(wall_time=time.time(), file_version="brain.Event:2", source_metadata=metadata))
            return
        if not path.is_file() or path.stat().st_size < state["size"]:
            raise StartOverError(str(path))
        self._file = open(path, "r+b")  # noqa: SIM115
        self._file.truncate(state["size"])
        self._file.seek(state["size"])
        self._writer = RecordWriter(self._file)
        self._step = state.get("step")
        self._said = [
            (trigger, at, {tag: float(value) for tag, value in values.items()}) for trigger, at, values in state["said"]
        ]

    def write(self, record: Measured) -> None:
        values, trigger = scalars(record), ""
        if isinstance(record, EvalRecord):
            values |= {tag: value for tag, value in label_scalars(record).items() if tag.endswith("/f1")}
            trigger = record.trigger
            if record.step == self._step and trigger != "order" and any(said[0] == trigger for said in self._said):
                self._take_back(trigger, record.at)
        if record.step != self._step:
            self._step, self._said = record.step, []
        self._said.append((trigger, record.at, values))
        self._put_values(record.step, record.at, values)

    def cut(self, step: int, at: float) -> None:
        """TensorBoard drops what it has of the steps from here on when it meets this mark."""
        start = SessionLog(status=SessionLog.START)
        self._put(Event(wall_time=at, step=step + 1, session_log=start))
        if self._step is not None and self._step > step:
            self._step, self._said = None, []

    def _take_back(self, trigger: str, at: float) -> None:
        """Nothing less than a step can be dropped: drop it, and say again what else it had."""
        step, kept = self._step or 0, [said for said in self._said if said[0] != trigger]
        self.cut(step - 1, at)
        self._step, self._said = step, kept
        for _, said_at, values in kept:
            self._put_values(step, said_at, values)

    def _put_values(self, step: int, at: float, values: dict[str, float]) -> None:
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])
        self._put(Event(wall_time=at, step=step, summary=summary))

    def _put(self, event: Event) -> None:
        self._writer.write(event.SerializeToString())

    def commit(self) -> State:
        self._file.flush()
        return {"size": self._file.tell(), "step": self._step, "said": self._said}

    def close(self) -> None:
        self._file.close()
