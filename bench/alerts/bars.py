"""The bars that the rules are held to, each measured on the scored runs of one part."""

import math
from collections.abc import Callable, Iterable

import msgspec

from bench.alerts.labels import FROM_START, RULE_OF
from bench.alerts.outcomes import LOST_STRONG, OVERFIT
from bench.alerts.score import (
    Scored,
    clopper_pearson,
    delay,
    early,
    false_alarms,
    first_hit,
    messages,
    named,
    quantile,
    warnings,
)
from rundir.records import Severity

SUDDEN_STEPS, SLOW_STEPS, START_STEPS, EXPLODE_STEPS = 60, 350, 300, 5
EVALS = 6


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One demand and what was measured."""

    name: str
    asked: str
    measured: str
    met: bool | None
    """None where the corpus has no case."""


def of_share(name: str, asked: float, hits: int, num: int, *, at_most: bool = False) -> Bar:
    """A bar on a share of runs."""
    low, high = clopper_pearson(hits, num)
    told = f"{hits}/{num} = {hits / num:.1%} ({low:.1%} to {high:.1%})" if num else "no case"
    met = None if num == 0 else (hits / num <= asked if at_most else hits / num >= asked)
    return Bar(name=name, asked=f"{'≤' if at_most else '≥'} {asked:.0%}", measured=told, met=met)


def of_number(name: str, asked: float, value: float) -> Bar:
    """A bar on a number that must not be larger."""
    return Bar(
        name=name, asked=f"≤ {asked:g}", measured=f"{value:.2f}", met=None if math.isnan(value) else value <= asked
    )


def having(runs: Iterable[Scored], problem: str) -> list[Scored]:
    """Faulty runs in which a problem came true."""
    return [s for s in runs if s.is_faulty and problem in s.label.problems]


def _recall(name: str, asked: float, runs: list[Scored], problem: str, within: Callable[[Scored], float]) -> Bar:
    """The share of runs whose problem is told within so many steps of its onset."""
    hits = sum(delay(s, (RULE_OF[problem],), s.label.onset) <= within(s) for s in runs)
    return of_share(name, asked, hits, len(runs))


def _always(_scored: Scored) -> float:
    return 1e12


def _log_every(scored: Scored) -> int:
    return scored.spec.log_every if scored.spec else 1


def direct(runs: list[Scored]) -> list[Bar]:
    """What is seen without statistics: said in every run in which it came true."""
    wanted = ("non-finite", "grad-zero", "lr-zero", "frozen")
    found = {problem: [s for s in having(runs, problem) if RULE_OF[problem] in s.label.asked] for problem in wanted}
    return [_recall(f"direct cause: {p}", 1.0, found[p], p, _always) for p in wanted]


def _in_steps(scored: Scored, num: float) -> float:
    """So many steps, or so many records of a log that has fewer."""
    return num * _log_every(scored)


def divergences(runs: list[Scored]) -> list[Bar]:
    """Delays count from the cause where the loss goes at once, from the first visible damage where it is slow.

    A log that has every 5th or 10th step is given as many records; the line without them is beside it.
    """
    found = having(runs, "divergence")

    def is_told(s: Scored, num: float) -> bool:
        problem = s.label.problems["divergence"]
        is_sudden = bool(problem.detail.get("sudden"))
        hit = first_hit(s, ("divergence",), s.label.onset)
        return hit is not None and hit <= (s.label.onset if is_sudden else problem.seen_at) + _in_steps(s, num)

    strong = [s for s in found if s.label.problems["divergence"].size >= LOST_STRONG]
    sudden = [s for s in strong if s.label.problems["divergence"].detail.get("sudden")]
    slow = [s for s in strong if not s.label.problems["divergence"].detail.get("sudden")]
    each = [s for s in sudden if _log_every(s) == 1]
    weak = [s for s in found if s.label.problems["divergence"].size < 0.45]
    return [
        of_share("divergence, ≥ 60% lost", 0.98, sum(is_told(s, 1e12) for s in strong), len(strong)),
        of_share("— sudden, within 60 records", 0.98, sum(is_told(s, SUDDEN_STEPS) for s in sudden), len(sudden)),
        of_share("— — of these, each step logged", 0.98, sum(is_told(s, SUDDEN_STEPS) for s in each), len(each)),
        of_share("— slow, within 350 records of damage", 0.98, sum(is_told(s, SLOW_STEPS) for s in slow), len(slow)),
        of_share("divergence, 25 to 45% lost", 0.70, sum(is_told(s, 1e12) for s in weak), len(weak)),
    ]


def spikes(runs: list[Scored]) -> list[Bar]:
    """Within one step. A spike that costs a quarter of the progress asks for a warning, a lesser one for a mark."""
    found = having(runs, "spike")
    major = [s for s in found if s.label.problems["spike"].detail["of_progress"] >= 0.25]

    def is_marked(s: Scored) -> bool:
        steps = [a.raised_step for a in s.said.alerts if a.rule == "loss-spike"]
        return any(0 <= step - s.label.onset <= 1 for step in steps)

    return [
        of_share("spike ≥ 20σ marked within 1 step", 0.90, sum(map(is_marked, found)), len(found)),
        _recall("— of ≥ 25% of progress, warned", 0.90, major, "spike", lambda _s: 1.0),
    ]


def explosions(runs: list[Scored]) -> list[Bar]:
    """Within five steps of the first whose norms stand 30 times over their level; five records of a sparse log."""
    found = having(runs, "grad-explode")
    hits = 0
    for s in found:
        seen = s.label.problems["grad-explode"].seen_at
        hit = first_hit(s, ("grad-explode",), s.label.onset)
        hits += hit is not None and hit - seen <= _in_steps(s, EXPLODE_STEPS)
    return [of_share("exploding gradient within 5 records", 0.98, hits, len(found))]


def overfits(runs: list[Scored]) -> list[Bar]:
    """Within six evals of the first that stands 5% over the minimum."""
    found = [s for s in having(runs, "overfitting") if s.label.problems["overfitting"].size >= OVERFIT]
    found = [s for s in found if not s.spec or s.spec.fault in ("", "tiny-data", "shuffled")]
    hits = 0
    for s in found:
        problem = s.label.problems["overfitting"]
        every = s.spec.eval_every if s.spec else 1
        hit = first_hit(s, ("overfitting",), 1)
        hits += hit is not None and hit <= problem.seen_at + EVALS * every
    return [of_share("overfitting (+15%) within 6 evals", 0.95, hits, len(found))]


def from_start(runs: list[Scored]) -> list[Bar]:
    """Any of the rules that name it, within 300 steps after the warm-up."""
    found = having(runs, "never-learnt")
    hits = 0
    for s in found:
        warmup = s.spec.warmup if s.spec else 0
        hits += delay(s, FROM_START, 1) <= START_STEPS + warmup + _log_every(s)
    return [of_share("never learnt, within 300 steps", 0.98, hits, len(found))]


def machines(runs: list[Scored]) -> list[Bar]:
    """Slow steps and leaks."""

    def share(name: str, asked: float, kind: str, least: float, rule: str) -> Bar:
        found = [s for s in runs if kind in s.label.problems and s.label.problems[kind].size >= least]
        hits = sum(first_hit(s, (rule,), s.label.onset) is not None for s in found)
        return of_share(name, asked, hits, len(found))

    return [
        share("slow step ≥ 1.5×", 0.98, "slow-step", 1.5, "slow-step"),
        share("leak ≥ 5% of the device per 1,000 steps", 0.90, "leak", 5.0, "gpu-mem-leak"),
    ]


def silence(runs: list[Scored]) -> list[Bar]:
    """What must not be said."""
    healthy = [s for s in runs if s.is_healthy and s.spec is not None]
    noisy = [s for s in runs if s.stream and s.stream["kind"] == "ar0.9"]
    faulty = [s for s in runs if s.is_faulty and s.spec is not None]
    critical = sum(any(a.severity is Severity.CRITICAL for a in false_alarms(s)) for s in healthy)
    per_10k = 1e4 * sum(len(false_alarms(s)) for s in noisy) / max(1, sum(s.num_steps for s in noisy))
    return [
        of_share(
            "healthy runs with a warning", 0.01, sum(bool(false_alarms(s)) for s in healthy), len(healthy), at_most=True
        ),
        of_share("healthy runs with a critical", 0.0, critical, len(healthy), at_most=True),
        of_number("warnings per 10,000 steps of AR(0.9)", 0.2, per_10k if noisy else math.nan),
        of_share(
            "faulty runs warned before onset", 0.01, sum(bool(early(s)) for s in faulty), len(faulty), at_most=True
        ),
    ]


def attribution(runs: list[Scored]) -> list[Bar]:
    """Over the faulty runs about which anything was said after the onset."""
    told = [s for s in runs if s.is_faulty and named(s)]
    top1 = sum(named(s)[0] in s.label.named_by for s in told)
    top3 = sum(bool(set(named(s)[:3]) & set(s.label.named_by)) for s in told)
    spoken = [messages(s) for s in runs if s.is_faulty and messages(s)]
    mean = sum(spoken) / len(spoken) if spoken else math.nan
    return [
        of_share("primary kind is right (top-1)", 0.85, top1, len(told)),
        of_share("right one among three (top-3)", 0.95, top3, len(told)),
        of_number("messages per incident", 1.2, mean),
    ]


def every_bar(runs: list[Scored]) -> list[Bar]:
    """All of them, in the specification's order."""
    groups = (silence, direct, divergences, spikes, explosions, overfits, from_start, machines, attribution)
    return [bar for group in groups for bar in group(runs)]


__all__ = ["Bar", "every_bar", "having", "quantile", "warnings"]
