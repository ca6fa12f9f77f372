"""How much one step works on, where tokens are counted: when that changes for good, the task has changed."""

import msgspec

SAME = 0.02
"""Numbers of tokens that differ by no more than this part are the same."""
STEADY_RECORDS = 8
"""So many records with the same number of tokens a step make it the run's; of another number two make another task."""


class Work(msgspec.Struct, kw_only=True):
    """What was seen of the tokens a step takes."""

    tokens: float = 0.0
    """While they stay the same."""
    num_same: int = 0
    """Records for which they have."""
    other_tokens: float = 0.0
    num_other: int = 0
    """The same of the number that may take its place."""

    def takes_another(self, tokens: float) -> bool:
        """Take in the tokens of one more step; whether they are others from here on, after they had been the same.

        Batches that differ in length all the time say nothing.
        """
        if abs(tokens - self.tokens) <= SAME * self.tokens:
            self.num_same, self.num_other = self.num_same + 1, 0
            return False
        if self.num_same < STEADY_RECORDS:
            self.tokens, self.num_same = tokens, 1
            return False
        if not self.num_other or abs(tokens - self.other_tokens) > SAME * self.other_tokens:
            self.other_tokens, self.num_other = tokens, 1
            return False
        self.tokens, self.num_same, self.num_other = tokens, 2, 0
        return True
