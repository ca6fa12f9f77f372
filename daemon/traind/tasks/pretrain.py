"""Pre-training of `model.init = "mlm"`: a small encoder learns to guess masked words of the training texts (Devlin et
al. 2019), so that there is something for an adapter to adapt.

Owns `<run>/base`, written whole or not at all. Knows no labels and no adapter.
"""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import msgspec
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset
from transformers import DistilBertConfig, DistilBertForMaskedLM, PreTrainedModel

from rundir.atomic import fsync_dir
from rundir.layout import RunDir
from traind import optimizer
from traind.batch_order import BatchOrder, dropout_seed
from traind.config import Config, Train
from traind.data.labels import IGNORED
from traind.task import Batch
from traind.tasks.model import quiet
from traind.tasks.seed import seeded

BATCH_SIZE = 32
"""Texts a step. Not [train]'s: that is chosen for what comes after."""
SHARE_MASKED, SHARE_HIDDEN, SHARE_SWAPPED = 0.15, 0.8, 0.1
"""Of the tokens, those to be guessed; of these, those behind [MASK], and those behind any other token."""
_REPORTS = 10
_SEED_OFFSET = 1
"""So that no step draws what the same step of training proper draws."""


@runtime_checkable
class Texts(Protocol):
    """What is needed of a task."""

    tokenizer: Any
    num_train: int
    collate: Any
    """Examples to a Batch."""

    @property
    def train_data(self) -> Dataset[Any]: ...

    def scratch_config(self) -> DistilBertConfig: ...


class Pretrained(msgspec.Struct, kw_only=True):
    """How a pre-training went. Losses are means over a tenth of its steps, in nats a guessed token."""

    steps: int
    first_loss: float
    last_loss: float
    elapsed_s: float

    def __str__(self) -> str:
        return (
            f"masked words of the training texts guessed for {self.steps:,} steps in {self.elapsed_s:.0f} s: "
            f"loss {self.first_loss:.2f} → {self.last_loss:.2f}"
        )


def ensure_base(
    config: Config,
    run: RunDir,
    task: Texts,
    device: torch.device,
    alive: Callable[[], None],
    say: Callable[[str], None],
) -> Pretrained | None:
    """Pre-train and write `<run>/base`; None where an earlier attempt has. Raises OSError.

    On a CPU the weights are a function of configuration and data. `alive` is called at every step; what it raises
    passes, and the pre-training then begins anew the next time. Leaves the CPU's global random generator as it was.
    """
    if run.base.is_dir():
        return None
    began = time.monotonic()
    with seeded(config.seed), quiet():
        model = DistilBertForMaskedLM(task.scratch_config())
        model.to(device)  # type: ignore[arg-type]  # transformers' stub knows strings only
        losses = _train(config, task, model, device, alive, say)
    tenth = max(1, len(losses) // _REPORTS)
    done = Pretrained(
        steps=len(losses),
        first_loss=sum(losses[:tenth]) / tenth,
        last_loss=sum(losses[-tenth:]) / tenth,
        elapsed_s=time.monotonic() - began,
    )
    with quiet():
        _write(run.base, model, task.tokenizer, done)
    return done


def _train(
    config: Config,
    task: Texts,
    model: PreTrainedModel,
    device: torch.device,
    alive: Callable[[], None],
    say: Callable[[str], None],
) -> list[float]:
    order = BatchOrder(task.num_train, BATCH_SIZE, 1, config.seed)
    num_steps = max(1, round(config.model.mlm_epochs * order.steps_per_epoch))
    train = Train(lr=config.model.mlm_lr)
    adamw = optimizer.build(model, train)
    shape = optimizer.schedule_shape(train, num_steps)
    losses: list[Tensor] = []
    model.train()
    for step in range(num_steps):
        alive()
        epoch, position = divmod(step, order.steps_per_epoch)
        batch: Batch = task.collate([task.train_data[index] for index in order.micro_batches(epoch, position)[0][0]])
        torch.manual_seed(dropout_seed(config.seed, step, _SEED_OFFSET))
        inputs, targets = mask(batch["input_ids"], task.tokenizer)
        logits = model(input_ids=inputs.to(device), attention_mask=batch["attention_mask"].to(device)).logits
        loss = _mean_loss(logits, targets.to(device))
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), train.clip_norm)
        for group in adamw.param_groups:
            group["lr"] = train.lr * shape(step)
        adamw.step()
        adamw.zero_grad(set_to_none=True)
        losses.append(loss.detach())
        if (step + 1) % max(1, num_steps // _REPORTS) == 0:
            say(f"pre-training on masked words: step {step + 1:,} of {num_steps:,}, loss {loss.item():.3f}")
    return [float(loss) for loss in losses]


def mask(input_ids: Tensor, tokenizer: Any) -> tuple[Tensor, Tensor]:
    """Inputs and targets of a batch of int64 [texts, tokens], drawn from torch's global CPU generator.

    A target is the token at a place that was chosen, −100 elsewhere; special tokens are never chosen.
    """
    special = torch.isin(input_ids, torch.tensor(tokenizer.all_special_ids))
    chosen = (torch.rand(input_ids.shape) < SHARE_MASKED) & ~special
    fate = torch.rand(input_ids.shape)
    others = torch.randint(len(tokenizer), input_ids.shape)
    inputs = torch.where(chosen & (fate < SHARE_HIDDEN), tokenizer.mask_token_id, input_ids)
    swapped = chosen & (fate >= SHARE_HIDDEN) & (fate < SHARE_HIDDEN + SHARE_SWAPPED)
    return torch.where(swapped, others, inputs), torch.where(chosen, input_ids, IGNORED)


def _mean_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """0 where nothing was chosen, which happens in a batch of very few tokens."""
    total = functional.cross_entropy(
        logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum"
    )
    return total / (targets != IGNORED).sum().clamp(min=1)


def _write(base: Path, model: PreTrainedModel, tokenizer: Any, done: Pretrained) -> None:
    temporary = base.with_name(f".writing-{base.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(mode=0o700)
    model.save_pretrained(temporary)
    tokenizer.save_pretrained(temporary)
    (temporary / "pretraining.json").write_bytes(msgspec.json.format(msgspec.json.encode(done)))
    for path in (*temporary.iterdir(), temporary):
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    temporary.rename(base)
    fsync_dir(base.parent)
