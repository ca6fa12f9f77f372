"""From what was done to a run and what became of it to its label: healthy, faulty or ambiguous, and what names it.

Written before any detector was run on the corpus. A fault that left no damage is ambiguous, as is a healthy recipe
with a slight natural problem; a healthy recipe with a plain one is faulty, its problem organic.
"""

from typing import Literal

import msgspec

from bench.alerts import outcomes
from bench.alerts.outcomes import Problem, Run
from bench.alerts.spec import Spec

Verdict = Literal["healthy", "faulty", "ambiguous"]

RULE_OF = {
    "non-finite": "non-finite",
    "divergence": "divergence",
    "spike": "loss-spike",
    "grad-explode": "grad-explode",
    "grad-zero": "grad-zero",
    "lr-zero": "lr-zero",
    "frozen": "frozen",
    "tiny-updates": "tiny-updates",
    "dead-relu": "dead-relu",
    "class-collapse": "class-collapse",
    "overfitting": "overfitting",
    "slight-overfitting": "overfitting",
    "never-learnt": "not-learning",
    "bad-start": "starting-loss",
    "always-clipping": "always-clipping",
    "off-schedule": "lr-off-schedule",
    "vanishing": "grad-vanish",
    "scale-collapse": "loss-scale-collapse",
    "worse": "worse-than-sibling",
    "eval-better": "eval-better-than-train",
}
"""The rule that each problem is the business of."""

OWN: dict[str, tuple[str, ...]] = {
    "lr-jump": ("divergence", "grad-explode", "non-finite"),
    "lr-ramp": ("divergence", "grad-explode", "non-finite"),
    "labels": ("divergence",),
    "labels-ramp": ("divergence",),
    "data": ("divergence", "non-finite"),
    "loss-weight": ("divergence", "grad-explode"),
    "detach": ("grad-zero",),
    "lr-zero": ("lr-zero",),
    "freeze": ("frozen",),
    "spike": ("spike", "divergence"),
    "grad-scale": ("grad-explode", "divergence", "non-finite"),
    "nan-input": ("non-finite",),
    "nan-loss": ("non-finite",),
    "tiny-data": ("overfitting",),
    "shuffled": ("never-learnt", "overfitting"),
    "tiny-lr": ("never-learnt", "tiny-updates"),
    "high-lr": ("never-learnt", "divergence", "non-finite", "dead-relu", "bad-start"),
    "dead-relu": ("dead-relu", "never-learnt"),
    "collapse": ("class-collapse",),
    "no-zero-grad": ("divergence", "grad-explode", "never-learnt", "non-finite"),
    "saturated": ("vanishing", "never-learnt"),
    "bad-init": ("bad-start",),
    "scale-collapse": ("scale-collapse",),
    "off-schedule": ("off-schedule",),
    "clip-tiny": ("always-clipping",),
    "worse": ("worse", "divergence", "never-learnt", "non-finite"),
    "eval-scale": ("eval-better",),
}
"""The problems that a fault may cause: any of them makes the run faulty. Others that came true are told beside."""

NAMED_BY: dict[str, tuple[str, ...]] = {
    "lr-jump": ("divergence", "grad-explode", "non-finite", "lr-off-schedule"),
    "lr-ramp": ("divergence", "grad-explode", "non-finite", "lr-off-schedule"),
    "labels": ("divergence",),
    "labels-ramp": ("divergence",),
    "data": ("divergence", "non-finite"),
    "loss-weight": ("divergence", "grad-explode"),
    "detach": ("grad-zero",),
    "lr-zero": ("lr-zero", "lr-off-schedule"),
    "freeze": ("frozen",),
    "spike": ("loss-spike",),
    "grad-scale": ("grad-explode",),
    "nan-input": ("non-finite",),
    "nan-loss": ("non-finite",),
    "tiny-data": ("overfitting",),
    "shuffled": ("not-learning", "chance-level", "overfitting"),
    "tiny-lr": ("tiny-updates", "not-learning", "chance-level"),
    "high-lr": ("not-learning", "chance-level", "divergence", "non-finite", "starting-loss", "grad-explode"),
    "dead-relu": ("dead-relu",),
    "collapse": ("class-collapse",),
    "no-zero-grad": ("divergence", "grad-explode", "not-learning", "chance-level", "non-finite"),
    "saturated": ("grad-vanish", "not-learning", "chance-level"),
    "bad-init": ("starting-loss",),
    "scale-collapse": ("loss-scale-collapse", "non-finite"),
    "off-schedule": ("lr-off-schedule",),
    "clip-tiny": ("always-clipping",),
    "worse": ("worse-than-sibling", "not-learning", "chance-level", "divergence", "non-finite"),
    "eval-scale": ("eval-better-than-train",),
}
"""The rules that name a fault's cause: what counts as right in first place."""

