"""A manifest that is damaged, however: the fault is said in words, and nothing else is raised."""

from pathlib import Path

import pytest

from rundir import manifest
from rundir.manifest import InvalidCheckpointError

HUGE = "1" + "0" * 400


@pytest.mark.parametrize(
    "text",
    [
        '{"files": {"state.json": {"size_bytes": Infinity, "crc32": "0"}}}',
        '{"files": {"state.json": {"size_bytes": 1e400, "crc32": "0"}}}',
        f'{{"files": {{"state.json": {{"size_bytes": {HUGE}, "crc32": "0"}}}}}}',
        f'{{"files": {{"{"n" * 5000}": {{"size_bytes": 1, "crc32": "0"}}}}}}',
        '{"files": {"a\\u0000b": {"size_bytes": 1, "crc32": "0"}}}',
        '{"files": {"../state.json": {"size_bytes": 2, "crc32": "0"}}}',
        "[" * 100_000,
        "[]",
        "",
    ],
    ids=lambda text: text[:40],
)
def test_whatever_it_holds_it_is_an_invalid_checkpoint(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text("{}")
    (tmp_path / manifest.MANIFEST).write_text(text)
    with pytest.raises(InvalidCheckpointError):
        manifest.check_sizes(tmp_path)
    with pytest.raises(InvalidCheckpointError):
        manifest.verify(tmp_path)
