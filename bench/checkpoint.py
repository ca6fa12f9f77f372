"""What a save costs: the stall of the loop and the time to a whole checkpoint on disk, against plain `torch.save`.

    python -m bench.checkpoint [--pairs 7] [--directory DIR] [--small]

The state is that of a DistilBERT token classifier (its library's default size) under AdamW: 66 M parameters, three
times 265 MB. Pairs are interleaved in one process; both sides leave their last two files behind, as a run does, and
dirty pages are written back before either is timed. `torch.save` is timed twice over: to its return, with the bytes in
the page cache alone, and with the fsync that makes it as durable as a checkpoint of ours always is. Then the rate of
real training steps right behind a save, against the same without.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import torch
from transformers import DistilBertConfig, DistilBertForTokenClassification

from rundir.layout import RunDir
from rundir.records import EVENT_DECODER, CheckpointEvent, decode_lines
from traind import lineage
from traind.checkpoint import Snapshot
from traind.config import Config, Train
from traind.device import place
from traind.dial import initial_dials
from traind.eventlog import EventLog
from traind.model_writer import ModelWriter
from traind.saver import Saver
from traind.stepper import Stepper
from traind.storage_alert import StorageAlert
from traind.training_state import EpochTally, TrainingState

KEPT = 2


class Subject:
    """A model and optimizer in mid-training, and the daemon's own pieces to save them."""

    def __init__(self, directory: Path, *, is_small: bool) -> None:
        sizes = {"dim": 64, "n_layers": 1, "n_heads": 2, "hidden_dim": 64, "vocab_size": 500} if is_small else {}
        self.model = DistilBertForTokenClassification(DistilBertConfig(num_labels=9, **sizes))
        self.config = Config(train=Train(device="cpu"))
        task: Any = SimpleNamespace(weights=lambda model: model.state_dict())
        self.stepper = Stepper(self.config, task, self.model, place(self.config.train), lambda: None)
        self.run = RunDir(directory / "run")
        self.run.checkpoints.mkdir(parents=True)
        self.events = EventLog(self.run.events, "trainer", 1, self.run.reserve)
        self.saver = Saver(self.run, self.events, StorageAlert(self.events), KEPT, lambda: None)
        self.plain = directory / "plain"
        self.plain.mkdir()
        self.step = 0
        self.model_writer = ModelWriter(self.write_model)
        self.update()
        self._prepare()

    def _prepare(self) -> None:
        """As the first step of a run does, which goes on meanwhile."""
        for memory, tensors in zip(self.stepper._memory, self.stepper._tensors(), strict=True):  # noqa: SLF001
            memory.prepare(tensors)
            assert memory._preparing is not None  # noqa: SLF001
            memory._preparing.join()  # noqa: SLF001

    def update(self) -> None:
        for parameter in self.model.parameters():
            parameter.grad = torch.full_like(parameter, 1e-3)
        self.stepper.optimizer.step()
        self.stepper.optimizer.zero_grad()
        self.step += 1

    def begin_save(self) -> float:
        """As `Loop.save` does it. Returns the stall in seconds."""
        state = TrainingState(
            step=self.step, attempt=1, steps_per_epoch=100, dials=initial_dials(self.config), applied_sets=[],
            tally=EpochTally(), environment={}, config_sha256="", reason="schedule",
        )  # fmt: skip
        began = time.monotonic()
        num_bytes = self.stepper.state_bytes
        assert self.saver.make_way(state, num_bytes)
        model, optimizer_state = self.stepper.copy()
        snapshot = Snapshot(state, optimizer_state, model)
        self.saver.submit(snapshot, self.model_writer, began=began, num_bytes=num_bytes)
        return time.monotonic() - began

    def write_model(self, weights: dict[str, torch.Tensor], directory: Path) -> None:
        cast("Any", self.model).save_pretrained(directory, state_dict=weights)

    def save(self) -> tuple[float, float]:
        """Stall, and seconds until the checkpoint is whole and on disk; removing an older one comes after, untimed."""
        stall_s = self.begin_save()
        self.saver.join()
        last = decode_lines(self.run.events.read_bytes(), EVENT_DECODER).records[-1]
        assert isinstance(last, CheckpointEvent)
        assert last.step == self.step
        return stall_s, last.save_s or 0.0

    def save_plainly(self) -> tuple[float, float]:
        """Seconds to the return of `torch.save`, and to the end of an fsync after it."""
        path = self.plain / f"{self.step}.pt"
        began = time.perf_counter()
        torch.save({"model": self.model.state_dict(), "optimizer": self.stepper.optimizer.state_dict()}, path)
        returned_s = time.perf_counter() - began
        with path.open("rb") as file:
            os.fsync(file.fileno())
        durable_s = time.perf_counter() - began
        for old in sorted(self.plain.iterdir(), key=lambda entry: entry.stat().st_mtime)[:-KEPT]:
            old.unlink()
        return returned_s, durable_s


