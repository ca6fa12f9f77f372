"""What can be wrong with the plan of a run: steps, warm-up, learning rate, cadence, disk. Pure; knows no torch.

The plan is the loop's own: the same rounding, the same dials.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from rundir.size import size
from rundir.usual_lr import USUAL_LR, beginning_of
from traind.batch_order import BatchOrder
from traind.check.finding import Finding, fault, ok, warn
from traind.config import Config
from traind.dial import initial_dials, total_steps, warmup_steps

LONG_WARMUP = 0.5
"""Share of the run."""
NEARLY_FULL = 0.9
"""Share of the free disk."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A run in numbers."""

    num_examples: int
    steps_per_epoch: int
    total_steps: int
    warmup_steps: int
    eval_every: int
    """Steps; one at the end is always made."""
    save_every: int

    @property
    def num_evals(self) -> int:
        return -(-self.total_steps // self.eval_every)

    @property
    def num_saves(self) -> int:
        return -(-self.total_steps // self.save_every)


def plan_of(config: Config, num_examples: int) -> Plan:
    """What the loop would make of so many training examples."""
    order = BatchOrder(num_examples, config.train.batch_size, config.train.accumulation, config.seed)
    dials = initial_dials(config)
    total = total_steps(dials, order.steps_per_epoch)
    return Plan(
        num_examples=num_examples,
        steps_per_epoch=order.steps_per_epoch,
        total_steps=total,
        warmup_steps=warmup_steps(config.train, total),
        eval_every=dials.eval_every or order.steps_per_epoch,
        save_every=dials.save_every or order.steps_per_epoch,
    )


def examine_plan(config: Config, plan: Plan) -> Iterator[Finding]:
    """Steps, warm-up, learning rate, how often is evaluated and saved."""
    epochs = plan.total_steps / plan.steps_per_epoch
    yield ok(
        "steps",
        f"{plan.steps_per_epoch:,} an epoch of {plan.num_examples:,} examples, {plan.total_steps:,} in all "
        f"({epochs:.3g} epochs)",
    )
    yield _warmup(plan.warmup_steps, plan.total_steps)
    yield _lr(config)
    yield from _cadence(config, plan)


def examine_known_length(config: Config) -> Iterator[Finding]:
    """The warm-up of a run that is `max_steps` long, however many examples the data will make."""
    if config.train.max_steps is not None:
        yield _warmup(warmup_steps(config.train, config.train.max_steps), config.train.max_steps)


def _warmup(num_warmup: int, num_steps: int) -> Finding:
    text = f"{num_warmup:,} of {num_steps:,} steps"
    cure = "lower train.warmup_steps or warmup_ratio (a tenth of the run is usual), or train longer"
    if num_warmup >= num_steps:
        return fault("warm-up", f"{text}: the run ends before it reaches its learning rate", cure)
    if num_warmup > LONG_WARMUP * num_steps:
        return warn("warm-up", f"{text}: more than half of the run", cure)
    return ok("warm-up", text)


def _lr(config: Config) -> Finding:
    train = config.train
    beginning = beginning_of(msgspec.to_builtins(config))
    low, high = USUAL_LR[train.optimizer, beginning]
    what = {"adapter": "an adapter", "scratch": "a model from scratch", "pretrained": "a pretrained model"}[beginning]
    text = f"{train.lr:g} ({train.optimizer}, {what})"
    if train.lr > high:
        cure = f"lower train.lr; {low:g} to {high:g} is in use" + (
            ": a higher one destroys what the model knows" if beginning == "pretrained" else ": a higher one diverges"
        )
        return warn("learning rate", text, cure)
    if train.lr < low:
        return warn("learning rate", text, f"raise train.lr; {low:g} to {high:g} is in use: a lower one learns nothing")
    return ok("learning rate", text)


def _cadence(config: Config, plan: Plan) -> Iterator[Finding]:
    for name, key, every, what in (
        ("evaluations", "eval.every", plan.eval_every, "the end alone is evaluated: no best checkpoint to go back to"),
        ("checkpoints", "checkpoint.every", plan.save_every, "none is saved before the end: a crash loses everything"),
    ):
        if every > plan.total_steps and isinstance(getattr(config, key.split(".", maxsplit=1)[0]).every, int):
            yield warn(
                name,
                f"{key} = {every:,} is beyond the run's {plan.total_steps:,} steps: {what}",
                f'lower {key}, or set it to "epoch"',
            )
    yield ok("cadence", f"{plan.num_evals:,} evaluations, {plan.num_saves:,} checkpoints")


def examine_disk(config: Config, plan: Plan, *, checkpoint_bytes: int, free_bytes: int) -> Finding:
    """Whether the checkpoints that are kept fit: the last K, the best, and one being written."""
    num_kept = min(config.checkpoint.keep_last + 2, plan.num_saves + 1)
    needed = num_kept * checkpoint_bytes
    text = f"{num_kept:,} checkpoints of {size(checkpoint_bytes)} = {size(needed)}; {size(free_bytes)} are free"
    cure = "free some disk, lower checkpoint.keep_last, or put the run elsewhere with --runs-dir"
    if needed > free_bytes:
        return fault("disk", text, cure)
    if needed > NEARLY_FULL * free_bytes:
        return warn("disk", text, cure)
    return ok("disk", text)
