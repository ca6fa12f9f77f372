"""What is known of a run besides its records: the plan, the task, the device. Everything may be unknown.

A rule that needs a fact which is not known stays silent, and `Engine.silent()` says so.
"""

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from rundir.direction import directions_in, is_lower_better
from rundir.section import section
from rundir.usual_lr import most_usual


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of one run; those that are absent are unknown."""

    num_classes: int | None = None
    majority_share: float | None = None
    """Share of the most frequent label among all."""
    planned_steps: int | None = None
    warmup_steps: int | None = None
    clip_norm: float | None = None
    """Gradient norm above which it is scaled down; 0: never."""
    lr_peak: float | None = None
    lr_usual: float | None = None
    """The highest peak in use with such an optimizer and model."""
    schedule: str | None = None
    """linear, cosine, constant, step, sgdr, …"""
    device_asked: str | None = None
    """cpu, cuda, mps or auto."""
    trainable_params: int | None = None
    signed_loss: bool = False
    """The objective may be negative (policy gradients, GANs): its level says nothing."""
    log_every: int | None = None
    checkpoint_every: int | None = None
    """In steps."""
    eval_every: int | None = None
    """In steps."""
    eval_metric: str | None = None
    """That chooses the best checkpoint."""
    is_lower_better: bool = False
    """Of `eval_metric`."""
    sibling: list[tuple[int, float]] | None = None
    """Step and loss of a run of the same configuration, by step: what `worse-than-sibling` compares with."""

    @classmethod
    def of_run(cls, run_json: Mapping[str, Any], config: Mapping[str, Any]) -> "Facts":
        """From the content of run.json and of config.toml; what either lacks, or has in another form, is unknown."""
        train, planned = section(config, "train"), _whole(run_json.get("planned_steps"))
        ratio = _real(train.get("warmup_ratio"))
        warmup = _whole(train.get("warmup_steps"))
        if warmup is None and ratio is not None and planned is not None:
            warmup = math.ceil(ratio * planned)
        device, metric = train.get("device"), section(config, "eval").get("metric")
        # A floor of the cosine is no decay to zero; the plain shape is what the rule on schedules compares with.
        schedule = train.get("schedule") if not train.get("min_lr") else None
        return cls(
            planned_steps=planned,
            warmup_steps=warmup,
            clip_norm=_real(train.get("clip_norm")),
            lr_peak=_real(train.get("lr")),
            lr_usual=most_usual(config),
            schedule=schedule if isinstance(schedule, str) else None,
            device_asked=device.partition(":")[0] if isinstance(device, str) else None,
            log_every=_whole(section(config, "log").get("every")),
            checkpoint_every=_whole(section(config, "checkpoint").get("every")),
            eval_every=_whole(section(config, "eval").get("every")),
            eval_metric=metric if isinstance(metric, str) else None,
            is_lower_better=is_lower_better(metric, directions_in(config)) if isinstance(metric, str) else False,
        )


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _real(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None
