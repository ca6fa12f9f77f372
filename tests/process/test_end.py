"""The end of a run: the best checkpoint is loaded as a user would load it, measured again, and reported."""

import json
from pathlib import Path

import pytest

from rundir.records import EvalRecord, LifecycleEvent
from tests.process.tiny_run import Trace, Traind, events_of, metrics_of, scores_of, trace_of


@pytest.mark.slow
def test_the_report_measures_the_best_checkpoint_again(traind: Traind, config: Path, undisturbed: Trace) -> None:
    """With activations computed twice, which must not change a number either: dropout is replayed."""
    run = traind.start(config, "train.gradient_checkpointing=true")
    said = traind.ok("wait", str(run.path))
    assert trace_of(run) == undisturbed
    events = [event for event in events_of(run) if isinstance(event, LifecycleEvent)]
    (report,) = (event for event in events if event.what == "report")
    best = [record for record in metrics_of(run) if isinstance(record, EvalRecord) and record.best][-1]
    detail = report.detail or {}
    measured = scores_of(best)
    assert (detail["step"], detail["loss"], detail["metrics"]) == (best.step, best.loss, measured)
    assert detail["value"] == (best.metrics or {})["f1"]
    assert said.splitlines()[-1] == report.message
    assert report.message in traind.ok("status", str(run.path))
    written = json.loads((run.checkpoints / "best" / "metrics.json").read_text())
    assert written == {"loss": best.loss, **measured}
    (starting,) = (event for event in events if event.what == "starting_loss")
    assert (starting.detail or {})["ln_classes"] > 0


@pytest.mark.slow
def test_a_run_that_stopped_early_has_its_patience_back_when_it_is_extended(traind: Traind, config: Path) -> None:
    """Hardly learning: no evaluation is better than the first."""
    run = traind.start(config, "train.lr=1e-12", "eval.patience=2", "eval.every=2", "train.warmup_ratio=0.0")
    traind.finish(run)
    first = [record.step for record in metrics_of(run) if isinstance(record, EvalRecord)]
    assert first == [2, 4, 6]
    traind.ok("set", str(run.path), "epochs=5")
    traind.ok("resume", str(run.path))
    traind.finish(run)
    assert [record.step for record in metrics_of(run) if isinstance(record, EvalRecord)] == [*first, 8, 10]
