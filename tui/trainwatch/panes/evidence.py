"""The page of one alert: its curve, what was seen, why that may be, and what to do about it. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rundir.alerts import RULES
from rundir.alerts.anew import command_anew
from rundir.column import Floats
from rundir.orders import command_of
from rundir.text import plain
from trainwatch import format as fmt
from trainwatch.evidence import Case, Fix, figures_of, incident_of, thresholds_of
from trainwatch.layout import Layout, Rect
from trainwatch.lens import Extent, Lens
from trainwatch.metric import Lines
from trainwatch.paint import Row, box, spread
from trainwatch.panes.chart import Chart, Mark
from trainwatch.panes.gallery import metric_chart
from trainwatch.panes.words import SEVERITY_STYLES
from trainwatch.store import Store

WIDE, TALL = 110, 26
AROUND = 30
"""Records that are drawn before the onset and after the detection, at least."""
ONSET, FOUND = "╎", "│"


def arrange_evidence(width: int, height: int) -> Layout:
    """Chart, what was seen below it, what to do beside both; where there is little room one text under the chart."""
    if width < 1 or height < 1:
        return {}
    head, foot = (1 if height >= 5 else 0), (2 if height >= 12 else 1 if height >= 3 else 0)
    body = height - head - foot
    places = {"header": Rect(0, 0, width, head)}
    if width >= WIDE and height >= TALL:
        left, chart = width * 11 // 20, body // 2
        places["chart"] = Rect(0, head, left, chart)
        places["seen"] = Rect(0, head + chart, left, body - chart)
        places["advice"] = Rect(left, head, width - left, body)
    else:
        chart = body * 2 // 5 if body >= 14 else 0
        places["chart"] = Rect(0, head, width, chart)
        places["advice"] = Rect(0, head + chart, width, body - chart)
    places["status"] = Rect(0, height - foot, width, min(1, foot))
    places["keys"] = Rect(0, height - 1, width, foot - 1)
    return {name: place for name, place in places.items() if place.height > 0}


# --- the curve -------------------------------------------------------------------------------------------------------


def evidence_chart(name: str, case: Case, lines: Lines, lens: Lens, *, is_read: bool) -> Chart:
    """The curve of a metric with the alert's onset and detection on it."""
    chart = metric_chart(name, lines, lens, [])
    rules = [Mark(case.onset_step, ONSET, "point"), Mark(case.found_step, FOUND, SEVERITY_STYLES[case.worst.severity])]
    empty = f"this run has no {plain(name)}" if is_read else "reading …"
    rules = rules[1:] if case.onset_step == case.found_step else rules
    return replace(chart, rules=rules, note=_chart_note(case), empty=empty)


def extent_around(case: Case, x: Floats) -> Extent | None:
    """The stretch of steps that shows an alert: from well before its onset to well after its detection.

    None where there is too little to choose from.
    """
    if len(x) < 2:
        return None
    onset, found = sorted((case.onset_step, case.found_step))
    first, last = int(np.searchsorted(x, onset)), int(np.searchsorted(x, found, side="right"))
    room = max(AROUND, last - first)
    start, stop = float(x[max(0, first - room)]), float(x[min(len(x) - 1, last + room)])
    start, stop = min(start, float(onset)), max(stop, float(found))
    return Extent(start, stop) if stop > start else None


def _chart_note(case: Case) -> Row:
    """What the two lines through the chart are."""
    style = SEVERITY_STYLES[case.worst.severity]
    found: Row = [(FOUND, style), (f" found {fmt.count(case.found_step)}", "dim")]
    if case.onset_step == case.found_step:
        return found
    return [(ONSET, "point"), (f" onset {fmt.count(case.onset_step)}  ", "dim"), *found]


# --- the texts -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a text, and which fix it is of: 0, 1, …; -1 for none."""

    row: Row
    fix: int = -1


