"""A run of the table in a few values, for scripts and for files. Pure."""

import math
from typing import Any

from trainwatch.export.sheet import harmless
from trainwatch.listing.entry import Entry
from trainwatch.remote.run import reference_of

SCHEMA = 1
"""Of the object; fields are added under the same number, never renamed."""


def summary_of(entry: Entry, now: float) -> dict[str, Any]:
    """A value that is not known is None and has no key in the JSON.

    schema, run, path, name, task · state, liveness, attempt, last_error · step, total_steps, eta_s, loss (of the newest
    step record), best_metric and best (its best value) · alerts: names of the active rules · created_at, age_s, host,
    tags, note, archived.
    """
    status, best = entry.status, entry.best
    return {
        "schema": SCHEMA,
        "run": entry.run.id,
        "path": reference_of(entry.run) or str(entry.run.path),
        "name": entry.name,
        "task": entry.task or None,
        "state": str(entry.state) if entry.state is not None else None,
        "liveness": str(entry.verdict),
        "attempt": status.attempt if status is not None else None,
        "last_error": entry.status_fault or (status.last_error if status is not None else None),
        "step": entry.step,
        "total_steps": entry.total_steps,
        "eta_s": entry.eta_s,
        "loss": entry.figures.loss,
        "best_metric": best[0] if best is not None else None,
        "best": best[1] if best is not None else None,
        "alerts": [alert.rule for alert in entry.alerts],
        "created_at": entry.created_at,
        "age_s": entry.age_s(now),
        "host": entry.place or entry.host or None,
        "tags": entry.tags,
        "note": entry.remarks.note or None,
        "archived": entry.remarks.archived,
    }


def cells_of(summary: dict[str, Any]) -> list[str]:
    """The same as texts, a list as words: numbers in full, of what is not known nothing."""
    return [_cell(value) for value in summary.values()]


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, list | str):
        return harmless(value if isinstance(value, str) else " ".join(map(str, value)))
    return repr(value) if isinstance(value, float) else str(value)
