"""What only a GPU can show: the training rate against a bare loop, waits for the device, and what NVML reads.

    python -m bench.gpu [--steps 200] [--pairs 3]

A token classifier of DistilBERT's size (66 M parameters) on the bundled articles, 32 windows of 128 tokens a step.
Rates: our stepper and recorder, logging every step, against a bare loop of the same model, batches, precision, clipping
and optimizer; both in this process, interleaved, timed to the end of the device's work. Waits: steps under PyTorch's
own detector (`torch.cuda.set_sync_debug_mode`), which counts every call that makes the host wait.
"""

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import torch

from rundir.layout import RunDir
from rundir.records import METRICS_DECODER, SYSTEM_DECODER, StepRecord, decode_lines
from traind import config
from traind.config import Config
from traind.device import place
from traind.direct_causes import is_due
from traind.eventlog import EventLog
from traind.launch import create_run
from traind.recorder import Recorder
from traind.stepper import Stepper
from traind.storage_alert import StorageAlert
from traind.task import Batch
from traind.tasks.token_classification import TokenClassification

WARM_UP_STEPS = 20
SETTINGS = ("model.dim=768", "model.n_layers=6", "model.n_heads=12", "model.hidden_dim=3072", "train.batch_size=32")


def settings_of(precision: str) -> Config:
    overrides = [*SETTINGS, "train.device=cuda", f"train.precision={precision}"]
    return config.load(Path("configs/ner.toml"), overrides)


class Setting:
    """One model with its batches, in pinned memory as the loader hands them over."""

    def __init__(self, precision: str, scratch: Path) -> None:
        self.settings = settings_of(precision)
        self.run: RunDir = create_run(self.settings, scratch)
        self.task = TokenClassification(self.settings, self.run, alive=lambda: None)
        self.placement = place(self.settings.train)
        torch.manual_seed(0)
        data, size = self.task.train_data, self.settings.train.batch_size
        examples = [data[index] for index in range(size * 8)]
        batches = [self.task.collate(examples[start : start + size]) for start in range(0, len(examples), size)]
        self.batches = [{name: tensor.pin_memory() for name, tensor in batch.items()} for batch in batches]

    def stepper(self) -> Stepper:
        model = self.task.build_model().to(self.placement.device)
        model.train()
        return Stepper(self.settings, self.task, model, self.placement, lambda: None)

    def ours(self, num_steps: int) -> Callable[[], None]:
        """`num_steps` of our own, each logged."""
        stepper = self.stepper()
        events = EventLog(self.run.events, "trainer", 1, self.run.reserve)
        recorder = Recorder(self.run.metrics, 1, self.placement.device, self.run.reserve, events, StorageAlert(events))

        def train() -> None:
            for step, batch in enumerate(islice(cycle(self.batches), num_steps)):
                looks = is_due(step + 1, self.settings.log.causes_every, 1)
                result = stepper.train([batch], step=step, lr=lambda: 1e-4, clip=lambda: 1.0, looks=looks)
                record = StepRecord(at=time.time(), attempt=1, step=step + 1, loss=0.0)
                found = stepper.guard.take()
                named = {"loss_scale": result.loss_scale, "accuracy": self.task.accuracy(result.counts)}
                recorder.log_step(record, result.loss, result.grad_norm, found, named, result.causes)
            recorder.drain()

        return train

    def bare(self, num_steps: int) -> Callable[[], None]:
        """The same steps as a short script would write them: no record, no guard, no tally."""
        model = self.task.build_model().to(self.placement.device)
        model.train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
        scaler = torch.amp.GradScaler("cuda", enabled=self.placement.needs_scaler)
        autocast = self.placement.autocast

        def train() -> None:
            for batch in islice(cycle(self.batches), num_steps):
                there: Batch = {name: tensor.to("cuda", non_blocking=True) for name, tensor in batch.items()}
                with torch.autocast("cuda", dtype=autocast or torch.float32, enabled=autocast is not None):
                    logits = model(input_ids=there["input_ids"], attention_mask=there["attention_mask"]).logits
                loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), there["labels"].flatten())
                scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
                scaler.unscale_(optimizer)
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                scaler.step(optimizer)
                scaler.update()
                optimizer.zero_grad(set_to_none=True)

        return train


def rate_of(train: Callable[[], None], num_steps: int) -> float:
    torch.cuda.synchronize()
    began = time.perf_counter()
    train()
    torch.cuda.synchronize()
    return num_steps / (time.perf_counter() - began)


def rates(precision: str, num_steps: int, num_pairs: int, scratch: Path) -> None:
    setting = Setting(precision, scratch)
    for warm in (setting.bare(WARM_UP_STEPS), setting.ours(WARM_UP_STEPS)):
        warm()
    ratios, best = [], [0.0, 0.0]
    for pair in range(num_pairs):
        sides = [setting.bare(num_steps), setting.ours(num_steps)]
        order = (0, 1) if pair % 2 == 0 else (1, 0)
        found = {side: rate_of(sides[side], num_steps) for side in order}
        ratios.append(found[1] / found[0])
        best = [max(best[0], found[0]), max(best[1], found[1])]
    print(f"{precision:>6}{best[0]:>12.1f}{best[1]:>12.1f}{statistics.median(ratios):>9.3f}", flush=True)


