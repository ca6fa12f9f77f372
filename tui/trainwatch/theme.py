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


def _mixed(colour: str, ground: str, share: float = _FAINT) -> str:
    parts = [(int(colour[i : i + 2], 16), int(ground[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in parts)


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

HEAT_LEVELS = 6


def _heat(ground: str, styles: Mapping[str, str]) -> dict[str, str]:
    """Grounds of a heat map's cells, `hit1` to `hit6` and `miss1` to …, each with what can be read on it."""
    found = {}
    for name, meaning in (("hit", "ok"), ("miss", "alert")):
        for level in range(1, HEAT_LEVELS + 1):
            share = 0.12 + 0.88 * (level - 1) / (HEAT_LEVELS - 1)
            cell = _mixed(styles[meaning].split()[-1], ground, share)
            ink = max((styles["value"], ground), key=lambda ink: contrast(ink, cell))
            found[f"{name}{level}"] = f"{ink} on {cell}"
    return found


def contrast(one: str, other: str) -> float:
    """Of two colours, as WCAG 2.1 defines it: from 1 to 21; 3 is enough for signs."""
    dark, bright = sorted((_luminance(one), _luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _palette(name: str, ground: str, styles: dict[str, str]) -> Palette:
    return Palette(name, is_dark=name.startswith("dark"), background=ground, styles=styles | _heat(ground, styles))


PALETTES = {
    palette.name: palette
    for palette in (
        _palette("dark", "#101318", _DARK),
        _palette("light", "#fbfbf9", _LIGHT),
        _palette("dark-safe", "#101318", _DARK | _SAFE_DARK),
        _palette("light-safe", "#fbfbf9", _LIGHT | _SAFE_LIGHT),
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
