"""A callback for the Trainer of Hugging Face transformers: its run is watched and steered like any other.

    trainer = Trainer(..., callbacks=[RunCallback("runs", name="mine")])

`pause`, `checkpoint`, `stop` (which saves first), `set lr`, and `eval` where the Trainer evaluates, are honoured
between two steps; with several processes, every `logging_steps`.
"""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from rundir.control import Order
from rundir.integrations.ranks import agreed_orders
from rundir.integrations.schedule import set_peak_lr
from rundir.writer import RunWriter

_EVAL = "eval_"
_TIMES = ("runtime", "samples_per_second", "steps_per_second", "model_preparation_time")
"""What the Trainer puts beside the metrics of an evaluation."""


class RunCallback(TrainerCallback):
    """Owns the run from the begin of a training to its end; the first process writes it."""

    def __init__(self, path: str | os.PathLike[str] = "runs", *, name: str = "trainer") -> None:
        """As for `RunWriter`: a new run in the directory `path`; with an empty name `path` is the run itself."""
        self.path, self.name = path, name
        self.run: RunWriter | None = None
        """While it trains, on the first process."""
        self._reason = "schedule"
        """What asked for the next checkpoint."""
        self._evaluated: tuple[int, dict[str, float]] = (-1, {})
        """Step and metrics of the newest evaluation: several evaluation sets come one by one."""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if not state.is_world_process_zero:
            return
        if self.run is not None:
            self.run.close("another training began")
        evaluates = str(getattr(args.eval_strategy, "value", args.eval_strategy)) != "no"
        self.run = RunWriter(
            self.path,
            name=self.name,
            task=type(kwargs["model"]).__name__ if "model" in kwargs else "trainer",
            total_steps=state.max_steps,
            config={"train": {"lr": args.learning_rate}, "arguments": args.to_dict()},  # type: ignore[no-untyped-call]
            from_step=state.global_step or None,
            takes=("checkpoint", "lr", "eval") if evaluates else ("checkpoint", "lr"),
        )

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        values = _numbers(logs or {})
        if self.run is None or "loss" not in values or state.global_step <= self.run.step:
            return
        values.setdefault("epoch", state.epoch or 0.0)
        if "learning_rate" in values:
            values["lr"] = values.pop("learning_rate")
        self.run.log(state.global_step, **values)

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if self.run is None:
            return
        step, earlier = self._evaluated
        found = {name.removeprefix(_EVAL): value for name, value in _numbers(metrics or {}).items()}
        values = (earlier if step == state.global_step else {}) | {
            name: value for name, value in found.items() if not name.endswith(_TIMES)
        }
        self._evaluated = (state.global_step, dict(values))
        # Of several evaluation sets each has its own: `eval_NAME_loss`.
        first = next((name for name in values if name.endswith("_loss")), None)
        loss = values.pop("loss", math.nan if first is None else values[first])
        self.run.eval(state.global_step, loss, **values)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        path = Path(args.output_dir or "", f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}")
        reason, self._reason = self._reason, "schedule"
        if self.run is not None and path.exists():
            is_best = state.best_model_checkpoint is not None and Path(state.best_model_checkpoint) == path
            self.run.saved(state.global_step, path, reason=reason, best=is_best)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        if args.world_size > 1 and state.global_step % max(1, int(state.logging_steps)):
            return control  # agreeing costs a collective call
        for order in agreed_orders(self.run, state.global_step, args.world_size):
            self._carry_out(order, control, kwargs.get("optimizer"), kwargs.get("lr_scheduler"))
        return control

    def _carry_out(self, order: Order, control: TrainerControl, optimizer: Any, schedule: Any) -> None:
        match str(order.verb):
            case "checkpoint" | "stop":
                control.should_save, self._reason = True, "order" if order.verb == "checkpoint" else "stop"
                control.should_training_stop = control.should_training_stop or order.verb == "stop"
            case "eval":
                control.should_evaluate = True
            case _:  # set: nothing else is taken
                set_peak_lr(optimizer, [schedule], order.args["lr"])

    def on_substep_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._beat()

    def on_prediction_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._beat()

    def _beat(self) -> None:
        if self.run is not None:
            self.run.beat()

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self.run is not None:
            self.run.close()
            self.run = None


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if isinstance(value, int | float)}
