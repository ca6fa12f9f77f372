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
    rank: int = 0
    num_ranks: int = 1
    """Processes that share the examples of every step: `batch_size` × `accumulation` are those of all of them."""

    @property
    def steps_per_epoch(self) -> int:
        """The last step of an epoch may be smaller; none is dropped."""
        return math.ceil(self.num_examples / (self.batch_size * self.accumulation))

    def permutation(self, epoch: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """The examples of one epoch (counts from 0) in the order of training."""
        return np.random.Generator(np.random.PCG64([self.seed, epoch])).permutation(self.num_examples)

    def micro_batches(self, epoch: int, position: int) -> list[list[list[int]]]:
        """The steps of an epoch from `position` (steps done in it) on: a list of micro-batches of indices each.

        Of several ranks each has its own part of a step's examples, next to each other, and none at all where there
        are fewer examples than ranks. Together they are the step of a single process.
        """
        order = self.permutation(epoch).tolist()
        per_step = self.batch_size * self.accumulation
        steps = [order[start : start + per_step] for start in range(position * per_step, self.num_examples, per_step)]
        return [self._cut(self._own(step)) for step in steps]

    def _own(self, step: list[int]) -> list[int]:
        begin, end = (len(step) * rank // self.num_ranks for rank in (self.rank, self.rank + 1))
        return step[begin:end]

    def _cut(self, examples: list[int]) -> list[list[int]]:
        return [examples[i : i + self.batch_size] for i in range(0, len(examples), self.batch_size)]


def dropout_seed(seed: int, step: int, micro_step: int, rank: int = 0) -> int:
    """The seed of all randomness inside the model at one micro-batch. 63 bits, from SeedSequence's hash."""
    entropy = [seed, step, micro_step] + ([rank] if rank else [])  # the first rank's is that of a single process
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0]) >> 1
