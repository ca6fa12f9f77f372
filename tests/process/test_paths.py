"""Names from a configuration, from data and from orders that look like paths: nothing is written outside the run."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from rundir.control import ControlReader, Malformed, Order
from rundir.layout import RunDir
from tests.conftest import eventually
from tests.process.tiny_run import Traind, events_of, status_of, write_config
from traind import lineage, manifest
from traind.export import FORMATS

UP = "../../../"
ABSOLUTE = "/tmp/traind-absolute"  # noqa: S108 - that is what is tried
LABELS = {'"A"': f'"{UP}up"', '"B"': f'"{ABSOLUTE}/B"'}


def tree(top: Path, *, without: Path | None = None) -> set[str]:
    """Everything in a directory, by name."""
    return {str(path) for path in top.rglob("*") if without is None or not path.is_relative_to(without)}


@pytest.mark.slow
def test_names_that_climb_stay_where_they_are(tmp_path: Path) -> None:
    """Of the run, of its labels and project, and ids of orders; through training, sinks, checkpoints and exports."""
    work = tmp_path / "a" / "b" / "c"
    work.mkdir(parents=True)
    config = write_config(work)
    data = work / "tiny.jsonl"
    text = data.read_text(encoding="utf-8")
    for plain, climbing in LABELS.items():
        text = text.replace(f'"label": {plain}', f'"label": {climbing}')
    data.write_text(text, encoding="utf-8")
    before = tree(tmp_path)
    traind = Traind(work)
    sinks = ("log.csv=true", "log.tensorboard=true", "log.wandb=offline", f"log.wandb_project={UP}project")
    run = traind.start(config, f"name={UP}{UP}x", "train.max_steps=300", "checkpoint.every=40", *sinks)
    run.control_dir.mkdir(mode=0o700)
    for i, given in enumerate((f"{UP}{UP}id", f"{ABSOLUTE}/id", "..", "a/b")):
        (run.control_dir / f"{i}.json").write_text(json.dumps({"verb": "checkpoint", "id": given}), encoding="utf-8")
        eventually(lambda given=given: [e for e in events_of(run) if getattr(e, "order", None) == given])
    traind.finish(run)
    assert run.path.parent == work / "runs"
    assert status_of(run).step == 300
    assert f"{UP}up" in run.labels_json.read_text(encoding="utf-8")
    assert tree(tmp_path, without=work / "runs") == before
    assert {path.name for path in (work / "runs").iterdir()} == {run.id, "latest"}
    out = work / "out"
    for name in FORMATS:
        traind.ok("export", "--to", name, "--out", str(out / name))
    assert tree(tmp_path, without=out) - tree(work / "runs") == before | {str(work / "runs")}
    assert not Path(ABSOLUTE).exists()


@pytest.mark.parametrize("name", ["..json", "...json", "..\\x.json", "a\nb.json", "$(id).json"])
def test_odd_names_in_control_d_are_names(run_dir: RunDir, name: str) -> None:
    run_dir.control_dir.mkdir()
    before = tree(run_dir.path.parent)
    (run_dir.control_dir / name).write_text('{"verb": "pause"}', encoding="utf-8")
    orders = ControlReader(run_dir).poll()
    assert all(isinstance(order, Order | Malformed) for order in orders)
    assert len(orders) == (not name.startswith("."))
    assert tree(run_dir.path.parent) - before == {os.fspath(run_dir.control_dir / name)}


def test_retention_deletes_nothing_behind_a_symlink(run_dir: RunDir, tmp_path: Path) -> None:
    """Nor does a resume: what is called a checkpoint may have been put there by a copy, or by somebody."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    run_dir.checkpoints.mkdir()
    for name in ("step-00000001", "step-00000009", ".writing-step-00000002"):
        (run_dir.checkpoints / name).symlink_to(outside, target_is_directory=True)
    run_dir.checkpoint(3).mkdir()
    lineage.prune(run_dir, 1, None, lambda _: True)
    lineage.supersede_beyond(run_dir, 3, 2)
    assert [path.name for path in outside.iterdir()] == ["precious"]


@pytest.mark.parametrize("name", ["../../outside", "/etc/hostname", ".."])
def test_a_manifest_names_files_of_its_own_directory(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside").touch()
    checkpoint = tmp_path / "checkpoints" / "step-00000001"
    checkpoint.mkdir(parents=True)
    entry = {"size_bytes": 0, "sha256": hashlib.sha256(b"").hexdigest()}
    (checkpoint / manifest.MANIFEST).write_text(json.dumps({"files": {name: entry}}), encoding="utf-8")
    with pytest.raises(manifest.InvalidCheckpointError, match="is missing"):
        manifest.verify(checkpoint)
