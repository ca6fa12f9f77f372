"""What people say of a run: written whole, read back, never taken from what is not ours."""

from pathlib import Path

import msgspec
import pytest

from rundir.remarks import Remarks, parse_tags, read_remarks, write_remarks


def test_remarks_come_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "remarks.json"
    assert read_remarks(path) == Remarks()
    said = Remarks(tags=["x", "größer"], note='a "note"\nin two lines', archived=True)
    write_remarks(path, said)
    assert read_remarks(path) == said
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["remarks.json"]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"tags": 3}', b"\xff", b"[" * 100_000])
def test_what_is_not_ours_is_an_error_of_one_kind(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "remarks.json"
    path.write_bytes(content)
    with pytest.raises(msgspec.DecodeError):
        read_remarks(path)


def test_tags_are_words() -> None:
    assert parse_tags(" a, b  a,c ") == ["a", "b", "c"]
    assert parse_tags("") == []
    for bad in ("x" * 41, "\x1b[2J"):
        with pytest.raises(ValueError, match="a tag"):
            parse_tags(bad)
