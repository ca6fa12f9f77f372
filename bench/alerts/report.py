"""Hold the alert rules, and those of peers, against the corpus: what is found, how soon, what cries wolf.

    python -m bench.alerts.report [--part dev|spent|second|report] [--folder runs/alerts-corpus]
        [--misses FILE] [--bare]

The rules run at their defaults. `--misses` writes a part's misses run by run; the report part has no such list.
`--bare` keeps of each run what any log has: losses, gradient norms, rates and evals, and no facts.
"""

import argparse
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from bench.alerts import bars
from bench.alerts.compare import side_by_side
from bench.alerts.labels import ANSWERED_BY, RULE_OF
from bench.alerts.plan import SIZES
from bench.alerts.replay import replay
from bench.alerts.score import (
    MARKS_COUNT,
    Scored,
    clopper_pearson,
    delay,
    early,
    false_alarms,
    first_hit,
    isotonic,
    messages,
    named,
    quantile,
    warnings,
)
from bench.alerts.spec import HARD, Part
from bench.alerts.store import FOLDER, Case, read
from bench.alerts.streams import TROUBLES
from rundir.records import EvalRecord, StepRecord


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Aligned columns, as Markdown."""
    cells = [list(head), *map(list, rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)


def share(hits: int, num: int) -> str:
    """`9/10 [55, 100]%`."""
    low, high = clopper_pearson(hits, num)
    return f"{hits}/{num} [{100 * low:.0f}, {100 * high:.0f}]%" if num else "–"


def steps(value: float) -> str:
    return "–" if math.isnan(value) else "∞" if math.isinf(value) else f"{value:.0f}"


def score(case: Case) -> Scored:
    """Replay one run and keep what is needed of it."""
    return Scored(
        name=case.name,
        family=case.family,
        label=case.label,
        said=replay(case),
        num_steps=case.num_steps,
        spec=case.spec,
        stream=case.stream,
    )


def bare(case: Case) -> Case:
    """The same run as a log of another program tells it."""
    kept = [
        msgspec.structs.replace(record, metrics=None) if isinstance(record, StepRecord | EvalRecord) else record
        for record in case.records
    ]
    return msgspec.structs.replace(case, records=kept, facts={})


def contents(runs: list[Scored]) -> str:
    """Runs by family and verdict; of the healthy ones those warned of, and by which rules."""
    families: dict[str, list[Scored]] = defaultdict(list)
    for s in runs:
        families[s.family].append(s)
        families["trained, all" if s.spec else "drawn, all"].append(s)
    rows = []
    for name, of in sorted(families.items()):
        verdicts = [sum(s.label.verdict == verdict for s in of) for verdict in ("healthy", "faulty", "ambiguous")]
        rules = Counter(rule for s in of for rule in {a.rule for a in false_alarms(s)})
        told = ", ".join(f"{rule} {num}" for rule, num in rules.most_common()) or "–"
        alarmed = sum(bool(false_alarms(s)) for s in of)
        rows.append([name, *map(str, verdicts), str(sum(s.num_steps for s in of)), str(alarmed), told])
    return table(("family", "healthy", "faulty", "ambiguous", "steps", "healthy warned", "by"), rows)


def quiet(runs: list[Scored]) -> str:
    """False alarms on healthy runs by kind: the plain ones, each hard negative, each noise."""
    kinds: dict[str, list[Scored]] = defaultdict(list)
    for s in runs:
        if s.is_healthy:
            kinds[f"trained: {s.spec.hard or 'plain'}" if s.spec else f"drawn: {(s.stream or {}).get('kind')}"].append(
                s
            )
    kinds["trained, all"] = [s for s in runs if s.is_healthy and s.spec]
    order = ["trained, all", "trained: plain", *(f"trained: {hard}" for hard in HARD)]
    rows = []
    for name in [*order, *sorted(set(kinds) - set(order))]:
        of = kinds.get(name, [])
        alarms = [a for s in of for a in false_alarms(s)]
        num = sum(s.num_steps for s in of)
        facts = sum(len(warnings(s)) - len(false_alarms(s)) for s in of)
        rules = ", ".join(sorted({a.rule for a in alarms})) or "–"
        per = f"{1e4 * len(alarms) / num:.2f}" if num else "–"
        rows.append([name, share(sum(bool(false_alarms(s)) for s in of), len(of)), per, str(facts), rules])
    return table(("healthy runs", "with a warning", "per 10,000 steps", "true facts", "rules"), rows)


def by_rule(runs: list[Scored]) -> str:
    """Recall, delay and false alarms of each rule."""
    healthy_steps = sum(s.num_steps for s in runs if s.is_healthy)
    rules = sorted({*RULE_OF.values(), *(r for s in runs for r in s.label.rules), *_spoken(runs)})
    rows = []
    for rule in rules:
        found = [s for s in runs if s.is_faulty and rule in s.label.asked]
        delays = [delay(s, ANSWERED_BY.get(rule, (rule,)), s.label.onset) for s in found]
        marked = sum(any(a.rule == rule and a.raised_step >= s.label.onset for a in s.said.alerts) for s in found)
        wrong = [s for s in runs if any(a.rule == rule for a in false_alarms(s))]
        alarms = sum(a.rule == rule for s in runs for a in false_alarms(s))
        rows.append(
            [
                rule + (" *" if rule in MARKS_COUNT else ""),
                share(sum(map(math.isfinite, delays)), len(found)),
                str(marked) if found else "–",
                steps(quantile(delays, 0.5)),
                steps(quantile(delays, 0.9)),
                str(len(wrong)),
                f"{1e4 * alarms / max(1, healthy_steps):.3f}",
                str(sum(a.rule == rule for s in runs for a in early(s))),
            ]
        )
    head = (
        "rule",
        "recall",
        "marked",
        "delay, median",
        "p90",
        "healthy runs warned",
        "per 10,000 steps",
        "before onset",
    )
    return table(head, rows)


def _spoken(runs: list[Scored]) -> set[str]:
    return {a.rule for s in runs for a in warnings(s)}


def response(runs: list[Scored]) -> str:
    """For each fault and trouble the share told, by size, damage or none; the sizes at half and at 95%."""
    graded = {fault: sizes for fault, (sizes, _, _) in SIZES.items()}
    graded |= {f"drawn: {kind}": sizes for kind, (sizes, _, named_by) in TROUBLES.items() if named_by}
    told: dict[tuple[str, float], list[bool]] = defaultdict(list)
    for s in runs:
        kind = s.spec.fault if s.spec else f"drawn: {(s.stream or {}).get('kind')}"
        size = s.spec.size if s.spec else float(str((s.stream or {}).get("size", 0.0)))
        if kind in graded:
            told[kind, size].append(first_hit(s, s.label.named_by, s.label.onset) is not None)
    rows = []
    for kind, sizes in graded.items():
        known = [(size, told[kind, size]) for size in dict.fromkeys(sizes) if told[kind, size]]
        fitted = isotonic([(len(hits), sum(hits) / len(hits)) for _, hits in known])
        at = [next((f"{known[i][0]:g}" for i, f in enumerate(fitted) if f >= p), "–") for p in (0.5, 0.95)]
        shown = "  ".join(f"{size:g}: {sum(hits)}/{len(hits)}" for size, hits in known)
        rows.append([kind, shown or "–", *at])
    return table(("fault", "told, by size", "50% at", "95% at"), rows)


def attribution(runs: list[Scored]) -> str:
    """Top-1, top-3 and messages by fault."""
    groups: dict[str, list[Scored]] = defaultdict(list)
    for s in runs:
        if s.is_faulty:
            groups[(s.spec.fault or "organic") if s.spec else str((s.stream or {}).get("kind"))].append(s)
    rows = []
    for fault, of in sorted(groups.items()):
        told = [s for s in of if named(s)]
        top1 = sum(named(s)[0] in s.label.named_by for s in told)
        top3 = sum(bool(set(named(s)[:3]) & set(s.label.named_by)) for s in told)
        spoken = [messages(s) for s in of if messages(s)]
        mean = f"{sum(spoken) / len(spoken):.2f}" if spoken else "–"
        rows.append([fault, f"{len(told)}/{len(of)}", share(top1, len(told)), share(top3, len(told)), mean])
    return table(("fault", "told", "top-1", "top-3", "messages"), rows)


def misses(runs: list[Scored]) -> str:
    """Every false alarm, early alarm, miss and wrong name, run by run."""
    lines = []
    for s in runs:
        said = ", ".join(f"{a.rule}:{a.severity} raised {a.raised_step} warned {a.warned_step}" for a in s.said.alerts)
        about = f"{s.name} ({s.label.verdict}, onset {s.label.onset})"
        lines += [f"FALSE ALARM {about}: {a.rule} {a.severity} at {a.warned_step}" for a in false_alarms(s)]
        lines += [f"EARLY {about}: {a.rule} {a.severity} at {a.warned_step}" for a in early(s)]
        if not s.is_faulty:
            continue
        for name, problem in s.label.problems.items():
            rule = RULE_OF.get(name) or s.label.named_by[0]
            answers = ANSWERED_BY.get(rule, (rule,))
            if rule in s.label.asked and first_hit(s, answers, s.label.onset) is None:
                lines.append(f"MISS {about}: {name} of size {problem.size:.3g}, seen at {problem.seen_at}; said {said}")
        if named(s) and named(s)[0] not in s.label.named_by:
            lines.append(f"WRONG NAME {about}: {named(s)[:3]}, right would be {s.label.named_by}; said {said}")
    return "\n".join(sorted(lines)) + "\n"


def cost(runs: list[Scored]) -> str:
    num = sum(s.said.num_records for s in runs)
    return f"{1e6 * sum(s.said.feed_s for s in runs) / max(1, num):.0f} µs a record over {num} records (processor time)"


def verdicts(runs: list[Scored]) -> str:
    """Each bar, and whether it is met."""
    told = {None: "–", True: "met", False: "MISSED"}
    rows = [[bar.name, bar.asked, bar.measured, told[bar.met]] for bar in bars.every_bar(runs)]
    return table(("bar", "asked", "measured", ""), rows)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--part", choices=["dev", "spent", "second", "report"], default="dev")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument(
        "--misses", type=Path, help="write what a part other than report misses, run by run, to this file"
    )
    parser.add_argument("--bare", action="store_true", help="without metrics beyond the loss, and without facts")
    given = parser.parse_args()
    part: Part = given.part
    if given.misses and part == "report":
        parser.error("--misses: the report part stays sealed; use --part dev")
    runs = []
    for case in read(part, given.folder):
        runs.append(score(bare(case) if given.bare else case))
        if len(runs) % 100 == 0:
            print(f"… {len(runs)} runs replayed", flush=True)
    if given.misses:
        given.misses.write_text(misses(runs))
    sections = {
        f"The {part} part": contents(runs),
        "Healthy runs": quiet(runs),
        "By rule (* a mark counts as told)": by_rule(runs),
        "Dose and response": response(runs),
        "Naming the cause": attribution(runs),
        "Peers": side_by_side(part, runs, given.folder),
        "Cost": cost(runs),
        "The bars": verdicts(runs),
    }
    for title, text in sections.items():
        print(f"\n## {title}\n\n{text}")


if __name__ == "__main__":
    main()
