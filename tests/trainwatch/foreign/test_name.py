"""Where a number of another program belongs, by what it is called."""

import pytest

from trainwatch.foreign.name import placed, principal


@pytest.mark.parametrize(
    ("tag", "is_eval", "name"),
    [
        ("loss", False, "loss"),
        ("train/loss", False, "loss"),
        ("train_loss", False, "loss"),
        ("Loss/train", False, "loss"),
        ("train/learning_rate", False, "lr"),
        ("lr-AdamW", False, "lr"),
        ("train/grad_norm", False, "grad_norm"),
        ("system/gpu0_power_w", False, "system/gpu0_power_w"),
        ("eval/f1", True, "f1"),
        ("eval_loss", True, "loss"),
        ("val_accuracy", True, "accuracy"),
        ("Loss/test", True, "loss"),
        ("validation/epoch_loss", True, "epoch_loss"),
        ("evaluate", False, "evaluate"),
        ("latest/val/x", False, "latest/val/x"),
    ],
)
def test_placed(tag: str, is_eval: bool, name: str) -> None:
    assert placed(tag) == (is_eval, name)


def test_principal() -> None:
    assert principal(["lr", "epoch_loss", "loss_step"]) == "epoch_loss"
    assert principal(["lr"]) is None
