"""What happened to a run, told as a person would: issues met, orders given, remarks made. Pure."""

from collections.abc import Iterator
from typing import NamedTuple

from rundir.records import (
    AlertEvent,
    CheckpointEvent,
    Event,
    EventRecord,
    LifecycleEvent,
    NoteEvent,
    OutcomeEvent,
    ResumeEvent,
)
from rundir.status import Liveness, liveness
from traind.export.recording import Recording

_TROUBLE = (
    "crashed",
    "restarting",
    "checkpoint_failed",
    "checkpoint_skipped",
    "disk_full",
    "disk_ok",
    "sink_failed",
    "control_distrusted",
    "failed",
)


class Happening(NamedTuple):
    """One line of a run's story."""

    at: float
    step: int | None
    kind: str
    """critical, warning, info, fault, resume, order or note."""
    text: str
    advice: str = ""


def issues(recording: Recording, now: float) -> list[Happening]:
    """Alerts, crashes, resumes, failed saves, an end that is none, damaged lines; superseded steps included."""
    found = [issue for event in recording.events for issue in _issue(event)]
    status = recording.status
    if status is not None and liveness(status, now) in (Liveness.DEAD, Liveness.REBOOTED, Liveness.ORPHANED):
        text = f"the run is {liveness(status, now)}: neither ended nor alive"
        advice = f"traind resume {recording.run.id} goes on from the newest checkpoint"
        found.append(Happening(status.updated_at, status.step, "fault", text, advice))
    if recording.skipped:
        at = recording.events[-1].at if recording.events else 0.0
        found.append(Happening(at, None, "info", f"{recording.skipped} lines of the logs are no records"))
    return found


def _issue(event: EventRecord) -> Iterator[Happening]:
    match event:
        case AlertEvent(change="cleared"):
            yield _happening(event, "info", f"{event.rule} cleared: {event.message}")
        case AlertEvent():
            yield _happening(event, str(event.severity), f"{event.rule}: {event.message}", event.advice)
        case ResumeEvent():
            yield _happening(event, "resume", _resumed(event))
        case LifecycleEvent() if event.what in _TROUBLE:
            kind = "info" if event.what in ("restarting", "disk_ok") else "fault"
            yield _happening(event, kind, f"{event.what.replace('_', ' ')}: {event.message}".rstrip(": "))
        case _:
            return


def _resumed(event: ResumeEvent) -> str:
    text = f"{event.reason or 'resume'} from step {event.step or 0:,} (attempt {event.attempt})"
    if not event.exact:
        text += "; inexact: " + ", ".join(f"{k} {v}" for k, v in (event.differences or {}).items())
    passed = ", ".join(f"{path} ({why})" for path, why in (event.passed_over or {}).items())
    return text + (f"; passed over {passed}" if passed else "")


def remarks(recording: Recording) -> list[Happening]:
    """Orders with their outcome, and notes."""
    return [remark for event in recording.events for remark in _remark(event)]


def _remark(event: EventRecord) -> Iterator[Happening]:
    match event:
        case OutcomeEvent(verb="note"):
            return  # the note says it itself
        case OutcomeEvent():
            args = " ".join(f"{name}={value}" for name, value in (event.args or {}).items())
            order = " ".join(filter(None, (event.verb or "unreadable order", args)))
            by = f" (by {event.by})" if event.by else ""
            why = f": {event.reason}" if event.reason else ""
            yield _happening(event, "order", f"{order}{by} – {event.result}{why}")
        case NoteEvent():
            yield _happening(event, "note", f"{event.text}{f' ({event.by})' if event.by else ''}")
        case _:
            return


def milestones(recording: Recording) -> list[Happening]:
    """Everything in file order, one line each."""
    found: list[Happening] = []
    for event in recording.events:
        match event:
            case OutcomeEvent() | NoteEvent():
                found += _remark(event)
            case CheckpointEvent():
                best = ", the best so far" if event.best else ""
                found.append(_happening(event, "checkpoint", f"{event.path} ({event.reason}{best})"))
            case LifecycleEvent() if event.what not in _TROUBLE:
                text = f"{event.what.replace('_', ' ')}: {event.message}".rstrip(": ")
                found.append(_happening(event, "lifecycle", text))
            case _:
                found += _issue(event)
    return found


def _happening(event: Event, kind: str, text: str, advice: str = "") -> Happening:
    return Happening(event.at, event.step, kind, text, advice)
