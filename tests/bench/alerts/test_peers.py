"""Each peer's rule on a series made by hand, against what its documentation says."""

from collections.abc import Sequence

from bench.alerts.peers import (
    EarlyStopping,
    KillLossSpike,
    LossNotDecreasing,
    Overfit,
    Patience,
    Peer,
    SixSigma,
    SpikeDetection,
)
from rundir.records import EvalRecord, StepRecord


def spoken(peer: Peer, losses: Sequence[float], norms: Sequence[float] | None = None) -> list[int]:
    """The indices of the losses at which a peer alerts."""
    records = [
        StepRecord(at=i, attempt=1, step=i + 1, loss=loss, grad_norm=norms[i] if norms else None)
        for i, loss in enumerate(losses)
    ]
    return [i for i, record in enumerate(records) if peer.feed(record, len(records))]


def evaluated(peer: Peer, losses: Sequence[float], train: float = 1.0) -> list[int]:
    found = []
    for i, loss in enumerate(losses):
        peer.feed(StepRecord(at=i, attempt=1, step=i + 1, loss=train), len(losses))
        if peer.feed(EvalRecord(at=i, attempt=1, step=i + 1, loss=loss), len(losses)):
            found.append(i)
    return found


def test_loss_not_decreasing_compares_with_ten_steps_before() -> None:
    assert spoken(LossNotDecreasing(), [1.0] * 12) == [10, 11]
    assert spoken(LossNotDecreasing(), [1.0 - 0.0002 * i for i in range(12)]) == []
    assert spoken(LossNotDecreasing(), [1.0 - 0.00005 * i for i in range(12)]) == [10, 11]


def test_sagemaker_overfit_is_a_gap_of_a_tenth_of_the_train_loss() -> None:
    assert evaluated(Overfit(), [1.09, 1.11, 1.09]) == [1]


def test_kill_loss_spike_waits_for_five_outliers_in_a_row() -> None:
    assert spoken(KillLossSpike(), [1.0] * 100 + [2.5] * 4 + [1.0] * 20) == []
    assert spoken(KillLossSpike(), [1.0] * 100 + [2.5] * 5 + [1.0] * 20) == [104]


def test_kill_loss_spike_says_nothing_of_twice_the_mean_within_the_first_window() -> None:
    assert spoken(KillLossSpike(), [1.0] * 50 + [9.0] * 20 + [1.0] * 29) == []


def test_kill_loss_spike_knows_high_losses_after_two_windows() -> None:
    assert spoken(KillLossSpike(), [1.0] * 200 + [1.5] * 60)[0] == 250


def test_six_sigma_needs_half_a_window() -> None:
    wave = [1.0, 1.1] * 100
    assert spoken(SixSigma(), [*wave[:40], 9.0]) == []
    assert spoken(SixSigma(), [*wave[:100], 1.25]) == []
    assert spoken(SixSigma(), [*wave[:100], 1.45]) == [100]
    assert spoken(SixSigma(), wave[:101], [*wave[:100], 9.0]) == [100]


def test_lightning_asks_for_a_rise_and_three_times_the_mean_of_ten() -> None:
    assert spoken(SpikeDetection(), [1.0] * 20 + [2.9]) == []
    assert spoken(SpikeDetection(), [1.0] * 20 + [3.0]) == [20]
    assert spoken(SpikeDetection(), [1.0] * 20 + [float("nan")]) == [20]
    assert spoken(SpikeDetection(), [9.0, 1.0, 1.0]) == []


def test_lightning_raises_and_so_speaks_once() -> None:
    assert spoken(SpikeDetection(), [1.0] * 20 + [5.0] * 5) == [20]


def test_reduce_on_plateau_has_a_patience_of_ten() -> None:
    assert evaluated(Patience(), [1.0] * 10) == []
    assert evaluated(Patience(), [1.0] * 21) == [10, 20]
    assert evaluated(Patience(), [1.0 - 0.001 * i for i in range(21)]) == []


def test_early_stopping_has_none() -> None:
    assert evaluated(EarlyStopping(), [1.0, 0.9, 0.91, 0.92]) == [2]
