"""Which source a path is. Looks at names, and at the beginning of what is to be read."""

from pathlib import Path

from trainwatch.foreign.csv_table import SINK_FILES, CsvSource, parse_header
from trainwatch.foreign.source import ForeignError, Source
from trainwatch.foreign.tensorboard import MARK, TensorBoardSource, event_files, logs_below
from trainwatch.foreign.tfevents import BrokenError, records
from trainwatch.foreign.trainer_state import TrainerStateSource, newest_state

_CSV = (".csv", ".tsv")
_KNOWN = "TensorBoard events, a CSV with a step column or a trainer_state.json"


def open_source(path: Path) -> Source:
    """Raises ForeignError, in one line that names the path and what is wrong with it, or OSError."""
    if not path.exists():
        raise ForeignError(f"{path}: no such file or directory")
    if event_files(path) and (path.is_dir() or MARK in path.name):
        return _tensorboard(path)
    if path.suffix.lower() in _CSV or any((path / name).is_file() for name in SINK_FILES):
        return _csv(path)
    if newest_state(path) is not None:
        return TrainerStateSource(path)
    if path.is_dir() and (logs := logs_below(path)):
        more = f", … ({len(logs)} in all)" if len(logs) > 5 else ""
        raise ForeignError(
            f"{path}: several TensorBoard logs; choose one of its directories: {', '.join(logs[:5])}{more}"
        )
    if path.is_dir():
        raise ForeignError(f"no runs in {path}/, nor {_KNOWN}")
    raise ForeignError(f"{path}: neither a run nor {_KNOWN}")


def source_at(path: Path) -> Source | None:
    """The same, None for what is no source."""
    try:
        return open_source(path)
    except (ForeignError, OSError):
        return None


def _tensorboard(path: Path) -> Source:
    for file, _ in event_files(path):
        with open(file, "rb") as opened:
            try:
                next(records(opened.read(4096)), None)  # an empty one is of a writer that has just begun
            except BrokenError as error:
                raise ForeignError(f"{file}: no TensorBoard events: {error}") from None
    return TensorBoardSource(path)


def _csv(path: Path) -> Source:
    file = next(path / name for name in SINK_FILES if (path / name).is_file()) if path.is_dir() else path
    with open(file, "rb") as opened:
        first = opened.readline(1024 * 1024).decode("utf-8-sig", "replace")
    if not first.strip():
        raise ForeignError(f"{file}: empty; a CSV begins with the names of its columns")
    try:
        parse_header(first.rstrip("\r\n"), file.stem)
    except ForeignError as error:
        raise ForeignError(f"{file}: {error}") from None
    return CsvSource(path)
