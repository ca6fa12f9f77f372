"""One alert with all that is known of it: its events as a case, its incident, figures, orders for fixes. Pure."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rundir.alerts import MARKS, RULES
from rundir.alerts.anew import changes_of
from rundir.alerts.remedy import Remedy, remedies_of, without_effect
from rundir.orders import Verb
from rundir.records import AlertEvent, CheckpointEvent, Severity
from rundir.section import section
from rundir.series import MAX_STEP
from rundir.size import size
from trainwatch import format as fmt
from trainwatch.findings import EventView, Findings
from trainwatch.store import Store

_GRAVE = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}


@dataclass(frozen=True, slots=True)
class Case:
    """One alert from being raised to being cleared, as far as its events were kept. It has one at least."""

    events: tuple[AlertEvent, ...]
    superseded: bool = False
    """Whether a resume from an earlier step has overtaken it."""
    found: bool = False
    """Whether the rules have raised it here: it does not stand in the run."""

    @property
    def rule(self) -> str:
        return self.events[0].rule

    @property
    def worst(self) -> AlertEvent:
        """At its gravest; of several such the latest: what is known of it."""
        told = [event for event in self.events if event.change != "cleared"] or [*self.events]
        return min(reversed(told), key=lambda event: _GRAVE[event.severity])

    @property
    def cleared(self) -> AlertEvent | None:
        last = self.events[-1]
        return last if last.change == "cleared" else None

    @property
    def found_step(self) -> int:
        """Where it was noticed."""
        return _bounded(self.events[0].step or 0)

    @property
    def onset_step(self) -> int:
        onset = self.worst.onset_step
        return self.found_step if onset is None else _bounded(onset)

    @property
    def incident(self) -> int | None:
        return self.worst.incident


def _bounded(step: int) -> int:
    """A damaged line may name a step that is no float, and so has no place on an axis."""
    return max(-MAX_STEP, min(step, MAX_STEP))


def cases_of(views: Iterable[EventView]) -> list[Case]:
    """The alerts behind a time line, in the order in which they were raised."""
    cases: list[Case] = []
    is_open: dict[tuple[str, bool], int] = {}
    for view in views:
        event = view.event
        if not isinstance(event, AlertEvent):
            continue
        key = (event.rule, view.found)
        at = is_open.get(key)
        if at is None or event.change == "raised":
            is_open[key] = at = len(cases)
            cases.append(Case((event,), view.superseded, view.found))
        else:
            cases[at] = replace(cases[at], events=(*cases[at].events, event))
        if event.change == "cleared":
            del is_open[key]
    return cases


def case_of(event: AlertEvent, cases: Iterable[Case]) -> Case:
    """The alert that an event belongs to; of one that is in none, the event alone."""
    return next((case for case in cases if any(each is event for each in case.events)), Case((event,)))


def incident_of(case: Case, cases: Iterable[Case]) -> tuple[list[Case], str]:
    """All alerts of a case's incident, and the rule of the primary one; empty where none was said to be that."""
    if case.incident is None:
        return [case], ""
    members = [each for each in cases if each.incident == case.incident and each.found == case.found]
    said = [event for each in members for event in each.events if event.primary and event.change != "cleared"]
    return members, max(said, key=lambda event: event.step or 0).rule if said else ""


# --- figures ---------------------------------------------------------------------------------------------------------


def shown_figure(name: str, value: Any) -> str:
    """A figure of the evidence as people read it, by the unit in its name."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    number = fmt.as_float(value)
    if name.endswith("_bytes"):
        return size(number)
    if name.endswith("_percent"):
        return f"{fmt.number(number)} %"
    if name.endswith("_c"):
        return f"{number:.0f} °C"
    if name.endswith("_s") and math.isfinite(number):
        return fmt.duration(number) if number >= 60 else f"{fmt.number(number)} s"
    is_share = name == "share" or name.endswith("_share")
    if is_share and 0 <= number <= 1:
        return f"{number:.1%}"
    return fmt.count(value) if isinstance(value, int) else fmt.number(number)


def figures_of(case: Case) -> list[tuple[str, str]]:
    """What was seen: names and values, as the alert's event has them."""
    evidence = case.worst.evidence or {}
    return [(name.replace("_", " "), shown_figure(name, value)) for name, value in evidence.items()]


