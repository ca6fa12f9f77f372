"""What an exception from a model, a loss or a user's own code most likely means, as a finding."""

import re
import traceback
from pathlib import Path

from traind import device
from traind.check.finding import Finding, fault
from traind.check.outputs import SHIFTED

_KNOWN = (
    (r"Target -?\d+ is out of bounds|Assertion `t >= 0 && t < n_classes`", "label ids", SHIFTED),
    (
        r"weight tensor should be defined either for all",
        "class weights",
        "give the loss one weight a class, in the order of the labels",
    ),
    (
        r"index out of range in self|Assertion `srcIndex < srcSelectDimSize`",
        "token ids",
        "take the tokenizer that belongs to the model, or resize its embeddings",
    ),
    (
        r"shapes cannot be multiplied|must match the size of tensor|size mismatch",
        "shapes",
        "make the sizes of neighbouring layers, and of inputs and labels, agree",
    ),
)
"""Message, check, cure: what torch says of the mistakes that are made most."""


def of_error(check: str, error: Exception) -> Finding:
    """The finding under its own name where the message is known, else under `check` with the place in the code."""
    if device.is_out_of_memory(error):
        return fault(
            check,
            f"out of memory: {error}",
            "halve train.batch_size and double train.accumulation: the steps stay the same",
        )
    text = f"{type(error).__name__}: {error}"
    for pattern, name, cure in _KNOWN:
        if re.search(pattern, str(error)):
            return fault(name, text, cure)
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else "the task"
    return fault(check, text, f"it was raised in {place}; correct it there")
