"""The end of a run: the best checkpoint is loaded as a user would load it, measured again, and reported."""

import json
from pathlib import Path

from rundir.records import EvalRecord, LifecycleEvent
from tests.process.tiny_run import Trace, Traind, events_of, metrics_of, trace_of


def test_the_report_measures_the_best_checkpoint_again(traind: Traind, config: Path, undisturbed: Trace) -> None:
    """With activations computed twice, which must not change a number either: dropout is replayed."""
    run = traind.start(config, "train.gradient_checkpointing=true")
    said = traind.ok("wait", str(run.path))
    assert trace_of(run) == undisturbed
    events = [event for event in events_of(run) if isinstance(event, LifecycleEvent)]
    (report,) = (event for event in events if event.what == "report")
    best = [record for record in metrics_of(run) if isinstance(record, EvalRecord) and record.best][-1]
    detail = report.detail or {}
    assert (detail["step"], detail["loss"], detail["metrics"]) == (best.step, best.loss, best.metrics)
    assert detail["value"] == (best.metrics or {})["f1"]
    assert said.splitlines()[-1] == report.message
    assert report.message in traind.ok("status", str(run.path))
    written = json.loads((run.checkpoints / "best" / "metrics.json").read_text())
    assert written == {"loss": best.loss, **(best.metrics or {})}
    (starting,) = (event for event in events if event.what == "starting_loss")
    assert (starting.detail or {})["ln_classes"] > 0
