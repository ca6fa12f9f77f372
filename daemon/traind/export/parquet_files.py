"""A run as Parquet files, one a table, through pyarrow. A value that is not there is null, NaN stays NaN."""

import io
from pathlib import Path

from rundir.atomic import write_atomic
from traind.export.extra import need
from traind.export.recording import Recording
from traind.export.table import Table, tables


def export_parquet(recording: Recording, directory: Path) -> list[Path]:
    """Write one file a table, each replaced whole. Raises OSError, and MissingLibraryError without pyarrow."""
    need("pyarrow", "export to Parquet")
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for table in tables(recording):
        path = directory / f"{table.name}.parquet"
        write_atomic(path, _as_parquet(table), durable=False)
        written.append(path)
    return written


def _as_parquet(table: Table) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    types = {int: pa.int64(), str: pa.string(), bool: pa.bool_(), float: pa.float64()}
    arrays = {
        name: pa.array(values, type=types[table.kinds.get(name, float)], from_pandas=False)
        for name, values in table.columns.items()
    }
    buffer = io.BytesIO()
    parquet.write_table(pa.table(arrays), buffer)
    return buffer.getvalue()
