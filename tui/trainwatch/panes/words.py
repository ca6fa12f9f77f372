"""How states, verdicts and severities are named and coloured: one place, so that a colour means one thing. Pure."""

from rundir.records import Severity
from rundir.status import Liveness, State
from trainwatch.store import Answer

STATE_STYLES = {
    State.STARTING: "warn",
    State.RUNNING: "ok",
    State.PAUSED: "warn",
    State.PARKED: "warn",
    State.RESTARTING: "warn",
    State.STOPPING: "warn",
    State.DONE: "ok",
    State.STOPPED: "dim",
    State.FAILED: "alert",
}

SEVERITY_STYLES = {Severity.CRITICAL: "alert", Severity.WARNING: "warn", Severity.INFO: "value"}

ANSWER_STYLES = {
    Answer.PENDING: "warn",
    Answer.APPLIED: "ok",
    Answer.REFUSED: "alert",
    Answer.NO_ANSWER: "alert",
}

_VERDICT_WORDS = {
    Liveness.LIVE: "",
    Liveness.ENDED: "",
    Liveness.SILENT: "silent: the trainer reaches no safe point",
    Liveness.ORPHANED: "orphaned: the supervisor is gone",
    Liveness.UNATTENDED: "unattended",
    Liveness.DEAD: "dead",
    Liveness.REBOOTED: "dead: the machine was started anew",
    Liveness.UNKNOWN: "not known to live: another machine's run",
}
_GONE = (Liveness.DEAD, Liveness.REBOOTED, Liveness.ORPHANED)


def state_words(state: State | None, verdict: Liveness) -> tuple[str, str]:
    """What the header calls a run, and in which style. Of a dead run the last state is history, not a claim."""
    if state is None:
        return "no status", "dim"
    words = _VERDICT_WORDS[verdict]
    if verdict in _GONE:
        return f"{words}, was {state}", "alert"
    style = "warn" if words else STATE_STYLES[state]
    return (f"{state} ({words})" if words else str(state)), style
