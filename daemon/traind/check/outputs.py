"""What can be wrong with what a model makes of one batch: ids and labels out of range, shapes, loss, softmax."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from traind.check.finding import Finding, fault, ok, warn
from traind.check.scan import Scan, labels_of
from traind.data.labels import IGNORED
from traind.task import Batch

HIGH_START = 1.5
"""Times ln(classes): a model that knows nothing is not that wrong."""
LOW_START = 0.5
"""Times ln(classes): random weights are not that right."""
_SUM_TOLERANCE = 1e-3
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


def examine_labels(found: Scan, num_outputs: int, num_classes: int | None, *, may_be_padded: bool) -> Finding:
    """Whether every label has an output, and every output a label.

    `num_classes` is None where the task does not tell: then what the labels reach. `may_be_padded`: outputs beyond
    are customary.
    """
    lowest, highest = found.lowest_label, found.highest_label
    text = f"{lowest:,} to {highest:,}; the head has {num_outputs:,} outputs"
    if highest >= num_outputs:
        return fault("label ids", f"{text}: label {highest:,} has none", SHIFTED)
    if lowest < 0:
        return fault("label ids", f"{text}: label {lowest:,} has none", f"use {IGNORED} for what is not scored")
    wanted = num_classes or (highest + 1 if found.num_seen == found.num_examples else num_outputs)
    cure = f"build the head with {wanted:,} outputs (num_labels)"
    if num_outputs < wanted:
        return fault("label ids", f"{text}, fewer than the {wanted:,} labels", cure)
    if num_outputs > wanted and not may_be_padded:
        return warn("label ids", f"{text}, more than the {wanted:,} labels: some can only be wrong", cure)
    return ok("label ids", text)


def examine_outputs(outputs: Tensor, batch: Batch, loss_sum: float) -> Iterator[Finding]:
    """Shapes, finiteness, and whether softmax was applied before a loss that applies it.

    `outputs` fp32 in host memory; `loss_sum` what the task's loss makes of them.
    """
    shapes = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in batch.items())
    if not torch.isfinite(outputs).all():
        yield fault(
            "outputs",
            f"{list(outputs.shape)} from {shapes}: not all finite",
            "look for NaN in weights and inputs; with fp16 or bf16, try train.precision = fp32",
        )
        return
    yield ok("outputs", f"{list(outputs.shape)} from {shapes}, all finite")
    labels = labels_of(batch)
    if labels is not None and are_classes(labels, outputs) and _are_probabilities(outputs):
        valid = labels != IGNORED
        chosen = outputs[valid].gather(-1, labels[valid].unsqueeze(-1)).squeeze(-1)
        right = float(-chosen.clamp_min(1e-30).log().sum())
        if not math.isclose(loss_sum, right, rel_tol=0.02):
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
