"""The end of a run: the best checkpoint is loaded as a user would load it, measured again, and reported."""

from collections.abc import Mapping

from rundir.layout import RunDir
from rundir.records import number
from traind import checkpoint
from traind.checkpoint import TrainingState
from traind.config import Eval
from traind.eventlog import EventLog
from traind.report import Point, report
from traind.stepper import Stepper
from traind.task import Task


def report_best(
    run: RunDir,
    state: TrainingState,
    settings: Eval,
    task: Task,
    stepper: Stepper,
    events: EventLog,
    *,
    baseline: Mapping[str, float],
) -> None:
    """Write the `report` event; nothing where no evaluation was ever the best (all of them nan)."""
    step = state.best_step
    path = None if step is None else run.checkpoint(step)
    if step is None or path is None or not path.is_dir():
        return
    try:
        checkpoint.verify(path)
    except checkpoint.InvalidCheckpointError as error:
        events.lifecycle("report", f"the best checkpoint, {path.name}, is damaged: {error}", step=step)
        return
    result = stepper.evaluate(settings.batch_size, task.load_model(path))
    history = [Point(epoch, number(loss), number(value)) for epoch, loss, value in state.history]
    said = report(settings.metric, result.metrics, result.loss, step, state.steps_per_epoch, baseline, history)
    events.lifecycle("report", said.message, step=state.step, detail=said.detail)
