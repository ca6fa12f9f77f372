"""A callback for Lightning's Trainer: its run is watched and steered like any other.

    trainer = Trainer(..., callbacks=[RunCallback("runs", name="mine")])

`pause`, `checkpoint`, `stop` (which saves first) and `set lr` are honoured between two optimizer steps; with several
processes, every `log_every_n_steps`.
"""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from rundir.control import Order
from rundir.integrations.ranks import agreed_orders
from rundir.integrations.schedule import peak_lr, set_peak_lr
from rundir.writer import RunWriter

_TRAIN, _EVAL = "train_", ("val_", "valid_", "validation_", "eval_")
"""What names of metrics begin with, by Lightning's custom."""


class RunCallback(Callback):
    """Owns the run from the begin of a training to its end; the first process writes it."""

    def __init__(self, path: str | os.PathLike[str] = "runs", *, name: str = "trainer") -> None:
        """As for `RunWriter`: a new run in the directory `path`; with an empty name `path` is the run itself."""
        self.path, self.name = path, name
        self.run: RunWriter | None = None
        """While it trains, on the first process."""
        self._step = 0
        """The last that was seen: several batches may make one."""
        self._lr = math.nan

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._step = trainer.global_step
        if not trainer.is_global_zero:
            return
        total = trainer.estimated_stepping_batches
        self.run = RunWriter(
            self.path,
            name=self.name,
            task=type(pl_module).__name__,
            total_steps=int(total) if math.isfinite(total) else None,
            config={
                "train": {"lr": max(map(peak_lr, trainer.optimizers), default=None)},
                "arguments": dict(pl_module.hparams),
            },
            from_step=trainer.global_step or None,
            takes=("checkpoint", "lr"),
        )

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        self._lr = max(float(group["lr"]) for group in optimizer.param_groups)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step == self._step:
            self._beat()
            return
        self._step = trainer.global_step
        every = int(getattr(trainer, "log_every_n_steps", 1))  # which lightning sets from outside
        is_due = trainer.global_step % max(1, every) == 0
        if is_due and self.run is not None:
            self._log(self.run, trainer, outputs)
        if not is_due and trainer.world_size > 1:
            return  # agreeing costs a collective call
        for order in agreed_orders(self.run, trainer.global_step, trainer.world_size):
            self._carry_out(order, trainer)

    def _log(self, run: RunWriter, trainer: Trainer, outputs: Any) -> None:
        measured = _numbers(trainer.callback_metrics, _TRAIN, _EVAL)
        values = {name.removesuffix("_step"): value for name, value in measured.items()}
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if loss is not None:
            values["loss"] = float(loss)
        values.setdefault("loss", math.nan)
        values["lr"] = self._lr
        batches = trainer.num_training_batches
        if math.isfinite(batches) and batches:
            values["epoch"] = trainer.current_epoch + min(1.0, (trainer.fit_loop.batch_idx + 1) / float(batches))
        run.log(trainer.global_step, **values)

    def _carry_out(self, order: Order, trainer: Trainer) -> None:
        match str(order.verb):
            case "checkpoint" | "stop":
                self._save(trainer, "order" if order.verb == "checkpoint" else "stop")
                trainer.should_stop = trainer.should_stop or order.verb == "stop"
            case _:  # set: nothing else is taken
                schedules = [config.scheduler for config in trainer.lr_scheduler_configs]
                for optimizer in trainer.optimizers:
                    own = [each for each in schedules if getattr(each, "optimizer", optimizer) is optimizer]
                    set_peak_lr(optimizer, own, order.args["lr"])

    def _save(self, trainer: Trainer, reason: str) -> None:
        """On all processes: a sharded model is saved by all of them."""
        root = trainer.strategy.broadcast("" if self.run is None else str(self.run.dir.checkpoints))
        path = Path(root, f"step-{trainer.global_step:08d}.ckpt")
        trainer.save_checkpoint(path)
        if self.run is not None:
            self.run.saved(trainer.global_step, path, reason=reason)

    def on_validation_batch_end(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        self._beat()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.run is None or trainer.sanity_checking:
            return
        values = _evaluated(trainer.callback_metrics)
        if values:
            loss = values.pop("loss", math.nan)
            self.run.eval(trainer.global_step, loss, **values)

    def _beat(self) -> None:
        if self.run is not None:
            self.run.beat()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.run is not None:
            self.run.close()
            self.run = None

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if self.run is not None:
            self.run.__exit__(type(exception), exception, None)
            self.run = None


def _numbers(values: Mapping[str, Any], prefix: str, without: tuple[str, ...]) -> dict[str, float]:
    return {name.removeprefix(prefix): float(value) for name, value in values.items() if not name.startswith(without)}


def _evaluated(values: Mapping[str, Any]) -> dict[str, float]:
    """`val_loss` and its like, by the name that they have without."""
    found: dict[str, float] = {}
    for prefix in _EVAL:
        found |= {n.removeprefix(prefix): float(value) for n, value in values.items() if n.startswith(prefix)}
    return found
