"""A run as CSV files, one a table: steps.csv, evals.csv, epochs.csv, …. Of the standard library alone.

A value that is not there is an empty cell; non-finite ones are `nan`, `inf`, `-inf`, as pandas reads them. Floats are
written so that pandas reads the same ones (before pandas 3 with `float_precision="round_trip"`).
"""

import csv
import io
from pathlib import Path

from rundir.atomic import write_atomic
from traind.export.recording import Recording
from traind.export.table import Table, tables


def export_csv(recording: Recording, directory: Path) -> list[Path]:
    """Write one file a table, each replaced whole. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for table in tables(recording):
        path = directory / f"{table.name}.csv"
        write_atomic(path, as_csv(table).encode("utf-8", "replace"), durable=False)
        written.append(path)
    return written


def as_csv(table: Table) -> str:
    """A table as RFC 4180 text with a header."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(table.columns)
    writer.writerows(zip(*table.columns.values(), strict=True))
    return text.getvalue()