def paint_evidence_header(case: Case, store: Store, width: int) -> list[Row]:
    """One line: the rule, how grave, since when, and whether it is over."""
    worst, cleared = case.worst, case.cleared
    style = SEVERITY_STYLES[worst.severity]
    left: Row = [(" ▲ ", style), (plain(case.rule), "title"), (f"  {worst.severity}", style)]
    if case.superseded:
        left.append(("  superseded by a later attempt", "dim"))
    elif cleared is not None:
        left.append((f"  over since step {fmt.count(cleared.step or 0)}", "ok"))
    else:
        left.append(("  open", style))
    if case.found:
        left.append(("  found here, not written to the run", "dim"))
    right: Row = [(fmt.clip(plain(store.run.id), max(10, width // 3)) + " ", "dim")]
    return [spread(left, right, width)]


def said_lines(case: Case, width: int) -> list[Line]:
    """What is wrong, in the words of the rule."""
    style = SEVERITY_STYLES[case.worst.severity]
    return [_plain_line(line, style) for line in fmt.wrap(plain(case.worst.message), width)]


def seen_lines(case: Case, cases: Sequence[Case], store: Store, width: int) -> list[Line]:
    """What was seen, what it was compared with, and what belongs to it."""
    lines = _pair("finds", RULES[case.rule].title, width) if case.rule in RULES else []
    lines += _pair("onset", f"step {fmt.count(case.onset_step)}, where its cause shows first", width)
    lines += _pair("found", f"step {fmt.count(case.found_step)}", width)
    if case.cleared is not None:
        lines += _pair("over", f"step {fmt.count(case.cleared.step or 0)}: {plain(case.cleared.message)}", width)
    lines += _heading("seen")
    lines += _table(figures_of(case), width) or [_plain_line("no figures were recorded", "dim")]
    limits = thresholds_of(case.rule, store.opened.config)
    if limits:
        lines += _heading("thresholds")
        text = " · ".join(f"{name} {fmt.number(value)}{' (this run)' if own else ''}" for name, value, own in limits)
        lines += [_plain_line(line, "") for line in fmt.wrap(text, width)]
    return [*lines, *_incident_lines(case, cases, width)]


def _incident_lines(case: Case, cases: Sequence[Case], width: int) -> list[Line]:
    members, primary = incident_of(case, cases)
    if case.incident is None:
        return []
    if len(members) == 1:
        return [*_heading(f"incident {case.incident}"), _plain_line("this alert alone", "dim")]
    lines = _heading(f"incident {case.incident}: {len(members)} alerts")
    if primary:
        is_it = primary == case.rule
        said = "the others follow from this one" if is_it else f"{plain(primary)}, from which the others follow"
        lines += _pair("primary", said, width)
    for each in members:
        if each is not case:
            steps = f"onset {fmt.count(each.onset_step)}, found {fmt.count(each.found_step)}"
            style = SEVERITY_STYLES[each.worst.severity]
            lines.append(Line([("  ▲ ", style), (plain(each.rule), style), (f"  {steps}", "dim")]))
    return lines


def advice_lines(
    case: Case, fixes: Sequence[Fix], reference: str, host: str, refusal: Callable[[Fix], str], width: int
) -> list[Line]:
    """Why it may be, the likeliest first; and what to do, in order, with the key and command of what an order does.

    `refusal`: why an order cannot be given now; empty where it can.
    """
    lines = [Line([("likely causes", "title")])]
    for number, cause in enumerate(case.worst.causes, start=1):
        lines += _numbered(f"{number}. ", "dim", plain(cause), "", width)
    if not case.worst.causes:
        lines.append(_plain_line("none is known", "dim"))
    can_any = any(fix.args is not None and not refusal(fix) for fix in fixes)
    copies = any(fix.anew and (fix.args is None or refusal(fix)) for fix in fixes)
    does = {(True, False): "gives the order", (False, True): "copies the command", (True, True): "gives or copies it"}
    hint = f"  a number {does[can_any, copies]}" if can_any or copies else ""
    lines += [Line([]), Line([("what to do", "title"), (fmt.clip(hint, max(0, width - 10)), "dim")])]
    for index, fix in enumerate(fixes):
        lines += _fix_lines(index, fix, reference, host, refusal(fix), width)
    if not fixes:
        lines.append(_plain_line("nothing is known that helps", "dim"))
    return lines


def _fix_lines(index: int, fix: Fix, reference: str, host: str, refusal: str, width: int) -> list[Line]:
    can = fix.args is not None and not refusal
    number = f"{index + 1} "
    lines = _numbered(
        number, "key" if can or fix.anew else "dim", plain(fix.text), "value" if can else "", width, index
    )
    if fix.args is not None and fix.verb is not None:
        where = f"on {host}: " if host else ""
        command = where + command_of(fix.verb, fix.args, reference)
        lines += [
            Line([("  " + line, "smooth" if can else "faint")], index) for line in fmt.wrap(plain(command), width - 2)
        ]
    if why := fix.missing or (refusal if fix.args is not None else ""):
        lines += [Line([("  " + line, "dim")], index) for line in fmt.wrap(plain(f"not now: {why}"), width - 2)]
    if fix.anew and not (can and "begin anew" not in fix.text):
        command = f"anew: {command_anew(reference, fix.anew)}"
        lines += [Line([("  " + line, "smooth")], index) for line in fmt.wrap(plain(command), width - 2)]
    return lines


def _heading(text: str) -> list[Line]:
    return [Line([]), Line([(text, "title")])]


def _plain_line(text: str, style: str) -> Line:
    return Line([(text, style)])


def _pair(label: str, text: str, width: int) -> list[Line]:
    at = 9
    first, *more = fmt.wrap(plain(text), max(10, width - at)) or [""]
    return [Line([(f"{label:<{at}}", "dim"), (first, "")]), *(Line([(" " * at + line, "")]) for line in more)]


def _numbered(number: str, number_style: str, text: str, style: str, width: int, fix: int = -1) -> list[Line]:
    at = len(number)
    first, *more = fmt.wrap(text, max(10, width - at)) or [""]
    head = Line([(number, number_style), (first, style)], fix)
    return [head, *(Line([(" " * at + line, style)], fix) for line in more)]


def _table(pairs: Sequence[tuple[str, str]], width: int) -> list[Line]:
    """Names and values, two beside one another where they have room."""
    if not pairs:
        return []
    named = [(fmt.clip(plain(name), 28), plain(value)) for name, value in pairs]
    column = max(len(name) for name, _ in named) + 2
    lines = []
    for name, value in named:
        first, *more = fmt.wrap(value, max(10, width - column)) or [""]
        lines.append(Line([(f"{name:<{column}}", "dim"), (first, "value")]))
        lines += [Line([(" " * column + line, "value")]) for line in more]
    return lines


def paint_lines(title: str, lines: Sequence[Line], width: int, height: int, scroll: int) -> list[Row]:
    """Rows of exactly width × height: a text as far down as it was scrolled."""
    room = max(0, height - 2)
    start = min(scroll, max(0, len(lines) - room))
    note: Row = [(f"{start + 1}–{min(len(lines), start + room)} of {len(lines)}", "dim")] if len(lines) > room else []
    shown = [[(" ", ""), *line.row] for line in lines[start : start + room]]
    return box([(title, "title")], shown, width, height, note=note)