def thresholds_of(rule: str, config: Mapping[str, Any]) -> list[tuple[str, float, bool]]:
    """What the rule compares with: name, value, and whether the run's configuration has set it.

    The event does not hold them: they are those of this version, with the run's own. Empty for an unknown rule.
    """
    if rule not in RULES:
        return []
    own = _limits(rule, config)
    return [(name, float(own.get(name, value)), name in own) for name, value in RULES[rule].limits.items()]


def _limits(rule: str, config: Mapping[str, Any]) -> dict[str, float]:
    of_rules = section(section(config, "alerts"), "limits")
    own: Any = next((values for name, values in of_rules.items() if name.replace("_", "-") == rule), {})
    values = own if isinstance(own, Mapping) else {}
    return {name: value for name, value in values.items() if isinstance(value, int | float)}


_LOSS = ("loss",)
_DRAWN: Mapping[str, tuple[str, ...]] = {
    "loss-scale-collapse": ("loss_scale",),
    "overfitting": ("eval/loss",),
    "eval-better-than-train": ("eval/loss",),
    "chance-level": ("accuracy", "eval/accuracy", "epoch/accuracy"),
    "class-collapse": ("eval/prediction_top_share", "eval/f1", "eval/loss"),
    "grad-explode": ("grad_norm",),
    "grad-zero": ("grad_norm",),
    "grad-vanish": ("grad_norm_first", "grad_norm"),
    "always-clipping": ("grad_norm",),
    "lr-zero": ("lr",),
    "lr-off-schedule": ("lr",),
    "tiny-updates": ("update_ratio",),
    "frozen": ("unchanged_count",),
    "dead-relu": ("dead_relu_share",),
    "stall": ("step_s",),
    "slow-step": ("step_s",),
    "data-bound": ("data_wait_s",),
    "cpu-fallback": ("step_s",),
    "gpu-mem-leak": ("gpu_mem_allocated_bytes",),
    "oom-ahead": ("gpu_mem_allocated_bytes", "system/gpu0"),
    "stale-gpu-process": ("system/gpu0_used", "system/gpu0"),
    "low-utilisation": ("system/gpu0_util",),
    "throttling": ("system/gpu0_temperature",),
    "ram-filling": ("system/ram", "system/rss"),
    "disk-filling": ("system/disk_free",),
}
"""The metrics that rules read, the first that is there is drawn; of rules that are not named the loss."""


def drawn_by(case: Case) -> tuple[str, ...]:
    """Names of the metrics that show an alert best, the best first; the loss last, which every run has."""
    if case.rule == "non-finite":
        signal = (case.worst.evidence or {}).get("signal")
        return {"eval loss": ("eval/loss",), "gradient norm": ("grad_norm",)}.get(str(signal), _LOSS)
    return tuple(dict.fromkeys((*_DRAWN.get(case.rule, ()), *_LOSS)))


def state_of_rules(findings: Findings, cases: Iterable[Case]) -> list[tuple[str, str]]:
    """Each rule, and what it has found, or why it can say nothing; those with something to say first."""
    counts = Counter(case.rule for case in cases if case.found)
    names = [name for name in RULES if name not in MARKS]
    quiet = "nothing found yet" if findings.is_behind else "nothing found"
    found = {name: f"{counts[name]} found" + (", open" if name in findings.active else "") for name in counts}
    return [
        *((name, text) for name, text in found.items()),
        *((name, quiet) for name in names if name not in found and name not in findings.silent),
        *((name, findings.silent[name]) for name in names if name not in found and name in findings.silent),
    ]


# --- fixes -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fix:
    """One thing to do about an alert."""

    text: str
    verb: Verb | None = None
    """None where no order does it."""
    args: Mapping[str, Any] | None = None
    missing: str = ""
    """Why the order cannot be made out, or would change nothing."""
    anew: Mapping[str, Any] = field(default_factory=dict)
    """Keys of the configuration of a new run that does it; empty where none does."""


