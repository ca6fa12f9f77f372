"""`traind export`: writes a run, live or finished, in a format that other programs and people read."""

import sys
from pathlib import Path

from rundir import layout
from traind import exit_code
from traind.export.extra import MissingLibraryError
from traind.export.recording import Recording, read_recording

_TEXTS = ("html", "markdown")
"""Formats that are one text, which can be printed."""


def export(reference: str, runs_dir: Path, to: str, out: Path | None) -> int:
    """Write a run and print where. Raises RunNotFoundError.

    Without `out`: `RUN-csv/`, `RUN.html`, … in the working directory. `-` as `out` prints html and markdown; of the
    others it is a mistake.
    """
    if out is not None and str(out) == "-" and to not in _TEXTS:
        print(f"traind: {to} is files, not a text to print: --out takes a directory", file=sys.stderr)
        return exit_code.MISTAKE
    run = layout.resolve(reference, runs_dir)
    recording = read_recording(run)
    try:
        written = _write(recording, to, out)
    except MissingLibraryError as error:
        print(f"traind: {error}", file=sys.stderr)
        return exit_code.MISTAKE
    except OSError as error:
        print(f"traind: cannot write {error.filename or out}: {error.strerror}", file=sys.stderr)
        return exit_code.FAILED
    if recording.skipped:
        print(f"traind: {recording.skipped} lines of {run.id} are no records and were passed over", file=sys.stderr)
    for path in written:
        print(path)
    return exit_code.OK


def _write(recording: Recording, to: str, out: Path | None) -> list[Path]:
    """The files written. Each format's module is imported when it is asked for."""
    run_id = recording.run.id
    match to:
        case "csv":
            from traind.export.csv_files import export_csv

            return export_csv(recording, out or Path(f"{run_id}-csv"))
        case "parquet":
            from traind.export.parquet_files import export_parquet

            return export_parquet(recording, out or Path(f"{run_id}-parquet"))
        case "tensorboard":
            from traind.export.tensorboard_files import export_tensorboard

            return export_tensorboard(recording, out or Path(f"{run_id}-tensorboard"))
        case "html":
            from traind.export.page import as_html

            return _write_text(as_html(recording), out or Path(f"{run_id}.html"))
        case "markdown":
            from traind.export.log import as_markdown

            return _write_text(as_markdown(recording), out or Path(f"{run_id}.md"))
        case _:
            raise ValueError(to)


def _write_text(text: str, out: Path) -> list[Path]:
    from rundir.atomic import write_atomic

    data = text.encode("utf-8", "replace")
    if str(out) == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
        return []
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(out, data, durable=False)
    return [out]
