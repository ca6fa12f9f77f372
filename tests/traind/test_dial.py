"""What `set` does to the plan of a run."""

import math
from typing import Any

import pytest

from traind.dial import Dials, check_args, total_steps, turn

DIALS = Dials(lr=1e-3, clip_norm=1.0, epochs=3.0, log_every=1)


@pytest.mark.parametrize(
    ("args", "word"),
    [
        ({}, "nothing to set"),
        ({"replan": False}, "nothing to set"),
        ({"replan": 1}, "nothing to set"),
        ({"lr": 0}, "above 0"),
        ({"lr": math.nan}, "finite"),
        ({"lr": math.inf}, "finite"),
        ({"lr": "1e-4"}, "finite"),
        ({"lr": 10**400}, "finite"),
        ({"epochs": 1e308}, "finite"),
        ({"lr": True}, "finite"),
        ({"clip_norm": -1}, "from 0"),
        ({"max_steps": 2.5}, "whole number"),
        ({"max_steps": 10**30}, "whole number"),
        ({"log_every": 0}, "whole number"),
        ({"lr": 1e-4, "replan": 1}, "true or false"),
        ({"batch_size": 8}, "known: lr"),
    ],
)
def test_wrong_arguments_are_named(args: dict[str, Any], word: str) -> None:
    fault = check_args(args)
    assert fault is not None
    assert word in fault


def test_right_arguments_pass() -> None:
    everything = {
        "lr": 1e-4,
        "epochs": 2,
        "max_steps": 5,
        "clip_norm": 0,
        "log_every": 1,
        "eval_every": 2,
        "save_every": 3,
    }
    assert check_args({**everything, "replan": False}) is None


@pytest.mark.parametrize(("epochs", "steps"), [(3.0, 30), (0.25, 3), (0.01, 1), (0.1 * 3, 3)])
def test_steps_of_fractional_epochs(epochs: float, steps: int) -> None:
    assert total_steps(Dials(lr=1, clip_norm=1, epochs=epochs, log_every=1), 10) == steps


def test_max_steps_overrides_epochs_until_epochs_are_set() -> None:
    limited = turn(DIALS, {"max_steps": 7}, 10)
    assert total_steps(limited, 10) == 7
    assert total_steps(turn(limited, {"epochs": 2}, 10), 10) == 20


def test_a_schedule_is_planned_anew_over_the_steps_there_are() -> None:
    """What the alert `lr-zero` proposes: the run was made shorter, and its schedule was not."""
    assert check_args({"replan": True}) is None
    shorter = turn(DIALS, {"epochs": 2}, 10)
    assert shorter.schedule_steps == 30
    assert turn(shorter, {"replan": True}, 10) == turn(DIALS, {"epochs": 2, "replan": True}, 10)


def test_a_longer_run_stretches_its_schedule_and_a_shorter_one_keeps_it() -> None:
    assert turn(DIALS, {"epochs": 6}, 10).schedule_steps == 60
    assert turn(DIALS, {"epochs": 2}, 10).schedule_steps == 30
    assert turn(DIALS, {"epochs": 2, "replan": True}, 10).schedule_steps == 20
    assert turn(DIALS, {"epochs": 6, "replan": False}, 10).schedule_steps == 30
    assert turn(turn(DIALS, {"epochs": 2}, 10), {"epochs": 3}, 10).schedule_steps == 30


def test_setting_the_rate_keeps_the_plan() -> None:
    turned = turn(DIALS, {"lr": 5e-4}, 10)
    assert (turned.lr, turned.epochs, turned.schedule_steps) == (5e-4, 3.0, 30)
