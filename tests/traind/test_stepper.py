"""What a checkpoint holds when an order comes in the midst of a step: the state of the boundary before it, whole."""

from collections.abc import Callable
from typing import Any, Literal, cast

import msgspec
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from rundir.records import encode
from traind.config import Config, Policy, Train
from traind.device import place
from traind.dial import initial_dials
from traind.guard import told
from traind.ranks import Point, Ranks, Seat
from traind.split import split_all
from traind.stepper import Shrunk, Stepper
from traind.task import Batch, Task
from traind.training_state import EpochTally, TrainingState


class Regression:
    """The few members of a task that a step needs."""

    def weights(self, model: nn.Module) -> dict[str, Tensor]:
        return model.state_dict()

    def target_weight(self, batch: Batch) -> float:
        return float(len(batch["x"]))

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        return cast("Tensor", model(batch["x"]))

    def loss_sum(self, outputs: Tensor, batch: Batch) -> Tensor:
        return functional.mse_loss(outputs, batch["y"], reduction="sum")

    def count(self, outputs: Tensor, batch: Batch) -> Tensor:  # noqa: ARG002
        return torch.zeros(0, dtype=torch.int64)


def stepper(
    safe_point: Callable[[], None],
    *,
    task: Regression | None = None,
    train: Train | None = None,
    policy: Policy | None = None,
    with_norm: bool = True,
    ranks: Ranks | None = None,
) -> Stepper:
    """`with_norm`: batch norm sees what else is in its micro-batch, so that a split one gives something else."""
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(3) if with_norm else nn.Identity()
    model = nn.Sequential(nn.Conv2d(1, 3, 3), norm, nn.Flatten(), nn.Linear(12, 1))
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    config = Config(train=train or Train(device="cpu"), policy=policy or Policy())
    of = cast("Task", task or Regression())
    return Stepper(config, of, model, place(config.train), safe_point, shrunk.append, ranks)


shrunk: list[Shrunk] = []
"""What the steppers of a test have said."""


@pytest.fixture(autouse=True)
def nothing_shrunk_yet() -> None:
    shrunk.clear()


def batches() -> list[Batch]:
    torch.manual_seed(1)
    return [{"x": torch.randn(4, 1, 4, 4), "y": torch.randn(4, 1)} for _ in range(3)]


def train(one: Stepper, step: int) -> None:
    one.train(batches(), step=step, lr=lambda: 1e-2, clip=lambda: 1.0)


def kept_model(one: Stepper) -> dict[str, Tensor]:
    """What a checkpoint made now would hold; the copy itself is overwritten by the next one."""
    return {name: tensor.clone() for name, tensor in one.copy()[0].tensors.items()}


def kept_optimizer(one: Stepper) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in one.copy()[1].tensors.items()}


def state_of(one: Stepper) -> TrainingState:
    """What a checkpoint would hold of it beside the tensors, read back."""
    state = TrainingState(
        step=0, attempt=1, steps_per_epoch=1, dials=initial_dials(Config()), applied_sets=[], tally=EpochTally(),
        environment={}, config_sha256="", reason="",
    )  # fmt: skip
    one.note_state(state)
    return msgspec.json.decode(encode(state), type=TrainingState)


def everything(one: Stepper) -> dict[str, Tensor]:
    return kept_model(one) | kept_optimizer(one)


def is_same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_a_copy_in_the_midst_of_a_step_is_that_of_the_boundary() -> None:
    """Running means have moved by then: a resume would move them twice."""
    copies: list[dict[str, Tensor]] = []

    def copy() -> None:
        copies.append(kept_model(one))

    one = stepper(copy)
    before = kept_model(one)
    train(one, 0)
    assert len(copies) == 3
    assert all(torch.equal(before[name], copy[name]) for copy in copies for name in before)
    after = kept_model(one)
    assert not torch.equal(before["1.running_mean"], after["1.running_mean"])
    assert int(after["1.num_batches_tracked"]) == 3


