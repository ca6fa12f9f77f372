"""Painted rows as an SVG that looks the same everywhere. Pure.

Curves, boxes and bars are drawn as lines, not as characters: whether a font has them, and how wide, does not matter.
Letters are kept to their cells by `textLength`. Nothing is fetched: no font, no style sheet.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

from rich.cells import cell_len

from rundir.text import plain
from trainwatch import theme
from trainwatch.paint import Row

CELL_WIDTH, CELL_HEIGHT = 9, 18
MARGIN = 6
_FONT = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace"
_FONT_SIZE = 14.5
_BASELINE = 13.5
_DOT = 1.9
_BRAILLE = range(0x2800, 0x2900)
_DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
"""Column and row of the dot that each bit of a braille character stands for."""
_BLOCKS = "▁▂▃▄▅▆▇█"
_MIDDLE_X, _MIDDLE_Y = CELL_WIDTH / 2, CELL_HEIGHT / 2
_LINES = {
    "─": (0, _MIDDLE_Y, f"h{CELL_WIDTH}"),
    "│": (_MIDDLE_X, 0, f"v{CELL_HEIGHT}"),
    "╭": (_MIDDLE_X, CELL_HEIGHT, f"v-3q0 -6 {CELL_WIDTH - _MIDDLE_X} -6"),
    "╮": (_MIDDLE_X, CELL_HEIGHT, f"v-3q0 -6 -{_MIDDLE_X} -6"),
    "╰": (_MIDDLE_X, 0, f"v3q0 6 {CELL_WIDTH - _MIDDLE_X} 6"),
    "╯": (_MIDDLE_X, 0, f"v3q0 6 -{_MIDDLE_X} 6"),
    "┊": (_MIDDLE_X, 1, "v3m0 3v3m0 3v3"),
}
"""Where in its cell a line begins, and how it goes on from there."""
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass
class _Layers:
    """What is drawn in each colour, gathered over the whole picture."""

    lines: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    bars: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    dots: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    texts: list[str] = field(default_factory=list)


def svg_of(rows: Sequence[Row], width: int, title: str) -> str:
    """The rows, `width` cells wide, in the palette that is in use."""
    palette = theme.current()
    layers = _Layers()
    for y, row in enumerate(rows):
        _draw(layers, row, y * CELL_HEIGHT)
    wide, high = width * CELL_WIDTH + 2 * MARGIN, len(rows) * CELL_HEIGHT + 2 * MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-MARGIN} {-MARGIN} {wide} {high}" '
            f'width="{wide}" height="{high}" xml:space="preserve" font-family="{_FONT}" font-size="{_FONT_SIZE}">',
            f"<title>{_escaped(plain(title))}</title>",
            f'<rect x="{-MARGIN}" y="{-MARGIN}" width="{wide}" height="{high}" fill="{palette.background}"/>',
            *_paths(layers.lines, 'fill="none" stroke-width="1" stroke'),
            *_paths(layers.bars, 'stroke="none" fill'),
            *_paths(layers.dots, f'fill="none" stroke-linecap="round" stroke-width="{_DOT}" stroke'),
            *layers.texts,
            "</svg>\n",
        ]
    )


def page_of(svg: str, title: str, said: str) -> str:
    """A page of HTML with nothing beside it: the picture, as wide as the window, and a line under it."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{_escaped(plain(title))}</title>\n'
        f"<style>body{{margin:0;background:{theme.current().background};color:#808890;font:13px {_FONT}}}"
        "svg{display:block;width:100%;height:auto}p{margin:0;padding:8px}</style></head>\n"
        f"<body>\n{svg}<p>{_escaped(plain(said))}</p>\n</body></html>\n"
    )


def _paths(layer: dict[str, list[str]], attribute: str) -> Iterable[str]:
    return (f'<path {attribute}="{colour}" d="{"".join(parts)}"/>' for colour, parts in layer.items())


def _draw(layers: _Layers, row: Row, top: int) -> None:
    x = 0
    for text, style in row:
        colour, is_bold = _look(style)
        start, letters = x, ""
        for character in text:
            shape = _shape(layers, character, colour, x * CELL_WIDTH, top)
            if shape or character == " ":
                _write(layers, letters, colour, start, top, is_bold=is_bold)
                start, letters = x + 1, ""
            else:
                letters += character
            x += 1 if shape else cell_len(character)
        _write(layers, letters, colour, start, top, is_bold=is_bold)


def _shape(layers: _Layers, character: str, colour: str, left: int, top: int) -> bool:
    """Draw a character that is no letter. Whether it is none."""
    if ord(character) in _BRAILLE:
        layers.dots[colour] += _dots(ord(character) - _BRAILLE.start, left, top)
    elif character in _LINES:
        x, y, course = _LINES[character]
        layers.lines[colour].append(f"M{left + x:g} {top + y:g}{course}")
    elif character == "━":
        layers.bars[colour].append(_rectangle(left, top + _MIDDLE_Y - 1, CELL_WIDTH, 2))
    elif character in _BLOCKS:
        height = (CELL_HEIGHT - 3) * (_BLOCKS.index(character) + 1) / len(_BLOCKS)  # apart from the row above
        layers.bars[colour].append(_rectangle(left, top + CELL_HEIGHT - height, CELL_WIDTH, height))
    else:
        return False
    return True


def _dots(bits: int, left: int, top: int) -> Iterable[str]:
    for bit, (column, row) in enumerate(_DOTS):
        if bits >> bit & 1:
            yield f"M{left + CELL_WIDTH * (column + 0.5) / 2:g} {top + CELL_HEIGHT * (row + 0.5) / 4:g}h0"


def _rectangle(left: float, top: float, width: float, height: float) -> str:
    return f"M{left:g} {top:g}h{width:g}v{height:g}h{-width:g}z"


def _write(layers: _Layers, letters: str, colour: str, x: int, top: int, *, is_bold: bool) -> None:
    if not letters:
        return
    weight = ' font-weight="bold"' if is_bold else ""
    layers.texts.append(
        f'<text x="{x * CELL_WIDTH}" y="{top + _BASELINE:g}" fill="{colour}"{weight} '
        f'textLength="{cell_len(letters) * CELL_WIDTH}" lengthAdjust="spacingAndGlyphs">{_escaped(letters)}</text>'
    )


def _look(style: str) -> tuple[str, bool]:
    """Colour, and whether it is bold."""
    words = theme.current().styles[style].split()
    return next(word for word in words if word.startswith("#")), "bold" in words


def _escaped(text: str) -> str:
    return escape(_NOT_XML.sub("\ufffd", text))
