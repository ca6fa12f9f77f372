"""Checkpoints on disk for the dashboard's tests: whole ones of no weights."""

import json

from rundir import manifest
from rundir.layout import RunDir
from rundir.records import CheckpointEvent
from tests.trainwatch.runs import START_AT


def put_checkpoint(run: RunDir, step: int, *, put_aside: int = 0, **state: object) -> CheckpointEvent:
    """A whole checkpoint, and the event that says so. `put_aside`: by which attempt."""
    path = run.superseded / f"{put_aside}" / f"step-{step:08d}" if put_aside else run.checkpoint(step)
    path.mkdir(parents=True)
    (path / "model.safetensors").write_bytes(b"\0" * 5000)
    (path / "state.json").write_text(json.dumps({"step": step, "steps_per_epoch": 100, **state}), encoding="utf-8")
    (path / "metrics.json").write_text(json.dumps({"f1": step / 1000, "loss": 1.0, "weird": "nan"}), encoding="utf-8")
    files = {
        file.name: {"size_bytes": file.stat().st_size, "crc32": manifest.checksum(file)} for file in path.iterdir()
    }
    (path / manifest.MANIFEST).write_text(json.dumps({"files": files}), encoding="utf-8")
    return CheckpointEvent(
        at=START_AT + step,
        attempt=1,
        seq=step,
        writer="trainer",
        step=step,
        path=str(path.relative_to(run.path)),
        size_bytes=5000,
        reason=str(state.get("reason", "schedule")),
    )


def damage(run: RunDir, step: int) -> None:
    """Same size, other bytes."""
    (run.checkpoint(step) / "model.safetensors").write_bytes(b"\1" * 5000)
