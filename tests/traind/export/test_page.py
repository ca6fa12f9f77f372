"""The page, parsed as by a browser: nothing loaded from elsewhere, foreign text literal, curves that lose nothing."""

import json
import math
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rundir import records as r
from rundir.layout import RunDir
from tests.protocol import records as strategies
from tests.traind.export import stories
from traind.export import curve
from traind.export.extra import MissingLibraryError
from traind.export.page import as_html
from traind.export.recording import read_recording

NOW = stories.START_AT + 60


class Reader(HTMLParser):
    """Collects tags, attributes, scripts and the text outside of them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._within = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self._within = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - the parser calls it so
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within == "script":
            self.scripts[-1] += data
        elif self._within != "style":
            self.text += data


def read(run: RunDir) -> Reader:
    return Reader(as_html(read_recording(run), NOW))


def data(reader: Reader) -> Any:
    return json.loads(reader.scripts[1])


def test_it_carries_all_it_needs(tmp_path: Path) -> None:
    page = as_html(read_recording(stories.golden(tmp_path)), NOW)
    reader = Reader(page)
    names = {name for name, _ in reader.attributes}
    assert not names & {"src", "href", "srcset", "action", "data"}
    assert not set(reader.tags) & {"link", "img", "iframe", "object", "embed", "base"}
    assert not re.search(r"@import|url\(", re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1])  # type: ignore[index]
    assert "default-src 'none'" in page
    assert len(reader.scripts) == 3
    assert page.count("plotly.js v") == 1


def test_foreign_text_is_literal(tmp_path: Path) -> None:
    run = stories.scored(tmp_path)
    run.config_toml.write_text('name = "</pre><script>alert(2)</script>"\n')
    reader = read(run)
    assert len(reader.scripts) == 3
    assert not set(reader.tags) & {"img", "iframe"}
    assert "loss is inf at step 3 <script>alert(1)</script>" in reader.text
    assert "</pre><script>alert(2)</script>" in reader.text
    assert "<b>pos|" in reader.text
    assert data(reader)["confusion"]["labels"] == ["neg", "&lt;b&gt;pos|"]
    assert "Where <i> is my | card?\n</script>" in reader.text


def test_curves_say_what_is_not_finite_and_where_a_run_went_on(tmp_path: Path) -> None:
    loss, *others = data(read(stories.golden(tmp_path)))["charts"]
    assert loss["title"] == "Loss"
    assert loss["seams"] == [4.0]
    assert loss["best_x"] == 4.0
    train, evaluation = loss["traces"]
    assert train["x"] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert train["y"][:5] == [2.0, 1.5, 1.25, 1.125, 1.0625]
    assert (evaluation["y"], evaluation["bad_x"]) == ([1.0, 1.25, None], [8])
    titles = [chart["title"] for chart in others]
    assert {"Gradient norm", "Learning rate", "Scores on the eval set", "Memory", "loss_scale"} <= set(titles)


def test_the_baseline_is_a_level_line(tmp_path: Path) -> None:
    charts = data(read(stories.scored(tmp_path)))["charts"]
    scores = next(chart for chart in charts if chart["title"] == "Scores on the eval set")
    assert scores["traces"][1] == {"name": "baseline f1", "x": [0.0, 4.0], "y": [0.125, 0.125], "look": "dashed"}


def test_a_perplexity_has_a_picture_of_its_own(tmp_path: Path) -> None:
    metrics: dict[str, r.Number] = {"accuracy": 0.5, "perplexity": 0.9}
    record = r.EvalRecord(at=1.0, attempt=1, step=1, loss=1.0, metrics=metrics)
    charts = data(read(stories.write(RunDir(tmp_path / "run"), [record], [])))["charts"]
    assert [chart["title"] for chart in charts] == ["Loss", "Scores on the eval set", "perplexity on the eval set"]


def test_an_empty_run_has_a_page(tmp_path: Path) -> None:
    reader = read(stories.empty(tmp_path))
    assert data(reader)["charts"] == []
    assert "Issues met" in reader.text


def test_without_plotly_the_cure_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly", None)
    monkeypatch.delitem(sys.modules, "plotly.offline", raising=False)
    with pytest.raises(MissingLibraryError, match=r"pip install 'trainwatch\[export\]'"):
        as_html(read_recording(stories.empty(tmp_path)))


@given(
    st.lists(st.floats(), max_size=9000).map(np.array) | st.integers(3601, 20_000).map(np.random.default_rng(1).random)
)
@settings(deadline=None, max_examples=40)
def test_thinning_keeps_extremes_ends_and_gaps(values: Any) -> None:
    kept = curve.thin(values)
    assert len(kept) <= 3 * curve.BINS + 2
    assert (np.diff(kept) > 0).all()
    finite = values[np.isfinite(values)]
    if len(finite):
        shown = values[kept]
        shown = shown[np.isfinite(shown)]
        assert (shown.min(), shown.max()) == (finite.min(), finite.max())
    assert np.isfinite(values).all() == np.isfinite(values[kept]).all()


def test_the_moving_mean_of_a_constant_is_it_and_skips_what_is_not_finite() -> None:
    found = curve.moving_mean(np.array([3.0, math.nan, 3.0, math.inf, 3.0]), 5)
    assert np.allclose(found, [3.0, math.nan, 3.0, math.nan, 3.0], equal_nan=True)


@given(
    st.lists(strategies.metrics_records, max_size=6),
    st.lists(strategies.event_records, max_size=4),
    st.lists(strategies.system_records, max_size=2),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
def test_no_record_breaks_the_page(
    tmp_path: Path, metrics: list[r.MetricsRecord], events: list[r.EventRecord], system: list[r.SystemRecord]
) -> None:
    run = stories.write(RunDir(tmp_path / "run"), metrics, events)
    run.system.write_bytes(b"".join(map(r.encode, system)))
    page = as_html(read_recording(run), NOW)
    head, _, rest = page.partition("<script>")
    assert "</main>" in head
    assert rest.count("</script>") == 3
