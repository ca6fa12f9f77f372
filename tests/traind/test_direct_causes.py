"""What is seen of an update is what it did, and seeing changes nothing."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from rundir.layout import RunDir
from rundir.records import METRICS_DECODER, StepRecord, decode_lines
from traind import optimizer
from traind.config import Train
from traind.direct_causes import MIN_INPUTS, SAMPLE_SIZE, Causes, DirectCauses, is_due
from traind.eventlog import EventLog
from traind.guard import Guard
from traind.recorder import MOST_NAMES, Recorder
from traind.storage_alert import StorageAlert

GOOD, BAD = torch.zeros(()), torch.ones(())


class Net(nn.Module):
    """Large enough that no sample holds the first matrix whole."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(200, 150)
        self.relu = nn.ReLU()
        self.last = nn.Linear(150, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.relu(self.first(x)))  # type: ignore[no-any-return]


def looked_at(
    model: nn.Module, change: Callable[[], None], *, is_bad: Tensor = GOOD, causes: DirectCauses | None = None
) -> Causes:
    causes = causes or DirectCauses(model)
    causes.before_update()
    change()
    seen = causes.after_update(is_bad)
    assert seen is not None
    return seen


def unchanged(seen: Causes) -> list[str]:
    return [name for name, is_same in zip(seen.names, seen.is_unchanged.tolist(), strict=True) if is_same]


def test_the_ratio_is_the_median_over_tensors_of_update_against_weights() -> None:
    model = Net()
    assert model.first.weight.numel() > SAMPLE_SIZE

    @torch.no_grad()
    def change() -> None:
        for parameter, factor in zip(model.parameters(), (1.01, 1.02, 1.03, 1.04), strict=True):
            parameter.mul_(factor)

    seen = looked_at(model, change)
    assert seen.values["update_ratio"].item() == pytest.approx(0.02, rel=1e-3)  # of four the lower median
    assert unchanged(seen) == []


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_one_element_that_no_sample_holds_is_a_change(dtype: torch.dtype) -> None:
    model = Net().to(dtype)

    @torch.no_grad()
    def change() -> None:
        model.first.weight.view(-1)[1] += 0.5  # the sample has every third or so, from 0 on

    seen = looked_at(model, change)
    assert unchanged(seen) == ["first.bias", "last.weight", "last.bias"]
    assert seen.values["update_ratio"].item() == 0.0


def test_weights_that_began_at_zero_have_no_ratio() -> None:
    model = Net()
    with torch.no_grad():
        model.first.bias.zero_(), model.last.bias.zero_()

    @torch.no_grad()
    def change() -> None:
        for parameter in model.parameters():
            parameter.add_(parameter * 0.1 + 1e-9)

    assert looked_at(model, change).values["update_ratio"].item() == pytest.approx(0.1, rel=1e-3)


def test_an_update_that_was_not_made_says_nothing() -> None:
    seen = looked_at(Net(), lambda: None, is_bad=BAD)
    assert math.isnan(seen.values["update_ratio"].item())
    assert seen.is_unchanged.isnan().all()


def test_what_is_frozen_on_purpose_is_no_cause() -> None:
    model = Net()
    model.first.requires_grad_(requires_grad=False)
    assert looked_at(model, lambda: None).names == ["last.weight", "last.bias"]
    for parameter in model.parameters():
        parameter.requires_grad_(requires_grad=False)
    causes = DirectCauses(model)
    causes.before_update()
    assert causes.after_update(GOOD) is None


def test_gradients_of_both_ends_are_those_before_clipping() -> None:
    model = Net()
    model(torch.ones(4, 200)).sum().backward()
    ends = [
        parameter.grad.norm().item()
        for parameter in (model.first.weight, model.last.weight)
        if parameter.grad is not None
    ]
    seen = looked_at(model, lambda: torch.nn.utils.clip_grad_norm_(model.parameters(), 1e-6) and None)
    assert [seen.values[name].item() for name in ("grad_norm_first", "grad_norm_last")] == pytest.approx(ends)


def forward(causes: DirectCauses, model: nn.Module, inputs: Tensor) -> None:
    with causes.watch_units():
        model(inputs)


