"""What can be wrong with what a model makes of one batch: ids and labels out of range, shapes, loss, softmax."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional

from traind.check.finding import Finding, fault, ok, warn
from traind.check.scan import Scan
from traind.data.labels import IGNORED
from traind.task import Batch

HIGH_START = 1.5
"""Times ln(classes): a model that knows nothing is not that wrong."""
LOW_START = 0.5
"""Times ln(classes): random weights are not that right."""
_SUM_TOLERANCE = 1e-3
_PRICE_OF_CERTAINTY = 0.1
"""Of each target; the least that a loss of logits asks is ln(1 + 1/e) = 0.31, for two classes."""
SHIFTED = "labels count from 0: subtract 1 where they begin at 1, else build a head with more outputs (num_labels)"


def examine_ids(found: Scan, num_embeddings: int | None) -> Iterator[Finding]:
    """Whether every token id has an embedding. `num_embeddings` is None for a model without tokens."""
    if num_embeddings is None:
        return
    text = f"{found.lowest_id:,} to {found.highest_id:,}; the model has {num_embeddings:,} embeddings"
    if found.highest_id >= num_embeddings or found.lowest_id < 0:
        yield fault(
            "token ids", f"{text}: some are out of range", "take the tokenizer that belongs to the model, or resize it"
        )
    else:
        yield ok("token ids", text)


def examine_labels(
    found: Scan, num_outputs: int, num_classes: int | None, *, may_be_padded: bool, is_own_loss: bool
) -> Finding:
    """Whether every label has an output, and every output a label.

    `num_classes` is None where the task does not tell: then what the labels reach. `may_be_padded`: outputs beyond
    are customary. `is_own_loss`: which labels are not scored is the business of a loss that a user wrote.
    """
    lowest, highest = found.lowest_label, found.highest_label
    text = f"{lowest:,} to {highest:,}; the head has {num_outputs:,} outputs"
    if highest >= num_outputs:
        return fault("label ids", f"{text}: label {highest:,} has none", SHIFTED)
    if lowest < 0 and not is_own_loss:
        return fault("label ids", f"{text}: label {lowest:,} has none", f"use {IGNORED} for what is not scored")
    wanted = num_classes or (highest + 1 if found.num_seen == found.num_examples else num_outputs)
    cure = f"build the head with {wanted:,} outputs (num_labels)"
    if num_outputs < wanted:
        return fault("label ids", f"{text}, fewer than the {wanted:,} labels", cure)
    if num_outputs > wanted and not may_be_padded:
        return warn("label ids", f"{text}, more than the {wanted:,} labels: some can only be wrong", cure)
    if lowest < 0:
        cure = f"see that your loss leaves them out, e.g. cross_entropy(…, ignore_index={lowest})"
        return warn("label ids", f"{text}: the negative ones have none", cure)
    return ok("label ids", text)


def examine_outputs(outputs: Tensor, batch: Batch) -> Finding:
    """Shapes and finiteness of fp32 outputs in host memory."""
    text = f"{list(outputs.shape)} from " + ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in batch.items())
    if torch.isfinite(outputs).all():
        return ok("outputs", f"{text}, all finite")
    return fault(
        "outputs",
        f"{text}: not all finite",
        "look for NaN in weights and inputs; with fp16 or bf16, try train.precision = fp32",
    )


def examine_softmax(outputs: Tensor, labels: Tensor, loss_sum: Callable[[Tensor], float]) -> Iterator[Finding]:
    """Whether softmax was applied before a loss that applies it; `loss_sum` is the task's, of any such outputs.

    Near the start probabilities are alike, and so are both readings of them. So the loss is asked about certainty:
    to one that takes probabilities it costs nothing, to one that takes logits ln(1 + (classes − 1)/e).
    """
    if not (are_classes(labels, outputs) and _are_probabilities(outputs)):
        return
    valid = labels >= 0
    certain = functional.one_hot(labels.long().clamp_min(0), outputs.shape[-1]).to(outputs.dtype)
    if loss_sum(certain) > _PRICE_OF_CERTAINTY * float(valid.sum()):
        yield fault(
            "softmax",
            "the outputs are probabilities (0 to 1, sum 1), and the loss takes softmax of them again",
            "return logits: leave the softmax out of the model",
        )


def are_classes(labels: Tensor, outputs: Tensor) -> bool:
    """Whether each label chooses among the outputs in its place."""
    return outputs.dim() >= 2 and outputs.shape[-1] >= 2 and labels.shape == outputs.shape[:-1]


def _are_probabilities(outputs: Tensor) -> bool:
    sums = outputs.sum(dim=-1)
    return bool((outputs >= 0).all() and torch.allclose(sums, torch.ones_like(sums), atol=_SUM_TOLERANCE))


def examine_start(loss: float, num_classes: int | None, *, is_scratch: bool) -> Finding:
    """The loss before the first step against that of guessing. `is_scratch`: no weight has learnt anything yet."""
    if not math.isfinite(loss):
        return fault("starting loss", f"{loss}", "look for NaN in weights, inputs and class weights")
    if num_classes is None or num_classes < 2:
        return ok("starting loss", f"{loss:.3f}")
    guessing = math.log(num_classes)
    text = f"{loss:.3f}; guessing has ln {num_classes:,} = {guessing:.3f}"
    if loss > HIGH_START * guessing + 0.5:
        return warn(
            "starting loss",
            f"{text}: the model begins surer than it can be",
            "initialise the head with small weights; see that labels and outputs are in the same order",
        )
    if loss < LOW_START * guessing and is_scratch:
        return warn(
            "starting loss",
            f"{text}: random weights know the answer",
            "look whether the label is among the inputs, or the loss is divided by too much",
        )
    return ok("starting loss", text)
