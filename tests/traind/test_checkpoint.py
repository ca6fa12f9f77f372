"""Checkpoints: whole or not at all, read back bit for bit, loadable without us, and found when damaged."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import (
    AutoModelForTokenClassification,
    DistilBertConfig,
    DistilBertForTokenClassification,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
)

from rundir.layout import RunDir
from tests.traind.host_tensors import copy_of, host_copy
from traind import checkpoint, lineage, manifest, optimizer
from traind.checkpoint import Snapshot
from traind.config import Train
from traind.dial import Dials
from traind.model_writer import ModelWriter
from traind.training_state import EpochTally, TrainingState


def make_state(step: int, **changes: Any) -> TrainingState:
    fields: dict[str, Any] = {
        "step": step,
        "attempt": 1,
        "steps_per_epoch": 10,
        "dials": Dials(lr=1e-3, clip_norm=1.0, epochs=1.0, log_every=1),
        "applied_sets": ["a"],
        "tally": EpochTally(loss_sum=0.1 + 0.2, target_weight=3.0, counts=[1, 2]),
        "environment": {"threads": "1"},
        "config_sha256": "x",
        "reason": "schedule",
    }
    return TrainingState(**{**fields, **changes})


def distilbert() -> PreTrainedModel:
    torch.manual_seed(0)
    return DistilBertForTokenClassification(
        DistilBertConfig(dim=16, n_layers=1, n_heads=2, hidden_dim=16, vocab_size=50, num_labels=3)
    )


def gpt2() -> PreTrainedModel:
    return GPT2LMHeadModel(GPT2Config(n_embd=16, n_layer=1, n_head=2, vocab_size=50, n_positions=16))


def save(run: RunDir, step: int, model: PreTrainedModel | None = None, **changes: Any) -> Path:
    model = model if model is not None else distilbert()

    def write_model(weights: dict[str, Tensor], directory: Path) -> None:
        model.save_pretrained(directory, state_dict=weights)

    snapshot = Snapshot(make_state(step, **changes), copy_of({"w.exp_avg": torch.ones(2)}), copy_of(model.state_dict()))
    return checkpoint.write(run, snapshot, ModelWriter(write_model))[0]


@pytest.mark.parametrize("make", [distilbert, gpt2])
def test_the_model_files_are_those_of_save_pretrained(run_dir: RunDir, tmp_path: Path, make: Any) -> None:
    """Tied weights (GPT-2) included: the copies keep the tie, so that no key is added."""
    model = make()
    ours = save(run_dir, 3, model)
    model.save_pretrained(tmp_path / "theirs")
    for name in ("model.safetensors", "config.json"):
        assert (ours / name).read_bytes() == (tmp_path / "theirs" / name).read_bytes()


def test_plain_from_pretrained_loads_it(run_dir: RunDir) -> None:
    model = distilbert()
    loaded = AutoModelForTokenClassification.from_pretrained(save(run_dir, 3, model))
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name])


def test_state_round_trips_exactly_nan_included(run_dir: RunDir) -> None:
    path = save(run_dir, 3, tally=EpochTally(loss_sum="nan", target_weight=1 / 3), best_metric=0.1, best_step=2)
    loaded = checkpoint.read(path)
    assert loaded.state == make_state(
        3, tally=EpochTally(loss_sum="nan", target_weight=1 / 3), best_metric=0.1, best_step=2
    )
    assert torch.equal(loaded.optimizer["w.exp_avg"], torch.ones(2))


def test_no_pickle_is_in_it(run_dir: RunDir) -> None:
    names = {path.name for path in save(run_dir, 3).iterdir()}
    assert names == {"model.safetensors", "config.json", "optimizer.safetensors", "state.json", "manifest.json"}


def test_it_says_what_it_was_made_with(run_dir: RunDir) -> None:
    run_dir.config_toml.write_text('name = "mine"\n', encoding="utf-8")
    path = save(run_dir, 3)
    assert (path / "config.toml").read_text(encoding="utf-8") == 'name = "mine"\n'
    manifest.verify(path)


def damage_truncate(path: Path) -> None:
    file = path / "optimizer.safetensors"
    file.write_bytes(file.read_bytes()[:-1])


def damage_flip(path: Path) -> None:
    file = path / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def damage_remove(path: Path) -> None:
    (path / "state.json").unlink()


def damage_manifest(path: Path) -> None:
    (path / "manifest.json").unlink()


def damage_manifest_content(path: Path) -> None:
    (path / "manifest.json").write_text(json.dumps({"files": ["model.safetensors"]}), encoding="utf-8")


@pytest.mark.parametrize(
    "damage", [damage_truncate, damage_flip, damage_remove, damage_manifest, damage_manifest_content]
)
def test_a_damaged_newest_is_passed_over_and_named(run_dir: RunDir, damage: Any) -> None:
    save(run_dir, 3)
    damage(save(run_dir, 5))
    loaded, passed_over = checkpoint.newest_valid(run_dir)
    assert loaded is not None
    assert loaded.state.step == 3
    assert list(passed_over) == ["step-00000005"]


def test_the_supervisor_chooses_as_the_trainer_does(run_dir: RunDir) -> None:
    for step in (3, 5, 7, 9):
        save(run_dir, step)
    damage_flip(run_dir.checkpoint(9))
    (run_dir.checkpoint(5) / "state.json").write_text("{}", encoding="utf-8")
    assert lineage.steps(run_dir) == [9, 7, 5, 3]
    for at_most, step, passed_over in (
        (None, 7, ["step-00000009"]),
        (7, 7, []),
        (6, 3, ["step-00000005"]),
        (2, None, []),
    ):
        path, passed = lineage.newest_valid(run_dir, at_most=at_most)
        loaded, same = checkpoint.newest_valid(run_dir, at_most=at_most)
        assert (path, passed) == (loaded and loaded.path, same)
        assert (path and lineage.read_state(path).step, list(passed)) == (step, passed_over)


def test_a_failed_write_leaves_what_was_there(run_dir: RunDir) -> None:
    save(run_dir, 3)

    def fail(weights: dict[str, Tensor], directory: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        checkpoint.write(run_dir, Snapshot(make_state(4), copy_of({}), copy_of({})), ModelWriter(fail))
    assert [path.name for path in run_dir.checkpoints.iterdir()] == ["step-00000003"]


def test_pruning_keeps_the_last_the_best_and_those_asked_for(run_dir: RunDir) -> None:
    for step in (1, 2, 3, 4, 5, 6):
        save(run_dir, step, reason="order" if step == 3 else "schedule")
    lineage.prune(run_dir, 2, 1, lambda path: path.is_dir())
    assert sorted(path.name for path in run_dir.checkpoints.iterdir()) == [f"step-{n:08d}" for n in (1, 3, 5, 6)]


def test_what_lies_beyond_a_resume_leaves_the_lineage(run_dir: RunDir) -> None:
    for step in (1, 2, 3):
        save(run_dir, step)
    (run_dir.checkpoints / ".writing-step-00000004").mkdir()
    lineage.supersede_beyond(run_dir, 2, attempt=2)
    assert [path.name for path in lineage.paths(run_dir)] == ["step-00000002", "step-00000001"]
    assert (run_dir.superseded / "2" / "step-00000003").is_dir()
    assert not list(run_dir.checkpoints.glob(".writing-*"))


def test_links_are_for_people_and_relative(run_dir: RunDir) -> None:
    save(run_dir, 1)
    save(run_dir, 2)
    lineage.relink(run_dir, best_step=1)
    copied = run_dir.path.with_name("copied")
    shutil.move(run_dir.path, copied)
    assert (copied / "checkpoints" / "latest" / "state.json").is_file()
    assert (copied / "checkpoints" / "best").readlink() == Path("step-00000001")


def test_optimizer_state_goes_on_bit_for_bit() -> None:
    """Two steps in one go, or with a save and load in between."""

    def train(model: PreTrainedModel, adamw: torch.optim.AdamW, num_steps: int) -> None:
        for _ in range(num_steps):
            model(torch.arange(8)[None]).logits.square().sum().backward()
            adamw.step()
            adamw.zero_grad()

    whole = distilbert().train(mode=False)
    train(whole, optimizer.build(whole, Train()), 2)

    first = distilbert().train(mode=False)
    adamw = optimizer.build(first, Train())
    train(first, adamw, 1)
    second = distilbert().train(mode=False)
    second.load_state_dict(host_copy(first.state_dict()))
    resumed = optimizer.build(second, Train())
    optimizer.load_state_tensors(second, resumed, host_copy(optimizer.state_tensors(first, adamw)))
    train(second, resumed, 1)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name


def test_biases_and_norms_do_not_decay() -> None:
    decayed, plain = optimizer.build(distilbert(), Train(weight_decay=0.1)).param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.1, 0.0)
    assert all(parameter.dim() > 1 for parameter in decayed["params"])
    assert all(parameter.dim() == 1 for parameter in plain["params"])
