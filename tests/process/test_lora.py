"""Recipe 3 in small, as a user runs it: pre-training, adapters on a bf16 body, kills, and the same numbers."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from peft import AutoPeftModelForSequenceClassification
from safetensors import safe_open
from safetensors.torch import load_file

from rundir import layout
from rundir.layout import RunDir
from rundir.records import LifecycleEvent
from rundir.status import Phase, State
from tests.conftest import eventually
from tests.process.tiny_run import Traind, disturbed_once, events_of, kill_trainer, status_of, trace_of
from traind.samples import legal

SETTINGS = """
name = "tiny-lora"
[task]
kind = "text-classification"
class_weights = "inverse"
positive_from = 3
[data]
train = "clauses.jsonl"
eval_fraction = 0.2
max_length = 48
[model]
init = "mlm"
dim = 32
n_layers = 1
n_heads = 2
hidden_dim = 64
vocab_size = 400
dropout = 0.1
mlm_epochs = 8
dtype = "bf16"
[lora]
r = 4
alpha = 8
dropout = 0.1
targets = ["q_lin", "k_lin", "v_lin", "out_lin"]
[train]
epochs = 3
batch_size = 4
accumulation = 4
lr = 3e-3
device = "cpu"
threads = 1
[eval]
metric = "binary_f1@3"
every = 7
[checkpoint]
every = 4
[log]
system_every_s = 1.0
[policy]
max_restarts = 50
grace_s = 20.0
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    rows = [{"text": text, "label": label} for text, label in legal.train_texts()[:160]]
    (tmp_path / "clauses.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    path = tmp_path / "tiny-lora.toml"
    path.write_text(SETTINGS, encoding="utf-8")
    return path


def said(run: RunDir, what: str) -> list[LifecycleEvent]:
    return [event for event in events_of(run) if isinstance(event, LifecycleEvent) and event.what == what]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_a_killed_run_has_the_same_numbers_and_does_not_pretrain_again(traind: Traind, config: Path) -> None:
    undisturbed = traind.start(config)
    traind.finish(undisturbed)
    killed = traind.start(config)
    disturbed_once(killed)
    traind.finish(killed)
    assert trace_of(killed, "adapter_model.safetensors") == trace_of(undisturbed, "adapter_model.safetensors")
    assert len(said(killed, "pretrained")) == 1
    assert len(said(killed, "spawned")) >= 2
    assert "of them trained" in said(killed, "model")[0].message
    assert said(killed, "report")
    best = killed.checkpoints / "best"
    assert not (best / "model.safetensors").exists()
    assert "| binary_f1@3 | " in (best / "README.md").read_text(encoding="utf-8")
    with safe_open(best / "optimizer.safetensors", framework="pt") as file:
        trained = {name.rpartition(".")[0] for name in file.keys()}  # noqa: SIM118 — it is no mapping
    assert all("lora_" in name or ".modules_to_save." in name for name in trained)
    learnt = load_file(best / "adapter_model.safetensors")
    assert all(tensor.any() for name, tensor in learnt.items() if "lora_B" in name)  # they begin as zeros
    assert AutoPeftModelForSequenceClassification.from_pretrained(best).config.id2label[5] == "5"
    shutil.rmtree(killed.path / "cache")
    predicted = traind("predict", str(best), "The Customer waives every claim against the Company.", "--json")
    assert predicted.returncode == 0, predicted.stderr


@pytest.mark.slow
def test_pretraining_can_be_paused_and_killed(traind: Traind, config: Path) -> None:
    text = config.read_text(encoding="utf-8").replace("mlm_epochs = 8", "mlm_epochs = 4000")
    config.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "traind.cli", "start", str(config)]
    with subprocess.Popen(
        command, cwd=traind.directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as starting:
        (run,) = eventually(lambda: layout.find_runs(traind.directory / "runs"), 60.0)
        eventually(lambda: run.status_json.is_file() and status_of(run).phase is Phase.PRETRAIN, 60.0)
        traind.ok("pause", str(run.path))
        eventually(lambda: status_of(run).state is State.PAUSED, 20.0)
        traind.ok("resume", str(run.path))
        eventually(lambda: status_of(run).phase is Phase.PRETRAIN, 20.0)
        assert not run.base.exists()
        assert kill_trainer(run)
        eventually(lambda: status_of(run).attempt == 2 and status_of(run).phase is Phase.PRETRAIN, 60.0)
        traind.ok("stop", str(run.path))
        eventually(lambda: status_of(run).state is State.STOPPED, 60.0)
        assert starting.wait(30.0) == 0
    assert not run.base.exists()
