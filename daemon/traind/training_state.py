"""state.json of a checkpoint: all that an exact resume needs beside the tensors, as plain values. Knows no torch."""

import msgspec

from rundir.records import Number
from traind.dial import Dials

FORMAT = 1


class EpochTally(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What the current epoch has added up so far."""

    loss_sum: Number = 0.0
    target_weight: float = 0.0
    counts: list[int] = []
    started_at: float = 0.0
    active_s: float = 0.0


class TrainingState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The content of state.json; floats round-trip exactly."""

    format: int = FORMAT
    step: int
    """Optimizer steps done."""
    attempt: int
    steps_per_epoch: int
    dials: Dials
    applied_sets: list[str]
    """Ids of the `set` orders whose effect is in `dials`."""
    tally: EpochTally
    best_metric: float | None = None
    best_loss: Number | None = None
    best_step: int | None = None
    evals_since_best: int = 0
    metrics: dict[str, Number] | None = None
    """Of the evaluation at `evaluated_step`, the loss included."""
    history: list[tuple[float, Number, Number]] = []
    """Of every evaluation that was due: epoch, loss, and the metric that chooses the best."""
    evaluated_step: int | None = None
    """The last step whose due evaluation was made; one due at `step` and not made is made on resume."""
    early_stopped: bool = False
    scaler: dict[str, float | int] | None = None
    guard: dict[str, list[Number]] = {}
    """What the guard on updates remembers."""
    micro_batch_size: int | None = None
    """Examples a micro-batch may have since one found no memory; absent: as configured. So for evaluations."""
    eval_batch_size: int | None = None
    environment: dict[str, str]
    config_sha256: str
    reason: str
    """Why it was saved; `order` ones are kept for good."""
