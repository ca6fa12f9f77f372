"""What the comparison shows: the runs, each with its store and colour, the metric that is drawn, and how. Pure.

Owned by the event loop, which alone changes it.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from rundir.direction import is_lower_better, is_score
from trainwatch.comparison.difference import Difference, config_facts, differing, environment_facts, order_facts
from trainwatch.lens import Lens, XAxis
from trainwatch.listing.entry import Entry
from trainwatch.metric import Line, Lines
from trainwatch.panes.chart import Scales
from trainwatch.store import Store

LETTERS = "abcdefghijklmnopqrstuvwxyz"
_RANKED = ("loss", "eval/", "epoch/")
"""Names and prefixes of the series of which one value is better than another."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One of the runs."""

    entry: Entry
    store: Store
    lines: Lines
    style: str
    """Of its colour."""
    letter: str

    def last(self, metric: str) -> float:
        """The newest value; nan where there is none."""
        line = self.lines.line(metric, XAxis.STEP)
        if line is None or not len(line.column):
            return math.nan
        if line.is_sparse:
            return float(line.column.values[-1])
        series = self.store.system if metric.startswith("system/") else self.store.steps
        return series.last(metric.removeprefix("system/"))

    def best(self, metric: str) -> float:
        """The best finite value; nan where there is none, or where none is better than another."""
        line = self.lines.line(metric, XAxis.STEP)
        if line is None or not metric.startswith(_RANKED) or not is_score(metric.rpartition("/")[2]):
            return math.nan
        bounds = line.column.summarise(np.array([0, len(line.column)], dtype=np.int64))
        return float((bounds.low if self.is_lower_better(metric) else bounds.high)[0])

    def is_lower_better(self, metric: str) -> bool:
        return is_lower_better(metric.rpartition("/")[2], self.store.opened.directions)

    def line(self, metric: str, axis: XAxis) -> Line | None:
        return self.lines.line(metric, axis)


@dataclass
class Board:
    """The state of the comparison."""

    runs: list[Compared]
    metric: str = "loss"
    pane: str = "metrics"
    """Of `metrics` and `differences` the one that keys move, and that a small screen shows."""
    alone: bool = False
    """Whether the chart has the screen to itself."""
    lens: Lens = field(default_factory=Lens)
    scales: Scales = field(default_factory=Scales)
    scroll: int = 0
    """First line of the differences on screen."""
    top: int = 0
    """First metric on screen."""
    first: int = 0
    """Of the runs, the first in a table that has no room for all of them."""

    @property
    def metrics(self) -> list[str]:
        """Every series that any of the runs has: the loss and the evaluations, by which runs are judged, first."""
        names = dict.fromkeys(name for run in self.runs for name in run.lines.names)
        return sorted(names, key=lambda name: name != "loss" and not name.startswith("eval/"))

    @property
    def is_read(self) -> bool:
        return all(run.store.caught_up for run in self.runs)

    def choose(self, by: int) -> bool:
        """Draw the metric so many places further down. Whether there is one."""
        names, before = self.metrics, self.metric
        if names:
            at = names.index(self.metric) if self.metric in names else 0
            self.metric = names[max(0, min(at + by, len(names) - 1))]
        return self.metric != before

    def columns(self, most: int) -> list[Compared]:
        """The runs that stand in a table with room for so many."""
        first = max(0, min(self.first, len(self.runs) - most))
        return self.runs[first : first + max(1, most)]

    def winner(self, metric: str) -> int | None:
        """Which run has the best value; None where that means nothing, or all are alike."""
        values = [run.best(metric) for run in self.runs]
        known = [value for value in values if not math.isnan(value)]
        if len(set(known)) < 2:
            return None
        wanted = min(known) if self.runs[0].is_lower_better(metric) else max(known)
        return values.index(wanted)

    def differences(self) -> list[tuple[str, list[Difference]]]:
        """What differs, under headings."""
        configs = [config_facts(run.store.opened.config) for run in self.runs]
        environments = [environment_facts(run.entry, run.store.gpus) for run in self.runs]
        orders = differing([order_facts(run.store.orders.values()) for run in self.runs])
        given = [("orders", orders)] if orders else []
        return [("configuration", differing(configs)), *given, ("environment", differing(environments))]
