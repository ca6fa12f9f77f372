"""What must not matter to any rule: the unit of the loss, what comes later, how often is logged, a pause of the engine,
a value that is missing now and then.
"""

import json
import math
import random
from collections.abc import Callable, Iterator

import msgspec
import pytest

from rundir.alerts import MARKS, AlertChange, Engine, Facts
from rundir.records import AnyRecord, EvalRecord, LifecycleEvent, Severity, StepRecord, SystemRecord
from tests.rundir.alerts.stories import scaled, step, tell

Story = Callable[[int], Iterator[AnyRecord]]
"""Records of a run in which something goes wrong, with every so many steps logged."""
FACTS = Facts(planned_steps=3000, warmup_steps=0, clip_norm=5.0, lr_peak=1e-3, schedule="constant")


def falling(n: int, rng: random.Random, noise: float = 0.05) -> float:
    return (0.3 + 2.0 * math.exp(-n / 250)) * math.exp(noise * rng.gauss(0.0, 1.0))


def diverging(every: int) -> Iterator[AnyRecord]:
    rng = random.Random(1)
    for n in range(1, 1501):
        loss, high = falling(n, rng), 1.9 + 0.1 * rng.gauss(0.0, 1.0)
        if n % every == 0:
            yield step(n, high if n > 800 else loss, grad_norm=math.exp(0.1 * rng.gauss(0, 1)), lr=1e-3)


def exploding(every: int) -> Iterator[AnyRecord]:
    rng = random.Random(2)
    for n in range(1, 1501):
        norm = math.exp(0.2 * rng.gauss(0.0, 1.0)) * (500.0 if n > 700 else 1.0)
        loss = falling(n, rng)
        if n % every == 0:
            yield step(n, loss, grad_norm=norm, lr=1e-3)


def standing_still(every: int) -> Iterator[AnyRecord]:
    rng = random.Random(3)
    for n in range(1, 1201):
        loss = 1.6 + 0.02 * rng.gauss(0.0, 1.0)
        if n % every == 0:
            yield step(n, loss, grad_norm=1.0 + 0.1 * rng.random(), lr=1e-3)


def frozen_rate(every: int) -> Iterator[AnyRecord]:
    rng = random.Random(4)
    for n in range(1, 1201):
        loss = falling(min(n, 400), rng)
        if n % every == 0:
            yield step(n, loss, grad_norm=1.0, lr=0.0 if n > 400 else 1e-3)


def dead(every: int) -> Iterator[AnyRecord]:
    rng = random.Random(5)
    for n in range(1, 1201):
        loss = falling(min(n, 400), rng)
        if n % every == 0:
            yield step(n, loss, grad_norm=0.0 if n > 400 else 1.0, lr=1e-3)


def overfitted(every: int) -> Iterator[AnyRecord]:
    rng = random.Random(6)
    for n in range(1, 2001):
        loss = 0.05 + 2.0 * math.exp(-n / 250) + 0.01 * rng.gauss(0.0, 1.0)
        if n % every == 0:
            yield step(n, abs(loss), lr=1e-3)
        if n % 100 == 0:
            yield EvalRecord(
                at=0.0, attempt=1, step=n, loss=0.6 + 1.5 * math.exp(-n / 150) + 0.2 * max(0, n - 500) / 500
            )


def slow(every: int) -> Iterator[AnyRecord]:
    rng = random.Random(7)
    for n in range(1, 2001):
        loss, step_s = falling(n, rng), (0.5 if n > 900 else 0.25) * math.exp(0.05 * rng.gauss(0, 1))
        if n % every == 0:
            yield step(n, loss, lr=1e-3, step_s=step_s)


STORIES: dict[str, Story] = {
    "divergence": diverging,
    "grad-explode": exploding,
    "not-learning": standing_still,
    "lr-zero": frozen_rate,
    "grad-zero": dead,
    "overfitting": overfitted,
    "slow-step": slow,
}


