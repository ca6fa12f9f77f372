"""A run as a TensorBoard event file, through tensorboard's own writer: scalars by `traind.scalars`, config as text.

TensorBoard keeps scalars as 32-bit floats; what is beyond them is infinite. Samples of the machine have
the step that was newest at their time.
"""

from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from traind.export.extra import need
from traind.export.recording import Recording
from traind.scalars import label_scalars, scalars

SUFFIX = ".traind"
"""Ends the names of our event files, so that a second export replaces the first and nothing else."""
_QUEUE = 10_000


def export_tensorboard(recording: Recording, directory: Path) -> list[Path]:
    """Write one event file, instead of an earlier one of ours. Raises OSError, MissingLibraryError."""
    need("tensorboard", "export to TensorBoard")
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    directory.mkdir(parents=True, exist_ok=True)
    earlier = set(directory.glob(f"*{SUFFIX}"))
    writer = EventFileWriter(str(directory), max_queue_size=_QUEUE, filename_suffix=SUFFIX)
    try:
        for at, step, values in _points(recording):
            found = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
            writer.add_event(Event(wall_time=at, step=step, summary=Summary(value=found)))
        for event in _texts(recording):
            writer.add_event(event)
    finally:
        writer.close()
    for path in earlier:
        path.unlink(missing_ok=True)
    return sorted(directory.glob(f"*{SUFFIX}"))


def _points(recording: Recording) -> Iterator[tuple[float, int, dict[str, float]]]:
    """Wall time, step and scalars of every record."""
    for step in recording.steps:
        yield step.at, step.step, scalars(step)
    for evaluation in recording.evals:
        yield evaluation.at, evaluation.step, {**scalars(evaluation), **label_scalars(evaluation)}
    for epoch in recording.epochs:
        yield epoch.at, epoch.step, scalars(epoch)
    times = [step.at for step in recording.steps]
    for sample in recording.system:
        newest = bisect_right(times, sample.at)
        yield sample.at, recording.steps[newest - 1].step if newest else 0, scalars(sample)


def _texts(recording: Recording) -> Iterator[Any]:
    """The configuration, and what the model wrote at each evaluation, for TensorBoard's text page."""
    if recording.config_text:
        at = recording.info.created_at if recording.info is not None else 0.0
        yield _text_event(at, 0, "config", _indented(recording.config_text))
    for record in recording.evals:
        for i, sample in enumerate(record.samples or []):
            yield _text_event(record.at, record.step, f"sample/{i}", _indented(f"{sample.prompt}{sample.text}"))


def _indented(text: str) -> str:
    """Text as Markdown shows it untouched."""
    return "".join(f"    {line}\n" for line in text.splitlines())


def _text_event(at: float, step: int, tag: str, text: str) -> Any:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING

    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
    tensor = TensorProto(dtype=DT_STRING, string_val=[text.encode("utf-8", "replace")])
    value = Summary.Value(tag=tag, metadata=metadata, tensor=tensor)
    return Event(wall_time=at, step=step, summary=Summary(value=[value]))
