"""The rules on time and machine: pace, memory, devices. Each finds its trouble, and nothing in an ordinary machine."""

import math
import random
from collections.abc import Iterator

import pytest

from rundir.alerts import AlertChange, Engine, Facts
from rundir.alerts.track import Track
from rundir.records import (
    AnyRecord,
    CheckpointEvent,
    EvalRecord,
    GpuSample,
    LifecycleEvent,
    Severity,
    StepRecord,
    SystemRecord,
)
from tests.rundir.alerts.stories import only, tell

GIB = 1 << 30
TOTAL = 80 * GIB


def lifecycle(what: str, at: float = 0.0, **detail: object) -> LifecycleEvent:
    return LifecycleEvent(at=at, attempt=1, writer="trainer", what=what, detail=dict(detail) or None)


def tick_tock(num: int, step_s: float = 1.0, first: int = 1) -> Iterator[StepRecord]:
    """A step a second."""
    rng = random.Random(first)
    for n in range(first, first + num):
        yield StepRecord(at=1000.0 + n, attempt=1, step=n, loss=1.0, step_s=step_s * (1.0 + 0.03 * rng.random()))


def sample(at: float, **gpu: object) -> SystemRecord:
    gpus = [GpuSample(index=0, name="H100", mem_total_bytes=TOTAL, **gpu)] if gpu else []  # type: ignore[arg-type]
    return SystemRecord(at=at, attempt=1, gpus=gpus)


def said(changes: list[AlertChange]) -> list[tuple[str, str]]:
    return [(c.change, str(c.severity)) for c in changes]


def test_steps_that_become_half_as_fast_again_and_recover() -> None:
    records = [*tick_tock(300), *tick_tock(200, 1.6, first=301), *tick_tock(100, first=501)]
    raised, cleared = tell(records, only("slow-step"))
    assert (raised.change, raised.severity, raised.onset_step) == ("raised", Severity.WARNING, 302)
    assert raised.step <= 370
    assert cleared.change == "cleared"


def test_evaluations_that_lengthen_every_tenth_step_are_usual() -> None:
    records = [
        StepRecord(at=1000.0 + n, attempt=1, step=n, loss=1.0, step_s=5.0 if n % 10 == 0 else 1.0)
        for n in range(1, 2000)
    ]
    assert tell(records, only("slow-step")) == []


def test_longer_inputs_are_no_slower_a_token() -> None:
    records = [
        StepRecord(at=1000.0 + n, attempt=1, step=n, loss=1.0, step_s=s, tokens_per_s=1000.0)
        for n, s in enumerate([1.0] * 300 + [2.0] * 300, start=1)
    ]
    assert tell(records, only("slow-step")) == []


def test_silence_is_a_stall_by_the_run_s_own_times_and_ends_with_the_next_step() -> None:
    engine = only("stall")
    tell([*tick_tock(100), EvalRecord(at=1100.0, attempt=1, step=100, loss=1.0)], engine)
    moments = [1100.0 + 10.0 * i for i in range(1, 20)]
    changes = [change for now_at in moments for change in engine.tick(now_at)]
    assert said(changes) == [("raised", "critical")]
    assert changes[0].evidence["allowed_s"] == 120.0
    assert said(engine.feed(StepRecord(at=1300.0, attempt=1, step=101, loss=1.0))) == [("cleared", "critical")]


@pytest.mark.parametrize("what", ["paused", "parked", "done", "crashed"])
def test_who_rests_by_order_does_not_stall(what: str) -> None:
    engine = only("stall")
    tell([*tick_tock(700), lifecycle(what, 1701.0)], engine)
    assert [change for i in range(200) for change in engine.tick(1702.0 + 60.0 * i)] == []


def test_a_stall_that_the_supervisor_tells_of_is_its_word_alone() -> None:
    def told(what: str, at: float) -> LifecycleEvent:
        return LifecycleEvent(at=at, attempt=1, writer="supervisor", what=what, message="no progress in eval", step=700)

    engine = only("stall")
    tell([told("supervised", 1.0), *tick_tock(700)], engine)
    assert engine.tick(9000.0) == []  # an evaluation may take that long: it knows, the records do not
    assert said(engine.feed(told("stalled", 9001.0))) == [("raised", "critical")]
    assert said(engine.feed(told("stall_over", 9100.0))) == [("cleared", "critical")]


