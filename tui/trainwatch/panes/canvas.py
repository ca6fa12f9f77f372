"""A grid of characters with a style each, on which a chart is drawn. Pure."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from trainwatch import format as fmt
from trainwatch.paint import Row, Span


class Cells:
    """The canvas of one painting: a character and a style a cell."""

    def __init__(self, columns: int, lines: int) -> None:
        self.columns, self.lines = columns, lines
        self._characters = [[" "] * columns for _ in range(lines)]
        self._styles = [[""] * columns for _ in range(lines)]

    def draw(self, pictures: Sequence[str], style: str) -> None:
        """Lay a braille picture over; its cells replace those below."""
        for characters, styles, picture in zip(self._characters, self._styles, pictures, strict=True):
            for i, character in enumerate(picture):
                if character != " ":
                    characters[i] = character
                    styles[i] = style

    def put(self, column: int, line: int, character: str, style: str, *, below: bool = False) -> None:
        if 0 <= column < self.columns and 0 <= line < self.lines and not (below and self._styles[line][column]):
            self._characters[line][column] = character
            self._styles[line][column] = style

    def rule(self, column: int, character: str, style: str) -> None:
        """A line from top to bottom, below what is drawn."""
        for line in range(self.lines):
            self.put(column, line, character, style, below=True)

    def fade(self, start: int, stop: int, style: str) -> None:
        """Give everything before one column and from another on a style: what lies between stands out."""
        for styles in self._styles:
            styles[:start] = [style] * len(styles[:start])
            styles[stop:] = [style] * len(styles[stop:])

    def write(self, text: str, style: str) -> None:
        """A remark in the middle."""
        text = fmt.clip(text, self.columns)
        start = (self.columns - len(text)) // 2
        for i, character in enumerate(text):
            self.put(start + i, self.lines // 2, character, style)

    def rows(self) -> list[Row]:
        lines = zip(self._characters, self._styles, strict=True)
        return [joined(zip(characters, styles, strict=True)) for characters, styles in lines]


def joined(cells: Iterable[Span]) -> Row:
    """Single cells joined into spans of one style."""
    return [("".join(text for text, _ in run), style) for style, run in groupby(cells, key=lambda cell: cell[1])]
