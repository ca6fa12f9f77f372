"""The latest evaluation: overall metrics with their best and last change, then texts, labels, confusions. Pure."""

import math

from rundir.records import EvalRecord
from rundir.text import plain
from trainwatch import format as fmt
from trainwatch.paint import Row, box
from trainwatch.panes.confusion import confusion_lines
from trainwatch.panes.samples import sample_lines
from trainwatch.scores import numeric, ordered, values_of
from trainwatch.store import Store

_LABEL_COLUMNS = ("precision", "recall", "f1", "support")
_SHORT = {"precision": "prec", "support": "n"}
_CELL = 7


def paint_evals(store: Store, width: int, height: int, scroll: int = 0, style: str = "border") -> list[Row]:
    """Rows of exactly width × height."""
    latest = store.scores.latest
    if latest is None:
        body: list[Row] = [[(" no evaluation yet", "dim")]]
        body += _baseline_only(store)
        return box([("eval", "title")], body, width, height, style=style)
    title: Row = [("eval", "title"), (f" @ {fmt.count(latest.step)}", "value")]
    if len(store.scores.records) > 1:
        title.append((f"  {len(store.scores.records)} so far", "dim"))
    shown = _window(_lines(store, latest, width - 2), height - 2, scroll)
    return box(title, shown, width, height, style=style)


def num_eval_lines(store: Store, width: int) -> int:
    """How many lines there are to scroll through in a pane of a width."""
    latest = store.scores.latest
    return len(_lines(store, latest, width - 2)) if latest is not None else 0


def _lines(store: Store, latest: EvalRecord, inner: int) -> list[Row]:
    parts = [
        _overall(store, latest, inner),
        sample_lines(latest.samples or [], inner),
        _labels(latest, inner),
        confusion_lines(latest, inner),
    ]
    lines: list[Row] = []
    for part in filter(None, parts):
        lines += [[("", "")], *part] if lines else part
    return lines


def _window(lines: list[Row], height: int, scroll: int) -> list[Row]:
    if len(lines) <= height or height < 1:
        return lines
    start = min(scroll, len(lines) - height)
    shown = lines[start : start + height]
    hidden = len(lines) - start - height
    if hidden > 0:
        shown[-1] = [(f" … {hidden + 1} more", "dim")]
    return shown


def _overall(store: Store, latest: EvalRecord, inner: int) -> list[Row]:
    before = values_of(store.scores.records[-2]) if len(store.scores.records) > 1 else {}
    columns = ["latest", "best", "change"] + (["baseline"] if store.baseline else [])
    cell = 10 if inner >= 20 + 10 * len(columns) else 9
    while columns and inner < 13 + cell * len(columns):
        columns.pop()
    name_width = max(4, inner - 1 - cell * len(columns))
    rows: list[Row] = [[(" " + " " * name_width, ""), ("".join(c.rjust(cell) for c in columns), "dim")]]
    for name, value in values_of(latest).items():
        best = store.scores.best.get(name, math.nan)
        is_best = value == best
        change = fmt.change(value, before[name]) if name in before else ""
        better = change.startswith("-") == store.scores.is_lower_better(name)
        cells = {
            "latest": (fmt.number(value), "value" if math.isfinite(value) else "alert"),
            "best": (fmt.number(best) if math.isfinite(best) else fmt.MISSING, "ok" if is_best else "dim"),
            "change": (change, "dim" if better or change.strip("+-0.") == "" else "warn"),
            "baseline": (fmt.number(store.baseline[name]) if name in store.baseline else "", "dim"),
        }
        label = fmt.fit(" " + plain(name).replace("_", " "), name_width + 1)
        rows.append([(label, ""), *((cells[c][0].rjust(cell), cells[c][1]) for c in columns)])
    return rows


def _labels(latest: EvalRecord, inner: int) -> list[Row]:
    if not latest.labels:
        return []
    columns = [c for c in _LABEL_COLUMNS if any(c in values for values in latest.labels.values())]
    while columns and inner < 14 + _CELL * len(columns):
        columns.pop(0)
    name_width = max(4, inner - 1 - _CELL * len(columns))
    names = "".join(_SHORT.get(c, c).rjust(_CELL) for c in columns)
    rows: list[Row] = [[(fmt.fit(" label", name_width + 1), "dim"), (names, "dim")]]
    table = {name: numeric(dict(values)) for name, values in latest.labels.items()}
    for name, values in sorted(table.items(), key=lambda item: (-item[1].get("support", 0.0), item[0])):
        cells = [label_cell(column, values.get(column)) for column in columns]
        rows.append([(fmt.fit(" " + plain(name).replace("_", " "), name_width + 1), ""), *cells])
    return rows


def label_cell(column: str, value: float | None, width: int = _CELL) -> tuple[str, str]:
    """A figure of a label, and its style."""
    if value is None:
        return fmt.MISSING.rjust(width), "dim"
    if not math.isfinite(value):
        return str(value).rjust(width), "alert"
    if column == "support":
        shown = fmt.count(value) if value < 1e6 else fmt.short_count(value)
        return fmt.clip(shown, width - 1).rjust(width), "dim"
    return f"{value:.3f}".rjust(width), "value" if column == "f1" else ""


def _baseline_only(store: Store) -> list[Row]:
    """What a program without a model scores: there before the first evaluation, and what it will be held against."""
    if not store.baseline:
        return []
    rows: list[Row] = [[("", "")], [(" baseline", "dim")]]
    rows += [
        [(" " + fmt.fit(plain(name).replace("_", " "), 24), ""), (fmt.number(value).rjust(9), "value")]
        for name, value in ordered(store.baseline).items()
    ]
    return rows