def test_checkpoints_of_best_evaluations_promise_no_others() -> None:
    def best(n: int) -> CheckpointEvent:
        return CheckpointEvent(at=1.0, attempt=1, writer="trainer", step=n, path="x", size_bytes=1, reason="best")

    steps = list(tick_tock(2000))
    records: list[AnyRecord] = [*steps[:50], best(50), *steps[50:100], best(100), *steps[100:]]
    assert tell(records, only("checkpoint-overdue")) == []


def test_a_clock_that_jumps_between_two_ticks_is_no_silence() -> None:
    engine = only("stall")
    tell(tick_tock(700), engine)
    assert engine.tick(1701.0) == []
    assert engine.tick(1701.0 + 86400.0) == []


def test_a_clock_set_back_and_forth_is_a_mark() -> None:
    back = [*tick_tock(50), *(StepRecord(at=500.0 + n, attempt=1, step=n, loss=1.0, step_s=1.0) for n in range(51, 60))]
    [change] = tell(back, only("clock-jump"))
    assert (change.severity, change.step) == (Severity.INFO, 51)
    forth = [*tick_tock(50), *(StepRecord(at=9e3 + n, attempt=1, step=n, loss=1.0, step_s=1.0) for n in range(51, 60))]
    [change] = tell(forth, only("clock-jump"))
    assert change.step == 51


def test_an_evaluation_that_takes_long_is_no_jump_of_the_clock() -> None:
    steps = list(tick_tock(50))
    records = [*steps, EvalRecord(at=1900.0, attempt=1, step=50, loss=1.0)]
    records += [StepRecord(at=1900.0 + n, attempt=1, step=50 + n, loss=1.0, step_s=1.0) for n in range(1, 10)]
    assert tell(records, only("clock-jump")) == []


def test_a_checkpoint_that_does_not_come_is_overdue_until_it_does() -> None:
    def saved(n: int) -> CheckpointEvent:
        return CheckpointEvent(at=1000.0 + n, attempt=1, writer="trainer", step=n, path="x", size_bytes=1)

    steps = list(tick_tock(1000))
    records: list[AnyRecord] = [*steps[:100], saved(100), *steps[100:200], saved(200), *steps[200:], saved(1000)]
    raised, cleared = tell(records, only("checkpoint-overdue", facts=Facts(checkpoint_every=100)))
    assert (raised.change, raised.step, raised.order) == ("raised", 452, {"verb": "checkpoint"})
    assert (cleared.change, cleared.step) == ("cleared", 1000)
    assert tell(records, only("checkpoint-overdue"))[0].step == 452  # the distance is learnt


def leaking(per_step: float, begin: int) -> Iterator[AnyRecord]:
    rng = random.Random(3)
    for record in tick_tock(4000):
        grown = per_step * max(0, record.step - begin)
        peak = 0.4 * TOTAL + grown + 0.004 * TOTAL * rng.random() + (0.05 * TOTAL if record.step % 250 == 0 else 0.0)
        record.gpu_mem_allocated_bytes = int(peak)
        if record.step % 10 == 0:
            yield sample(record.at, mem_used_bytes=int(peak))
        yield record


@pytest.mark.parametrize("begin", [0, 1500])
def test_memory_that_leaks_five_percent_every_thousand_steps(begin: int) -> None:
    changes = tell(leaking(0.05 * TOTAL / 1000, begin), only("gpu-mem-leak"))
    assert said(changes) == [("raised", "warning")]
    assert changes[0].step > begin
    assert changes[0].evidence["bytes_per_1000_steps"] == pytest.approx(0.05 * TOTAL, rel=0.3)


def test_memory_that_grows_to_a_new_level_and_stays_is_no_leak() -> None:
    records = [
        r if not isinstance(r, StepRecord) or r.step < 2000 else _with_memory(r, 0.2 * TOTAL) for r in leaking(0.0, 0)
    ]
    assert tell(records, only("gpu-mem-leak", "oom-ahead")) == []


