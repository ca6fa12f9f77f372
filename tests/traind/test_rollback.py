"""Where a rollback goes, and what learning rate holds from there."""

import pytest

from rundir.layout import RunDir
from tests.traind.test_checkpoint import save
from traind.dial import Dials
from traind.rollback import NoTargetError, resolve, resolve_retreat
from traind.wire import Retreat


@pytest.fixture
def run(run_dir: RunDir) -> RunDir:
    for step, lr in ((10, 1e-3), (20, 1e-3), (30, 4e-3)):
        save(run_dir, step, dials=Dials(lr=lr, clip_norm=1.0, epochs=1.0, log_every=1))
    return run_dir


def retreat(skip_from: int, lr: float = 1e-3) -> Retreat:
    return Retreat(cause="spike", skip_from=skip_from, skip_to=skip_from + 1, lr=lr)


def damage(run: RunDir, step: int) -> None:
    (run.checkpoint(step) / "optimizer.safetensors").unlink()


def test_the_newest_whole_one_unless_told(run: RunDir) -> None:
    assert resolve(run, {}, from_step=33, lr=1e-3) == {"step": 30, "from_step": 33}
    assert resolve(run, {"step": 10}, from_step=33, lr=1e-3) == {"step": 10, "from_step": 33}
    damage(run, 30)
    assert resolve(run, {}, from_step=33, lr=1e-3)["step"] == 20


def test_what_is_not_there_is_not_guessed(run: RunDir) -> None:
    with pytest.raises(NoTargetError, match="no whole checkpoint of step 25; there are: 30, 20, 10"):
        resolve(run, {"step": 25}, from_step=33, lr=1e-3)
    damage(run, 20)
    with pytest.raises(NoTargetError, match=r"step-00000020: optimizer\.safetensors is missing"):
        resolve(run, {"step": 20}, from_step=33, lr=1e-3)


def test_a_factor_multiplies_the_lower_of_now_and_then(run: RunDir) -> None:
    raised = resolve(run, {"step": 20, "lr_factor": 0.5}, from_step=33, lr=1.0)
    assert (raised["lr_before"], raised["lr"]) == (1.0, 5e-4)
    again = resolve(run, {"step": 20, "lr_factor": 0.5}, from_step=33, lr=raised["lr"])
    assert again["lr"] == 2.5e-4


def test_a_retreat_goes_before_the_first_bad_step(run: RunDir) -> None:
    args = resolve_retreat(run, retreat(28), factor=0.5, last=None)
    assert args == {
        "step": 20, "from_step": 29, "lr_before": 1e-3, "lr": 5e-4, "skip_from": 28, "skip_to": 29, "cause": "spike"
    }  # fmt: skip
    assert resolve_retreat(run, retreat(20), factor=0.5, last=None)["step"] == 10
    assert resolve_retreat(run, retreat(7), factor=0.5, last=None)["step"] == 0


def test_a_retreat_that_has_led_nowhere_is_followed_by_one_further_back(run: RunDir) -> None:
    """Also past what was saved since: those weights are as ill."""
    last = {"step": 20, "skip_from": 28, "skip_to": 29}
    assert resolve_retreat(run, retreat(31), factor=0.5, last=last)["step"] == 10
    assert resolve_retreat(run, retreat(45), factor=0.5, last=last)["step"] == 30
    assert resolve_retreat(run, retreat(31), factor=0.5, last={**last, "step": 10})["step"] == 30
