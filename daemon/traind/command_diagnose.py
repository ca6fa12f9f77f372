"""`traind diagnose RUN`: all alert rules over a recorded run, and what they said when. Never imports torch."""

import json
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from rundir import checkpoint_dir, layout
from rundir.alerts import Engine, Facts
from rundir.alerts.advice import LR_TOO_HIGH
from rundir.alerts.anew import command_anew, lr_anew
from rundir.alerts.history import Alert, History
from rundir.alerts.remedy import LOWEST, without_effect
from rundir.layout import RunDir
from rundir.orders import command_of
from rundir.records import EvalRecord, Severity, StepRecord
from rundir.replay import engine_of, read_config, read_merged, replay
from rundir.status import State, known_status
from rundir.text import plain
from rundir.usual_lr import usual_range

WIDTH = 80
_LABEL = 10


def diagnose(reference: str, runs_dir: Path, *, as_json: bool, at_step: int | None) -> int:
    """Print the alerts of a run. Raises RunNotFoundError."""
    run = layout.resolve(reference, runs_dir)
    engine = engine_of(run)
    history, counts = History(), {"steps": 0, "evaluations": 0}

    def counted() -> Iterator[Any]:
        for record in read_merged(run):
            counts["steps"] += isinstance(record, StepRecord)
            counts["evaluations"] += isinstance(record, EvalRecord)
            yield record

    for change in replay(counted(), engine, at_step):
        history.take([change])
    if as_json:
        for alert in history.alerts:
            print(json.dumps(msgspec.to_builtins(alert)))
        return 0
    for line in _report(run, history, engine, counts):
        sys.stdout.write(line + "\n")
    return 0


def _report(run: RunDir, history: History, engine: Engine, counts: dict[str, int]) -> Iterator[str]:
    incidents, silent, has_ended = history.incidents(), engine.silent(), _has_ended(run)
    yield f"{plain(run.id)}: {counts['steps']:,} step records, {counts['evaluations']:,} evaluations"
    if not incidents:
        yield "nothing is wrong, as far as the rules can see"
    for number, alerts in enumerate(incidents, start=1):
        yield ""
        yield from _incident(number, alerts, run, engine.facts, has_ended=has_ended)
    if history.marks:
        yield ""
        yield "marks"
        for mark in history.marks[-12:]:
            yield from _wrapped(f"{mark.step:,}", f"{mark.rule}: {mark.message}")
    yield ""
    yield f"{len(silent)} rules have nothing to go by"
    by_reason: dict[str, list[str]] = {}
    for name, reason in silent.items():
        by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        yield from textwrap.wrap(f"{', '.join(names)}: {reason}", WIDTH, initial_indent="  ", subsequent_indent="    ")


def _incident(number: int, alerts: list[Alert], run: RunDir, facts: Facts, *, has_ended: bool) -> Iterator[str]:
    first, *others = alerts
    ends = [alert.cleared_step for alert in alerts]
    last = "open" if None in ends else f"to {max(step for step in ends if step is not None):,}"
    yield f"incident {number}: {first.rule} · {first.severity} · from step {first.onset_step:,}, {last}"
    yield from _wrapped("", first.message)
    yield from _wrapped("found", f"step {first.detected_step:,}")
    yield from _wrapped("evidence", " · ".join(f"{k} {_short(v)}" for k, v in first.evidence.items()))
    yield from _wrapped("likely", "; ".join(first.causes))
    for place, fix in enumerate(first.fixes, start=1):
        yield from _wrapped("do" if place == 1 else "", f"{place}. {fix}")
    if first.order is not None and not has_ended and _can_be_done(first.order, run, facts):
        yield _to_copy("order", command_of(first.order["verb"], first.order.get("args", {}), plain(run.id)))
    elif first.severity != Severity.INFO and first.causes and first.causes[0] in LR_TOO_HIGH:
        lr = lr_anew(facts.lr_peak, usual_range(read_config(run)), LOWEST)
        if lr is not None and run.config_toml.exists():
            yield _to_copy("anew", plain(command_anew(str(run.path), {"train.lr": lr})))
    for alert in others:
        yield from _wrapped(
            "also", f"{alert.rule} ({alert.severity}, found at step {alert.detected_step:,}): {alert.message}"
        )


def _can_be_done(order: Mapping[str, Any], run: RunDir, facts: Facts) -> bool:
    """Whether an order would do anything: it names no checkpoint that is gone or damaged, and nothing that is so."""
    args = order.get("args", {})
    step = args.get("step")
    if isinstance(step, int) and not checkpoint_dir.is_whole(run.checkpoint(step)):
        return False
    return not args or without_effect(args, facts.clip_norm) != args.keys()


def _has_ended(run: RunDir) -> bool:
    """Whether nothing is left to train."""
    status = known_status(run.status_json)
    return status is not None and status.state is State.DONE


def _to_copy(label: str, command: str) -> str:
    """In one line, however long: it is to be copied."""
    return f"  {label:<{_LABEL}}{command}"


def _wrapped(label: str, text: str) -> Iterator[str]:
    indent = " " * (_LABEL + 2)
    lines = textwrap.wrap(plain(text), WIDTH, initial_indent=f"  {label:<{_LABEL}}", subsequent_indent=indent)
    yield from lines


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)