def _with_memory(record: StepRecord, more: float) -> StepRecord:
    record.gpu_mem_allocated_bytes = int((record.gpu_mem_allocated_bytes or 0) + more)
    return record


def test_a_leak_that_fills_the_device_soon_is_critical_with_its_time() -> None:
    changes = tell(leaking(0.15 * TOTAL / 1000, 0), only("gpu-mem-leak", "oom-ahead"))
    ahead = next(c for c in changes if c.rule == "oom-ahead" and c.severity is Severity.CRITICAL)
    assert 0.0 < ahead.evidence["eta_s"] <= 1800.0
    assert ahead.evidence["full_at"] > ahead.at
    assert {c.incident for c in changes} == {1}


def test_a_disk_that_fills_says_when_it_is_full() -> None:
    engine = only("disk-filling")
    free, changes = 40.0 * GIB, []
    for i in range(1599):
        free -= 0.025 * GIB
        changes += engine.feed(SystemRecord(at=1000.0 + 10.0 * i, attempt=1, disk_free_bytes=int(free)))
    assert said(changes) == [("raised", "warning"), ("updated", "critical")]
    assert changes[0].evidence["full_at"] == pytest.approx(1000.0 + 10.0 * 1600, rel=0.05)


def test_a_clock_that_was_set_back_ends_no_run() -> None:
    track = Track()
    for n, at in ((1, 1000.0), (2, 1200.0), (3, 900.0)):
        track.take(StepRecord(at=at, attempt=1, step=n, loss=1.0))
    assert track.remaining_s(Facts()) == track.remaining_s(Facts(planned_steps=100)) == math.inf


