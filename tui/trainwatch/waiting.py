"""How much of the time of steps is waiting for data, as a column over time. Pure."""

import math

import numpy as np

from rundir.column import Column, Floats
from trainwatch.store import Store

OVER = 50
"""Step records over which the newest share is taken."""


class Waiting:
    """Owns the column, which grows with the run and is not walked anew."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._share, self._at = Column(), Column()
        self._built_for: tuple[object, ...] = ()

    def read(self) -> tuple[Floats, Column]:
        """Times, ascending, and percents, one a step record; both empty where it was not measured."""
        store = self._store
        columns = [store.steps.column(name) for name in ("at", "data_wait_s", "step_s")]
        key = (store.steps, len(store.seams), store.attempt)
        if key != self._built_for or len(self._share) > len(store.steps):
            self._share, self._at, self._built_for = Column(), Column(), key
        if all(column is not None for column in columns) and len(self._share) < len(store.steps):
            self._grow([column.values[len(self._share) :] for column in columns if column is not None])
        return self._at.values, self._share

    def _grow(self, values: list[Floats]) -> None:
        at, wait, whole = values
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where((whole > 0) & (wait >= 0), np.minimum(wait / whole, 1.0), np.nan)
        last = float(self._at.values[-1]) if len(self._at) else -math.inf
        self._at.append(np.maximum(np.maximum.accumulate(np.where(np.isfinite(at), at, last)), last))
        self._share.append(100.0 * share)

    def newest(self) -> float:
        """Of the last records together, in percent; nan where it was not measured."""
        recent = self.read()[1].values[-OVER:]
        known = recent[np.isfinite(recent)]
        return float(known.mean()) if len(known) else math.nan
