"""Dots to braille: a grid of booleans, four by two a cell, becomes lines of text. Pure numpy."""

import numpy as np
import numpy.typing as npt

from rundir.column import Floats

Dots = npt.NDArray[np.bool_]
"""Shape (4 × rows, 2 × columns); row 0 is the top."""

DOTS_X, DOTS_Y = 2, 4
_BRAILLE = 0x2800
_WEIGHTS = np.array([[1, 8], [2, 16], [4, 32], [64, 128]], dtype=np.uint32)


def spans(low: Floats, high: Floats, breaks: npt.NDArray[np.bool_], height: int) -> Dots:
    """A curve: in every dot column the dots from `low` to `high`, joined with those of the next column.

    `low` and `high` count dots from the bottom, fractions allowed, nan where a column has no value. Columns without a
    value are bridged by a straight line, except across a column where `breaks` is set.
    Shape (height, len(low)).
    """
    dots = np.zeros((height, len(low)), dtype=np.bool_)
    known = np.flatnonzero(~np.isnan(low))
    if not len(known):
        return dots
    bottom, top = _bridge(low, high, known, breaks)
    inside = ~np.isnan(bottom)
    base = np.where(inside, np.clip(np.rint(np.nan_to_num(bottom)), 0, height - 1), 0).astype(np.int64)
    peak = np.where(inside, np.clip(np.rint(np.nan_to_num(top)), 0, height - 1), -1).astype(np.int64)
    joined = inside[1:] & inside[:-1]
    low_joined, high_joined = base.copy(), peak.copy()
    low_joined[1:] = np.where(joined, np.minimum(base[1:], peak[:-1] + 1), base[1:])
    high_joined[1:] = np.where(joined, np.maximum(peak[1:], base[:-1] - 1), peak[1:])
    rows = np.arange(height - 1, -1, -1)[:, None]
    return (rows >= low_joined) & (rows <= high_joined)


def _bridge(low: Floats, high: Floats, known: npt.NDArray[np.int64], breaks: Dots) -> tuple[Floats, Floats]:
    """Fill columns between known ones by interpolation, unless something broke the curve there."""
    columns = np.arange(len(low))
    bottom = np.interp(columns, known, low[known], left=np.nan, right=np.nan)
    top = np.interp(columns, known, high[known], left=np.nan, right=np.nan)
    broken = np.cumsum(breaks)
    after = np.clip(np.searchsorted(known, columns), 0, len(known) - 1)
    before = np.clip(np.searchsorted(known, columns, side="right") - 1, 0, len(known) - 1)
    cut = np.isnan(low) & (broken[known[after]] > broken[known[before]])
    bottom[cut] = np.nan
    top[cut] = np.nan
    return bottom, top


def braille(dots: Dots) -> list[str]:
    """One string a row of cells; a cell without dots is a space."""
    height, width = dots.shape
    cells = dots.reshape(height // DOTS_Y, DOTS_Y, width // DOTS_X, DOTS_X)
    codes = (cells * _WEIGHTS[None, :, None, :]).sum(axis=(1, 3), dtype=np.uint32)
    codes = np.where(codes == 0, np.uint32(ord(" ")), codes + _BRAILLE)
    return ["".join(map(chr, row)) for row in codes.tolist()]
