"""The training log a person would write by hand, in Markdown. Pure but for the run's file sizes."""

import re
import time
from collections.abc import Iterable, Iterator, Sequence

from rundir.records import EvalRecord, Sample
from rundir.size import size
from rundir.text import plain
from traind import words
from traind.export import facts
from traind.export.facts import Result
from traind.export.happening import Happening, issues, remarks
from traind.export.recording import Recording
from traind.last_word import verdict
from traind.scalars import as_float

MANY_RESULTS = 60
"""Beyond so many evaluations a log keeps the new bests, the first, the last and an even choice of the others."""
WIDE_CONFUSION = 12
"""Labels beyond which a confusion matrix is no reading matter; confusion.csv has it."""

_TICKS = re.compile("`+")
_SPECIAL = re.compile(r"([\\`*\[\]<>|])")


def as_markdown(recording: Recording, now: float | None = None) -> str:
    """The whole log. `now`: UTC seconds by which it is judged whether the run lives."""
    now = time.time() if now is None else now
    return "\n".join(_lines(recording, now)).rstrip("\n") + "\n"


def _lines(recording: Recording, now: float) -> Iterator[str]:
    yield f"# Training log: {text(recording.name)}"
    report = verdict(recording.events)
    if report is not None:
        yield from ("", f"**Verdict.** {text(report.message)}")
    yield from _section("Run", _pairs(facts.run_rows(recording, now)))
    yield from _section("Hardware and software", _pairs(facts.machine_rows(recording)))
    yield from _section("Configuration", _pairs(facts.setting_rows(recording), code=True))
    yield from _section("Results", _results(recording))
    best = recording.best
    if best is not None:
        yield from _section("Best checkpoint", _best(recording, best))
    samples = recording.evals[-1].samples if recording.evals else None
    if samples:
        told = [line for sample in samples for line in ("", *_sample(sample))]
        yield from _section(f"Samples at step {recording.evals[-1].step:,}", told[1:])
    sizes = [(f"`{path}`", size(num_bytes), what) for path, num_bytes, what in facts.file_rows(recording)]
    yield from _section("Files", _table(("file", "size", ""), sizes, right=(1,)))
    yield from _section("Orders and notes", map(_told, remarks(recording)))
    met = list(map(_told, issues(recording, now)))
    yield from _section("Issues met", met or ["None."])


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    """A heading and its lines; nothing when there are none."""
    found = list(lines)
    if found:
        yield from ("", f"## {title}", "", *found)


def _pairs(rows: Iterable[tuple[str, str]], *, code: bool = False) -> Iterator[str]:
    rows = [(f"`{name}`" if code else text(name), text(value)) for name, value in rows]
    return _table(("", ""), rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> Iterator[str]:
    """A table of cells that are escaped already; nothing when it has no rows."""
    if not rows:
        return
    yield "| " + " | ".join(header) + " |"
    yield "|" + "|".join("---:" if i in right else "---" for i in range(len(header))) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def _results(recording: Recording) -> Iterator[str]:
    results, names = facts.results(recording), facts.metric_names(recording)
    shown = _thinned(results)
    rows = []
    for result in shown:
        epoch = words.MISSING if result.epoch is None else f"{result.epoch:.2f}"
        figures = (result.train_loss, result.loss, *(result.metrics.get(name) for name in names))
        remark = " ".join(filter(None, ("✓" if result.best else "", "(by order)" if result.trigger == "order" else "")))
        rows.append((epoch, f"{result.step:,}", *map(words.number, figures), remark))
    header = ("epoch", "step", "train loss", "eval loss", *map(text, names), "new best")
    yield from _table(header, rows, right=range(len(header) - 1))
    if len(shown) < len(results):
        yield from (
            "",
            f"{len(results) - len(shown):,} of {len(results):,} evaluations are left out; evals.csv has all.",
        )


def _thinned(results: list[Result]) -> list[Result]:
    if len(results) <= MANY_RESULTS:
        return results
    every = -(-len(results) // MANY_RESULTS)
    last = len(results) - 1
    bests = {i for i, result in enumerate(results) if result.best}
    kept = sorted(bests)[-MANY_RESULTS:] + [i for i in range(last + 1) if i % every == 0 or i == last]
    return [results[i] for i in sorted(set(kept))]


def _best(recording: Recording, best: EvalRecord) -> Iterator[str]:
    epoch = "" if best.epoch is None else f" (epoch {best.epoch:.4g})"
    yield from (f"Step {best.step:,}{epoch}.", "")
    below = facts.baseline(recording)
    rows = [
        (
            text(name),
            words.number(value),
            *((words.number(under), facts.improvement(recording, name, value, under)) if below else ()),
        )
        for name, value, under in facts.best_rows(recording, best)
    ]
    header = ("metric", "value", *(("baseline", "improvement") if below else ()))
    yield from _table(header, rows, right=range(1, len(header)))
    if best.labels:
        names = list(dict.fromkeys(name for figures in best.labels.values() for name in figures))
        by_label = [
            (text(label), *(words.number(as_float(figures[n]) if n in figures else None) for n in names))
            for label, figures in best.labels.items()
        ]
        yield ""
        yield from _table(("label", *map(text, names)), by_label, right=range(1, len(names) + 1))
    if best.confusion and len(best.confusion) <= WIDE_CONFUSION:
        labels = [text(label) for label in best.labels or map(str, range(len(best.confusion)))]
        counts = [(label, *map(str, row)) for label, row in zip(labels, best.confusion, strict=False)]
        yield ""
        yield from _table(("true ↓ predicted →", *labels), counts, right=range(1, len(labels) + 1))


def _sample(sample: Sample) -> Iterator[str]:
    """What was given and what was written after it, with its own lines."""
    prompt = f"**{given}**" if (given := text(sample.prompt)) else "nothing"
    yield from (f"After {prompt}", "", *_fenced(sample.text))


def _fenced(value: str) -> list[str]:
    """Foreign text as a block of code, its lines kept: nothing in it is markup, and no fence of its own ends it."""
    fence = "`" * max(3, 1 + max(map(len, _TICKS.findall(value)), default=0))
    return [f"{fence}text", *map(plain, value.rstrip("\n").split("\n")), fence]


def _told(happening: Happening) -> str:
    step = "" if happening.step is None else f"step {happening.step:,}, "
    advice = f"\n  - what to do: {text(happening.advice)}" if happening.advice else ""
    return f"- {step}{words.instant(happening.at)}: **{happening.kind}** {text(happening.text)}{advice}"


def text(value: str) -> str:
    """Foreign text as Markdown shows it literally, on one line."""
    return _SPECIAL.sub(r"\\\1", plain(words.one_line(value)))
