"""What a style name of the painters looks like. Few colours, each with one meaning; the rest is shades of grey.

Which palette is in use is the one thing that this module owns; the app alone changes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

OKABE_ITO = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
"""Colours told apart with any kind of colour vision: Okabe and Ito, Color Universal Design (2008)."""


@dataclass(frozen=True, eq=False)
class Palette:
    """Rich style definitions by name, on one background; a painter uses no others."""

    name: str
    is_dark: bool
    background: str
    styles: Mapping[str, str]


_FAINT = 0.4
"""How much of its colour is left of a run's raw curve behind the smoothed one."""


def _runs(ground: str, *colours: str) -> dict[str, str]:
    """A style for each run, and a faint one. Okabe and Ito's eighth colour is black: on a dark ground, white."""
    styles = {f"run{i}": colour for i, colour in enumerate(colours)}
    return styles | {f"{name}-faint": _mixed(colour, ground) for name, colour in styles.items()}


def _mixed(colour: str, ground: str) -> str:
    parts = [(int(colour[i : i + 2], 16), int(ground[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(_FAINT * a + (1 - _FAINT) * b):02x}" for a, b in parts)


_DARK = {
    "": "#b4bac6",
    "title": "bold #d5dae4",
    "value": "#e6e9f0",
    "dim": "#747c8c",
    "faint": "#454c59",
    "border": "#343b48",
    "border-chosen": "#6d8ab5",
    "axis": "#747c8c",
    "console": "#9299a8",
    # curves
    "curve": "#7aa2d4",
    "raw": "#40536f",
    "smooth": "#8fbcf0",
    "point": "#e0b26a",
    "seam": "#747c8c",
    "cursor": "#9299a8",
    # meaning
    "ok": "#7fb98a",
    "warn": "#dcaf5f",
    "alert": "bold #e5707a",
    "key": "bold #8fbcf0",
    "notice": "#e0b26a",
    "chosen": "bold #8fbcf0",
    **_runs("#101318", *OKABE_ITO, "#ffffff"),
}
_LIGHT = {
    "": "#3c434f",
    "title": "bold #1b212b",
    "value": "#11151c",
    "dim": "#687080",
    "faint": "#a9b0bc",
    "border": "#c3c9d3",
    "border-chosen": "#3f6cab",
    "axis": "#687080",
    "console": "#4b5360",
    "curve": "#2f66ad",
    "raw": "#a9c3e6",
    "smooth": "#1d4f93",
    "point": "#9a5f00",
    "seam": "#687080",
    "cursor": "#4b5360",
    "ok": "#1e7a3c",
    "warn": "#8f5c00",
    "alert": "bold #b3202c",
    "key": "bold #1d4f93",
    "notice": "#8f5c00",
    "chosen": "bold #1d4f93",
    # Yellow is hard to see on white: darkened.
    **_runs("#fbfbf9", OKABE_ITO[0], OKABE_ITO[1], OKABE_ITO[2], "#b5a800", *OKABE_ITO[4:], "#000000"),
}
_SAFE_DARK = {
    "ok": "#56B4E9", "warn": "#E69F00", "alert": "bold #D55E00", "point": "#F0E442", "notice": "#F0E442",
    "curve": "#56B4E9", "smooth": "#9fd6f5", "key": "bold #56B4E9", "chosen": "bold #56B4E9",
}  # fmt: skip
_SAFE_LIGHT = {
    "ok": "#0072B2", "warn": "#8a5f00", "alert": "bold #D55E00", "point": "#9a5f00", "notice": "#8a5f00",
    "curve": "#0072B2", "smooth": "#004a75", "key": "bold #0072B2", "chosen": "bold #0072B2",
}  # fmt: skip
"""Good and bad differ in lightness and along blue and orange, the axis that colour-blind eyes keep."""

PALETTES = {
    palette.name: palette
    for palette in (
        Palette("dark", is_dark=True, background="#101318", styles=_DARK),
        Palette("light", is_dark=False, background="#fbfbf9", styles=_LIGHT),
        Palette("dark-safe", is_dark=True, background="#101318", styles=_DARK | _SAFE_DARK),
        Palette("light-safe", is_dark=False, background="#fbfbf9", styles=_LIGHT | _SAFE_LIGHT),
    )
}
"""By the name that `--theme` takes; the safe ones are for any kind of colour vision."""

_in_use = [PALETTES["dark"]]


def current() -> Palette:
    """The palette in use."""
    return _in_use[0]


def use(name: str) -> Palette:
    """Take a palette into use. Raises KeyError where there is none of the name."""
    _in_use[0] = PALETTES[name]
    return _in_use[0]


def following(name: str) -> str:
    """The name of the palette after this one, and so round."""
    names = list(PALETTES)
    return names[(names.index(name) + 1) % len(names)]
