"""What a run's directory says of its checkpoints, and their marks; removal by order is in traind's tests."""

import json
from pathlib import Path

import pytest

from rundir import checkpoint_dir, manifest
from rundir.checkpoint_dir import NotDoneError
from rundir.layout import RunDir


def put(run: RunDir, step: int, **state: object) -> Path:
    """A whole checkpoint of no weights."""
    path = run.checkpoint(step)
    path.mkdir(parents=True)
    (path / "state.json").write_text(json.dumps({"step": step, **state}), encoding="utf-8")
    entry = {"size_bytes": (path / "state.json").stat().st_size, "crc32": manifest.checksum(path / "state.json")}
    (path / manifest.MANIFEST).write_text(json.dumps({"files": {"state.json": entry}}), encoding="utf-8")
    return path


def test_newest_first_and_nothing_else(run_dir: RunDir) -> None:
    assert checkpoint_dir.paths(run_dir) == []
    for step in (5, 123_456_789, 20):
        put(run_dir, step)
    (run_dir.checkpoints / ".writing-step-00000030").mkdir()
    (run_dir.checkpoints / "step-00000040").write_text("a file")
    assert [path.name for path in checkpoint_dir.paths(run_dir)] == [
        "step-123456789", "step-00000020", "step-00000005"
    ]  # fmt: skip


@pytest.mark.parametrize("state", ["", "[1]", "{", "\xff", "[" * 100_000])
def test_whatever_state_json_holds(run_dir: RunDir, state: str) -> None:
    path = put(run_dir, 5)
    (path / "state.json").write_text(state, encoding="latin-1")
    assert checkpoint_dir.plain_state(path) == {}
    assert not checkpoint_dir.is_asked_for(path)


def test_a_mark_changes_nothing_that_is_verified_and_goes_with_the_checkpoint(run_dir: RunDir) -> None:
    path = put(run_dir, 5, reason="schedule")
    checkpoint_dir.mark(run_dir, 5, kept=True, at=1.5, by="ann")
    assert json.loads((path / checkpoint_dir.KEPT).read_bytes()) == {"at": 1.5, "by": "ann"}
    assert checkpoint_dir.is_asked_for(path)
    manifest.verify(path)
    moved = path.rename(path.with_name("elsewhere"))
    assert checkpoint_dir.is_marked(moved)
    moved.rename(path)
    for _ in range(2):
        checkpoint_dir.mark(run_dir, 5, kept=False, at=2.0, by="ann")
    assert not checkpoint_dir.is_asked_for(path)


def test_one_that_is_not_there_is_neither_marked_nor_removed(run_dir: RunDir) -> None:
    put(run_dir, 5)
    put(run_dir, 6)
    (run_dir.checkpoint(7)).symlink_to("step-00000005")
    for step in (4, 7):
        with pytest.raises(NotDoneError, match=f"no checkpoint of step {step}; there are: "):
            checkpoint_dir.mark(run_dir, step, kept=True, at=0, by="")
        with pytest.raises(NotDoneError, match=f"no checkpoint of step {step}"):
            checkpoint_dir.discard(run_dir, step, needed=set())
    assert run_dir.checkpoint(5).is_dir()


def test_verification_tells_how_far_it_is_and_can_be_ended(run_dir: RunDir) -> None:
    path = put(run_dir, 5)
    seen: list[int] = []
    manifest.verify(path, on_read=seen.append)
    assert sum(seen) == (path / "state.json").stat().st_size

    def leave(num_bytes: int) -> None:
        raise InterruptedError(num_bytes)

    with pytest.raises(InterruptedError):
        manifest.checksum(path / "state.json", on_read=leave)
