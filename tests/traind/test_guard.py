"""What the guard on updates finds bad, and that it remembers the same after a resume."""

import math

import pytest
import torch

from traind.guard import MIN_WINDOW, Guard, Trouble, told

CPU = torch.device("cpu")


def judged(guard: Guard, losses: list[float], norms: list[float] | None = None, *, first_step: int = 1) -> list[int]:
    """Whether each update is refused."""
    norms = norms or [1.0] * len(losses)
    return [
        int(guard.judge(torch.tensor(loss, dtype=torch.float64), torch.tensor(norm), step).item())
        for step, (loss, norm) in enumerate(zip(losses, norms, strict=True), first_step)
    ]


def told_by(guard: Guard) -> tuple[Trouble | None, int | None]:
    found = guard.take()
    return (None, None) if found is None else told(found.tolist())


def noisy(num: int, seed: int = 0) -> list[float]:
    generator = torch.Generator().manual_seed(seed)
    return (2.0 + 0.1 * torch.randn(num, generator=generator)).tolist()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused_wherever_it_stands(bad: float) -> None:
    guard = Guard(CPU, spike_z=None)
    assert judged(guard, [0.5, bad, 0.4, 0.4], [1.0, 1.0, bad, 1.0]) == [0, 1, 1, 0]
    trouble, first_bad_loss = told_by(guard)
    assert trouble == Trouble(num_skipped=2, num_spikes=0, in_a_row=0, longest=2, first_step=2)
    assert trouble.cause == "non_finite"
    assert first_bad_loss == 2
    assert told_by(guard) == (None, None)


def test_bad_ones_in_a_row_are_counted_over_records() -> None:
    guard = Guard(CPU, spike_z=None)
    judged(guard, [0.5, math.nan, math.nan])
    guard.take()
    judged(guard, [math.nan], first_step=4)
    trouble, _ = told_by(guard)
    assert trouble == Trouble(num_skipped=1, num_spikes=0, in_a_row=3, longest=3, first_step=4)


def test_the_longest_row_is_known_though_a_good_one_came_after_it() -> None:
    guard = Guard(CPU, spike_z=None)
    judged(guard, [math.nan, math.nan])
    guard.take()
    judged(guard, [math.nan, 0.5, math.nan, 0.5], first_step=3)
    resumed = Guard(CPU, spike_z=None)
    resumed.restore(guard.state())
    expected = Trouble(num_skipped=2, num_spikes=0, in_a_row=0, longest=3, first_step=3)
    assert [told_by(guard)[0], told_by(resumed)[0]] == [expected, expected]


def test_a_state_of_before_the_longest_was_counted_is_taken() -> None:
    guard = Guard(CPU, spike_z=None)
    guard.restore({"found": [2.0, 0.0, 2.0, 7.0, 7.0]})
    trouble = Trouble(num_skipped=2, num_spikes=0, in_a_row=2, longest=2, first_step=7)
    assert told_by(guard) == (trouble, 7)


def test_infinite_gradients_are_a_loss_scalers_daily_work() -> None:
    guard = Guard(CPU, spike_z=None, has_loss_scaler=True)
    assert judged(guard, [0.5, math.nan], [math.inf, math.inf]) == [1, 1]
    trouble, _ = told_by(guard)
    assert trouble == Trouble(num_skipped=1, num_spikes=0, in_a_row=1, longest=1, first_step=2)


@pytest.mark.parametrize("column", ["loss", "grad norm"])
def test_a_spike_is_refused_once_enough_is_known(column: str) -> None:
    def with_spike(num: int) -> tuple[list[float], list[float]]:
        losses, norms = [*noisy(num), 2.0], [*noisy(num, 1), 2.0]
        (losses if column == "loss" else norms)[-1] = 200.0
        return losses, norms

    assert judged(Guard(CPU, spike_z=10.0), *with_spike(MIN_WINDOW - 1))[-1] == 0
    guard = Guard(CPU, spike_z=10.0)
    assert judged(guard, *with_spike(MIN_WINDOW)) == [0] * MIN_WINDOW + [1]
    trouble, _ = told_by(guard)
    assert trouble is not None
    assert trouble.cause == "spike"
    assert judged(Guard(CPU, spike_z=None), *with_spike(MIN_WINDOW))[-1] == 0


def test_noise_falls_and_flat_stretches_are_no_spikes() -> None:
    falling = [5.0 * 0.99**step + 0.02 * noise for step, noise in enumerate(noisy(2000))]
    assert sum(judged(Guard(CPU, spike_z=10.0), falling, [value * 3 for value in falling])) == 0
    assert sum(judged(Guard(CPU, spike_z=10.0), [1.0] * 200 + [1.001] * 200)) == 0


def test_a_resumed_guard_judges_as_one_that_never_stopped() -> None:
    losses = [*noisy(100), math.nan, 50.0, *noisy(80, 2), 60.0]
    whole, first = Guard(CPU, spike_z=8.0), Guard(CPU, spike_z=8.0)
    expected = judged(whole, losses)
    judged(first, losses[:102])
    second = Guard(CPU, spike_z=8.0)
    second.restore(first.state())
    assert judged(second, losses[102:], first_step=103) == expected[102:]
    assert told_by(second) == told_by(whole)
    assert Guard(CPU, spike_z=None).state() == {}
