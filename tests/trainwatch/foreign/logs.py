"""Event files for the tests, as TensorBoard's own writer makes them, and what the viewer makes of a path."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from rundir.layout import RunDir
from trainwatch.feed import Feed, read_opened
from trainwatch.store import Store

AT = 1_760_000_000.0


class Events:
    """One event file, written an event at a time. Starts after what is there."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists()
        self._path = path
        if is_new:
            self.put(Event(wall_time=AT, file_version="brain.Event:2"))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        found = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        self.put(Event(wall_time=AT + step, step=step, summary=Summary(value=found)))

    def start_at(self, step: int) -> None:
        self.put(Event(wall_time=AT, step=step, session_log=SessionLog(status=SessionLog.START)))

    def put(self, event: Any) -> None:
        with open(self._path, "ab") as file:
            RecordWriter(file).write(event.SerializeToString())


class Viewed:
    """A path as the dashboard follows it."""

    def __init__(self, path: Path) -> None:
        run = RunDir(path)
        self.store, self._feed = Store(run, read_opened(run)), Feed(run)
        self.look()
        while not self.store.caught_up:
            self.look()

    def look(self) -> None:
        """One poll, and the next, which has the newest step."""
        for _ in range(2):
            self.store.apply(self._feed.poll())

    def column(self, name: str) -> dict[int, float]:
        """Value by step, where there is one."""
        column = self.store.steps.column(name)
        if column is None:
            return {}
        pairs = zip(self.store.steps.x.tolist(), column.values.tolist(), strict=True)
        return {int(step): value for step, value in pairs if value == value}  # noqa: PLR0124 — not nan

    @property
    def evals(self) -> list[tuple[int, Any, Any]]:
        return [(e.step, e.loss, e.metrics) for e in self.store.scores.records]
