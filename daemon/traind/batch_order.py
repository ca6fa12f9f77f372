"""The order of the training data: a pure function of (seed, epoch, position), so that a resume
replays and skips nothing.

Knows neither torch nor the data itself, only how many examples there are.
"""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class BatchOrder:
    """Which examples form which micro-batch of which optimizer step."""

    num_examples: int
    batch_size: int
    """Examples a micro-batch."""
    accumulation: int
    """Micro-batches an optimizer step."""
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        """The last step of an epoch may be smaller; none is dropped."""
        return math.ceil(self.num_examples / (self.batch_size * self.accumulation))

    def permutation(self, epoch: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """The examples of one epoch (counts from 0) in the order of training."""
        return np.random.Generator(np.random.PCG64([self.seed, epoch])).permutation(self.num_examples)

    def micro_batches(self, epoch: int, position: int) -> list[list[list[int]]]:
        """The steps of an epoch from `position` (steps done in it) on: a list of micro-batches of indices each."""
        order = self.permutation(epoch).tolist()
        per_step = self.batch_size * self.accumulation
        steps = [order[start : start + per_step] for start in range(position * per_step, self.num_examples, per_step)]
        return [[step[i : i + self.batch_size] for i in range(0, len(step), self.batch_size)] for step in steps]


def dropout_seed(seed: int, step: int, micro_step: int) -> int:
    """The seed of all randomness inside the model at one micro-batch. 63 bits, from SeedSequence's hash."""
    return int(np.random.SeedSequence([seed, step, micro_step]).generate_state(1, np.uint64)[0]) >> 1
