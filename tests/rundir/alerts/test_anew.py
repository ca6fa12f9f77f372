"""What a new run has otherwise: keys that there are, with values that they take; commands that a shell takes."""

import shlex
from pathlib import Path

import pytest

from rundir.alerts.advice import ADVICE
from rundir.alerts.anew import CHANGES, changes_of, command_anew, lr_anew
from rundir.alerts.non_finite import _FIXES
from rundir.alerts.remedy import order_by, remedies_of, without_effect
from rundir.usual_lr import usual_range
from traind.config import Config, load

SENTIMENT = Path(__file__).parents[3] / "configs" / "sentiment.toml"
CONFIG = {
    "task": {"kind": "text-classification"},
    "data": {"num_workers": 4},
    "model": {"init": "scratch"},
    "train": {
        "lr": 1e-3, "optimizer": "adamw", "warmup_ratio": 0.1, "clip_norm": 0.0, "weight_decay": 0.01, "batch_size": 8,
        "accumulation": 1, "precision": "auto",
    },
    "checkpoint": {"keep_last": 2},
}  # fmt: skip
SAID = {
    fix for advice in ADVICE.values() for fix in (*advice.fixes, *(fix for c in advice.causes for fix in c.fixes))
} | {fix for fixes in _FIXES.values() for fix in fixes}
CHANGING = sorted(fix for fix in SAID if changes_of(fix, CONFIG, 1e-3))


def test_texts_are_those_that_rules_say() -> None:
    """A fix that was reworded would silently lose its command."""
    assert CHANGES.keys() <= {*CHANGING}


@pytest.mark.parametrize("fix", CHANGING)
def test_a_new_run_would_take_the_keys(fix: str) -> None:
    changes = changes_of(fix, CONFIG, 1e-3)
    words = shlex.split(command_anew("runs/a run", changes))
    assert words[:3] == ["traind", "start", "runs/a run/config.toml"]
    sets = [word for word in words[3:] if word != "--set"]
    assert len(sets) == len(changes)
    assert isinstance(load(SENTIMENT, sets), Config)


def test_what_the_run_has_already_is_no_change() -> None:
    config = {**CONFIG, "train": {**CONFIG["train"], "clip_norm": 0.5, "precision": "fp32"}}  # type: ignore[dict-item]
    assert changes_of("clip_norm = 1.0", config, 1e-3) == {}
    assert changes_of("bf16 or fp32 instead of fp16", config, 1e-3) == {}
    assert changes_of("clip_norm = 1.0", {}, 1e-3) == {"train.clip_norm": 1.0}
    assert changes_of("a longer warm-up", {}, 1e-3) == {}
    assert changes_of("a longer warm-up", {"train": {"warmup_ratio": 0.1, "warmup_steps": 50}}, None) == {
        "train.warmup_steps": 100
    }
    assert changes_of("ten times the learning rate", {"train": "damaged"}, None) == {}


@pytest.mark.parametrize(
    ("fix", "section", "had", "gets"),
    [
        ("smaller batches, with accumulation", "train", {"batch_size": 1, "accumulation": 4}, {}),
        (
            "smaller batches, with accumulation",
            "train",
            {"batch_size": 3, "accumulation": 1},
            {"train.batch_size": 1, "train.accumulation": 3},
        ),
        (
            "smaller batches, with accumulation",
            "train",
            {"batch_size": 8, "accumulation": 2},
            {"train.batch_size": 4, "train.accumulation": 4},
        ),
        ("a longer warm-up", "train", {"warmup_steps": 0, "warmup_ratio": 0.1}, {"train.warmup_steps": 100}),
        ("a longer warm-up", "train", {"warmup_ratio": 0.7}, {}),
        ("more weight_decay or dropout", "train", {"weight_decay": 0.5}, {}),
        ("more loader workers", "data", {"num_workers": 96}, {}),
        ("fewer workers", "data", {"num_workers": 1}, {"data.num_workers": 0}),
    ],
)
def test_a_change_goes_the_way_that_the_fix_says_or_there_is_none(
    fix: str, section: str, had: dict[str, float], gets: dict[str, float]
) -> None:
    assert changes_of(fix, {section: had}, None) == gets


@pytest.mark.parametrize(
    ("peak", "usual", "times", "lr"),
    [
        (1e-3, (1e-5, 2e-2), 0.33, 3.3e-4),
        (0.5, (1e-5, 2e-2), 0.33, 4.5e-4),  # a third of what nobody uses would be no better
        (0.021, (1e-5, 2e-2), 0.1, 4.5e-4),
        (3e-2, (1e-6, 5e-4), 0.1, 2.2e-5),
        (5e-3, (1e-5, 2e-2), 10.0, 2e-2),
        (1e-3, None, 10.0, 1e-2),
        (None, (1e-5, 2e-2), 0.1, None),
        (float("nan"), (1e-5, 2e-2), 0.1, None),
        (0.0, None, 0.1, None),
    ],
)
def test_a_rate_to_begin_anew_with(
    peak: float | None, usual: tuple[float, float] | None, times: float, lr: float | None
) -> None:
    assert lr_anew(peak, usual, times) == lr


def test_a_usual_rate_is_one_in_use() -> None:
    (fix,) = ADVICE["not-learning"].causes[1].fixes
    usual = usual_range(CONFIG)
    assert usual is not None
    assert usual[0] < changes_of(fix, CONFIG, 1.0)["train.lr"] < usual[1]


def test_one_table_says_which_order_a_fix_is() -> None:
    assert order_by("clip_norm = 1.0") == {"verb": "set", "args": {"clip_norm": 1.0}}
    assert order_by("save now") == {"verb": "checkpoint"}
    assert order_by("more data") is order_by("") is None
    assert remedies_of(["look"], {"verb": "stop"})[-1][0] == "the order for it: stop"  # of another version


@pytest.mark.parametrize(("clip_norm", "none"), [(1.0, True), (0.5, True), (2.0, False), (0.0, False), (None, False)])
def test_what_an_order_would_not_change(clip_norm: float | None, none: bool) -> None:
    assert without_effect({"clip_norm": 1.0, "lr": 1e-3}, clip_norm) == ({"clip_norm"} if none else set())
