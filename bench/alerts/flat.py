"""Parameters as one vector: a norm, a clip and an Adam update are a few operations, whatever the net."""

import torch
from torch import Tensor, nn


class Flat:
    """The trained parameters of a net and their gradients, each laid end to end."""

    def __init__(self, model: nn.Module) -> None:
        """Moves the parameters' storage: build it once, after the net is whole."""
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        self.names = [name for name, _ in named]
        self.sizes = [p.numel() for _, p in named]
        self.matrices = [i for i, (_, p) in enumerate(named) if p.dim() > 1]
        self.values = torch.cat([p.detach().reshape(-1) for _, p in named])
        self.grads = torch.zeros_like(self.values)
        for (_, p), value, grad in zip(named, self.parts(self.values), self.parts(self.grads), strict=True):
            p.data = value.view(p.shape)
            p.grad = grad.view(p.shape)

    def parts(self, vector: Tensor) -> tuple[Tensor, ...]:
        """The stretches of a vector that belong to each tensor; they share its memory."""
        return vector.split(self.sizes)

    def norms(self, vector: Tensor) -> Tensor:
        """The L2 norm of each tensor's stretch."""
        return torch.stack(torch._foreach_norm(self.parts(vector)))  # noqa: SLF001 - what clip_grad_norm_ calls


class Optimizer:
    """Adam (0.9, 0.999, 1e-8) or SGD with momentum 0.9, on a vector."""

    def __init__(self, kind: str, size: int) -> None:
        self.kind = kind
        self.first, self.second = torch.zeros(size), torch.zeros(size)
        self.count = 0

    def update(self, values: Tensor, grads: Tensor, lr: float, mask: Tensor | None) -> None:
        """One update in place; where the mask is 0 nothing moves."""
        self.count += 1
        if self.kind == "sgd":
            self.first.mul_(0.9).add_(grads)
            change = self.first
        else:
            self.first.lerp_(grads, 0.1)
            self.second.mul_(0.999).addcmul_(grads, grads, value=0.001)
            bias1, bias2 = 1 - 0.9**self.count, 1 - 0.999**self.count
            change = (self.first / bias1) / ((self.second / bias2).sqrt_() + 1e-8)
        values.add_(change if mask is None else change * mask, alpha=-lr)

    def saved(self) -> tuple[Tensor, Tensor, int]:
        return self.first.clone(), self.second.clone(), self.count

    def load(self, saved: tuple[Tensor, Tensor, int]) -> None:
        self.first.copy_(saved[0])
        self.second.copy_(saved[1])
        self.count = saved[2]


class Scaler:
    """Dynamic loss scaling as torch's GradScaler does it (halve on overflow, double after `interval` good steps)."""

    LARGEST_HALF = 65504.0

    def __init__(self, scale: float = 2.0**19, interval: int = 150) -> None:
        self.scale, self.interval, self.good = scale, interval, 0

    def overflows(self, grads: Tensor, *, forced: bool) -> bool:
        """Whether the scaled gradients have no half-precision value; moves the scale as it says."""
        bad = forced or not float(grads.abs().max()) * self.scale <= self.LARGEST_HALF
        self.good = 0 if bad else self.good + 1
        if bad:
            self.scale /= 2
        elif self.good == self.interval:
            self.scale, self.good = self.scale * 2, 0
        return bad
