"""One self-contained page of a run: curves by plotly.js, which it carries inside, and all else as plain HTML.

Text of the run is escaped everywhere; the page's own policy forbids it every request.
"""

import html
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources

import msgspec

from rundir.records import EvalRecord, number
from rundir.size import size
from rundir.text import plain
from traind import words
from traind.export import curve, facts
from traind.export.extra import need
from traind.export.happening import Happening, issues, milestones, remarks
from traind.export.recording import Recording
from traind.last_word import verdict
from traind.scalars import as_float

MANY_ROWS = 2000
"""Evaluations and events beyond which a table shows the newest."""
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
)


def as_html(recording: Recording, now: float | None = None) -> str:
    """The whole page. `now`: UTC seconds by which it is judged whether the run lives. Raises MissingLibraryError."""
    now = time.time() if now is None else now
    library = need("plotly.offline", "export to HTML").get_plotlyjs()
    data = {"charts": curve.charts(recording), "confusion": curve.confusion(recording)}
    body = "\n".join(_body(recording, now))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{text(recording.name)} · trainwatch</title>
<style>
{_part("page.css")}
</style>
</head>
<body>
{body}
<script>{library}</script>
<script type="application/json" id="data">{as_script(data)}</script>
<script>
{_part("page.js")}
</script>
</body>
</html>
"""


def _part(name: str) -> str:
    return (resources.files("traind.export") / name).read_text(encoding="utf-8")


def as_script(data: object) -> str:
    """JSON that no browser takes for the end of a script."""
    return msgspec.json.encode(data).decode().replace("<", "\\u003c")


def text(value: str) -> str:
    """Foreign text, literal in HTML."""
    return html.escape(plain(value))


def _body(recording: Recording, now: float) -> Iterator[str]:
    yield "<main>"
    yield from _header(recording, now)
    report = verdict(recording.events)
    if report is not None:
        yield f'<p class="verdict"><b>Verdict</b> {text(report.message)}</p>'
    yield from _tiles(recording, now)
    yield '<section class="charts" id="charts"></section>'
    if recording.evals:
        yield from _section("Evaluations", _evals(recording))
    best = recording.best
    if best is not None and best.labels:
        yield from _section(f"By label, at the best evaluation (step {best.step:,})", _labels(best))
    if best is not None and best.confusion:
        yield from _section("Confusion", ['<div class="chart"><div id="confusion"></div></div>'])
    yield from _samples(recording)
    met = issues(recording, now)
    yield from _section("Issues met", _happenings(met) if met else ["<p>None.</p>"])
    told = remarks(recording)
    if told:
        yield from _section("Orders and notes", _happenings(told))
    yield '<div class="columns">'
    yield from _section("Run", _pairs(facts.run_rows(recording, now)))
    yield from _section("Hardware and software", _pairs(facts.machine_rows(recording)))
    yield from _section("Configuration", _configuration(recording))
    files = [(path, size(num_bytes), what) for path, num_bytes, what in facts.file_rows(recording)]
    yield from _section("Files", _table(("file", "size", ""), files, numbers=(1,)))
    yield "</div>"
    everything = milestones(recording)
    yield from _details(f"Everything that happened ({len(everything):,})", _happenings(everything[-MANY_ROWS:]))
    yield f"<footer>Written by traind export, {words.instant(now)}. Values that are not finite are marked ×.</footer>"
    yield "</main>"


def _header(recording: Recording, now: float) -> Iterator[str]:
    state = facts.state(recording, now)
    kind = next((k for k in ("done", "running", "failed", "dead") if state.startswith(k)), "other")
    yield f'<header><h1>{text(recording.name)}</h1><span class="state {kind}">{text(state)}</span>'
    yield f"<p>{text(recording.run.id)}</p></header>"


def _tiles(recording: Recording, now: float) -> Iterator[str]:
    """The few figures that matter most, large."""
    best, below = recording.best, facts.baseline(recording)
    tiles: list[tuple[str, str, str]] = []
    if best is not None:
        for name in facts.metric_names(recording)[:1]:
            value = as_float((best.metrics or {}).get(name, "nan"))
            remark = f"baseline {words.number(below[name])}" if name in below else f"at step {best.step:,}"
            tiles.append((f"best {name}", words.number(value), remark))
        tiles.append(("eval loss", words.number(number(best.loss)), f"at step {best.step:,}"))
    rows = dict(facts.run_rows(recording, now))
    if recording.steps:
        tiles.append(("train loss", words.number(number(recording.steps[-1].loss)), "last step"))
    done, _, of = rows["steps"].partition(" ")
    tiles.append(("steps", done.rstrip(","), of))
    if "training time" in rows:
        took, _, attempts = rows["training time"].partition(", ")
        tiles.append(("training time", took, attempts))
    throughput = dict(facts.machine_rows(recording)).get("throughput")
    if throughput:
        tiles.append(("throughput", throughput.split()[0], "tokens/s, median"))
    cells = "".join(
        f"<div><span>{text(name)}</span><b>{text(value)}</b><small>{text(remark)}</small></div>"
        for name, value, remark in tiles
    )
    yield f'<section class="tiles">{cells}</section>'


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    """A heading and what stands under it; nothing when that is nothing."""
    found = list(lines)
    if found:
        yield from (f"<section><h2>{text(title)}</h2>", *found, "</section>")


def _details(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield from (f"<details><summary>{text(title)}</summary>", *lines, "</details>")


def _table(
    header: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = (), marked: Sequence[int] = ()
) -> Iterator[str]:
    """A table; columns `numbers` stand to the right, rows `marked` out. Nothing when it has no rows."""
    if not rows:
        return
    kinds = ['class="n"' if i in numbers else "" for i in range(len(header))]
    yield '<div class="table"><table>'
    yield (
        "<thead><tr>" + "".join(f"<th {k}>{text(h)}</th>" for h, k in zip(header, kinds, strict=True)) + "</tr></thead>"
    )
    for i, row in enumerate(rows):
        mark = ' class="best"' if i in marked else ""
        yield f"<tr{mark}>" + "".join(f"<td {k}>{text(c)}</td>" for c, k in zip(row, kinds, strict=True)) + "</tr>"
    yield "</table></div>"


def _pairs(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    if rows:
        cells = "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in rows)
        yield f"<dl>{cells}</dl>"


def _evals(recording: Recording) -> Iterator[str]:
    names = facts.metric_names(recording)
    results = facts.results(recording)[-MANY_ROWS:]
    best = recording.best
    rows = [
        (
            words.MISSING if result.epoch is None else f"{result.epoch:.2f}",
            f"{result.step:,}",
            *map(words.number, (result.train_loss, result.loss, *(result.metrics.get(name) for name in names))),
            "✓" if result.best else "",
        )
        for result in results
    ]
    marked = [i for i, result in enumerate(results) if best is not None and result.step == best.step]
    header = ("epoch", "step", "train loss", "eval loss", *names, "new best")
    yield from _table(header, rows, numbers=range(len(header) - 1), marked=marked[-1:])


def _labels(best: EvalRecord) -> Iterator[str]:
    labels = best.labels or {}
    names = list(dict.fromkeys(name for figures in labels.values() for name in figures))
    rows = []
    for label, figures in labels.items():
        values = {name: as_float(figures[name]) for name in names if name in figures}
        cells = "".join(f'<td class="n">{text(words.number(values.get(name)))}</td>' for name in names)
        score = values.get("f1", float("nan"))
        bar = f'<i style="width:{100 * score:.1f}%"></i>' if 0 <= score <= 1 else ""
        rows.append(f'<tr><td>{text(label)}</td>{cells}<td class="bar">{bar}</td></tr>')
    header = "".join(f'<th class="n">{text(name)}</th>' for name in names)
    yield f'<div class="table"><table><thead><tr><th>label</th>{header}<th class="bar">f1</th></tr></thead>'
    yield from rows
    yield "</table></div>"


def _samples(recording: Recording) -> Iterator[str]:
    """What the model wrote: at the last evaluation in full view, at the earlier ones behind a click."""
    wrote = [record for record in recording.evals if record.samples]
    if not wrote:
        return
    *earlier, last = wrote
    yield from _section(f"Samples at step {last.step:,}", _quotes(last))
    if earlier:
        lines = [line for e in reversed(earlier) for line in (f"<h3>step {e.step:,}</h3>", *_quotes(e))]
        yield from _details(f"Samples of {len(earlier):,} earlier evaluations", lines)


def _quotes(record: EvalRecord) -> Iterator[str]:
    for sample in record.samples or []:
        prompt, wrote = ("\n".join(map(text, part.split("\n"))) for part in (sample.prompt, sample.text))
        yield f"<blockquote><b>{prompt}</b>{wrote}</blockquote>"


def _configuration(recording: Recording) -> Iterator[str]:
    yield from _pairs(facts.setting_rows(recording))
    if recording.config_text:
        lines = "\n".join(map(text, recording.config_text.splitlines()))
        yield from _details("config.toml", [f"<pre>{lines}</pre>"])


def _happenings(found: Sequence[Happening]) -> Iterator[str]:
    yield '<ul class="story">'
    for each in found:
        step = "" if each.step is None else f"step {each.step:,} · "
        advice = f"<p>{text(each.advice)}</p>" if each.advice else ""
        when = f"<small>{step}{words.instant(each.at)}</small>"
        yield f'<li class="{each.kind}"><b>{text(each.kind)}</b> {text(words.one_line(each.text))} {when}{advice}</li>'
    yield "</ul>"
