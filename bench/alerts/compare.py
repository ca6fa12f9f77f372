"""Peers' rules and ours over the same trained runs, side by side."""

import math
import random
from collections.abc import Callable
from pathlib import Path

from bench.alerts.outcomes import LOST_STRONG
from bench.alerts.peers import PEERS, Peer
from bench.alerts.score import Scored, first_hit, warnings
from bench.alerts.spec import Part
from bench.alerts.store import FOLDER, Case, read
from rundir.records import EvalRecord, StepRecord

GROUPS: dict[str, Callable[[Scored], bool]] = {
    "spikes": lambda s: "spike" in s.label.problems,
    "divergences": lambda s: (p := s.label.problems.get("divergence")) is not None and p.size >= LOST_STRONG,
    "explosions": lambda s: "grad-explode" in s.label.problems,
    "overfitting": lambda s: (
        s.spec is not None and s.spec.fault in ("", "tiny-data") and "overfitting" in s.label.problems
    ),
    "no learning": lambda s: any(p in s.label.problems for p in ("never-learnt", "grad-zero", "lr-zero")),
}
"""What is looked for in a faulty run, by column."""


AT_RANDOM = "at random, as often as ours"


def _at_random(case: Case, rate: float) -> list[int]:
    """Alerts at a rate per record that looks at nothing."""
    draw = random.Random(case.name)
    return [record.step for record in case.records if isinstance(record, StepRecord) and draw.random() < rate]


def listen(kind: type[Peer], case: Case) -> list[int]:
    """The steps at which one peer speaks in one run."""
    peer = kind()
    planned = int(case.facts.get("planned_steps", case.num_steps)) // int(case.facts.get("log_every", 1))
    return [
        record.step
        for record in case.records
        if isinstance(record, StepRecord | EvalRecord) and peer.feed(record, planned)
    ]


def _row(name: str, runs: list[Scored], heard: dict[str, list[int]], hit: Callable[[Scored], bool]) -> list[str]:
    healthy = [s for s in runs if s.is_healthy]
    faulty = [s for s in runs if s.is_faulty]
    num = sum(s.num_steps for s in healthy)
    alarms = sum(len(heard[s.name]) for s in healthy)
    before = sum(any(step < s.label.onset for step in heard[s.name]) for s in faulty)
    found = []
    for looked_for in GROUPS.values():
        of = [s for s in faulty if looked_for(s)]
        found.append(f"{sum(map(hit, of))}/{len(of)}")
    alarmed = sum(bool(heard[s.name]) for s in healthy)
    return [name, f"{alarmed}/{len(healthy)}", f"{1e4 * alarms / max(1, num):.2f}", f"{before}/{len(faulty)}", *found]


def side_by_side(part: Part, runs: list[Scored], folder: Path = FOLDER) -> str:
    """The table. For peers any alert at or after the onset counts as a hit; for ours only a warning that names it."""
    from bench.alerts.report import table

    trained = [s for s in runs if s.spec is not None]
    ours = {s.name: [a.warned_step or 0 for a in warnings(s)] for s in trained}
    rate = sum(map(len, ours.values())) / max(1, sum(s.said.num_records for s in trained))
    heard: dict[str, dict[str, list[int]]] = {name: {} for name in (*(kind.name for kind in PEERS), AT_RANDOM)}
    for case in read(part, folder):
        if case.spec is not None:
            for kind in PEERS:
                heard[kind.name][case.name] = listen(kind, case)
            heard[AT_RANDOM][case.name] = _at_random(case, rate)
    rows = [_row("ours, warnings", trained, ours, _is_named)]
    for name, spoken in heard.items():
        rows.append(_row(name, trained, spoken, lambda s, spoken=spoken: _is_heard(spoken[s.name], s)))
    head = ("detector", "healthy runs alerted", "per 10,000 steps", "early in faulty", *GROUPS)
    return table(head, rows)


def _is_named(scored: Scored) -> bool:
    return first_hit(scored, [*scored.label.named_by, *scored.label.rules], scored.label.onset) is not None


def _is_heard(steps: list[int], scored: Scored) -> bool:
    return min((step for step in steps if step >= scored.label.onset), default=math.inf) < math.inf
