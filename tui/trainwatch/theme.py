"""What a style name of the painters looks like. Few colours, each with one meaning; the rest is shades of grey."""

BACKGROUND = "#101318"
SURFACE = "#181c24"

STYLES: dict[str, str] = {
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
    # meaning
    "ok": "#7fb98a",
    "warn": "#dcaf5f",
    "alert": "bold #e5707a",
    "key": "bold #8fbcf0",
    "notice": "#e0b26a",
}
"""Rich style definitions by name; a painter uses no others."""
