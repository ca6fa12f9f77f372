"""On an NVIDIA GPU: no step makes the host wait for the device."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from rundir.layout import RunDir
from rundir.records import StepRecord
from tests.process.tiny_run import write_config
from traind import config
from traind.device import place
from traind.eventlog import EventLog
from traind.recorder import Recorder
from traind.stepper import Stepper
from traind.storage_alert import StorageAlert
from traind.tasks.token_classification import TokenClassification

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here"),
]


@pytest.fixture
def no_waiting() -> Iterator[None]:
    """PyTorch raises at every call that makes the host wait."""
    yield
    torch.cuda.set_sync_debug_mode("default")


@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_no_step_waits_for_the_device(run_dir: RunDir, tmp_path: Path, no_waiting: None, precision: str) -> None:
    settings = config.load(write_config(tmp_path), ["train.device=cuda", f"train.precision={precision}"])
    task = TokenClassification(settings, run_dir, alive=lambda: None)
    placement = place(settings.train)
    model = task.build_model().to(placement.device)
    model.train()
    stepper = Stepper(settings, task, model, placement, lambda: None)
    events = EventLog(run_dir.events, "trainer", 1, run_dir.reserve)
    recorder = Recorder(run_dir.metrics, 1, placement.device, run_dir.reserve, events, StorageAlert(events))
    examples = [task.train_data[index] for index in range(8)]
    batches = [
        {name: tensor.pin_memory() for name, tensor in task.collate(examples[start : start + 4]).items()}
        for start in (0, 4)
    ]
    for step in range(20):
        if step == 5:  # handles, workspaces and the optimizer's state are made by then
            torch.cuda.set_sync_debug_mode("error")
        result = stepper.train(batches, step=step, lr=lambda: 1e-3, clip=lambda: 1.0, looks=step % 3 == 0)
        record = StepRecord(at=1.0, attempt=1, step=step + 1, loss=0.0)
        named = {"loss_scale": result.loss_scale, "accuracy": task.accuracy(result.counts)}
        recorder.log_step(record, result.loss, result.grad_norm, stepper.guard.take(), named, result.causes)
