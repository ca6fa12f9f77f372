"""How values become what a page, a log or a table of findings says to a person. Pure."""

import datetime as dt
import math

MISSING = "–"


def number(value: float | None) -> str:
    """Four significant digits; missing as a dash, non-finite ones as they are called."""
    if value is None:
        return MISSING
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}"
    if 1e-3 <= abs(value) < 1e6:
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    mantissa, _, exponent = f"{value:.3e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def duration(seconds: float) -> str:
    """0.4 s, 12 s, 3 min 20 s, 4 h 05 min, 2 d 03 h."""
    if not math.isfinite(seconds):
        return MISSING
    if seconds < 10:
        return f"{seconds:.2g} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600:02d} h"


def instant(at: float) -> str:
    """A wall-clock instant in UTC, to the second; a number that is none as it is."""
    try:
        return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return number(at)


def one_line(text: str) -> str:
    """The text without line breaks."""
    return " ".join(text.split())
