"""When a trainer that lives makes no progress. Pure: fed with what it last said and the time, it says what changed.

Each phase has its own allowance, since an evaluation batch or a save may take many times a training step. Only time
that the supervisor saw go by counts: if it was itself stopped, the trainer may have been as well.
"""

from dataclasses import dataclass

from rundir.status import Phase

FLOOR_S = 120.0
"""No learnt allowance is shorter: an epoch's first batch, a busy disk."""
UNKNOWN_S = 600.0
"""The allowance of a phase of which little was seen: compiling, first kernels, a cold cache."""
LOADING_S = 1800.0
"""The same where nothing can be learnt: a model comes from the hub, data are tokenised."""
TIMES_LONGEST = 5.0
NUM_TO_LEARN = 5
"""Gaps between two signs of progress that must have been seen before the phase is known."""
SEEN_S = 2.0
"""What goes by between two looks counts up to this."""

_LOADING = (Phase.LOADING, Phase.TOKENIZING, Phase.PRETRAIN)
_LEARNT = (Phase.TRAIN, Phase.EVAL, Phase.SAVE)


@dataclass(frozen=True, slots=True)
class Stalled:
    """No progress for longer than the phase allows."""

    phase: Phase
    silent_s: float
    allowed_s: float


@dataclass(frozen=True, slots=True)
class Recovered:
    """It moves on after all."""

    phase: Phase
    silent_s: float


class StallWatch:
    """Owns what was seen of one trainer: make a new one for the next."""

    def __init__(self, stall_s: float | None) -> None:
        """`stall_s`: the allowance of steps, evaluations and saves; None: learnt from the run's own times."""
        self._stall_s = stall_s
        self._seen: tuple[Phase, int, int] | None = None
        self._looked_at: float | None = None
        self._silent_s = 0.0
        self._is_stalled = False
        self._longest_s = dict.fromkeys(_LEARNT, 0.0)
        self._num_gaps = dict.fromkeys(_LEARNT, 0)

    def look(self, phase: Phase | None, safe_points: int, step: int, now: float) -> Stalled | Recovered | None:
        """What changed since the last look. `phase`: None until the trainer has said anything. `now`: monotonic."""
        elapsed_s = 0.0 if self._looked_at is None else min(now - self._looked_at, SEEN_S)
        self._looked_at = now
        self._silent_s += elapsed_s
        before = self._seen
        seen = (phase or Phase.LOADING, safe_points, step)
        if seen != before:
            return self._progress(None if before is None else before[0], seen)
        allowed_s = self.allowed_s(seen[0])
        if self._is_stalled or allowed_s is None or self._silent_s <= allowed_s:
            return None
        self._is_stalled = True
        return Stalled(seen[0], self._silent_s, allowed_s)

    def allowed_s(self, phase: Phase) -> float | None:
        """How long a phase may go without progress; None: as long as it likes."""
        if phase in _LOADING:
            return LOADING_S if self._stall_s is None else max(self._stall_s, LOADING_S)
        if phase not in _LEARNT:  # paused by order; leaving is bounded by grace_s
            return None
        if self._stall_s is not None:
            return self._stall_s
        # Most saves are a copy to memory; one that waits for the file of the one before says nothing meanwhile.
        floor_s = UNKNOWN_S if phase is Phase.SAVE else FLOOR_S
        learnt_s = max(floor_s, TIMES_LONGEST * self._longest_s[phase])
        return learnt_s if self._num_gaps[phase] >= NUM_TO_LEARN else max(UNKNOWN_S, learnt_s)

    def _progress(self, before: Phase | None, seen: tuple[Phase, int, int]) -> Recovered | None:
        silent_s, was_stalled = self._silent_s, self._is_stalled
        self._seen, self._silent_s, self._is_stalled = seen, 0.0, False
        if before is None:
            return None
        if was_stalled:  # is no time of the run's own: nothing is learnt from it
            return Recovered(before, silent_s)
        if before in _LEARNT:
            self._num_gaps[before] += 1
            self._longest_s[before] = max(self._longest_s[before], silent_s)
        return None
