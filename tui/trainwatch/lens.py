"""How charts are looked at: which part of the axis, which scale, how smooth, where the crosshair stands. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

ZOOM = 1.5
"""A press or a turn of the wheel shows so many times less or more of the axis."""
PAN = 0.2
"""Of what is visible."""
CURSOR = 0.01
SMOOTHINGS = (None, 0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
"""Half-lives of the smoothed curve as a share of the visible points; 0 is none, None what the chart has by itself."""


class XAxis(StrEnum):
    """What charts are drawn against."""

    STEP = "step"
    EPOCH = "epoch"
    TOKENS = "tokens"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Extent:
    """A stretch of the axis."""

    start: float
    stop: float

    @property
    def length(self) -> float:
        return self.stop - self.start

    def at(self, share: float) -> float:
        return self.start + share * self.length


@dataclass(frozen=True, slots=True)
class Lens:
    """One for all charts of a screen. Immutable: a key makes another."""

    seen: Extent | None = None
    """None: the whole run, growing as it does."""
    follows: bool = False
    """Whether what is seen moves on with the newest record."""
    log_y: bool = False
    robust: bool = False
    """Whether the value axis leaves outliers out."""
    smoothing: float | None = None
    """One of SMOOTHINGS."""
    cursor: float | None = None
    """Where on the axis the crosshair stands."""
    marked: Extent | None = None
    """What a drag over a chart has chosen so far."""
    axis: XAxis = XAxis.STEP

    def over(self, whole: Extent) -> Extent:
        """What is visible of a whole."""
        if self.seen is None:
            return whole
        if self.follows:
            return Extent(whole.stop - self.seen.length, whole.stop)
        return self.seen


def zoomed(lens: Lens, whole: Extent, factor: float, around: float | None = None) -> Lens:
    """`factor` times as much is seen, what is at `around` (the crosshair, else the middle) staying where it is.

    What would be more than the whole is the whole; less than a millionth of it is not seen.
    """
    seen = lens.over(whole)
    length = max(seen.length * factor, whole.length * 1e-6)
    if length >= whole.length:
        return replace(lens, seen=None, follows=False)
    if lens.follows:
        return replace(lens, seen=Extent(whole.stop - length, whole.stop))
    if around is None:
        around = lens.cursor if lens.cursor is not None and seen.start <= lens.cursor <= seen.stop else seen.at(0.5)
    share = (around - seen.start) / seen.length if seen.length > 0 else 0.5
    return replace(lens, seen=_inside(Extent(around - share * length, around + (1 - share) * length), whole))


def panned(lens: Lens, whole: Extent, share: float) -> Lens:
    """What is seen, moved by a share of itself; never out of the whole."""
    if lens.seen is None:
        return lens
    seen = lens.over(whole)
    moved = _inside(Extent(seen.start + share * seen.length, seen.stop + share * seen.length), whole)
    return replace(lens, seen=moved, follows=lens.follows and moved.stop >= whole.stop)


def _inside(seen: Extent, whole: Extent) -> Extent:
    if seen.start < whole.start:
        return Extent(whole.start, whole.start + seen.length)
    if seen.stop > whole.stop:
        return Extent(whole.stop - seen.length, whole.stop)
    return seen


def followed(lens: Lens, whole: Extent) -> Lens:
    """The last tenth of the whole, or what was seen of it, moving on with the run; once more: no longer."""
    if lens.follows:
        return replace(lens, follows=False, seen=lens.over(whole))
    length = lens.seen.length if lens.seen is not None else whole.length / 10
    return replace(lens, follows=True, seen=Extent(whole.stop - length, whole.stop), cursor=None)


def smoother(lens: Lens, steps: int = 1) -> Lens:
    """The next of SMOOTHINGS, and so round."""
    at = SMOOTHINGS.index(lens.smoothing) if lens.smoothing in SMOOTHINGS else 0
    return replace(lens, smoothing=SMOOTHINGS[(at + steps) % len(SMOOTHINGS)])


def along(lens: Lens) -> Lens:
    """Against the next axis. What was seen and pointed at has no meaning there."""
    axes = list(XAxis)
    return replace(lens, axis=axes[(axes.index(lens.axis) + 1) % len(axes)], seen=None, follows=False, cursor=None)


def marked(lens: Lens, one_end: float, other: float) -> Lens:
    """A stretch chosen between two places, in whichever order; the crosshair would be in its way."""
    return replace(lens, marked=Extent(min(one_end, other), max(one_end, other)), cursor=None)


def taken(lens: Lens, whole: Extent) -> Lens:
    """What is marked becomes what is seen; never less than a millionth of the whole."""
    if lens.marked is None:
        return lens
    length = max(lens.marked.length, whole.length * 1e-6)
    if length >= whole.length:
        return replace(lens, marked=None)
    seen = _inside(Extent(lens.marked.start, lens.marked.start + length), whole)
    return replace(lens, seen=seen, follows=False, marked=None)


def moved_cursor(lens: Lens, whole: Extent, share: float) -> Lens:
    """The crosshair, so large a share of what is visible further; it appears in the middle."""
    seen = lens.over(whole)
    at = seen.at(0.5) if lens.cursor is None else lens.cursor + share * seen.length
    return replace(lens, cursor=min(max(at, seen.start), seen.stop))


def after(name: str, lens: Lens, whole: Extent) -> Lens:
    """The lens after an action of `actions.CHART_ACTIONS`. Raises KeyError for any other name."""
    changes: dict[str, Callable[[], Lens]] = {
        "zoom-in": lambda: zoomed(lens, whole, 1 / ZOOM),
        "zoom-out": lambda: zoomed(lens, whole, ZOOM),
        "pan-left": lambda: panned(lens, whole, -PAN),
        "pan-right": lambda: panned(lens, whole, PAN),
        "fit": lambda: replace(lens, seen=None, follows=False),
        "follow": lambda: followed(lens, whole),
        "log": lambda: replace(lens, log_y=not lens.log_y),
        "outliers": lambda: replace(lens, robust=not lens.robust),
        "smoother": lambda: smoother(lens),
        "rougher": lambda: smoother(lens, -1),
        "x-axis": lambda: along(lens),
        "cursor-left": lambda: moved_cursor(lens, whole, -CURSOR),
        "cursor-right": lambda: moved_cursor(lens, whole, CURSOR),
    }
    return changes[name]()


_CURSOR_NAMES, _PAN_NAMES = ("cursor-left", "cursor-right"), ("pan-left", "pan-right")


def why_unchanged(name: str, lens: Lens) -> str:
    """Why an action of `actions.CHART_ACTIONS` made no other lens, in words."""
    if name in _CURSOR_NAMES:
        return "the crosshair is at the edge of what is seen"
    if name in _PAN_NAMES:
        return "that is the end of the axis" if lens.seen is not None else "all of the axis is seen: zoom in first"
    return "it goes no closer" if name == "zoom-in" else "all of the axis is seen"


def words(lens: Lens) -> str:
    """What differs from the ordinary look, for the status line."""
    parts = [
        f"by {lens.axis}" if lens.axis is not XAxis.STEP else "",
        "follows" if lens.follows else "zoomed" if lens.seen is not None else "",
        "log" if lens.log_y else "",
        "without outliers" if lens.robust else "",
        {None: "", 0.0: "not smoothed"}.get(lens.smoothing, f"smoothed over {100 * (lens.smoothing or 0):g} %"),
    ]
    return " · ".join(part for part in parts if part)
