"""What other programs call a number, and where it belongs: a training step, or an evaluation. Pure."""

import re

_EVAL = frozenset({"eval", "evaluation", "val", "valid", "validation", "test", "dev"})
_TRAIN = frozenset({"train", "training"})
_KNOWN = {
    "loss": "loss",
    "lr": "lr",
    "learning_rate": "lr",
    "learning rate": "lr",
    "grad_norm": "grad_norm",
    "gradient_norm": "grad_norm",
    "grad norm": "grad_norm",
    "tokens_per_s": "tokens_per_s",
    "gpu_mem_allocated_bytes": "gpu_mem_allocated_bytes",
}
"""Of names in small letters, those that the dashboard has charts of its own for."""


def placed(tag: str) -> tuple[bool, str]:
    """Whether a tag is of an evaluation, and its name without the word that says so.

    `eval/f1`, `val_f1` and `F1/test` are evaluations' f1 and F1; `train/loss`, `train_loss` and `Loss/train` the loss.
    """
    for words, is_eval in ((_EVAL, True), (_TRAIN, False)):
        for pattern in (r"^([^/_.\- ]+)[/_.\- ](.+)$", r"^(.+)[/_.\- ]([^/_.\- ]+)$"):
            match = re.match(pattern, tag)
            if match is None:
                continue
            first, last = match.groups()
            word, name = (first, last) if pattern.startswith("^([^") else (last, first)
            if word.lower() in words:
                return is_eval, _known(name)
    return False, _known(tag)


def _known(name: str) -> str:
    lower = name.lower()
    if lower.startswith("lr-"):  # Lightning's LearningRateMonitor: lr-AdamW
        return "lr"
    return _KNOWN.get(lower, name)


def principal(names: list[str]) -> str | None:
    """Of training numbers none of which is called `loss`, the one to be shown as such: the first that names one."""
    return next((name for name in names if "loss" in name.lower()), None)