def test_a_disk_on_which_checkpoints_come_and_go_does_not_fill() -> None:
    engine = only("disk-filling")
    records = [
        SystemRecord(at=10.0 * i, attempt=1, disk_free_bytes=(400 - 2 * min(i // 200, 3)) * GIB) for i in range(3000)
    ]
    assert tell(records, engine) == []


@pytest.mark.parametrize(("planned", "expected"), [(2000, []), (200_000, ["raised"]), (None, [])])
def test_a_disk_that_would_be_full_long_after_the_run_is_no_worry(planned: int | None, expected: list[str]) -> None:
    engine = only("disk-filling", facts=Facts(planned_steps=planned))
    free, changes = 40.0 * GIB, []
    for i in range(160):  # full in 40,000 s; 2,000 steps take 2,000 s, and 1,600 s have run
        free -= 0.01 * GIB
        changes += engine.feed(StepRecord(at=1000.0 + 10.0 * i, attempt=1, step=10 * i + 1, loss=1.0))
        changes += engine.feed(SystemRecord(at=1000.0 + 10.0 * i, attempt=1, disk_free_bytes=int(free)))
    assert [c.change for c in changes] == expected


def test_a_disk_that_fills_is_no_worry_any_more_once_the_run_is_known_to_end_before() -> None:
    engine = only("disk-filling", facts=Facts(planned_steps=2000))
    free, changes = 40.0 * GIB, []
    for i in range(200):
        free -= 0.01 * GIB
        if i > 150:  # until then it got ready
            changes += engine.feed(StepRecord(at=1000.0 + 10.0 * i, attempt=1, step=10 * (i - 150), loss=1.0))
        changes += engine.feed(SystemRecord(at=1000.0 + 10.0 * i, attempt=1, disk_free_bytes=int(free)))
    assert [c.change for c in changes] == ["raised", "cleared"]


def test_host_memory_that_is_all_but_full_is_critical() -> None:
    records = [SystemRecord(at=10.0 * i, attempt=1, mem_used_bytes=98, mem_total_bytes=100) for i in range(5)]
    records += [SystemRecord(at=50.0 + 10.0 * i, attempt=1, mem_used_bytes=50, mem_total_bytes=100) for i in range(5)]
    assert said(tell(records, only("ram-filling"))) == [("raised", "critical"), ("cleared", "critical")]


def test_without_a_plan_memory_is_looked_ahead_for_three_times_what_has_run() -> None:
    def filling(per_step: int) -> list[AnyRecord]:
        steps = [StepRecord(at=10.0 * n, attempt=1, step=n, loss=1.0) for n in range(1, 200)]
        used = [
            SystemRecord(at=10.0 * n + 1.0, attempt=1, mem_used_bytes=GIB * 8 + per_step * n, mem_total_bytes=TOTAL)
            for n in range(1, 200)
        ]
        return sorted([*steps, *used], key=lambda record: record.at)

    assert tell(filling(TOTAL // 5000), only("ram-filling")) == []
    assert said(tell(filling(TOTAL // 300), only("ram-filling")))[0] == ("raised", "warning")


@pytest.mark.parametrize(
    ("asked", "gpus", "params", "expected"),
    [
        ("auto", True, 60_000_000, ["critical"]),
        ("auto", True, 1000, ["info"]),
        ("auto", False, 60_000_000, []),
        ("cpu", True, 60_000_000, []),
        ("cuda", False, 1000, ["critical"]),
    ],
)
def test_training_on_the_cpu_beside_a_gpu(asked: str, gpus: bool, params: int, expected: list[str]) -> None:
    engine = only("cpu-fallback", facts=Facts(device_asked=asked))
    records: list[AnyRecord] = [
        lifecycle("device", 1.0, device="cpu"),
        lifecycle("model", 2.0, num_trained_parameters=params),
        *tick_tock(10),
    ]
    records += [sample(1000.0 + 10.0 * i, **({"mem_used_bytes": 0} if gpus else {})) for i in range(10)]
    assert [str(change.severity) for change in tell(records, engine)] == expected


def test_waiting_for_data_is_a_mark_then_a_warning() -> None:
    def waiting(share: float, first: int) -> Iterator[StepRecord]:
        for record in tick_tock(300, first=first):
            record.data_wait_s = share * (record.step_s or 0.0)
            yield record

    records = [*waiting(0.02, 1), *waiting(0.15, 301), *waiting(0.4, 601), *waiting(0.02, 901)]
    expected = [("raised", "info"), ("updated", "warning"), ("cleared", "warning")]
    assert said(tell(records, only("data-bound"))) == expected


def test_a_hot_gpu_is_a_mark_and_a_warning_once_steps_slow_down() -> None:
    def at_temperature(degrees: float, step_s: float, first: int) -> Iterator[AnyRecord]:
        for record in tick_tock(100, step_s, first=first):
            yield record
            yield sample(record.at, temperature_c=degrees)

    records = [*at_temperature(60.0, 1.0, 1), *at_temperature(90.0, 1.0, 101), *at_temperature(90.0, 1.5, 201)]
    assert said(tell(records, only("throttling"))) == [("raised", "info"), ("updated", "warning")]


def test_a_gpu_with_little_to_do_is_a_mark() -> None:
    records: list[AnyRecord] = [*tick_tock(1), *(sample(1000.0 + 2.0 * i, util_percent=20.0) for i in range(60))]
    assert said(tell(records, only("low-utilisation"))) == [("raised", "info")]


def test_memory_that_others_hold_counts_only_once_our_own_process_was_seen() -> None:
    def held(own: int | None) -> list[AnyRecord]:
        return [sample(1000.0 + 2.0 * i, mem_used_bytes=40 * GIB, run_mem_bytes=own) for i in range(60)]

    engine = only("stale-gpu-process")
    assert tell(held(None), engine) == []
    assert "as in containers" in engine.silent()["stale-gpu-process"]
    assert said(tell(held(10 * GIB), only("stale-gpu-process"))) == [("raised", "warning")]
    assert tell(held(39 * GIB), only("stale-gpu-process")) == []


def test_a_rule_without_input_says_so() -> None:
    engine = Engine()
    tell(tick_tock(10), engine)
    silent = engine.silent()
    assert silent["throttling"] == "no gpu.temperature_c"
    assert silent["lr-zero"] == "no lr"
    assert silent["worse-than-sibling"] == "no facts.sibling"
    assert "slow-step" not in silent
