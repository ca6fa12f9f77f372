"""Which evaluation is the best so far, and how long patience has waited for a better one. Pure."""

import math

from rundir.direction import is_lower_better
from rundir.records import number
from traind.config import Eval
from traind.task import EvalResult
from traind.training_state import TrainingState


def chosen(result: EvalResult, metric: str) -> float:
    """The value that `eval.metric` names."""
    return result.loss if metric == "loss" else result.metrics[metric]


def note(state: TrainingState, result: EvalResult, settings: Eval) -> bool:
    """Take a due evaluation at `state.step` into the state. Returns whether it is the best so far."""
    value = chosen(result, settings.metric)
    state.evaluated_step = state.step
    state.metrics = {"loss": result.loss, **result.metrics}
    state.history = [*state.history, (state.step / state.steps_per_epoch, result.loss, value)]
    best = None if state.best_metric is None else (state.best_metric, number(state.best_loss))
    is_best = is_better(value, result.loss, best, is_lower=is_lower(settings))
    # An equal score of lower loss is kept as the best, yet is no progress that patience would wait for.
    has_risen = is_best and (best is None or value != best[0])
    state.evals_since_best = 0 if has_risen else state.evals_since_best + 1
    if is_best:
        state.best_metric, state.best_loss, state.best_step = value, result.loss, state.step
    state.early_stopped = settings.patience is not None and state.evals_since_best >= settings.patience
    return is_best


def forget(state: TrainingState) -> None:
    """The best so far has no checkpoint to show for it: the next evaluation is the best again."""
    state.best_metric = state.best_loss = state.best_step = None


def is_lower(settings: Eval) -> bool:
    """Whether the lower value of `eval.metric` is the better: as told, else by its name."""
    return is_lower_better(settings.metric) if settings.direction is None else settings.direction == "lower"


def is_better(value: float, loss: float, best: tuple[float, float] | None, *, is_lower: bool) -> bool:
    """Whether an evaluation beats the best so far, given as its value and loss; `is_lower` says which is.

    Of equal scores the one of lower loss is the better; what is not finite never wins.
    """
    if not math.isfinite(value):
        return False
    if best is None:
        return True
    rank, best_rank = (-value, -best[0]) if is_lower else (value, best[0])
    return rank > best_rank or (rank == best_rank and loss < best[1])
