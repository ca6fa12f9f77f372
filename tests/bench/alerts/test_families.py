"""The families: what a wrong answer is, and that a wrong or a strange batch can be learnt from."""

import pytest
import torch

from bench.alerts import inject
from bench.alerts.families import build, own_families
from tests.bench.alerts.curves import spec


def test_a_wrong_count_is_that_of_another_example() -> None:
    given = spec(family="counts", fault="labels", size=1.0)
    task = build(given)
    _, wrong = inject.batch(given, task, task.x[:64], task.y[:64], 1)
    assert not torch.equal(wrong, task.y[:64])
    assert torch.equal(wrong.sort(0).values, task.y[:64].sort(0).values)


def test_a_wrong_number_is_on_the_other_side_of_the_mean() -> None:
    given = spec(family="regression", fault="labels", size=1.0)
    task = build(given)
    _, wrong = inject.batch(given, task, task.x[:64], task.y[:64], 1)
    assert torch.allclose(wrong.sort(0).values, (task.y[:64].mean() - task.y[:64]).sort(0).values)


@pytest.mark.parametrize("family", own_families("report"))
@pytest.mark.parametrize("fault", ["labels", "spike"])
def test_every_new_family_takes_a_faulty_batch(family: str, fault: str) -> None:
    given = spec(family=family, fault=fault, size=0.5, lasts=1, steps=300, batch=8)
    task = build(given)
    x, y = inject.batch(given, task, task.x[:8], task.y[:8], 1)
    loss = inject.loss(given, task, task.criterion(task.model(x), y, 1), 1)
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in task.model.parameters() if p.requires_grad)
    held = task.criterion(task.model(task.held_x), task.held_y, 1)
    assert held.isfinite()
    assert (task.num_classes is None) or int(task.y.max()) < task.num_classes
