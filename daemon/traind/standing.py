"""How a run stands, in a few words: what it is, its alerts, its best score. For people and scripts, torch-free.

Costs the same whatever the length of the run: the ends of the logs alone are read.
"""

import math
import re
import tomllib
from collections.abc import Sequence
from typing import Any

from rundir.direction import directions_in
from rundir.glance import EVAL_TAIL_BYTES, EVENT_TAIL_BYTES, Best, active_alerts, best_evaluation, end_of
from rundir.layout import RunDir
from rundir.records import AlertEvent
from rundir.regular import read_regular
from rundir.section import section
from rundir.status import Liveness, State
from rundir.text import plain

_EVAL_SECTION = re.compile(r"^\[eval\]$.*?(?=^\[|\Z)", re.MULTILINE | re.DOTALL)
_MARK = b'"best":true'
_SOON_BYTES = 64 * 1024
"""Of the end of metrics.jsonl: mostly the best evaluation is there, and no more need be read."""
_NAMED = 2
"""Alerts that a row of a table names; the others are counted."""
_GONE = {
    Liveness.DEAD: "dead",
    Liveness.REBOOTED: "dead since a reboot",
    Liveness.ORPHANED: "orphaned",
}


def alerts_of(run: RunDir) -> tuple[AlertEvent, ...]:
    """Those that are active, gravest first."""
    return active_alerts(end_of(run.events, EVENT_TAIL_BYTES))


def best_of(run: RunDir) -> Best | None:
    """The best evaluation; None where there is none, or none near enough to the end of the log."""
    lines = end_of(run.metrics, _SOON_BYTES)
    if _MARK not in lines or b'"resume"' in lines:  # what was marked may not hold
        lines = end_of(run.metrics, EVAL_TAIL_BYTES)
    if b'"eval"' not in lines:
        return None
    configured = _eval_section(run)
    metric = section(configured, "eval").get("metric")
    return best_evaluation(lines, metric if isinstance(metric, str) else None, directions_in(configured))


def _eval_section(run: RunDir) -> dict[str, Any]:
    """That of config.toml alone: to parse the whole of it takes longer than all else that a row is made of."""
    try:
        found = _EVAL_SECTION.search(read_regular(run.config_toml).decode())
        return tomllib.loads(found[0]) if found else {}
    except (OSError, ValueError, RecursionError):
        return {}


def state_words(state: State, verdict: Liveness) -> str:
    """`running`, `dead (was running)`: of a run that is gone the last state is history, not a claim."""
    if gone := _GONE.get(verdict):
        return f"{gone} (was {state})"
    return str(state) if verdict is Liveness.ENDED else f"{state} ({verdict})"


def alert_words(alerts: Sequence[AlertEvent], *, named: int | None = None) -> str:
    """`class-collapse (warning), …`, with `named` of them at most."""
    words = [f"{plain(alert.rule)} ({alert.severity})" for alert in alerts[:named]]
    return ", ".join([*words, *(["…"] if len(words) < len(alerts) else [])])


def alert_cell(alerts: Sequence[AlertEvent]) -> str:
    """`3: class-collapse (critical), stall (warning), …`: for a row of a table; empty where there are none."""
    return f"{len(alerts)}: {alert_words(alerts, named=_NAMED)}" if alerts else ""


def best_words(best: Best | None) -> str:
    """`f1 0.9312`; empty where there is none."""
    return "" if best is None else f"{plain(best.metric)} {best.value:.4g}"


def standing_of(run: RunDir) -> dict[str, Any]:
    """Alerts and best score as JSON has them; non-finite numbers spelled as in the logs."""
    best = best_of(run)
    alerts = [
        {"rule": alert.rule, "severity": str(alert.severity), "message": alert.message, "step": alert.step}
        for alert in alerts_of(run)
    ]
    value = None if best is None else best.value if math.isfinite(best.value) else str(best.value)
    return {
        "alerts": alerts,
        "best": None if best is None else {"metric": best.metric, "value": value, "step": best.step},
    }
