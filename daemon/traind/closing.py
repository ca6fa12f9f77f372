"""The end of a run: the best checkpoint is read back from the disk, measured again, and reported."""

from collections.abc import Mapping

from rundir.layout import RunDir
from rundir.records import number
from traind import best, manifest
from traind.complaint import print_traceback
from traind.config import Eval
from traind.eventlog import EventLog
from traind.report import Point, report
from traind.steering import Leaving
from traind.stepper import Stepper
from traind.task import Task
from traind.training_state import TrainingState


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
    """Write the `report` event; nothing where no evaluation was ever the best (all of them nan).

    Training has ended well by then: a checkpoint that cannot be measured again is what the report says, no fault of
    the run. Raises Leaving.
    """
    step = state.best_step
    path = None if step is None else run.checkpoint(step)
    if step is None or path is None:
        return
    try:
        manifest.verify(path)
        result = stepper.evaluate(task.load_model(path))
    except Leaving:
        raise
    except Exception as error:  # noqa: BLE001 — memory for a second model, a base that was moved, a damaged file, …
        print_traceback()
        reason = f"{type(error).__name__}: {error}"
        events.lifecycle(
            "report", f"the best checkpoint, {path.name}, could not be measured again: {reason}", step=step
        )
        return
    history = [Point(epoch, number(loss), number(value)) for epoch, loss, value in state.history]
    said = report(
        settings.metric,
        result.metrics,
        result.loss,
        step,
        state.steps_per_epoch,
        baseline,
        history,
        is_lower=best.is_lower(settings),
    )
    events.lifecycle("report", said.message, step=state.step, detail=said.detail)