def test_a_step_from_a_copy_is_the_same_whatever_the_memory_layout() -> None:
    one, two = stepper(lambda: None), stepper(lambda: None)
    train(one, 0)
    kept: dict[str, Any] = one.copy()[1].tensors
    assert all(tensor.is_contiguous() for tensor in kept.values())
    two.model.load_state_dict(kept_model(one))
    two.restore(kept, state_of(one))
    train(one, 1)
    train(two, 1)
    one_model, two_model = kept_model(one), kept_model(two)
    assert all(torch.equal(one_model[name], two_model[name]) for name in one_model)


def test_training_is_the_plain_loop_float_for_float() -> None:
    """Mean loss over equal micro-batches, clipping, AdamW: as a short script would write it."""
    one, plain = stepper(lambda: None), stepper(lambda: None).model
    train_settings = Config().train
    decayed = [parameter for parameter in plain.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in plain.parameters() if parameter.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": train_settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
    adamw = torch.optim.AdamW(groups, lr=1e-2, fused=True)
    for step in range(5):
        result = one.train(batches(), step=step, lr=lambda: 1e-2, clip=lambda: 1.0)
        total = torch.zeros((), dtype=torch.float64)
        for batch in batches():
            loss = functional.mse_loss(plain(batch["x"]), batch["y"], reduction="sum") / 12
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach().double()
        grad_norm = torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        adamw.step()
        adamw.zero_grad()
        assert result.loss.item() == pytest.approx(total.item(), rel=1e-7)
        assert torch.equal(result.grad_norm, grad_norm)
    assert all(torch.equal(a, b) for a, b in zip(one.model.parameters(), plain.parameters(), strict=True))


def poisoned() -> list[Batch]:
    bad = batches()
    bad[1]["x"][2] = float("nan")
    return bad


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_poisoned_update_reaches_nothing(optimizer: Literal["adamw", "sgd"]) -> None:
    """Neither weights nor running means nor the optimizer; and what follows is as if the step had not been."""
    settings = Train(device="cpu", optimizer=optimizer)
    one, other = stepper(lambda: None, train=settings), stepper(lambda: None, train=settings)
    train(one, 0)
    train(other, 0)
    before = everything(one)
    result = one.train(poisoned(), step=1, lr=lambda: 1e-2, clip=lambda: 1.0)
    assert torch.isnan(result.loss)
    assert is_same(everything(one), before)
    found = one.guard.take()
    assert found is not None
    trouble, _ = told(found.tolist())
    assert trouble is not None
    assert (trouble.num_skipped, trouble.first_step) == (1, 2)
    train(one, 2)
    train(other, 2)
    assert is_same(everything(one), everything(other))


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_first_update_that_is_poisoned_leaves_a_clean_start(optimizer: Literal["adamw", "sgd"]) -> None:
    settings = Train(device="cpu", optimizer=optimizer)
    one, other = stepper(lambda: None, train=settings), stepper(lambda: None, train=settings)
    one.train(poisoned(), step=0, lr=lambda: 1e-2, clip=lambda: 1.0)
    train(one, 1)
    train(other, 1)
    assert is_same(kept_model(one), kept_model(other))


class NoRoom(Regression):
    """Has memory for so many examples at once, in forward passes, or in backward ones."""

    def __init__(self, forward: int = 99, backward: int = 99) -> None:
        self._most_forward, self._most_backward = forward, backward

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        if len(batch["x"]) > self._most_forward:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate more than there is")
        outputs = super().forward(model, batch)
        if outputs.requires_grad and len(batch["x"]) > self._most_backward:
            outputs.register_hook(self._fail)
        return outputs

    def _fail(self, gradient: Tensor) -> None:  # noqa: ARG002
        raise torch.OutOfMemoryError("CUDA out of memory, on the way back")

    def start_eval(self) -> "SumOfSquares":
        return SumOfSquares()

    def eval_batches(self, batch_size: int) -> list[Batch]:
        whole = {name: torch.cat([batch[name] for batch in batches()]) for name in ("x", "y")}
        return split_all([whole], batch_size)


class SumOfSquares:
    def __init__(self) -> None:
        self.total, self.num = 0.0, 0

    def add(self, batch: Batch, outputs: Tensor) -> None:
        self.total += functional.mse_loss(outputs, batch["y"], reduction="sum").item()
        self.num += len(batch["y"])

    def result(self) -> "SumOfSquares":
        return self


@pytest.mark.parametrize("where", [{"forward": 2}, {"backward": 2}])
def test_a_step_without_memory_is_made_again_in_smaller_pieces(where: dict[str, int]) -> None:
    """The very same step: same examples in the same order, same loss and gradient but for rounding."""
    one = stepper(lambda: None, task=NoRoom(**where), with_norm=False)
    roomy = stepper(lambda: None, with_norm=False)
    results = [each.train(batches(), step=0, lr=lambda: 1e-2, clip=lambda: 1.0) for each in (one, roomy)]
    assert [(said.where, said.before, said.after) for said in shrunk] == [("train", 4, 2)]
    assert one.micro_batch_size == 2
    torch.testing.assert_close(results[0].loss, results[1].loss)
    torch.testing.assert_close(results[0].grad_norm, results[1].grad_norm)
    for name, tensor in kept_model(roomy).items():
        torch.testing.assert_close(kept_model(one)[name], tensor)
    train(one, 1)
    assert len(shrunk) == 1  # remembered: nothing is tried in vain again


def test_the_failed_try_of_a_step_leaves_no_trace() -> None:
    """Running means of its first micro-batches included: what follows equals a run that had the small size at once."""
    one, small = stepper(lambda: None, task=NoRoom(backward=2)), stepper(lambda: None)
    small.micro_batch_size = 2
    for step in range(3):
        train(one, step)
        train(small, step)
    assert is_same(everything(one), everything(small))
    resumed = stepper(lambda: None)
    resumed.model.load_state_dict(kept_model(one))
    resumed.restore(kept_optimizer(one), state_of(one))
    train(one, 3)
    train(resumed, 3)
    assert is_same(everything(one), everything(resumed))


class BesideAnother(Ranks):
    """The first of two, the other of which has as much to do, in micro-batches of `its_size`; 0: as they come."""

    its_size = 0

    def meet(self, point: Point, *numbers: float) -> list[list[float]]:  # noqa: ARG002
        return [list(numbers), [*numbers[:2], self.its_size]]

    def sum_step(self, parameters: object, loss_sum: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        return loss_sum, counts

    def take_leaders(self, tensors: object) -> None: ...


def test_the_leader_tells_that_another_process_found_no_memory() -> None:
    ranks = BesideAnother(Seat(rank=0, num_ranks=2))
    one = stepper(lambda: None, ranks=ranks)
    one.micro_batch_size = 4
    for step, ranks.its_size in enumerate((0, 4, 2, 2, 1)):
        train(one, step)
    assert [(said.before, said.after) for said in shrunk] == [(4, 2), (2, 1)]
    assert shrunk[0].error == "process 1 found no memory for a step"
    assert one.micro_batch_size == 4  # its own memory is its own


def test_an_evaluation_finds_a_batch_size_of_its_own() -> None:
    one = stepper(lambda: None, task=NoRoom(forward=5))
    result = cast("SumOfSquares", one.evaluate())
    assert result.num == 12
    assert [(said.where, said.before, said.after) for said in shrunk] == [
        ("eval", 32, 16), ("eval", 16, 8), ("eval", 8, 4)
    ]  # fmt: skip
    assert one.micro_batch_size is None
    assert state_of(one).eval_batch_size == 4


def test_no_memory_for_a_single_example_is_the_end_of_it() -> None:
    one = stepper(lambda: None, task=NoRoom(forward=0))
    with pytest.raises(torch.OutOfMemoryError):
        train(one, 0)
    with pytest.raises(torch.OutOfMemoryError):
        one.evaluate()


def test_other_errors_are_not_taken_for_want_of_memory() -> None:
    class Broken(Regression):
        def forward(self, model: nn.Module, batch: Batch) -> Tensor:  # noqa: ARG002
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        train(stepper(lambda: None, task=Broken()), 0)
    assert shrunk == []
