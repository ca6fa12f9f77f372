"""The plan against values worked out by hand, and its faults; and how rows are written."""

import pytest

from traind.check.data import examine_early
from traind.check.finding import Finding, Level, fault, in_one_line, lines, of_mistake, ok
from traind.check.plan import examine_disk, examine_plan, plan_of
from traind.config import Config, Data, Lora, Model, Train
from traind.data.survey import Split, Survey


def _config(**train: object) -> Config:
    return Config(
        data=Data(train="x.csv"),
        model=Model(init="scratch"),
        train=Train(**{"lr": 1e-3, **train}),  # type: ignore[arg-type]
    )


def _by_name(config: Config, num_examples: int = 100) -> dict[str, Finding]:
    return {finding.check: finding for finding in examine_plan(config, plan_of(config, num_examples))}


def test_the_plan_is_the_loops() -> None:
    config = _config(epochs=2.5, batch_size=8, accumulation=2, warmup_ratio=0.1)
    config.eval.every = 4
    plan = plan_of(config, 100)
    assert (plan.steps_per_epoch, plan.total_steps, plan.warmup_steps) == (7, 18, 2)
    assert (plan.num_evals, plan.num_saves) == (5, 3)


@pytest.mark.parametrize(
    ("train", "check", "level"),
    [
        ({"warmup_steps": 18}, "warm-up", Level.OK),
        ({"warmup_steps": 19}, "warm-up", Level.WARN),
        ({"warmup_steps": 21}, "warm-up", Level.FAULT),
        ({"lr": 0.5}, "learning rate", Level.WARN),
        ({"lr": 1e-7}, "learning rate", Level.WARN),
        ({"lr": 0.5, "optimizer": "sgd"}, "learning rate", Level.OK),
    ],
)
def test_warm_up_and_learning_rate(train: dict[str, object], check: str, level: Level) -> None:
    config = _config(epochs=3, batch_size=8, **train)  # 13 steps an epoch
    if "warmup_steps" in train:
        config.train.max_steps = {18: 36, 19: 36, 21: 21}[int(str(train["warmup_steps"]))]
    assert _by_name(config)[check].level is level


@pytest.mark.parametrize(("r", "level"), [(0, Level.WARN), (16, Level.OK)])
def test_an_adapter_stands_a_higher_rate_than_the_whole_model(r: int, level: Level) -> None:
    config = _config(lr=1e-3)
    config.model, config.lora = Model(pretrained="x"), Lora(r=r, targets=["q_lin"])
    assert _by_name(config)["learning rate"].level is level


@pytest.mark.parametrize(
    ("free_bytes", "level"), [(4_000, Level.OK), (3_100, Level.WARN), (2_999, Level.FAULT), (0, Level.FAULT)]
)
def test_disk(free_bytes: int, level: Level) -> None:
    config = _config(max_steps=100, batch_size=10)  # 10 checkpoints
    config.checkpoint.keep_last = 1
    finding = examine_disk(config, plan_of(config, 100), checkpoint_bytes=1_000, free_bytes=free_bytes)
    assert finding.level is level
    assert "3 checkpoints of 1000 B = 2.93 KiB" in finding.text


def test_no_more_checkpoints_are_counted_than_will_be_made() -> None:
    config = _config(epochs=1)
    config.checkpoint.keep_last = 100
    assert "2 checkpoints" in examine_disk(config, plan_of(config, 100), checkpoint_bytes=1, free_bytes=9).text


def test_rows_of_the_table() -> None:
    assert lines(ok("rows", "two")) == ["✓ rows               two"]
    assert lines(fault("rows", "one\ntwo", "do\x1b[2J")) == [
        "✗ rows               one",
        "                     two",
        "                     → do␛[2J",
    ]
    assert in_one_line(fault("rows", "one\ntwo\x1b[2J", "do\x07")) == "rows: one two␛[2J; do␇"
    mistake = of_mistake("data", "a.csv: line 3: odd; take it out; or mend it")
    assert (mistake.text, mistake.cure) == ("a.csv: line 3: odd; take it out", "or mend it")
    assert of_mistake("data", "no cure") == Finding(Level.FAULT, "data", "no cure")


@pytest.mark.parametrize("kind", ["token-classification", "text-classification", "causal-lm", "custom"])
def test_a_warm_up_longer_than_max_steps_is_known_before_any_data_is_tokenised(kind: str) -> None:
    config = _config(max_steps=20, warmup_steps=20)
    config.task.kind = kind  # type: ignore[assignment]
    split = Split(["a text"] * 40, [None] * 40, [""] * 40)
    survey = None if kind == "custom" else Survey(split, split, ())
    assert [f.check for f in examine_early(config, survey) if f.level is Level.FAULT and f.check == "warm-up"]
    config.train.max_steps = 200
    assert not [f for f in examine_early(config, survey) if f.level is not Level.OK and f.check == "warm-up"]
    if kind != "text-classification":  # how many steps an epoch has is not known yet
        config.train.max_steps = None
        assert "warm-up" not in {f.check for f in examine_early(config, survey)}
