"""Alerts that hold now, above the time line of events, newest first; one list, scrolled as one. Pure.

What a line does not hold goes on under it: there is no other place where a person could read the rest.
"""

import math
import time
from itertools import islice
from textwrap import wrap
from typing import Any

from rundir.records import AlertEvent, CheckpointEvent, LifecycleEvent, NoteEvent, OutcomeEvent, ResumeEvent
from rundir.size import size
from rundir.text import plain
from trainwatch import format as fmt
from trainwatch.findings import EventView
from trainwatch.paint import Row, Span, box
from trainwatch.panes.orders import words_of
from trainwatch.panes.words import SEVERITY_STYLES
from trainwatch.store import Store

_WHAT_STYLES = {
    "crashed": "alert", "failed": "alert", "checkpoint_failed": "alert", "checkpoint_skipped": "alert",
    "disk_full": "alert", "restarting": "warn", "stalled": "alert", "stall_over": "ok", "unattended": "warn",
    "updates_skipped": "warn", "held": "alert", "out_of_memory": "warn", "batches_left_out": "warn",
    "sink_failed": "warn", "control_distrusted": "alert", "control_ok": "ok", "report": "ok",
    "paused": "warn", "parked": "warn", "done": "ok", "training": "ok", "resumed": "ok", "disk_ok": "ok",
}  # fmt: skip
_TEXT_AT = 18
"""Cells before the name of an event."""
_MOST_ORDER = 120
"""Cells of an order in words."""
_MOST_LINES = 40
"""Of one event: more is no reading matter, and no reason to scroll past what else happened."""


def paint_events(store: Store, width: int, height: int, scroll: int = 0, style: str = "border") -> list[Row]:
    """Rows of exactly width × height."""
    alerts = store.active_alerts
    title: Row = [("events", "title")]
    if alerts:
        title = [("alerts", "title"), (f" {len(alerts)} active", SEVERITY_STYLES[alerts[0].severity]), *_joined(title)]
    warned = _alerts_lines(store, width)
    room = max(0, height - 2)
    # Every event is wrapped to know how far one can scroll: only once somebody does.
    start = min(scroll, max(0, len(warned) + _num_told(store, width) - room)) if scroll else 0
    lines = warned[start : start + room]
    first = max(0, start - len(warned))
    told = (line for view in reversed(store.events) for line in _event_lines(view, width))
    lines += islice(told, first, first + room - len(lines))
    if not lines:
        nothing = "nothing found by the alert rules" if store.opened.source else "nothing happened yet"
        lines = [[(f" {nothing}", "dim")]]
    note: Row = [(f"↑ {start} more", "dim")] if start else rules_note(store)
    return box(title, lines, width, height, note=note, style=style)


def rules_note(store: Store) -> Row:
    """How far the rules have come that run here, and that it is they who say what is said."""
    findings = store.findings
    if not findings.is_on:
        return []
    if findings.is_behind:
        return [(f"rules {math.floor(100 * findings.progress)}% of the steps", "warn")]
    return [("found here", "dim")] if findings.active else []


def num_event_lines(store: Store, width: int) -> int:
    """How many lines there are to scroll through in a pane of a width."""
    return len(_alerts_lines(store, width)) + _num_told(store, width)


def _num_told(store: Store, width: int) -> int:
    return sum(len(_event_lines(view, width)) for view in store.events)


def _alerts_lines(store: Store, width: int) -> list[Row]:
    return [line for alert in store.active_alerts for line in _alert_lines(alert, width - 6)]


def _joined(title: Row) -> Row:
    return [(" · ", "dim"), *title]


