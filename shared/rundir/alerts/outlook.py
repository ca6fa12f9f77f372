"""Where a loss is heading: whether it falls by more than chance, and how far it comes at that pace.

What begins slowly and what never begins look alike at any one moment; they differ in where they are going.
"""

import itertools
from collections.abc import Sequence

from rundir.alerts.noise import mann_kendall_z, median

Z = 1.645
"""A trend that chance brings in one of twenty flat runs."""
FEW, FEW_Z = 3, 1.0
"""So few points cannot have a greater Z; evaluations are of the same examples and differ little."""
PARTS = 20
GOES_ON = 3.0
"""Without a plan a run is taken to go on for so many times what it has run."""


def steps_to_go(planned: int | None, step: int, first_step: int) -> float:
    """How many steps a run will still take: by its plan, else a few times what it has run."""
    return max(planned - step, 0) if planned is not None else GOES_ON * (step - first_step)


def stretches(steps: Sequence[int], losses: Sequence[float], num: int = PARTS) -> list[tuple[float, float]]:
    """Means of steps and of losses over at most `num` equal stretches, what does not fill one left out at the start."""
    size = max(len(losses) // num, 1)
    starts = range(len(losses) % size, len(losses) - size + 1, size)
    return [(sum(steps[i : i + size]) / size, sum(losses[i : i + size]) / size) for i in starts]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The median of the slopes between any two points (Theil, Sen); 0 of fewer than two."""
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in itertools.combinations(points, 2) if b[0] > a[0]]
    return median(slopes) if slopes else 0.0


def comes_to(points: Sequence[tuple[float, float]], more_steps: float) -> float | None:
    """The loss after so many more steps at the pace of the later half of the points, three at least; None where it
    does not fall."""
    needed = FEW_Z if len(points) <= FEW else Z
    if len(points) < FEW or mann_kendall_z([loss for _, loss in points]) > -needed:
        return None
    late = points[-max(FEW, (len(points) + 1) // 2) :]
    pace = slope(late)
    return median([loss for _, loss in late[-FEW:]]) + pace * more_steps if pace < 0.0 else None
