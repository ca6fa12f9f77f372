"""What W&B's own files of a run already hold: it keeps up to a block of rows in memory, which a kill loses.

The files are LevelDB logs (https://github.com/google/leveldb/blob/main/doc/log_format.md) of protobuf records.
"""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2 as protocol

_MAGIC = b":W&B"
_FILE_HEADER_BYTES = 7
_BLOCK_BYTES = 32 * 1024
_HEADER = struct.Struct("<IHB")
_FULL, _LAST = 1, 4


def num_rows(directory: Path, run_id: str) -> int:
    """How many rows the files of a run hold, by the number of the last; 0 where there are none. Raises OSError."""
    return 1 + max(
        (_number(record) for path in directory.glob(f"*run-*/run-{run_id}.wandb") for record in _records(path)),
        default=-1,
    )


def _number(record: Any) -> int:
    if record.WhichOneof("record_type") == "history":
        for item in record.history.item:
            if item.key == "_step" or list(item.nested_key) == ["_step"]:
                return int(json.loads(item.value_json))
    return -1


def _records(path: Path) -> Iterator[Any]:
    """The whole records of a file, up to where its writer was killed; none of a file of another format."""
    data = path.read_bytes()
    place = _FILE_HEADER_BYTES if data.startswith(_MAGIC) else len(data)
    parts: list[bytes] = []
    while place + _HEADER.size <= len(data):
        left_in_block = _BLOCK_BYTES - place % _BLOCK_BYTES
        if left_in_block < _HEADER.size:
            place += left_in_block
            continue
        _, length, kind = _HEADER.unpack_from(data, place)
        place += _HEADER.size + length
        if not _FULL <= kind <= _LAST or place > len(data):
            return
        parts.append(data[place - length : place])
        if kind in (_FULL, _LAST):
            yield protocol.Record.FromString(b"".join(parts))  # type: ignore[attr-defined]  # chosen at import
            parts = []
