"""One look at a run for scripts: the dashboard as text, and the state as one JSON object. Reads; never writes."""

import math
import os
import time
from collections.abc import Collection
from typing import Any

import msgspec

from rundir.layout import RunDir
from rundir.records import AlertEvent, encode, number
from trainwatch.dashboard import View, paint_all, paint_text
from trainwatch.export.picture import svg_of
from trainwatch.feed import Feed, read_opened
from trainwatch.remote.run import reference_of
from trainwatch.scores import numeric
from trainwatch.store import Answer, Store

SCHEMA = 1
"""Of the JSON object; fields are added under the same number, never renamed."""

_OF_ALERT = ("rule", "severity", "message", "step", "onset_step", "advice", "evidence", "causes", "order", "incident",
             "primary")  # fmt: skip


def read_run(run: RunDir) -> Store:
    """The whole run as it stands. Raises OSError where it cannot be read."""
    store = Store(run, read_opened(run))
    feed = Feed(run)
    try:
        while not store.caught_up:
            store.apply(feed.poll())
    finally:
        feed.close()
    return store


def as_text(run: RunDir, width: int, height: int) -> str:
    """What the dashboard would show at this size."""
    return paint_text(read_run(run), View(now=time.time(), read_only=True), width, height)


def as_svg(run: RunDir, width: int, height: int) -> str:
    """The same as a picture."""
    rows = paint_all(read_run(run), View(now=time.time(), read_only=True), width, height)
    return svg_of(rows, width, f"trainwatch: {run.id}")


def as_json(run: RunDir) -> str:
    """`state_of`, as one line of JSON: non-finite numbers as "nan", "inf", "-inf", unknown ones left out."""
    return encode(state_of(read_run(run), time.time())).decode().rstrip("\n")


def state_of(store: Store, now: float) -> dict[str, Any]:
    """The state of a run, for scripts. A value that is not known is None and has no key in the JSON.

    schema, run, path, name, task · state, intent, liveness (live, silent, orphaned, unattended, dead, rebooted, ended,
    unknown), phase, attempt, last_error · step, total_steps, epoch, total_epochs, rate_steps_per_s, eta_s, elapsed_s,
    device · loss, grad_norm, lr, tokens_per_s: of the newest step record · num_nonfinite_losses, first_nonfinite_step ·
    eval, best_eval {step, loss, metrics}, baseline {name: value} · alerts: those active now {rule, severity, message,
    step, onset_step, advice, evidence, causes, order (never to a checkpoint that is gone), incident, primary} ·
    checkpoints: those still there {step, path, size_bytes, best: true of one at most} · pending_orders {id, verb, args,
    at, by, answer} · num_skipped_lines.
    """
    status, info = store.status, store.opened.info
    loss = store.steps.column("loss")
    marks: list[int] = loss.marks.tolist() if loss is not None else []
    # Not Path.is_dir: a damaged line may name anything.
    kept = [c for c in store.checkpoints if os.path.isdir(store.run.path / c.path)]  # noqa: PTH112
    best_kept = next((c for c in reversed(kept) if c.best), None)
    return {
        "schema": SCHEMA,
        "run": store.run.id,
        "path": reference_of(store.run) or str(store.run.path),
        "name": info.name if info else None,
        "task": info.task if info else None,
        **_status_of(store),
        "step": store.step,
        "total_steps": store.total_steps,
        "epoch": status.epoch if status else None,
        "total_epochs": status.total_epochs if status else None,
        "rate_steps_per_s": _known(store.rate),
        "eta_s": _known(store.eta_s),
        "elapsed_s": _known(store.elapsed_s(now)),
        "device": status.device if status else None,
        **{name: _newest(store, name) for name in ("loss", "grad_norm", "lr", "tokens_per_s")},
        "num_nonfinite_losses": len(marks),
        "first_nonfinite_step": int(store.steps.x[marks[0]]) if len(marks) else None,
        "eval": _eval_of(latest) if (latest := store.scores.latest) is not None else None,
        "best_eval": _eval_of(best) if (best := store.scores.best_record) is not None else None,
        "baseline": store.baseline or None,
        "alerts": [_alert_of(a, {c.step for c in kept}) for a in store.active_alerts],
        "checkpoints": [_picked(c, "step", "path", "size_bytes") | {"best": c is best_kept} for c in kept],
        "pending_orders": [
            {"id": o.id, "verb": o.verb, "args": o.args, "at": o.sent_at, "by": o.by, "answer": str(answer)}
            for o in store.orders.values()
            if (answer := o.answer(now)) in (Answer.PENDING, Answer.NO_ANSWER)
        ],
        "num_skipped_lines": store.skipped,
    }


def _status_of(store: Store) -> dict[str, Any]:
    status = store.status
    if status is None:
        return {"state": None, "liveness": str(store.verdict), "last_error": store.status_fault or None}
    return {
        "state": str(status.state),
        "intent": str(status.intent),
        "liveness": str(store.verdict),
        "phase": str(status.phase) if status.phase else None,
        "attempt": status.attempt,
        "last_error": status.last_error,
    }


def _newest(store: Store, name: str) -> float | None:
    """The newest value of a column; nan only where the file says nan."""
    column = store.steps.column(name)
    if column is None:
        return None
    value = store.steps.last(name)
    return None if math.isnan(value) and not len(column.marks) else value


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _eval_of(record: Any) -> dict[str, Any]:
    return {"step": record.step, "loss": number(record.loss), "metrics": numeric(record.metrics or {})}


def _alert_of(alert: AlertEvent, kept_steps: Collection[int | None]) -> dict[str, Any]:
    """Without its order where that names a checkpoint which is gone."""
    picked = _picked(alert, *_OF_ALERT)
    args = (alert.order or {}).get("args")
    step = args.get("step") if isinstance(args, dict) else None
    return picked if not isinstance(step, int) or step in kept_steps else picked | {"order": None}


def _picked(record: msgspec.Struct, *names: str) -> dict[str, Any]:
    return {name: getattr(record, name) for name in names}