def outline(changes: list[AlertChange]) -> list[tuple[str, str, str, int, int, int, bool]]:
    return [(c.rule, c.change, c.severity, c.step, c.onset_step, c.incident, c.primary) for c in changes]


def warned(records: Iterator[AnyRecord]) -> set[str]:
    return {c.rule for c in tell(records, Engine(facts=FACTS)) if c.severity is not Severity.INFO}


@pytest.mark.parametrize("name", STORIES)
def test_each_is_found_and_is_the_primary_kind(name: str) -> None:
    changes = [c for c in tell(STORIES[name](1), Engine(facts=FACTS)) if c.rule not in MARKS]
    assert name in {c.rule for c in changes}
    assert [c.rule for c in changes if c.primary and c.severity is not Severity.INFO][-1] == name
    assert sum(c.news for c in changes) == 1


@pytest.mark.parametrize("factor", [1e-6, 1e6])
@pytest.mark.parametrize("name", STORIES)
def test_the_unit_of_the_loss_does_not_matter(name: str, factor: float) -> None:
    """But for rounding: a threshold may be met one record sooner or later."""
    told = outline(tell(STORIES[name](1), Engine(facts=FACTS)))
    assert outline(tell(scaled(STORIES[name](1), factor), Engine(facts=FACTS))) == told
    assert told


@pytest.mark.parametrize("name", STORIES)
def test_lasting_conditions_are_found_with_every_tenth_record_too(name: str) -> None:
    assert name in warned(STORIES[name](10))


@pytest.mark.parametrize("name", STORIES)
def test_a_saved_and_restored_engine_says_the_same(name: str) -> None:
    records = list(STORIES[name](1))
    through = Engine(facts=FACTS)
    whole = tell(records, through)
    rng = random.Random(8)
    for cut in [rng.randrange(len(records)) for _ in range(2)]:
        first, second = Engine(facts=FACTS), Engine(facts=FACTS)
        head = tell(records[:cut], first)
        second.restore(json.loads(json.dumps(first.state(), allow_nan=False)))
        assert head + tell(records[cut:], second) == whole
        assert second.state() == through.state()
        assert whole[: len(head)] == head  # what comes later changes nothing said before


@pytest.mark.parametrize("name", STORIES)
def test_records_without_their_loss_now_and_then_hide_nothing(name: str) -> None:
    """Isolated non-finite losses are an alert of their own, and no more than that."""
    records = [
        msgspec.structs.replace(r, loss="nan") if isinstance(r, StepRecord) and r.step % 37 == 0 else r
        for r in STORIES[name](1)
    ]
    found = {c.rule for c in tell(records, Engine({"non-finite": False}, facts=FACTS))}
    assert name in found


def test_the_state_is_bounded_whatever_the_length_of_the_run() -> None:
    def size(num: int) -> int:
        engine, rng = Engine(), random.Random(9)
        for n in range(1, num + 1):
            metrics = {"accuracy": rng.random(), "update_ratio": 1e-3, "unchanged_count": 0.0, "loss_scale": 1024.0}
            engine.feed(
                step(n, falling(n, rng), grad_norm=rng.random(), lr=1e-3, step_s=0.1, metrics=metrics, data_wait_s=0.01)
            )
            if n % 20 == 0:
                engine.feed(EvalRecord(at=float(n), attempt=1, step=n, loss=rng.random(), metrics={"f1": rng.random()}))
                engine.feed(SystemRecord(at=float(n), attempt=1, mem_used_bytes=n, mem_total_bytes=10**9))
                engine.feed(LifecycleEvent(at=float(n), attempt=1, writer="trainer", what="training"))
        return len(json.dumps(engine.state()))

    assert size(4000) < 1.3 * size(2000) < 200_000


def test_records_out_of_order_and_doubled_raise_nothing() -> None:
    records = list(diverging(1))
    rng = random.Random(10)
    shuffled = [*records[:700], *rng.sample(records[700:900], 200), *records[800:850], *records[900:]]
    assert "divergence" in {c.rule for c in tell(shuffled, Engine(facts=FACTS))}
