"""The page of events: the time line, what the cursor is on in full, and the two lines about it. Pure."""

import math
import time
from typing import Any

import msgspec

from rundir.records import AlertEvent, OutcomeEvent, ResumeEvent
from rundir.text import plain
from trainwatch import format as fmt
from trainwatch.findings import EventView
from trainwatch.layout import Layout, Rect
from trainwatch.paint import Row, box, spread
from trainwatch.panes.events import clock, event_words
from trainwatch.panes.words import SEVERITY_STYLES
from trainwatch.store import Store
from trainwatch.timeline import Timeline, kind_of

DETAIL_LINES = 9
"""Of the box that says the chosen event in full, its edges included."""
_LEAST_NAME, _BESIDE_NAME = 40, 36
"""Cells of what an event is called, and of what stands before it and what has to find room behind."""
_GLYPHS = {"alert": "▲", "checkpoint": "◆", "order": "▸", "note": "✎", "resume": "┊", "lifecycle": "·"}
"""As at the foot of the charts."""


def arrange_timeline(width: int, height: int) -> Layout:
    """Header, list, the chosen event, and the two lowest lines."""
    if width < 1 or height < 1:
        return {}
    head, foot = (1 if height >= 5 else 0), (2 if height >= 12 else 1 if height >= 3 else 0)
    body = height - head - foot
    detail = DETAIL_LINES if body >= 30 else 7 if body >= 15 else 0
    places = {
        "header": Rect(0, 0, width, head),
        "events": Rect(0, head, width, body - detail),
        "detail": Rect(0, head + body - detail, width, detail),
        "status": Rect(0, height - foot, width, min(1, foot)),
        "keys": Rect(0, height - 1, width, foot - 1),
    }
    return {name: place for name, place in places.items() if place.height > 0}


