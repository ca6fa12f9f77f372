"""From labels and alerts to figures. Pure: it knows no engine and no file.

A hit is an alert of the rule that a problem is the business of, a warning or worse, at or after the onset. A miss
counts as an infinite delay. An alert that states a measured fact of a healthy run (see `Label.rules`) is no false
alarm, and is counted apart.
"""

import math
from collections.abc import Iterable, Sequence

import msgspec

from bench.alerts.labels import Label
from bench.alerts.replay import RANK, Alert, Replayed
from bench.alerts.spec import Spec

MARKS_COUNT = (
    *("starting-loss", "always-clipping", "lr-off-schedule", "clock-jump", "low-utilisation"),
    "eval-better-than-train",
)
"""Rules whose mark counts as a hit: what they see wastes nothing by itself, and a message is not asked of them."""


class Scored(msgspec.Struct, kw_only=True):
    """One run: what it is, and what was said of it."""

    name: str
    family: str
    label: Label
    said: Replayed
    num_steps: int
    spec: Spec | None = None
    stream: dict[str, object] | None = None

    @property
    def is_healthy(self) -> bool:
        return self.label.verdict == "healthy"

    @property
    def is_faulty(self) -> bool:
        return self.label.verdict == "faulty"


def beta_quantile(a: float, b: float, p: float) -> float:
    """The quantile of a beta distribution, by bisection on its distribution function."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _beta_cdf(a, b, middle) < p else (low, middle)
    return (low + high) / 2


def _beta_cdf(a: float, b: float, x: float) -> float:
    """For whole a and b: the chance of `a` or more successes in a + b - 1 trials."""
    n = round(a + b) - 1
    logs = math.lgamma(n + 1)
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    terms = (
        math.exp(logs - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * math.log(x) + (n - k) * math.log1p(-x))
        for k in range(round(a), n + 1)
    )
    return min(1.0, sum(terms))


def clopper_pearson(hits: int, num: int) -> tuple[float, float]:
    """The exact 95% interval of a share."""
    if num == 0:
        return 0.0, 1.0
    low = 0.0 if hits == 0 else beta_quantile(hits, num - hits + 1, 0.025)
    high = 1.0 if hits == num else beta_quantile(hits + 1, num - hits, 0.975)
    return low, high


def quantile(values: Sequence[float], p: float) -> float:
    """The value at or above which a share p lies, misses (infinite) among them; nan of nothing."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, math.ceil(p * len(ranked)) - 1)] if ranked else math.nan


def counts(alert: Alert, rule: str) -> int | None:
    """The step at which an alert counts as a hit of its rule: its warning, or its mark where marks do."""
    return alert.raised_step if rule in MARKS_COUNT else alert.warned_step


def first_hit(scored: Scored, rules: Iterable[str], since: int) -> int | None:
    """The first step at or after `since` at which one of the rules counts."""
    wanted = set(rules)
    steps = [counts(a, a.rule) for a in scored.said.alerts if a.rule in wanted]
    # what was raised before the onset and still stands is no hit: it was a false alarm
    return min((step for step in steps if step is not None and step >= since), default=None)


def delay(scored: Scored, rules: Iterable[str], since: int) -> float:
    """Steps from `since` to the first hit; infinite for a miss."""
    hit = first_hit(scored, rules, since)
    return math.inf if hit is None else float(hit - since)


def warnings(scored: Scored) -> list[Alert]:
    return [a for a in scored.said.alerts if a.warned_step is not None]


def false_alarms(scored: Scored) -> list[Alert]:
    """Warnings on a healthy run that state no measured fact of it."""
    return [a for a in warnings(scored) if a.rule not in scored.label.rules] if scored.is_healthy else []


def early(scored: Scored) -> list[Alert]:
    """Warnings on a faulty or ambiguous run before its onset, but for what another problem of it explains."""
    from bench.alerts.labels import RULE_OF

    seen = {RULE_OF.get(name, name): problem.seen_at for name, problem in scored.label.problems.items()}
    return [
        a
        for a in warnings(scored)
        if not scored.is_healthy
        and (a.warned_step or 0) < scored.label.onset
        and not seen.get(a.rule, math.inf) <= (a.warned_step or 0)
    ]


def named(scored: Scored) -> list[str]:
    """The kinds of the first incident after the onset, the primary first, then by severity and time."""
    alerts = [a for a in scored.said.alerts if (a.warned_step or -1) >= scored.label.onset]
    # a mark names nothing where there is a warning
    alerts = alerts or [a for a in scored.said.alerts if (counts(a, a.rule) or -1) >= scored.label.onset]
    if not alerts:
        return []
    first = min(alerts, key=lambda a: counts(a, a.rule) or 0)
    together = [a for a in alerts if a.incident == first.incident] if first.incident else [first]
    ranked = sorted(together, key=lambda a: (-RANK[a.severity], counts(a, a.rule) or 0))
    primary = scored.said.primary.get(first.incident)
    kinds = [primary] if primary else []
    return list(dict.fromkeys([*kinds, *(a.rule for a in ranked)]))


def messages(scored: Scored) -> int:
    """Messages at or after the onset."""
    return sum(step >= scored.label.onset for step in scored.said.messages)


def isotonic(hits: Sequence[tuple[int, float]]) -> list[float]:
    """The best rising fit to (count, share) in order of dose (pool adjacent violators)."""
    blocks: list[tuple[float, float, int]] = []
    for num, share in hits:
        blocks.append((float(num), share, 1))
        while len(blocks) > 1 and blocks[-2][1] > blocks[-1][1]:
            (n1, s1, k1), (n2, s2, k2) = blocks[-2:]
            blocks[-2:] = [(n1 + n2, (n1 * s1 + n2 * s2) / (n1 + n2), k1 + k2)]
    return [share for _, share, k in blocks for _ in range(k)]
