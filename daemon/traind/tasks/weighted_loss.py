"""Cross-entropy as a sum, and what it is to be divided by; each target counts as much as its class weighs."""

import torch
from torch import Tensor
from torch.nn import functional

from traind.data.labels import IGNORED


class WeightedLoss:
    """Owns the class weights ([classes] fp32, or None for all alike) and their copy on the device."""

    def __init__(self, class_weights: Tensor | None) -> None:
        self.class_weights = class_weights
        self._on_device: Tensor | None = None

    def weight_of(self, labels: Tensor) -> float:
        """The targets among these labels (on the CPU): their number, or the sum of their weights."""
        targets = labels[labels != IGNORED]
        if self.class_weights is None:
            return float(targets.numel())
        return float(self.class_weights.double()[targets].sum())

    def sum_of(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Of logits [..., classes] and labels [...] on one device: fp32, the loss of each target times its weight."""
        with torch.autocast(logits.device.type, enabled=False):
            return functional.cross_entropy(
                logits.float().flatten(0, -2),
                labels.flatten(),
                weight=self._weights_on(logits.device),
                ignore_index=IGNORED,
                reduction="sum",
            )

    def _weights_on(self, device: torch.device) -> Tensor | None:
        """Copied to a device once: each copy from pageable memory would wait for it."""
        if self.class_weights is None:
            return None
        if self._on_device is None or self._on_device.device != device:
            self._on_device = self.class_weights.to(device)
        return self._on_device
