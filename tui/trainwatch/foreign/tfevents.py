"""TensorBoard's event files: the framing of their records, and of the protocol buffers in them what scalars need.

Formats: TFRecord (length, its masked CRC-32C, data, another one) as `tensorflow/core/lib/io/record_writer.h` has it;
Event, Summary and TensorProto by their field numbers in `tensorboard/compat/proto/*.proto`. Pure: bytes in, values out.
"""

import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

HEADER_BYTES, FOOTER_BYTES = 12, 4
MAX_RECORD_BYTES = 2**31
"""Protocol buffers end there."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MASK_DELTA = 0xA282EAD8
_SESSION_START = 1


class BrokenError(Exception):
    """The bytes are no event file, or no longer one."""


class Event(NamedTuple):
    """The scalars of one event; `starts_at` where it says that what stands before of this step and later is void."""

    step: int
    at: float
    tags: tuple[str, ...]
    values: tuple[float, ...]
    """Of each tag."""
    starts_at: int | None = None


class _Shape(NamedTuple):
    """The summaries of one writer differ in their numbers alone: all between them is compared, not parsed."""

    layout: struct.Struct
    """Bytes and float by turns."""
    between: tuple[bytes, ...]
    tags: tuple[str, ...]


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)  # CRC-32C (Castagnoli), reflected
        table.append(crc)
    return table


_CRC = _crc_table()


@lru_cache(maxsize=4096)
def _size_crc(size: bytes) -> int:
    return masked_crc(size)


def masked_crc(data: bytes) -> int:
    """Of a record's length or data, as it stands in the file."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def records(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Whole records and the offset after each; a torn last one is not there yet. Raises BrokenError.

    The checksum of each length is compared, not that of the data: in plain Python it would cost a hundred times more.
    """
    place = 0
    while place + HEADER_BYTES <= len(data):
        size, crc = struct.unpack_from("<QI", data, place)
        if crc != _size_crc(data[place : place + 8]) or size > MAX_RECORD_BYTES:
            raise BrokenError(f"the length of a record does not agree with its checksum (byte {place} of this part)")
        end = place + HEADER_BYTES + size + FOOTER_BYTES
        if end > len(data):
            return
        yield data[place + HEADER_BYTES : end - FOOTER_BYTES], end
        place = end


class EventParser:
    """Parses events, one by one. Owns the shapes that it has seen, so that most of them cost one comparison."""

    def __init__(self) -> None:
        self._shapes: dict[int, _Shape] = {}
        """By the length of a summary, the newest of that length."""

    def parse(self, data: bytes) -> Event:
        """Raises BrokenError for what is no event."""
        step, at, summary, is_start = 0, 0.0, b"", False
        for number, value in _fields(data):
            match number, value:
                case 1, bytes():
                    at = _double(value)
                case 2, int():
                    step = value - (1 << 64) if value >> 63 else value
                case 5, bytes():
                    summary = value
                case 7, bytes():
                    is_start = dict(_fields(value)).get(1) == _SESSION_START
                case _:
                    pass
        tags, values = self._scalars(summary)
        return Event(step, at, tags, values, step if is_start else None)

    def _scalars(self, summary: bytes) -> tuple[tuple[str, ...], tuple[float, ...]]:
        shape = self._shapes.get(len(summary))
        if shape is not None:
            parts = shape.layout.unpack(summary)
            if parts[::2] == shape.between:
                return shape.tags, parts[1::2]
        found = [scalar for n, value in _fields(summary) if n == 1 and (scalar := _scalar(value)) is not None]
        tags, values = tuple(tag for tag, _ in found), tuple(value for _, value in found)
        if (learnt := _shape(summary, tags)) is not None:
            self._shapes[len(summary)] = learnt
        return tags, values


def _shape(summary: bytes, tags: tuple[str, ...]) -> _Shape | None:
    """Of a summary whose every value is a tag and then a number, as all known writers have them; else None."""
    between: list[bytes] = []
    place = 0
    for tag in tags:
        name = tag.encode()
        end = summary.find(b"\x0a" + _length(len(name)) + name + b"\x15", place)  # field 1 bytes, field 2 fixed32
        if end < 0:
            return None
        end += 2 + len(_length(len(name))) + len(name)
        between.append(summary[place:end])
        place = end + 4
    if not tags or place != len(summary):
        return None
    between.append(b"")
    layout = struct.Struct("<" + "".join(f"{len(part)}sf" for part in between[:-1]) + "0s")
    parts = layout.unpack(summary)
    numbers = [scalar for _, value in _fields(summary) if (scalar := _scalar(value)) is not None]
    # By nan, which equals nothing, no shape is learnt.
    return _Shape(layout, parts[::2], tags) if parts[1::2] == tuple(value for _, value in numbers) else None


def _length(size: int) -> bytes:
    """A length as a varint."""
    return bytes([size]) if size < 0x80 else bytes([size & 0x7F | 0x80]) + _length(size >> 7)


def _scalar(value: bytes | int) -> tuple[str, float] | None:
    """Tag and number of a Summary.Value; None for an image, a histogram or a text."""
    if isinstance(value, int):
        return None
    tag, found = "", None
    for number, inner in _fields(value):
        if not isinstance(inner, bytes):
            continue
        if number == 1:
            tag = inner.decode("utf-8", "replace")
        elif number == 2 and len(inner) == 4:
            found = float(struct.unpack("<f", inner)[0])
        elif number == 8:
            found = _tensor(inner)
    return None if found is None or not tag else (tag, found)


_CONTENT = {1: "<f", 2: "<d", 3: "<i", 9: "<q", 19: "<e"}
"""By TensorProto.dtype: DT_FLOAT, DT_DOUBLE, DT_INT32, DT_INT64, DT_HALF."""
_PACKED = {5: "<f", 6: "<d"}
"""By field of TensorProto: float_val, double_val."""


def _tensor(data: bytes) -> float | None:
    """The number in a tensor of one element: what TensorFlow 2 writes for a scalar."""
    fields = dict(_fields(data))
    dtype, content = fields.get(1), fields.get(4)
    form = _CONTENT.get(dtype) if isinstance(dtype, int) else None
    if form is not None and isinstance(content, bytes) and len(content) == struct.calcsize(form):
        return float(struct.unpack(form, content)[0])
    for number, packed in _PACKED.items():
        values = fields.get(number)
        if isinstance(values, bytes) and len(values) == struct.calcsize(packed):
            return float(struct.unpack(packed, values)[0])
    return None


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Number and value of each field of a message: a varint as int, all else as bytes."""
    place, end = 0, len(data)
    while place < end:
        key, place = _varint(data, place)
        kind = key & 7
        if kind == _VARINT:
            value, place = _varint(data, place)
            yield key >> 3, value
            continue
        if kind == _BYTES:
            size, place = _varint(data, place)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise BrokenError(f"a record holds no event (wire type {kind})")
        if place + size > end:
            raise BrokenError("a record holds no event (it ends inside a field)")
        yield key >> 3, data[place : place + size]
        place += size


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value, shift = 0, 0
    while place < len(data) and shift < 70:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
    raise BrokenError("a record holds no event (it ends inside a number)")


def _double(data: bytes) -> float:
    return float(struct.unpack("<d", data)[0]) if len(data) == 8 else float("nan")