def fixes_of(case: Case, store: Store, is_kept: Callable[[CheckpointEvent], bool]) -> list[Fix]:
    """What to do in order, each with the order that does it where one does, and what a new run would have otherwise.

    `is_kept`: whether a checkpoint is still there, and whole as far as is known.
    """
    worst = case.worst
    fixes = [_fix(text, remedy, case, store, is_kept) for text, remedy in remedies_of(worst.fixes, worst.order)]
    if store.by_script or store.opened.source:
        return fixes  # no command begins such a run
    config, lr = store.opened.config, store.peak_lr
    return [replace(fix, anew=changes_of(fix.text, config, lr)) for fix in fixes]


def _fix(text: str, remedy: Remedy | None, case: Case, store: Store, is_kept: Callable[[CheckpointEvent], bool]) -> Fix:
    if remedy is None:
        return Fix(text)
    args = dict(remedy.args)
    if remedy.verb is Verb.SET:
        clip_norm = _clip_norm(store)
        args = {name: value for name, value in args.items() if name not in without_effect(args, clip_norm)}
        if not args and remedy.lr_times is None:
            return Fix(text, remedy.verb, missing=f"clip_norm is {clip_norm:g} already")
    if remedy.lr_times is not None:
        if store.peak_lr is None or not math.isfinite(store.peak_lr) or store.peak_lr <= 0:
            return Fix(text, remedy.verb, missing="the run's peak learning rate is not known")
        args["lr"] = float(f"{store.peak_lr * remedy.lr_times:.2g}")
    if remedy.before_onset:
        ordered = (case.worst.order or {}).get("args")
        # The rules know since when the weights are ill: what was written after the one they name is ill, too.
        own = ordered.get("step") if isinstance(ordered, Mapping) else None
        newest = own if isinstance(own, int) else None
        step = _target(case, store.checkpoints, is_kept, newest)
        if step is None:
            return Fix(text, remedy.verb, missing=_why_none(case, store, newest))
        args["step"] = step
    if remedy.verb is Verb.ROLLBACK and not _is_there(args.get("step"), store.checkpoints, is_kept):
        return Fix(text, remedy.verb, missing=f"there is no whole checkpoint of step {args['step']} any more")
    return Fix(text, remedy.verb, args)


def _clip_norm(store: Store) -> float | None:
    """The gradient norm above which the run clips now: configured, or as last set by an order; None: not known."""
    applied = (o.outcome for o in store.orders.values() if o.outcome is not None and o.verb == Verb.SET)
    values = [o.args["clip_norm"] for o in applied if o.result == "applied" and o.args and "clip_norm" in o.args]
    value = values[-1] if values else section(store.opened.config, "train").get("clip_norm")
    return fmt.as_float(value) if isinstance(value, int | float) else None


def _why_none(case: Case, store: Store, named: int | None) -> str:
    """Why there is nothing to go back to, and what helps another time."""
    before = [c.step for c in store.checkpoints if c.step is not None and c.step < case.onset_step]
    if not before and named is None:
        return f"no checkpoint was written before step {fmt.count(case.onset_step)}"
    gone = fmt.count(named if named is not None else max(before))
    kept = section(store.opened.config, "checkpoint").get("keep_last")
    more = f" (checkpoint.keep_last is {kept}; K on page 6 keeps one for good)" if isinstance(kept, int) else ""
    return f"no whole checkpoint from before it is left, that of step {gone} is gone{more}"


def _is_there(step: object, checkpoints: Sequence[CheckpointEvent], is_kept: Callable[[CheckpointEvent], bool]) -> bool:
    """Whether a checkpoint that an order names is left, as far as is known here; without a name the run takes one."""
    return step is None or not checkpoints or any(c.step == step and is_kept(c) for c in checkpoints)


def _target(
    case: Case,
    checkpoints: Sequence[CheckpointEvent],
    is_kept: Callable[[CheckpointEvent], bool],
    named: int | None,
) -> int | None:
    """The step to go back to: the one that the alert names, else that of the newest before the onset. None later than
    the named one, where there is one; None where none is left."""
    if named is not None and not checkpoints:
        return named  # nothing is known of any: the run itself says what there is
    kept = [c for c in reversed(checkpoints) if c.step is not None and (named is None or c.step <= named)]
    own = [c.step for c in kept if c.step == named]
    before = [c.step for c in kept if c.step is not None and c.step < case.onset_step]
    there = {c.step for c in kept if is_kept(c)}
    return next((step for step in (*own, *before) if step in there), None)