def show(name: str, values: list[float], unit: str = "s") -> None:
    print(f"{name:<48} {statistics.median(values):6.3f} {unit}   ({' '.join(f'{value:.3f}' for value in values)})")


def compare(subject: Subject, num_pairs: int) -> None:
    ours, plain = [], []
    first_stall_s, first_total_s = subject.save()
    print(f"{'first save of a process: stall, total':<48} {first_stall_s:6.3f} s {first_total_s:6.3f} s")
    for index in range(num_pairs):
        for side in (0, 1) if index % 2 else (1, 0):
            subject.update()
            os.sync()
            if side == 0:
                ours.append(subject.save())
            else:
                plain.append(subject.save_plainly())
    files = list(lineage.paths(subject.run)[0].iterdir())
    mine = sum(path.stat().st_size for path in files)
    newest = max(subject.plain.iterdir(), key=lambda entry: entry.stat().st_mtime)
    print(f"{'bytes: ours, torch.save':<48} {mine:,} {newest.stat().st_size:,}")
    stalls, totals = zip(*ours, strict=True)
    returned, durable = zip(*plain, strict=True)
    show("stall of the loop", list(stalls))
    show("until the checkpoint is whole and on disk", list(totals))
    show("torch.save, to its return (page cache)", list(returned))
    show("torch.save and fsync", list(durable))
    for name, mine_s, theirs_s in (
        ("stall ÷ torch.save", stalls, returned),
        ("stall ÷ torch.save and fsync", stalls, durable),
        ("total ÷ torch.save", totals, returned),
        ("total ÷ torch.save and fsync", totals, durable),
    ):
        show(name, [a / b for a, b in zip(mine_s, theirs_s, strict=True)], "×")


@contextmanager
def training(subject: Subject) -> Iterator[Any]:
    ids = torch.randint(0, subject.model.config.vocab_size, (8, 64))

    def step() -> None:
        subject.model(input_ids=ids, labels=ids % 9).loss.backward()
        subject.stepper.optimizer.step()
        subject.stepper.optimizer.zero_grad()
        subject.step += 1

    subject.model.train()
    step()
    yield step
    subject.model.eval()


def step_rate(subject: Subject, num_pairs: int) -> None:
    """Steps with a save begun before the first of them and the loop going on, against the same without."""
    ratios = []
    with training(subject) as step:
        for _ in range(num_pairs):
            seconds = []
            for is_saving in (False, True):
                os.sync()
                if is_saving:
                    subject.begin_save()
                began = time.perf_counter()
                for _ in range(2):
                    step()
                seconds.append(time.perf_counter() - began)
                subject.saver.join()
            ratios.append(seconds[0] / seconds[1])
        show("rate of the 2 steps after a save ÷ without one", ratios, "×")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--directory", type=Path, default=None, help="on the file system to measure")
    parser.add_argument("--small", action="store_true", help="a tiny model: does the program work?")
    args = parser.parse_args()
    os.environ["TQDM_DISABLE"] = "1"
    directory = Path(tempfile.mkdtemp(dir=args.directory, prefix="bench-checkpoint-"))
    try:
        subject = Subject(directory, is_small=args.small)
        compare(subject, args.pairs)
        step_rate(subject, args.pairs)
    finally:
        shutil.rmtree(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
