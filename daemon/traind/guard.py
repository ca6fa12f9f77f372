"""Judges every update before it is made, on the device: a poisoned one never reaches the weights, and no step waits.

An update is bad where loss or gradient norm is not finite, and, where spikes are looked for, where one of them stands
far above its own recent past. What was found comes to the host with the numbers of the next record.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from rundir.records import Number, number
from traind.device import float_of

WINDOW = 128
"""Steps that a spike is measured against (OLMo-core's SkipStepOptimizer has the same)."""
MIN_WINDOW = 64
"""Good ones among them before any step is called a spike (likewise)."""
_LOSS_FLOOR, _GRAD_FLOOR = 0.01, 0.02
"""Smallest scale of the two, relative: what hardly moves is not made of spikes."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Bad updates since the last record; none of them was made."""

    num_skipped: int
    num_spikes: int
    """Those among them that were finite."""
    in_a_row: int
    """Bad ones up to the last step; 0 when that was good."""
    longest: int
    """The most in a row since the last record, those right before it included."""
    first_step: int
    """The first bad one since the last record, counts from 1."""

    @property
    def cause(self) -> str:
        return "spike" if self.num_spikes == self.num_skipped else "non_finite"

    @property
    def causes(self) -> set[str]:
        """All of them, where `cause` names the graver one."""
        return {self.cause} | ({"spike"} if self.num_spikes else set())


class Guard:
    """Owns the counts of bad updates and the window that spikes are measured against, all on the device."""

    def __init__(self, device: torch.device, *, spike_z: float | None, has_loss_scaler: bool = False) -> None:
        """`spike_z`: robust standard deviations above the median that make a spike; None: none is looked for.

        With a loss scaler infinite gradients are its daily work: such an update is not made and not counted.
        """
        wide = float_of(device)
        self._zero = torch.zeros((), dtype=wide, device=device)
        self._none = torch.full((), -1.0, dtype=wide, device=device)
        self._in_a_row = self._zero
        self._spike_z, self._has_loss_scaler = spike_z, has_loss_scaler
        self._window = torch.full((2, WINDOW), math.nan, dtype=wide, device=device)
        """Loss, and the logarithm of the gradient norm, by step modulo its length; nan where there is none."""
        self._floor = torch.tensor([_LOSS_FLOOR, _GRAD_FLOOR], dtype=wide, device=device)
        self._is_host = device.type == "cpu"
        self._good = torch.zeros((), dtype=torch.float32, device=device)
        self._begin()

    def _begin(self) -> None:
        self._num_skipped = self._num_spikes = self._zero
        self._first_step = self._first_bad_loss = self._none
        self._longest = self._in_a_row
        self._is_clean = self._in_a_row is self._zero
        """Whether nothing at all was found since, as far as the host knows: always False on a device."""

    def judge(self, loss: Tensor, grad_norm: Tensor, step: int) -> Tensor:
        """1 where the update of `step` (counts from 1) must not be made, else 0.

        fp32, without dimension: what optimizers call found_inf.
        """
        if self._is_host and self._spike_z is None and math.isfinite(loss.item()) and math.isfinite(grad_norm.item()):
            self._in_a_row = self._zero  # the daily case, on a CPU for a hundredth of the operations below
            return self._good
        self._is_clean = False
        values = torch.stack([loss.detach().to(self._zero.dtype), grad_norm.detach().to(self._zero.dtype)])
        finite = torch.isfinite(values)
        is_skipped = ~finite.all()
        is_counted = ~finite[0] if self._has_loss_scaler else is_skipped
        if self._spike_z is not None:
            is_spike = self._is_spike(values, step, self._spike_z) & ~is_skipped
            is_skipped, is_counted = is_skipped | is_spike, is_counted | is_spike
            self._num_spikes = self._num_spikes + is_spike
        self._in_a_row = (self._in_a_row + 1) * is_counted
        self._longest = torch.maximum(self._longest, self._in_a_row)
        self._num_skipped = self._num_skipped + is_counted
        self._first_step = torch.where(is_counted & (self._first_step < 0), float(step), self._first_step)
        self._first_bad_loss = torch.where(~finite[0] & (self._first_bad_loss < 0), float(step), self._first_bad_loss)
        return is_skipped.to(torch.float32)

    def _is_spike(self, values: Tensor, step: int, spike_z: float) -> Tensor:
        """Whether either value is over the median of the window by `spike_z` × 1.4826 × median absolute deviation."""
        now = torch.stack([values[0], values[1].clamp(min=1e-30).log()])
        median = self._window.nanmedian(dim=1).values
        deviation = (self._window - median[:, None]).abs().nanmedian(dim=1).values
        floor = self._floor * torch.stack([median[0].abs(), torch.ones_like(median[1])])
        is_above = now - median > spike_z * torch.maximum(1.4826 * deviation, floor)
        is_known = (~self._window[0].isnan()).sum() >= MIN_WINDOW
        is_spike = is_above.any() & is_known
        is_kept = torch.isfinite(now).all() & ~is_spike
        self._window = self._window.clone()
        self._window[:, step % WINDOW] = torch.where(is_kept, now, math.nan)
        return is_spike

    def take(self) -> Tensor | None:
        """What was found since the last call, [6], on the device; `told` reads it once it is in host memory.

        None where the host knows already that there was nothing: on a CPU.
        """
        found = None if self._is_clean else torch.stack(self._found())
        self._begin()
        return found

    def _found(self) -> list[Tensor]:
        counts = [self._num_skipped, self._num_spikes, self._in_a_row, self._longest]
        return [*counts, self._first_step, self._first_bad_loss]

    # --- the state that a checkpoint holds -----------------------------------------------------------------------

    def state(self) -> dict[str, list[Number]]:
        """Plain values, those of no record yet included. Waits for the device. Empty while there is nothing to keep."""
        found: list[Number] = torch.stack(self._found()).tolist()
        kept = {"found": found} if found[0] or found[2] or found[5] != -1 else {}
        if self._spike_z is not None:
            kept |= {"loss": self._window[0].tolist(), "log_grad_norm": self._window[1].tolist()}
        return kept

    def restore(self, kept: Mapping[str, list[Number]]) -> None:
        def back(name: str) -> Tensor:
            values = [number(value) for value in kept[name]]
            return torch.tensor(values, dtype=self._window.dtype, device=self._window.device)

        if "found" in kept:
            found = back("found").unbind()
            if len(found) == 5:  # of a version that did not count the longest
                found = (*found[:3], found[2], *found[3:])
            self._num_skipped, self._num_spikes, self._in_a_row, self._longest, *first = found
            self._first_step, self._first_bad_loss = first
            self._is_clean = False
        if self._spike_z is not None and "loss" in kept:
            self._window = torch.stack([back("loss"), back("log_grad_norm")])


def told(found: list[float]) -> tuple[Trouble | None, int | None]:
    """What `take` gave, read: the trouble, if there was any, and the first step of a loss that is not finite."""
    num_skipped, num_spikes, in_a_row, longest, first_step, first_bad_loss = (int(value) for value in found)
    trouble = Trouble(num_skipped, num_spikes, in_a_row, longest, first_step) if num_skipped else None
    return trouble, first_bad_loss if first_bad_loss >= 0 else None
