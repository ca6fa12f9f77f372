"""Which evaluation is the best so far."""

from types import SimpleNamespace
from typing import cast

import pytest

from traind import best
from traind.best import is_better
from traind.config import Config, Eval
from traind.dial import initial_dials
from traind.task import EvalResult
from traind.training_state import EpochTally, TrainingState


@pytest.mark.parametrize(
    ("value", "before", "metric", "better"),
    [
        (0.5, None, "f1", True),
        (0.6, (0.5, 0.1), "f1", True),
        (0.5, (0.5, 0.4), "f1", True),
        (0.5, (0.5, 0.3), "f1", False),
        (0.4, (0.5, 0.5), "loss", True),
        (0.6, (0.5, 0.5), "loss", False),
        (float("nan"), None, "f1", False),
        (float("inf"), None, "loss", False),
        (float("nan"), (0.1, 0.1), "loss", False),
        (9.0, (9.5, 0.5), "perplexity", True),
        (0.2, (0.1, 0.5), "mape", False),
        (9.0, (9.5, 0.5), "waste down", True),
        (0.2, (0.1, 0.5), "mae up", True),
    ],
)
def test_what_is_better(value: float, before: tuple[float, float] | None, metric: str, better: bool) -> None:
    """The evaluation at hand has a loss of 0.3. Behind the metric stands what `eval.direction` says, if anything."""
    name, _, told = metric.partition(" ")
    settings = Eval(metric=name, direction={"": None, "up": "higher", "down": "lower"}[told])  # type: ignore[arg-type]
    assert is_better(value, 0.3, before, is_lower=best.is_lower(settings)) is better


def evaluated(f1: float, loss: float) -> EvalResult:
    return cast("EvalResult", SimpleNamespace(loss=loss, metrics={"f1": f1}))


def test_patience_waits_for_a_higher_score_and_an_equal_one_of_lower_loss_is_kept() -> None:
    state = TrainingState(
        step=0, attempt=1, steps_per_epoch=10, dials=initial_dials(Config()), applied_sets=[], tally=EpochTally(),
        environment={}, config_sha256="", reason="",
    )  # fmt: skip
    settings = Eval(patience=2)
    told = []
    for step, (f1, loss) in enumerate([(0.5, 0.9), (0.5, 0.8), (0.4, 0.7)], start=1):
        state.step = step * 10
        told.append((best.note(state, evaluated(f1, loss), settings), state.early_stopped))
    assert told == [(True, False), (True, False), (False, True)]
    assert (state.best_step, state.best_metric, state.best_loss) == (20, 0.5, 0.8)
    assert state.history == [(1.0, 0.9, 0.5), (2.0, 0.8, 0.5), (3.0, 0.7, 0.4)]
    assert state.metrics == {"loss": 0.7, "f1": 0.4}
