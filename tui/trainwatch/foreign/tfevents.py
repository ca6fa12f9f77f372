"""TensorBoard's event files: the framing of their records, and of the protocol buffers in them what scalars need.

Formats: TFRecord (length, its masked CRC-32C, data, another one) as `tensorflow/core/lib/io/record_writer.h` has it;
Event, Summary and TensorProto by their field numbers in `tensorboard/compat/proto/*.proto`. Pure: bytes in, values out.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

HEADER_BYTES, FOOTER_BYTES = 12, 4
MAX_RECORD_BYTES = 2**31
"""Protocol buffers end there."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MASK_DELTA = 0xA282EAD8
_SESSION_START = 1


class BrokenError(Exception):
    """The bytes are no event file, or no longer one."""


@dataclass(frozen=True, slots=True)
class Event:
    """The scalars of one event; `starts_at` where it says that what stands before of this step and later is void."""

    step: int
    at: float
    scalars: list[tuple[str, float]]
    starts_at: int | None = None


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)  # CRC-32C (Castagnoli), reflected
        table.append(crc)
    return table


_CRC = _crc_table()


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
        if crc != masked_crc(data[place : place + 8]) or size > MAX_RECORD_BYTES:
            raise BrokenError(f"the length of a record does not agree with its checksum (byte {place} of this part)")
        end = place + HEADER_BYTES + size + FOOTER_BYTES
        if end > len(data):
            return
        yield data[place + HEADER_BYTES : end - FOOTER_BYTES], end
        place = end


def parse_event(data: bytes) -> Event:
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
    scalars = [scalar for n, value in _fields(summary) if n == 1 and (scalar := _scalar(value)) is not None]
    return Event(step, at, scalars, step if is_start else None)


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
