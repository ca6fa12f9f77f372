"""What you write to train something of your own: one function that returns an object with the six members of `Custom`.

    [task]
    kind = "custom"
    factory = "digits:make"         # the function make of digits.py, beside the configuration
    options = { width = 16 }        # anything: handed to your function as a dict

    def make(options, seed):
        return Digits(options["width"], seed)

`examples/digits/` is a whole one. The daemon does the rest: order of the examples, accumulation, learning rate,
evaluation, checkpoints, exact resume, orders, alerts.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from safetensors.torch import load_file
from torch import Tensor, nn

WEIGHTS = "model.safetensors"
"""The file of a checkpoint that holds the model's state_dict."""
TARGETS = "targets"


class Examples(Protocol):
    """A list, a torch `Dataset` of the map style, or whatever has a length and an item for each index.

    An example must be the same whenever it is asked for, else no resume can be exact.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


class Custom(Protocol):
    """What the factory returns: an object of any class with these members.

    The factory is called as `factory(options, seed)` with torch's generator seeded already, and may be called again in
    the same process (the best model is loaded beside the last one): the same arguments must give the same object.
    """

    @property
    def model(self) -> nn.Module:
        """New, on the CPU, its weights a function of the seed. Called with the tensors of a batch, all but `targets`,
        by their names; returns one tensor whose first dimension is the examples. All that is to survive a checkpoint
        is in its `state_dict`, as tensors.
        """
        ...

    @property
    def train_data(self) -> Examples: ...

    @property
    def eval_data(self) -> Examples: ...

    def collate(self, examples: Sequence[Any], /) -> dict[str, Tensor]:
        """A batch of some examples: the model's inputs by the names of `forward`'s arguments, and `targets`.

        Every tensor has the examples as its first dimension. Called in loader processes where there are any.
        """
        ...

    def loss(self, outputs: Tensor, targets: Tensor, /) -> Tensor:
        """One number an example, shape [examples]: `reduction="none"`, not the mean.

        The daemon adds them up and divides by the number of examples of the whole step, so that accumulated
        micro-batches, a last short one included, compute what one large batch would. `outputs` are fp32.
        """
        ...

    def metrics(self, outputs: Tensor, targets: Tensor, /) -> Mapping[str, float]:
        """Scores of the whole eval set by name, always the same names; `eval.metric` chooses the best by one of them.

        The higher is the better, unless the name is known for the contrary (`loss` in it, `perplexity`, `mae`, …) or
        `eval.direction = "lower"` says so.

        Both tensors are on the CPU, those of all batches end to end. Called once more before training, with the first
        eval batch and an untrained model, to learn the names.
        """
        ...

    # Optional:
    #
    # def baseline(self) -> tuple[str, Mapping[str, float]]:
    #     """What a program without a model does, in words, and its scores, by the names of `metrics`."""


MEMBERS = ("model", "train_data", "eval_data", "collate", "loss", "metrics")


def load_weights(model: nn.Module, directory: Path | str) -> None:
    """Put the weights of a checkpoint of a custom task into a model that your own code has made.

    Raises OSError where there is no such file, ValueError where it is not of such a model.
    """
    found = load_file(Path(directory) / WEIGHTS)
    own = model.state_dict()
    first = {place(tensor): name for name, tensor in reversed(own.items())}
    for name, tensor in own.items():
        # Tied weights stand in the file once, under the first of their names.
        if name not in found and first[place(tensor)] in found:
            found[name] = found[first[place(tensor)]]
    faults = [f"{name} is missing" for name in own if name not in found]
    faults += [f"{name} is of no use" for name in found if name not in own]
    faults += [
        f"{name} is {list(found[name].shape)}, not {list(tensor.shape)}"
        for name, tensor in own.items()
        if name in found and found[name].shape != tensor.shape
    ]
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise ValueError(f"{WEIGHTS} is of another model: {', '.join(faults[:3])}{more}")
    model.load_state_dict(found)


def place(tensor: Tensor) -> tuple[object, ...]:
    """The same for two tensors only when they are one (tied weights); an empty one is like no other."""
    if tensor.numel() == 0:
        return (id(tensor),)
    return (tensor.data_ptr(), tuple(tensor.shape), tuple(tensor.stride()))