def waits(precision: str, num_steps: int, scratch: Path) -> None:
    setting = Setting(precision, scratch)
    setting.ours(WARM_UP_STEPS)()
    train = setting.ours(num_steps)
    torch.cuda.synchronize()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        train()
        torch.cuda.set_sync_debug_mode("default")
    found = [str(warning.message) for warning in caught if "called a synchronizing" in str(warning.message)]
    print(f"{precision:>6}{num_steps:>8}{len(found):>8}  {found[0][:60] if found else ''}", flush=True)


def saves(num_saves: int, scratch: Path) -> None:
    """What a save costs the loop, beside `torch.save` of model and optimizer to the same file system."""
    setting = Setting("bf16", scratch)
    stepper = setting.stepper()

    def seconds_of(work: Callable[[], Any]) -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    def steps(num_steps: int) -> None:
        for step, batch in enumerate(islice(cycle(setting.batches), num_steps)):
            stepper.train([batch], step=step, lr=lambda: 1e-4, clip=lambda: 1.0)
        torch.cuda.synchronize()

    def plain_save() -> None:
        state = {"model": stepper.model.state_dict(), "optimizer": stepper.optimizer.state_dict()}
        torch.save(state, scratch / "plain.pt")

    steps(WARM_UP_STEPS)
    found: dict[str, list[float]] = {"torch.save": [], "call": [], "20 steps": [], "20 steps after a copy": []}
    for _ in range(num_saves):
        found["torch.save"].append(seconds_of(plain_save))
        found["20 steps"].append(seconds_of(lambda: steps(20)))
        copies: list[Any] = []
        found["call"].append(seconds_of(lambda copies=copies: copies.extend(stepper.copy())))
        found["20 steps after a copy"].append(seconds_of(lambda: steps(20)))
        for copy in copies:
            copy.wait()
    medians = {name: statistics.median(values[1:]) for name, values in found.items()}  # the first makes the memory
    stall_s = medians["call"] + max(medians["20 steps after a copy"] - medians["20 steps"], 0.0)
    for name, value in medians.items():
        print(f"{name:<24}{value * 1e3:>10.1f} ms")
    print(f"{'stall':<24}{stall_s * 1e3:>10.1f} ms, {stall_s / medians['torch.save']:.1%} of torch.save", flush=True)


def readings(scratch: Path) -> None:
    """A run in the daemon: what its records say of the device."""
    import subprocess
    import sys

    command = [sys.executable, "-m", "traind.cli", "start", "configs/ner.toml", "--runs-dir", str(scratch)]
    for setting in (*SETTINGS, "train.device=auto", "train.max_steps=400", "log.system_every_s=0.5", "eval.every=200"):
        command += ["--set", setting]
    done = subprocess.run([*command, "--foreground"], capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr)
        return
    run = RunDir(Path(done.stdout.splitlines()[0]))
    samples = [gpu for r in decode_lines(run.system.read_bytes(), SYSTEM_DECODER).records for gpu in r.gpus]
    steps = [r for r in decode_lines(run.metrics.read_bytes(), METRICS_DECODER).records if isinstance(r, StepRecord)]
    rows: dict[str, Any] = {
        "name": samples[-1].name,
        "samples": len(samples),
        "memory in use, highest (NVML), MiB": max(s.mem_used_bytes or 0 for s in samples) >> 20,
        "memory of the run's processes, highest (NVML), MiB": max(s.run_mem_bytes or 0 for s in samples) >> 20,
        "peak of torch's allocator (records), MiB": max(s.gpu_mem_allocated_bytes or 0 for s in steps) >> 20,
        "utilisation, highest, %": max(s.util_percent or 0 for s in samples),
        "temperature, highest, C": max(s.temperature_c or 0 for s in samples),
        "power, highest, W": max(s.power_w or 0 for s in samples),
        "median step_s of the run's own records": statistics.median(s.step_s or 0 for s in steps[50:]),
    }
    for name, value in rows.items():
        print(f"{name:<54}{value}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=3)
    args = parser.parse_args()
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}\n")
    with tempfile.TemporaryDirectory() as scratch:
        print(f"steps per second, best of {args.pairs}; median of the pairs' ratios")
        print(f"{'':>6}{'bare loop':>12}{'ours':>12}{'ratio':>9}")
        for precision in ("fp32", "bf16", "fp16"):
            rates(precision, args.steps, args.pairs, Path(scratch))
        print(f"\ncalls that made the host wait\n{'':>6}{'steps':>8}{'waits':>8}")
        for precision in ("fp32", "bf16", "fp16"):
            waits(precision, 50, Path(scratch))
        print("\na save, bf16")
        saves(6, Path(scratch))
        print("\na run in the daemon")
        readings(Path(scratch))


if __name__ == "__main__":
    main()