def test_units_that_no_input_activates_are_dead_once_there_were_enough() -> None:
    model = Net()
    with torch.no_grad():
        model.first.bias[:90] = -1e6
    causes = DirectCauses(model)
    forward(causes, model, torch.randn(MIN_INPUTS - 1, 200))
    assert "dead_relu_share" not in looked_at(model, lambda: None, causes=causes).values
    forward(causes, model, torch.randn(1, 200))
    assert looked_at(model, lambda: None, causes=causes).values["dead_relu_share"].item() == pytest.approx(0.6)
    assert "dead_relu_share" not in looked_at(model, lambda: None, causes=causes).values  # begun anew


def test_sparse_units_are_not_dead() -> None:
    """Each input activates one unit alone, and every unit has its input."""
    model = nn.Sequential(nn.ReLU(), nn.Linear(100, 1))
    causes = DirectCauses(model)
    forward(causes, model, torch.eye(100).repeat(10, 1) - 0.5)
    assert looked_at(model, lambda: None, causes=causes).values["dead_relu_share"].item() == 0.0


def test_units_are_channels_of_images_and_the_last_dimension_of_sequences() -> None:
    for shape, unit_dim in (((MIN_INPUTS, 4, 3, 3), 1), ((10, MIN_INPUTS // 10, 4), 2)):
        model = nn.Sequential(nn.ReLU(), nn.Linear(shape[-1], 1))
        inputs = torch.ones(shape)
        inputs.select(unit_dim, 1).fill_(-1.0)
        causes = DirectCauses(model)
        forward(causes, model, inputs)
        assert looked_at(model, lambda: None, causes=causes).values["dead_relu_share"].item() == 0.25


def test_an_evaluation_in_the_midst_of_a_step_is_not_counted() -> None:
    model = Net()
    causes = DirectCauses(model)
    with causes.watch_units():
        model.eval()
        model(torch.randn(MIN_INPUTS, 200))
        model.train()
    assert "dead_relu_share" not in looked_at(model, lambda: None, causes=causes).values
    assert not model.relu._forward_hooks


def test_seeing_changes_nothing() -> None:
    def trained(*, looks: bool) -> list[Tensor]:
        model = Net()
        adam = optimizer.build(model, Train(device="cpu"))
        causes = DirectCauses(model)
        for _ in range(5):
            with causes.watch_units():
                model(torch.randn(8, 200)).square().mean().backward()
            if looks:
                causes.before_update()
            optimizer.step_unless(adam, GOOD)
            if looks:
                causes.after_update(GOOD)
            adam.zero_grad()
        return [*model.parameters(), torch.randn(1)]

    assert all(map(torch.equal, trained(looks=True), trained(looks=False)))


def test_each_cadence_meets_a_record() -> None:
    assert [step for step in range(1, 101) if is_due(step, 20, 1)] == [20, 40, 60, 80, 100]
    assert [step for step in range(1, 101) if is_due(step, 20, 7)] == [21, 42, 63, 84]
    assert [step for step in range(1, 101) if is_due(step, 20, 50)] == [50, 100]
    assert not any(is_due(step, 0, 1) for step in range(1, 101))


def test_a_record_tells_it(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    events = EventLog(run.events, "trainer", 1, run.reserve)
    recorder = Recorder(run.metrics, 1, torch.device("cpu"), run.reserve, events, StorageAlert(events))
    loss, none = torch.tensor(0.5), torch.tensor(math.nan)
    guard = Guard(torch.device("cpu"), spike_z=None)
    names = [f"layer{index}" for index in range(12)]
    flags = torch.tensor([1.0] * 10 + [0.0] * 2)
    for values, same in (({"update_ratio": loss}, flags), ({"update_ratio": none}, flags * math.nan), ({}, flags * 0)):
        record = StepRecord(at=1.0, attempt=1, step=1, loss=0.0)
        named = {"accuracy": loss, "loss_scale": None}
        recorder.log_step(record, loss, loss, guard.take(), named, Causes(values, same, names))
    recorder.close()
    whole, skipped, well = decode_lines(run.metrics.read_bytes(), METRICS_DECODER).records
    assert isinstance(whole, StepRecord)
    assert whole.metrics == {"accuracy": 0.5, "update_ratio": 0.5, "unchanged_count": 10.0}
    assert whole.unchanged == names[:MOST_NAMES]
    assert isinstance(skipped, StepRecord)
    assert (skipped.metrics, skipped.unchanged) == ({"accuracy": 0.5}, [])
    assert isinstance(well, StepRecord)
    assert (well.metrics, well.unchanged) == ({"accuracy": 0.5, "unchanged_count": 0.0}, [])
