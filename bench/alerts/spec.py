"""What one run of the corpus is made from: everything that decides its numbers, and nothing measured."""

from typing import Literal

import msgspec

Part = Literal["dev", "spent", "second", "report"]
"""`report` is not to be tuned on; `spent` and `second` were the first and the second reporting part before it."""


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """The recipe of one run. The same spec trains to the same numbers (same torch, one thread)."""

    name: str
    part: Part
    family: str
    seed: int
    steps: int
    batch: int
    lr: float
    optimizer: Literal["adam", "sgd"] = "adam"
    schedule: Literal["constant", "linear", "cosine", "step", "sgdr"] = "constant"
    warmup: int = 0
    clip: float | None = None
    log_every: int = 1
    eval_every: int = 50
    hard: str = ""
    """The hard negative that it is, one of `HARD`."""
    fault: str = ""
    """What is done to it, one of `FAULTS`."""
    size: float = 0.0
    """How much of it, in the fault's own unit (see `FAULTS`)."""
    level: int = 0
    """The rank of the size among the fault's graded ones, from 1."""
    at: int = 1
    """The first step on which the cause acts."""
    over: int = 0
    """Steps over which it grows to its full size; 0 is at once."""
    order: int = 0
    """Which order of the data."""
    lasts: int = 0
    """Steps that it lasts; 0 is to the end."""

    def strength(self, step: int) -> float:
        """How much of the fault acts at a step: 0 before the onset, 1 once it is whole."""
        if not self.fault or step < self.at or (self.lasts and step >= self.at + self.lasts):
            return 0.0
        return 1.0 if self.over == 0 else min(1.0, (step - self.at + 1) / self.over)


HARD = {
    "sgdr": "cosine with warm restarts: the loss rises at each restart",
    "batch4": "batches of 4: heavy-tailed noise",
    "sorted": "each epoch runs through the data in an order, so that the loss has the epoch's period",
    "noise20": "20% of the train labels are wrong",
    "flat": "fine-tuning of a model that is already trained: the loss has nowhere to go",
    "converged": "a task that can be learnt to a loss near 1e-4: natural spikes of thousands of sigmas",
    "kl": "a VAE whose KL weight grows from 0 to 1: the total loss rises by design",
    "curriculum": "the sequences grow in steps: loss and step time change by design",
    "rl": "REINFORCE: a signed surrogate loss that says nothing of progress",
    "dropout": "dropout of one half: the eval loss lies under the train loss",
    "decay0": "a linear schedule that ends at exactly 0",
    "resume": "a resume from an earlier checkpoint, in another data order",
    "fp16": "dynamic loss scaling: an infinite gradient norm each time the scale grew too far",
    "sibling": "a run of the same configuration and another order of the data to compare with",
}

FAULTS = {
    "lr-jump": "the learning rate times `size` from a step on",
    "lr-ramp": "the learning rate grows to `size` times over 400 steps",
    "labels": "a share of the train labels is replaced by random ones from a step on",
    "labels-ramp": "the same, growing over 400 steps",
    "data": "Gaussian noise of `size` standard deviations on the inputs (integer inputs: a share replaced)",
    "loss-weight": "the loss times `size` from a step on, reported as such",
    "detach": "the loss no longer reaches the parameters: every gradient is exactly zero",
    "lr-zero": "the learning rate is exactly zero from a step on",
    "freeze": "a share `size` of the tensors is left out of the optimizer, though they require gradients",
    "spike": "one batch with inputs times `size` (integer inputs: random ones, loss times `size`)",
    "grad-scale": "the gradients times `size` from a step on, the reported loss as it was",
    "nan-input": "one batch with a NaN among its inputs",
    "nan-loss": "a NaN loss on `size` steps, whose updates are skipped",
    "tiny-data": "`size` train examples only, no augmentation",
    "shuffled": "labels shuffled among the train examples, from the start",
    "tiny-lr": "the usual learning rate times `size`, from the start and declared so",
    "high-lr": "the learning rate times `size`, from the start (organic: labelled by what comes of it)",
    "dead-relu": "a share `size` of the ReLU units of each layer gets a bias of -50 (what one ruinous update leaves)",
    "collapse": "a share `size` of each batch is of one class from a step on",
    "no-zero-grad": "gradients are never cleared: every update adds all before it",
    "saturated": "a deep net of sigmoids of `size` layers: vanishing gradients",
    "bad-init": "the last layer's weights times `size`",
    "scale-collapse": "a share `size` of the scaled gradients overflows whatever the scale",
    "off-schedule": "the scheduler is stepped `size` times per step",
    "clip-tiny": "clip_norm is the usual norm over `size`",
    "worse": "the learning rate times `size`, beside a sibling run at the usual one",
    "eval-scale": "the eval loss is reported divided by `size` (a mean over padding, targets that leak)",
}