def _alert_lines(alert: AlertEvent, width: int) -> list[Row]:
    """What is wrong, and under it why that may be and what to do; wrapped, as these are the lines to be read."""
    style = SEVERITY_STYLES[alert.severity]
    rule = plain(alert.rule)
    first, *more = wrap(f"{rule}: {plain(alert.message)}", max(width, 10), max_lines=4, placeholder=" …") or [rule]
    lines: list[Row] = [[(" ▲ ", style), (first, style)], *([("   " + line, style)] for line in more)]
    causes = f"likely: {'; '.join(alert.causes)}" if alert.causes else ""
    told = [line for text in (causes, alert.advice) for line in _cut(plain(text), width)]
    return lines + [[("   " + line, "dim")] for line in told]


def _cut(text: str, width: int) -> list[str]:
    return wrap(text, max(width, 10), max_lines=3, placeholder=" …")


def _event_lines(view: EventView, width: int) -> list[Row]:
    name, text, style = event_words(view.event)
    text = f"found here, {text}" if view.found else text
    room = max(width - 2 - _TEXT_AT, 10)
    most = room * _MOST_LINES  # characters: of a text without end the rest need not be wrapped
    is_cut = len(text) > most
    name, text = plain(name), plain(text[:most])
    lines = fmt.wrap(f"{name} {text}", room) or [""]
    if is_cut or len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], "…"]
    first, *more = lines
    name, rest = (name, first[len(name) :].lstrip()) if first.startswith(name) else (first, "")
    shade = "faint" if view.superseded else ""
    return [_event_line(view, name, rest, style), *([(" " * _TEXT_AT + line, shade)] for line in more)]


def _event_line(view: EventView, name: str, text: str, style: str) -> Row:
    event = view.event
    shade = "faint" if view.superseded else ""
    row: Row = [(f" {clock(event.at)} ", shade or "dim")]
    step = "" if event.step is None else fmt.count(event.step) if event.step < 10**6 else fmt.short_count(event.step)
    row.append((f"{step:>7} ", shade or "dim"))
    spans: list[Span] = [(name, style), (" " + text if text else "", "")]
    return row + [(text, shade or style) for text, style in spans]


def clock(at: float) -> str:
    if at <= 0:
        return "--:--:--"
    try:
        return time.strftime("%H:%M:%S", time.localtime(at))
    except (OverflowError, ValueError, OSError):
        return "--:--:--"


def _detail(detail: dict[str, Any]) -> str:
    """`documents train 3400 eval 300, spans lost 0`: the plain values of an event that has no message of its own."""
    words = []
    for key, value in detail.items():
        inner = value if isinstance(value, dict) and len(value) <= 3 else {"": value}
        shown = [f"{k} {_scalar(v)}".strip() for k, v in inner.items() if isinstance(v, str | int | float)]
        words += [f"{key.replace('_', ' ')} {' '.join(shown)}"] if shown else []
    return ", ".join(words[:8])


def _scalar(value: str | float) -> str:
    return fmt.number(value) if isinstance(value, float) else str(value)[:40]


def event_words(event: Any) -> tuple[str, str, str]:
    """What an event is called, what it says, and in which style it is called so."""
    match event:
        case LifecycleEvent():
            text = event.message
            if not text:
                text = _detail(event.detail or {})
            return event.what.replace("_", " "), text, _WHAT_STYLES.get(event.what, "value")
        case CheckpointEvent():
            best = ", best" if event.best and event.reason != "best" else ""
            return "checkpoint", f"{size(event.size_bytes)}, {event.reason}{best}", "value"
        case OutcomeEvent():
            style = "ok" if event.result == "applied" else "alert"
            reason = f": {event.reason}" if event.reason else ""
            return words_of(event.verb, event.args or {}, _MOST_ORDER), f"{event.result}{reason}", style
        case AlertEvent():
            style = "dim" if event.change == "cleared" else SEVERITY_STYLES[event.severity]
            return event.rule, f"{event.change}: {event.message}", style
        case NoteEvent():
            return "note", event.text, "value"
        case ResumeEvent():
            exact = "" if event.exact else ", not exact"
            return event.reason or "resume", f"from step {event.step or 0:,}{exact}", "warn"
        case _:
            return type(event).__name__, "", "dim"
