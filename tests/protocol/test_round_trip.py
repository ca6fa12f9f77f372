"""Every record becomes one line of strict JSON and comes back the same, however odd its values."""

import json
import math
import re
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rundir import records as r
from rundir.records import decode_lines, encode, number
from tests.protocol import records as strategies
from tests.protocol.records import non_finite, numbers, pairs, texts


def refuse(token: str) -> NoReturn:
    raise AssertionError(f"{token} is not JSON")


def strict(line: bytes) -> Any:
    """The value of a line by another parser than ours, which takes nothing that RFC 8259 does not."""
    return json.loads(line.decode("utf-8"), parse_constant=refuse)


def holds_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(holds_null(inner) for inner in value.values())
    if isinstance(value, list):
        return any(holds_null(inner) for inner in value)
    return value is None


@given(pairs)
def test_every_record_comes_back_the_same(pair: tuple[msgspec.Struct, msgspec.json.Decoder[Any]]) -> None:
    record, decoder = pair
    line = encode(record)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert not holds_null(strict(line))
    decoded = decode_lines(line, decoder)
    assert (decoded.records, decoded.skipped) == ([record], 0)


@given(pairs)
def test_the_slow_path_writes_what_the_fast_one_does(pair: tuple[msgspec.Struct, Any]) -> None:
    record, _ = pair
    assert strict(msgspec.json.encode(r._plain(record))) == strict(encode(record))


@given(st.one_of(non_finite, st.floats()), st.sampled_from(["loss", "grad_norm", "lr"]))
def test_floats_that_a_writer_did_not_spell_out_are_spelled(value: float, name: str) -> None:
    record = r.StepRecord(at=1.0, attempt=1, step=1, loss=0.5)
    setattr(record, name, value)
    [back] = decode_lines(encode(record), r.METRICS_DECODER).records
    read = number(getattr(back, name))
    assert math.copysign(1.0, read) == math.copysign(1.0, value) or math.isnan(value)
    assert read == value or (math.isnan(read) and math.isnan(value))


@given(non_finite)
def test_a_field_that_cannot_hold_a_non_finite_value_is_left_out(value: float) -> None:
    """Not the whole record lost for one broken sensor."""
    step = r.StepRecord(at=1.0, attempt=1, step=1, loss=0.5, epoch=value, step_s=value, tokens_per_s=value)
    assert decode_lines(encode(step), r.METRICS_DECODER).records == [r.StepRecord(at=1.0, attempt=1, step=1, loss=0.5)]
    system = r.SystemRecord(at=1.0, attempt=1, gpus=[r.GpuSample(index=0, power_w=value)])
    [back] = decode_lines(encode(system), r.SYSTEM_DECODER).records
    assert back.gpus == [r.GpuSample(index=0)]


@given(texts, st.sampled_from(["\ud800", "\udfff", "\udc80"]), texts)
def test_lone_surrogates_become_question_marks(before: str, surrogate: str, after: str) -> None:
    note = r.NoteEvent(at=1.0, attempt=1, writer="supervisor", text=before + surrogate + after)
    [back] = decode_lines(encode(note), r.EVENT_DECODER).records
    assert back.text == f"{before}?{after}"


@given(st.dictionaries(texts, st.one_of(st.none(), numbers, st.lists(st.one_of(st.none(), st.floats())))))
def test_free_content_holds_no_null_either(detail: dict[str, Any]) -> None:
    line = encode(r.LifecycleEvent(at=1.0, attempt=1, writer="trainer", what="data", detail=detail))
    assert not holds_null(strict(line))
    assert decode_lines(line, r.EVENT_DECODER).skipped == 0


@pytest.mark.parametrize(
    "line",
    [
        b'{"kind":"telepathy","at":1.0,"attempt":1}\n',
        b'{"at":1.0,"attempt":1,"step":1,"loss":0.5}\n',
        b'{"kind":"step","at":1.0,"attempt":1,"st\n',
        b'{"kind":"step","at":1.0,"attempt":1,"step":1,"loss":NaN}\n',
        b'{"kind":"step","at":1.0,"attempt":1,"step":1,"loss":null}\n',
        b'{"kind":"step","at":1.0,"attempt":1,"step":"one","loss":1}\n',
        b"\xff\xfe\x00\n",
        b"[" * 100_000 + b"\n",
        b'"\xed\xa0\x80"\n',
        b"{}{}\n",
    ],
)
def test_a_bad_line_costs_itself_only(line: bytes) -> None:
    good = encode(r.StepRecord(at=1.0, attempt=1, step=1, loss=0.5))
    decoded = decode_lines(good + line + good, r.METRICS_DECODER)
    assert (len(decoded.records), decoded.skipped) == (2, 1)


def test_an_unknown_field_is_skipped() -> None:
    line = encode({"kind": "step", "at": 1.0, "attempt": 1, "step": 1, "loss": 0.5, "aura": {"colour": [1, 2]}})
    assert decode_lines(line, r.METRICS_DECODER).records == [r.StepRecord(at=1.0, attempt=1, step=1, loss=0.5)]


def test_blank_lines_are_neither_records_nor_faults() -> None:
    good = encode(r.StepRecord(at=1.0, attempt=1, step=1, loss=0.5))
    decoded = decode_lines(b"\n\n" + good + b"  \r\n", r.METRICS_DECODER)
    assert (len(decoded.records), decoded.skipped) == (1, 0)


def test_what_a_line_means_does_not_depend_on_its_neighbours() -> None:
    """msgspec takes an object spread over lines, and two on one line: a chunk border between them would not."""
    good = encode(r.StepRecord(at=1.0, attempt=1, step=1, loss=0.5))
    spread = good.replace(b",", b",\n")
    assert decode_lines(spread, r.METRICS_DECODER).records == []
    assert decode_lines(good.strip() + good, r.METRICS_DECODER).skipped == 1


def test_every_kind_is_covered() -> None:
    """The strategies above follow the code: a new record kind must get one."""
    kinds = {kind for kind in vars(r).values() if isinstance(kind, type) and issubclass(kind, r.Record)}
    tagged = {kind.__name__ for kind in kinds if kind.__struct_config__.tag is not None}
    covered = set(re.findall(r"r\.(\w+)", Path(strategies.__file__).read_text(encoding="utf-8")))
    assert tagged - {"Record", "Event"} <= covered
