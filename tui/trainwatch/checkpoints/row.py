"""The table of checkpoints: what the directory and the records say of each, together. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from rundir.section import section
from trainwatch.checkpoints.shelf import Found, Shelf
from trainwatch.scores import values_of
from trainwatch.store import Store


class Health(StrEnum):
    """Whether a checkpoint is whole, as far as is known."""

    UNKNOWN = "not checked"
    CHECKING = "checking"
    WHOLE = "whole"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Check:
    """What the comparison of every file with the manifest has come to, or how far it is."""

    health: Health
    share: float = 0.0
    """Of its bytes that were read, while it is being checked."""
    fault: str = ""


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """One checkpoint of the table."""

    found: Found
    epoch: float | None
    size_bytes: int | None
    metrics: Mapping[str, float]
    at: float | None
    kept_for: tuple[str, ...]
    """In words; empty for one that goes with the next save, or that was put aside."""
    is_best: bool
    is_newest: bool
    check: Check = field(default_factory=lambda: Check(Health.UNKNOWN))

    @property
    def step(self) -> int:
        return self.found.step

    @property
    def is_current(self) -> bool:
        """Whether the run can go back to it."""
        return not self.found.put_aside


def rows_of(store: Store, shelf: Shelf, checks: Mapping[tuple[str, float | None], Check]) -> tuple[CheckpointRow, ...]:
    """Newest first; those put aside last."""
    events = {event.path: event for event in store.checkpoints}
    scores = {record.step: values_of(record) for record in store.scores.records}
    best = shelf.best_step if shelf.is_here else _best_of_events(store, shelf)
    current = [found for found in shelf.found if not found.put_aside]
    last = _last_kept(store, current)
    rows = []
    for found in shelf.found:
        event, is_current = events.get(found.path), not found.put_aside
        is_best = is_current and found.step == best
        reason = found.reason or (event.reason if event is not None else "")
        check = checks.get(found.stamp)
        if check is None and found.fault:
            check = Check(Health.DAMAGED, fault=found.fault)
        rows.append(
            CheckpointRow(
                found=found,
                epoch=found.epoch,
                size_bytes=found.size_bytes or (event.size_bytes if event is not None else None),
                metrics=found.metrics or (scores.get(found.step, {}) if is_current else {}),
                at=event.at if event is not None else found.at,
                kept_for=_kept_for(found, reason, last, current, is_best=is_best) if is_current else (),
                is_best=is_best,
                is_newest=is_current and found is current[0],
                check=check or Check(Health.UNKNOWN),
            )
        )
    return tuple(rows)


def _kept_for(
    found: Found, reason: str, last: Sequence[Found], current: Sequence[Found], *, is_best: bool
) -> tuple[str, ...]:
    """Why pruning spares it: `traind.lineage.prune` has the rule."""
    was_best = not is_best and any(other.best_step == found.step for other in last if other is not found)
    reasons = {
        "kept": found.marked,
        "asked for": reason == "order",
        "best": is_best,
        f"last {len(last)}" if len(last) > 1 else "last": found in last,
        "was best": was_best and found in current,
    }
    return tuple(words for words, holds in reasons.items() if holds)


def _last_kept(store: Store, current: Sequence[Found]) -> Sequence[Found]:
    """The newest ones, as many as the configuration says are kept; a damaged one does not count."""
    configured = section(store.opened.config, "checkpoint").get("keep_last")
    wanted = configured if isinstance(configured, int) and configured > 0 else 0
    return [found for found in current if not found.fault][:wanted]


def _best_of_events(store: Store, shelf: Shelf) -> int | None:
    there = {found.path for found in shelf.found}
    return next((event.step for event in reversed(store.checkpoints) if event.best and event.path in there), None)


def metric_names(rows: Sequence[CheckpointRow], config: Mapping[str, Any]) -> list[str]:
    """Every metric that any of them has: first that by which the best is chosen, then the usual ones."""
    part = config.get("eval")
    chosen = str(part.get("metric")).removeprefix("eval_") if isinstance(part, dict) else ""
    names = list(dict.fromkeys(name for row in rows for name in row.metrics))
    return sorted(names, key=lambda name: name != chosen)
