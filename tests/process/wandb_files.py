"""Reading W&B's offline files back: its own records, out of the LevelDB log that it keeps them in."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record

_BLOCK_BYTES = 32 * 1024
_FILE_HEADER_BYTES = 7
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


def wandb_rows(directory: Path) -> list[dict[str, Any]]:
    """The history rows of all offline runs there, by row number; of one that was sent twice the later, as on a server.

    Raises AssertionError for runs of different ids.
    """
    rows: dict[int, dict[str, Any]] = {}
    files = sorted(directory.glob("offline-run-*/run-*.wandb"))
    assert len({path.name for path in files}) == 1
    for path in files:
        for record in _records(path.read_bytes()):
            if record.WhichOneof("record_type") == "history":
                row = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
                rows[row["_step"]] = row
    return [rows[number] for number in sorted(rows)]


def _records(data: bytes) -> Iterator[Record]:
    """https://github.com/google/leveldb/blob/main/doc/log_format.md, after W&B's own file header."""
    assert data[:4] == b":W&B"
    place, parts = _FILE_HEADER_BYTES, []
    while place + 7 <= len(data):
        if _BLOCK_BYTES - place % _BLOCK_BYTES < 7:
            place += _BLOCK_BYTES - place % _BLOCK_BYTES
            continue
        length, kind = struct.unpack_from("<HB", data, place + 4)
        part = data[place + 7 : place + 7 + length]
        if kind not in (_FULL, _FIRST, _MIDDLE, _LAST) or len(part) < length:
            return  # the end of a file whose writer was killed
        place += 7 + length
        parts.append(part)
        if kind in (_FULL, _LAST):
            record = Record()
            record.ParseFromString(b"".join(parts))
            yield record
            parts = []
