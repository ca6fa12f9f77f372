"""How fast a run moves by the wall clock, from the times of its records. Pure."""

import math

import numpy as np

from rundir.column import Floats

HOLD_FACTOR = 20
"""A gap between two records so many times the usual one is a pause or an evaluation, not a step."""
RATE_WINDOW_S = 20.0
RATE_RECORDS = (6, 2000)
"""The rate is taken over the newest records that lie in the window: so many at least and at most, where there are."""


def pace(step: Floats, at: Floats) -> float:
    """Steps a second over the newest records of one attempt, without holds; nan while unknown. Equally long arrays."""
    least, most = RATE_RECORDS
    step, at = step[-most:], at[-most:]
    if len(at) < 2:
        return math.nan
    older = np.flatnonzero(at < at[-1] - RATE_WINDOW_S)
    start = min(int(older[-1]) + 1, max(0, len(at) - least)) if len(older) else 0
    took_s = np.diff(at[start:])
    usual = took_s <= max(1.0, HOLD_FACTOR * float(np.median(took_s)))  # a pause is no step
    total_s = float(took_s[usual].sum())
    return float(np.diff(step[start:])[usual].sum()) / total_s if total_s > 0 else math.nan
