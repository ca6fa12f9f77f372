"""Amounts of bytes: as people read them, the same in logs, findings and the dashboard, and of files."""

import math
from pathlib import Path

MISSING = "–"
_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def size(num_bytes: float | None) -> str:
    """Bytes as they are, more than 1023 in binary units and three significant digits: 3.21 GiB, 0.998 TiB.

    A dash where there is no number, or one that is not finite or too large for a float.
    """
    try:
        value = math.nan if num_bytes is None else float(num_bytes)
    except OverflowError:
        return MISSING
    if not math.isfinite(value):
        return MISSING
    if abs(value) < 1023.5:
        return f"{value:.0f} B"
    for unit in _UNITS:
        value /= 1024
        if abs(value) < 999.5:  # four digits would turn into 1.02e+03
            return f"{value:.3g} {unit}"
    return f"{value:.3g} {_UNITS[-1]}"


def size_of(path: Path) -> int:
    """Bytes of a file; 0 where there is none, or none any more."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
