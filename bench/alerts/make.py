"""Make the corpus: train every run of the plan, draw every stream, label them, write them to runs/alerts-corpus/.

    python -m bench.alerts.make [--part dev|spent|second|report ...] [--seed N] [--folder runs/alerts-corpus]

One core, a run after the other. What is there already is kept, so that a broken-off call goes on. With the same torch,
Python and processor the same seed gives the same numbers; the labels stand in bench/alerts/labels-<part>.tsv as well.
"""

import argparse
import time
from collections import Counter
from pathlib import Path

import numpy as np

from bench.alerts import streams
from bench.alerts.labels import Label, conclude, label
from bench.alerts.outcomes import Run, every
from bench.alerts.plan import SEEDS, plan
from bench.alerts.schedule import declared_lr
from bench.alerts.spec import Part, Spec
from bench.alerts.store import FOLDER, Case, Header, read_case, write
from bench.alerts.train import Trace, train
from rundir.records import StepRecord, number

NO_LIMIT = 10**9


def run_of(trace: Trace) -> Run:
    """The curves of every step, for the label."""
    points = [trace.points[step] for step in sorted(trace.points)]
    facts = trace.facts
    ratios = [
        number(r.metrics["grad_norm_first"]) / max(number(r.metrics["grad_norm_last"]), 1e-300)
        for r in trace.records
        if isinstance(r, StepRecord) and r.metrics and "grad_norm_first" in r.metrics
    ]
    declared = "schedule" in facts
    return Run(
        loss=every([p.loss for p in points]),
        grad_norm=every([p.grad_norm for p in points]),
        lr=every([p.lr for p in points]),
        accuracy=every([p.accuracy for p in points]),
        unchanged=every([p.unchanged for p in points]),
        update_ratio=every([p.update_ratio for p in points]),
        dead_share=every([p.dead_share for p in points]),
        evals=trace.evals,
        declared_lr=np.array([declared_lr(trace.spec, s) for s in range(1, len(points) + 1)]) if declared else None,
        majority_share=facts.get("majority_share"),
        prior_entropy=trace.prior_entropy,
        num_classes=facts.get("num_classes"),
        clip=facts.get("clip_norm"),
        vanishing=float(np.median(ratios)) if ratios else None,
        is_signed=facts["signed_loss"],
        sibling=every(trace.sibling) if trace.sibling else None,
    )


def make_run(spec: Spec, folder: Path) -> Header:
    """Train, label and write one run, unless it is there."""
    path = folder / spec.part / f"{spec.name}.jsonl.gz"
    if path.exists() and (case := read_case(path)).spec == spec:
        return _concluded_anew(spec, case, folder)
    trace = train(spec)
    header = Header(
        name=spec.name,
        part=spec.part,
        family=spec.family,
        spec=spec,
        facts=trace.facts,
        label=label(spec, run_of(trace)),
    )
    write(folder, header, trace.records)
    return header


def _concluded_anew(spec: Spec, case: Case, folder: Path) -> Header:
    """A run that is there, with the label that today's rules make of its measured problems."""
    header = Header(**{name: getattr(case, name) for name in Header.__struct_fields__})
    header.label = conclude(spec, case.label.problems)
    if header.label != case.label:
        write(folder, header, case.records)
    return header


def row(header: Header) -> str:
    """The line of a label in the table of them."""
    given: Label = header.label
    sizes = " ".join(f"{name}={problem.size:.3g}" for name, problem in sorted(given.problems.items()))
    return "\t".join([header.name, given.verdict, str(given.onset), sizes or "-", " ".join(given.named_by) or "-"])


def make(part: Part, seed: int, folder: Path, limit: int = NO_LIMIT) -> list[Header]:
    """Make one part and say how far it is. Gives the headers by name."""
    began, headers = time.monotonic(), []
    specs = plan(part, seed)[:limit]
    for i, spec in enumerate(specs, 1):
        headers.append(make_run(spec, folder))
        if i % 20 == 0 or i == len(specs):
            verdicts = Counter(h.label.verdict for h in headers)
            told = ", ".join(f"{n} {verdict}" for verdict, n in sorted(verdicts.items()))
            print(f"{part}: {i} of {len(specs)} runs, {time.monotonic() - began:.0f} s: {told}", flush=True)
    if limit == NO_LIMIT:
        for header, records in streams.draw(part, seed):
            write(folder, header, records)
            headers.append(header)
    return sorted(headers, key=lambda header: header.name)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, help="another one than the part's own")
    parser.add_argument("--part", choices=list(SEEDS), nargs="+", default=list(SEEDS))
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument(
        "--limit", type=int, default=NO_LIMIT, help="the first so many runs of the plan only, no streams"
    )
    parser.add_argument("--table", type=Path, help="write the labels' table into this folder")
    given = parser.parse_args()
    for part in given.part:
        headers = make(part, given.seed or SEEDS[part], given.folder, given.limit)
        if given.table:
            table = given.table / f"labels-{part}.tsv"
            table.write_text("\n".join(["name\tverdict\tonset\tproblems\tnamed_by", *map(row, headers)]) + "\n")


if __name__ == "__main__":
    main()