def paint_timeline_header(timeline: Timeline, width: int) -> list[Row]:
    """One line: the run, how many events of each kind, the filter."""
    views = timeline.views
    left: Row = [(" " + fmt.clip(plain(timeline.store.run.id), max(10, width // 3)), "title")]
    left.append((f"  {fmt.counted(len(views), 'event')}", "value"))
    if timeline.text:
        left.append((f" of {len(timeline.store.told):,}", "dim"))
    alerts = timeline.store.active_alerts
    if alerts:
        left.append((f"  ▲ {len(alerts)} active", SEVERITY_STYLES[alerts[0].severity]))
    left += _rules(timeline.store)
    look = f"filter {timeline.text}" if timeline.text else ""
    return [spread(left, [(plain(look) + " ", "notice")] if look else [], width)]


def _rules(store: Store) -> Row:
    """How far the alert rules have come that run here, and how many of them have nothing to go by."""
    findings = store.findings
    if not findings.is_on:
        return []
    if findings.is_behind:
        seen = f"{fmt.counted(findings.num_steps, 'step')}, {math.floor(100 * findings.progress)}%"
        return [(f"  the rules have seen {seen}", "warn")]
    silent = f", {len(findings.silent)} have no input (r)" if findings.silent else ""
    return [(f"  rules run here{silent}", "dim")]


def paint_timeline(timeline: Timeline, width: int, height: int) -> list[Row]:
    """Rows of exactly width × height; a line an event, the newest first."""
    room, views = max(1, height - 2), timeline.views
    top = timeline.scrolled_to(room)
    chosen = timeline.index
    shown = views[top : top + room]
    lines = [_line(view, timeline.store, width, is_chosen=top + i == chosen) for i, view in enumerate(shown)]
    if not lines:
        empty = "no event passes" if timeline.text else "nothing happened yet"
        lines = [[(f" {empty}" if timeline.store.caught_up else " reading …", "dim")]]
    below = len(views) - top - len(shown)
    note: Row = [(f"{chosen + 1:,} of {len(views):,}", "dim")] if top or below > 0 else []
    return box([("events", "title"), (" newest first", "dim")], lines, width, height, note=note, style="border-chosen")


def _line(view: EventView, store: Store, width: int, *, is_chosen: bool) -> Row:
    event = view.event
    name, text, style = event_words(event)
    shade = "chosen" if is_chosen else "faint" if view.superseded else ""
    glyph = _GLYPHS[kind_of(event)]
    is_active = isinstance(event, AlertEvent) and store.is_active(event)
    step = "" if event.step is None else fmt.count(event.step) if event.step < 10**6 else fmt.short_count(event.step)
    row: Row = [
        ("›" if is_chosen else " ", "chosen"),
        (f"{clock(event.at)} ", shade or "dim"),
        (f"{step:>7} ", shade or "dim"),
        (glyph + " ", shade or (style if is_active or glyph != "▲" else "dim")),
        (fmt.clip(plain(name), max(_LEAST_NAME, width - _BESIDE_NAME)) + " ", shade or style),
    ]
    text = f"found here, {text}" if view.found else text
    return [*row, (plain(" ".join(text[:2000].split())), shade)]


def paint_detail(timeline: Timeline, width: int, height: int, scroll: int = 0) -> list[Row]:
    """What the cursor is on, in full: rows of exactly width × height."""
    view = timeline.view
    if view is None:
        return box([], [], width, height)
    lines = detail_lines(view, max(10, width - 4))
    room = max(0, height - 2)
    start = min(scroll, max(0, len(lines) - room))
    note: Row = [("enter: evidence", "key")] if isinstance(view.event, AlertEvent) else []
    if len(lines) > room:
        note = [*note, (f"  {start + 1}–{min(len(lines), start + room)} of {len(lines)}", "dim")]
    title: Row = [(kind_of(view.event), "title"), (f" {plain(event_words(view.event)[0])}", "value")]
    return box(title, [[(" ", ""), *line] for line in lines[start : start + room]], width, height, note=note)


def detail_lines(view: EventView, width: int) -> list[Row]:
    """An event in full: when, from whom, all its text, and the figures beside it."""
    event: Any = view.event
    writer = "found here by trainwatch, not written to the run" if view.found else f"by the {event.writer}"
    when = [_instant(event.at), f"attempt {event.attempt}", writer]
    if event.step is not None:
        when.insert(1, f"step {fmt.count(event.step)}")
    if view.superseded:
        when.append("superseded by a later attempt")
    lines: list[Row] = [[(" · ".join(when), "dim")]]
    text = event_words(event)[1]
    for part in text[:20_000].split("\n"):
        lines += [[(line, "")] for line in fmt.wrap(plain(part), width)]
    for label, said in _more(event):
        lines += _labelled(label, said, width)
    return lines


def _more(event: Any) -> list[tuple[str, str]]:
    """What an event's line does not say."""
    match event:
        case AlertEvent():
            onset = [("onset", f"step {fmt.count(event.onset_step)}")] if event.onset_step is not None else []
            return [
                ("severity", str(event.severity)),
                *onset,
                ("likely", "; ".join(event.causes)),
                ("do", event.advice),
            ]
        case OutcomeEvent():
            return [("arguments", _json(event.args)), ("by", event.by or ""), ("order", event.order)]
        case ResumeEvent():
            return [("from", event.checkpoint or ""), ("differs", _json(event.differences))]
        case _:
            return [("detail", _json(getattr(event, "detail", None))), ("by", getattr(event, "by", None) or "")]


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()[:20_000] if value else ""


def _labelled(label: str, said: str, width: int) -> list[Row]:
    if not said:
        return []
    at = len(label) + 2
    first, *more = fmt.wrap(plain(said), max(10, width - at)) or [""]
    return [[(label + "  ", "dim"), (first, "")], *([(" " * at + line, "")] for line in more)]


def _instant(at: float) -> str:
    if at <= 0:
        return "time not known"
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
    except (OverflowError, ValueError, OSError):
        return "time not known"
