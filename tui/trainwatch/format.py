"""How values become what a terminal shows. Pure. Text that a run wrote passes `rundir.text.plain` first."""

import math

from rich.cells import cell_len, chop_cells, set_cell_size

MISSING = "–"


def clip(text: str, width: int) -> str:
    """At most `width` terminal cells of a text, an ellipsis where something was cut."""
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + "…"


def clip_start(text: str, width: int) -> str:
    """The same with the end kept: what was cut is the beginning."""
    if width <= 0 or cell_len(text) <= width:
        return text if width > 0 else ""
    start = next(i for i in range(len(text) + 1) if cell_len(text[i:]) < width)
    return "…" + text[start:]


def fit(text: str, width: int) -> str:
    """Exactly `width` terminal cells: clipped or padded on the right."""
    text = clip(text, width)
    return text + " " * (width - cell_len(text))


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most `width` cells, broken between words where there are any; empty for a blank text."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        joined = f"{line} {word}" if line else word
        if cell_len(joined) <= width:
            line = joined
            continue
        if line:
            lines.append(line)
        *whole, line = chop_cells(word, width)  # a word that is longer than a line
        lines += whole
    return [*lines, line] if line else lines


def as_float(value: float) -> float:
    """A number as a float; an integer beyond its range is infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def number(value: float | None) -> str:
    """Four significant digits; small and large ones in scientific form without needless digits; missing as a dash."""
    if value is None:
        return MISSING
    if not math.isfinite(value):
        return str(value)
    size = abs(value)
    if size == 0:
        return "0"
    if size < 1e-3 or size >= 1e6:
        mantissa, _, exponent = f"{value:.3e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{3 - math.floor(math.log10(size))}f}"


def tick(value: float, step: float) -> str:
    """An axis label with just the decimals that the distance of the ticks needs."""
    if abs(value) < step * 1e-6:
        return "0"
    decimals = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 0
    if round(step * 10 ** min(decimals, 300), 6) % 1:  # a step of 0.25 needs one more than 0.2
        decimals += 1
    if abs(value) >= 1e6 or (step < 1e-3 and (abs(value) < 1e3 * step or decimals > 9)):
        figures = math.floor(math.log10(abs(value)) + 1e-9) + decimals if step < 1 else _figures(value, step)
        mantissa, _, exponent = f"{value:.{min(max(figures, 2), 12)}e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    return f"{value:.{decimals}f}"


def _figures(value: float, step: float) -> int:
    """Behind the point of a number in scientific form, so that it is told from the next multiple of a step >= 1."""
    return math.ceil(math.log10(abs(value)) - math.log10(step)) + 1


def count(value: float) -> str:
    """A whole number with its thousands separated; one of no use as a count as `number` writes it."""
    return f"{int(value):,}" if abs(value) < 1e18 else number(as_float(value))


def counted(number: int, noun: str) -> str:
    """`1 run`, `2,000 runs`."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def short_count(value: float) -> str:
    """A count for an axis: 800, 25k, 1.2M."""
    value = as_float(value)
    if not 1e3 <= abs(value) < math.inf:
        return f"{value:.4g}"
    value = float(f"{value:.3g}")  # first, so that 999,999 is 1M
    limit, unit = next(((limit, unit) for limit, unit in ((1e9, "G"), (1e6, "M")) if abs(value) >= limit), (1e3, "k"))
    return f"{value / limit:.3g}{unit}"


def elapsed(seconds: float) -> str:
    """A time since the start, for an axis: 0.5s, 45s, 1m40s, 2h05m, 3d04h; what is zero at its end is left out."""
    if not math.isfinite(seconds) or abs(seconds) < 60:
        return f"{seconds:.3g}s"
    sign, whole = "-" if seconds < 0 else "", round(abs(seconds))
    for unit_s, unit, part_s, part in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= unit_s:
            if whole >= 1e9:
                return f"{sign}{number(whole / unit_s)}{unit}"
            more, count = whole % unit_s // part_s, whole // unit_s
            return f"{sign}{count}{unit}" + (f"{more:02d}{part}" if more else "")
    return f"{sign}{whole}s"


def duration(seconds: float | None) -> str:
    """12s, 3m 20s, 4h 05m, 2d 03h."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d {whole % 86400 // 3600:02d}h"


def change(value: float, before: float) -> str:
    """A signed difference: +0.012."""
    difference = value - before
    return f"{difference:+.3f}" if math.isfinite(difference) and abs(difference) < 1000 else ""


def age(seconds: float | None) -> str:
    """Coarse, so that it seldom changes: 40 s, 12 m, 5 h, 3 d."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    for limit, unit_s, unit in ((60, 10, "s"), (3600, 60, "m"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{int(seconds / unit_s) * (10 if unit == 's' else 1)} {unit}"
    return f"{int(seconds / 86400):,} d"
