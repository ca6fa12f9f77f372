"""Sends only the cells of a refreshed region. Textual's own partial update resends a row from its widget's left edge
(its source says "TODO: crop to x extents"), which for a curve growing at the right means the whole row.
"""

from collections.abc import Mapping, Sequence

from rich.console import Console
from textual._compositor import ChopsUpdate, Compositor
from textual.strip import Strip


class NarrowCompositor(Compositor):
    """Textual's compositor, whose partial updates are cropped on both sides.

    Stands on two private names of Textual 8 (`Compositor`, `ChopsUpdate`); the pilot tests notice if they change.
    """

    def render_partial_update(self) -> ChopsUpdate | None:
        update = super().render_partial_update()
        return None if update is None else _NarrowUpdate(update.chops, update.spans, update.chop_ends)


class _NarrowUpdate(ChopsUpdate):
    def render_segments(self, console: Console) -> str:
        """Cursor positions and cells, for spans (y, start, stop) of the screen."""
        pieces: list[str] = []
        for y, start, stop in self.spans:
            line: Mapping[int, Strip | None] = self.chops[y]
            ends: Sequence[int] = self.chop_ends[y]
            for end, (x, strip) in zip(ends, line.items(), strict=False):
                if strip is None or x >= stop or end <= start:
                    continue
                left, right = max(x, start), min(end, stop)
                pieces.append(f"\x1b[{y + 1};{left + 1}H")
                pieces.append(strip.crop(left - x, right - x).render(console))
        return "".join(pieces)