ANSWERED_BY = {"not-learning": ("not-learning", "chance-level")}
"""Rules that answer for one another: where there are classes, chance is how not learning shows."""
FROM_START = (
    "not-learning",
    "chance-level",
    "tiny-updates",
    "grad-vanish",
    "dead-relu",
    "frozen",
    "grad-zero",
    "lr-zero",
)
"""Rules of which any answers for a run that has never learnt."""
AUDITED = ("non-finite", "divergence", "overfitting", "never-learnt", "class-collapse")
"""What must not come true in a run that is called healthy. A gradient of exactly zero is not among them: it is where a
net that has learnt all there is ends in float32."""
RISES_BY_DESIGN = ("kl", "curriculum", "rl", "sorted")
"""Hard negatives whose loss may rise lastingly and mean nothing."""
KEEPS_ITS_LOSS = ("flat", "rl", "kl")


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is, for the scorer."""

    verdict: Verdict
    onset: int
    """The first step on which the cause acts; for organic problems the first at which it shows."""
    problems: dict[str, Problem] = {}
    """All that came true, by name."""
    rules: list[str] = []
    """The rules whose business came true: from them an alert is no false alarm."""
    asked: list[str] = []
    """Those of `rules` that ought to fire: the business of the fault itself, not of what followed from it."""
    named_by: list[str] = []
    """The rules that are right in first place."""


def measure(spec: Spec, run: Run) -> dict[str, Problem]:
    """Every problem of a run, whatever its recipe was."""
    at = spec.at if spec.fault else 1
    found: dict[str, Problem | None] = {
        "non-finite": outcomes.non_finite(run, at),
        "divergence": outcomes.divergence(run, at) if spec.fault and at >= 60 else outcomes.organic_divergence(run),
        "spike": outcomes.spike(run, at, spec.lasts) if spec.fault == "spike" else None,
        "grad-explode": outcomes.grad_explode(run, at) if spec.fault else None,
        "grad-zero": outcomes.grad_zero(run, at),
        "lr-zero": outcomes.lr_zero(run, at),
        "frozen": outcomes.frozen(run, at),
        "tiny-updates": outcomes.tiny_updates(run, at),
        "dead-relu": outcomes.dead_relu(run, at),
        "class-collapse": outcomes.class_collapse(run, at),
        "overfitting": outcomes.overfitting(run),
        "slight-overfitting": outcomes.overfitting(run, outcomes.OVERFIT_SEEN),
        "never-learnt": outcomes.never_learnt(run) if at <= 60 else None,
        "bad-start": outcomes.bad_start(run),
        "always-clipping": outcomes.always_clipping(run),
        "off-schedule": outcomes.off_schedule(run, at),
        "vanishing": outcomes.vanishing(run),
        "scale-collapse": outcomes.scale_collapse(run, at),
        "worse": outcomes.worse(run) if spec.fault == "worse" else None,
        "eval-better": outcomes.eval_better(run) if spec.fault == "eval-scale" else None,
    }
    if spec.hard in RISES_BY_DESIGN:
        found["divergence"] = None
    if found["overfitting"] is not None:
        found["slight-overfitting"] = None
    if spec.hard in KEEPS_ITS_LOSS:
        found["never-learnt"] = None
    return {name: problem for name, problem in found.items() if problem is not None}


def label(spec: Spec, run: Run) -> Label:
    """The label of one run."""
    return conclude(spec, measure(spec, run))


def conclude(spec: Spec, problems: dict[str, Problem]) -> Label:
    """The label that the problems of a run make."""
    own = [name for name in OWN.get(spec.fault, AUDITED) if name in problems]
    verdict: Verdict = "faulty" if own else "ambiguous" if spec.fault or "slight-overfitting" in problems else "healthy"
    named = list(NAMED_BY.get(spec.fault, ())) or [RULE_OF[name] for name in own]
    more = ["not-learning", "chance-level"] if "never-learnt" in problems else []
    more += ["dead-relu"] if "dead-relu" in problems else []
    return Label(
        verdict=verdict,
        onset=spec.at if spec.fault else min((_shows(problems[name]) for name in own), default=1),
        problems=problems,
        rules=list(dict.fromkeys(RULE_OF[name] for name in problems)),
        asked=[RULE_OF[name] for name in own],
        named_by=list(dict.fromkeys([*named, *more])),
    )


def _shows(problem: Problem) -> int:
    """The earliest step from which an alert on an organic problem is no alarm before its time."""
    return int(problem.detail.get("best_step", problem.seen_at))
