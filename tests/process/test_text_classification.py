"""Text classification as a run: what its records hold, and that a kill changes no number."""

import json
from pathlib import Path

import pytest
from transformers import pipeline

from rundir.layout import RunDir
from rundir.records import LifecycleEvent
from tests.process.text_run import evals_of, text_trace, write_config
from tests.process.tiny_run import Traind, disturbed_once, events_of


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """The run when nobody touches it."""
    directory = tmp_path_factory.mktemp("text")
    traind = Traind(directory)
    run = traind.start(write_config(directory))
    traind.finish(run)
    return run


@pytest.mark.slow
@pytest.mark.soak
def test_a_killed_text_classification_comes_back_with_the_same_numbers(
    traind: Traind, tmp_path: Path, undisturbed: RunDir
) -> None:
    run = traind.start(write_config(tmp_path))
    disturbed_once(run)
    traind.finish(run)
    assert text_trace(run) == text_trace(undisturbed)


@pytest.mark.slow
def test_a_text_classification_learns_and_says_how_much_better_it_is(undisturbed: RunDir) -> None:
    run = undisturbed
    said = {event.what: event for event in events_of(run) if isinstance(event, LifecycleEvent)}
    assert "120 texts to train, 30 to evaluate, 4 classes" in (said["data"].message or "")
    assert "cut short at data.max_length = 16" in (said["data"].message or "")
    assert said["baseline"].message == "always 1, the most frequent class; for binary_f1@2 always 2"
    baseline = said["baseline"].detail
    assert baseline is not None
    best = max(evals_of(run), key=lambda record: (record.metrics or {})["binary_f1@2"])
    assert best.metrics is not None
    assert best.labels is not None
    assert best.confusion is not None
    assert best.metrics.keys() == baseline.keys()
    assert best.metrics["binary_f1@2"] > baseline["binary_f1@2"] + 0.3
    assert list(best.labels) == ["0", "1", "2", "3"]
    assert [sum(row) for row in best.confusion] == [row["support"] for row in best.labels.values()]
    assert (said["report"].message or "").startswith("best binary_f1@2")
    assert "well above the baseline" in (said["report"].message or "")


@pytest.mark.slow
def test_its_checkpoint_classifies_with_nothing_of_ours(undisturbed: RunDir) -> None:
    best = undisturbed.checkpoints / "best"
    classify = pipeline("text-classification", model=str(best), device="cpu")
    texts = ["the soup here superb today", "a awful rice again", "we ate poor bread"]
    assert [answer["label"] for answer in classify(texts)] == ["3", "0", "1"]
    metrics = json.loads((best / "metrics.json").read_text())
    assert "binary_f1@2" in json.dumps(metrics)
