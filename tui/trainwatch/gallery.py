"""All metrics of a run as charts: which, in which order, on which page, and how they are looked at. Pure.

Owned by the event loop, which alone changes it.
"""

from dataclasses import dataclass, field, replace

from trainwatch.layout import Layout, Rect
from trainwatch.lens import Extent, Lens
from trainwatch.metric import Lines, group_of
from trainwatch.panes.chart import Scales

CHART_WIDTH, CHART_HEIGHT = 48, 11
"""A chart is at least so large, where the screen is."""
MOST_CHARTS = 16
"""On one page."""
_GROUPS = ("train", "eval", "epoch")
"""Come first, in this order; `system` comes last."""


@dataclass
class Gallery:
    """The state of the page of all metrics."""

    lines: Lines
    lens: Lens = field(default_factory=Lens)
    text: str = ""
    """The filter."""
    chosen: str = ""
    """Name of the chosen metric."""
    alone: bool = False
    shows_events: bool = True
    scales: dict[str, Scales] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The metrics that pass the filter, by group."""
        return [name for name in grouped(self.lines.names) if passes(name, self.text)]

    @property
    def whole(self) -> Extent | None:
        """Of the axis, as the chosen chart was last drawn; None before."""
        scales = self.scales.get(self.chosen) or next(iter(self.scales.values()), None)
        return scales.whole if scales is not None else None

    def settle(self) -> None:
        """Choose a metric that is there."""
        names = self.names
        if names and self.chosen not in names:
            self.chosen = names[0]

    def move(self, by: int) -> bool:
        """Choose the metric so many places further. Whether there is one."""
        self.settle()
        names, before = self.names, self.chosen
        if names:
            self.chosen = names[max(0, min(names.index(self.chosen) + by, len(names) - 1))]
        return self.chosen != before

    def page(self, size: int) -> list[str]:
        """The metrics of the page that holds the chosen one."""
        self.settle()
        names = self.names
        at = names.index(self.chosen) // size * size if names else 0
        return names[at : at + size]

    def back(self) -> bool:
        """Undo one thing: what is marked, crosshair, single chart, filter. Whether there was one."""
        if self.lens.marked is not None:
            self.lens = replace(self.lens, marked=None)
        elif self.lens.cursor is not None:
            self.lens = replace(self.lens, cursor=None)
        elif self.alone:
            self.alone = False
        elif self.text:
            self.text = ""
        else:
            return False
        return True


def passes(name: str, text: str) -> bool:
    """Whether a name holds every word of a filter, and none of those behind a minus sign."""
    words = text.casefold().split()
    full = f"{group_of(name)}/{name}".casefold()
    return all((word.removeprefix("-") in full) is not word.startswith("-") for word in words if word != "-")


def grouped(names: list[str]) -> list[str]:
    """By prefix, each group in the order in which its names come."""
    groups = list(dict.fromkeys(map(group_of, names)))
    ranks = {group: (_rank(group), i) for i, group in enumerate(groups)}
    return sorted(names, key=lambda name: ranks[group_of(name)])


def _rank(group: str) -> int:
    if group in _GROUPS:
        return _GROUPS.index(group)
    return len(_GROUPS) + (group == "system")


def arrange_gallery(width: int, height: int, *, alone: bool) -> Layout:
    """Header, charts `chart-0`, `chart-1`, … and the two lowest lines; as many charts as have room."""
    if width < 1 or height < 1:
        return {}
    head, foot = (1 if height >= 5 else 0), (2 if height >= 12 else 1 if height >= 3 else 0)
    places = {"header": Rect(0, 0, width, head)}
    columns, rows = grid_of(width, height - head - foot, alone=alone)
    for number in range(columns * rows):
        left, right = (width * (number % columns + i) // columns for i in (0, 1))
        top, bottom = ((height - head - foot) * (number // columns + i) // rows for i in (0, 1))
        places[f"chart-{number}"] = Rect(left, head + top, right - left, bottom - top)
    places["status"] = Rect(0, height - foot, width, min(1, foot))
    places["keys"] = Rect(0, height - 1, width, foot - 1)
    return {name: place for name, place in places.items() if place.height > 0}


def grid_of(width: int, height: int, *, alone: bool) -> tuple[int, int]:
    """How many charts stand side by side, and above one another."""
    if alone:
        return 1, 1
    columns, rows = max(1, min(4, width // CHART_WIDTH)), max(1, height // CHART_HEIGHT)
    return columns, max(1, min(rows, MOST_CHARTS // columns))
