"""The W&B sink: the run's scalars through the wandb package, offline in the run directory or online as well.

W&B takes nothing back: steps done again after a resume stand there twice, told apart by `attempt`. It numbers its rows;
the numbers are ours, and the same for the same record, so that after a crash of the sink each row is sent once.
"""

import os
from typing import Literal

from rundir.layout import RunDir
from rundir.records import EvalRecord
from traind.scalars import label_scalars, scalars
from traind.sinks.sink import Measured, StartOverError, State

INIT_TIMEOUT_S = 30.0

os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read when wandb is imported: offline means offline

import wandb  # noqa: E402

from traind.sinks.wandb_log import num_rows  # noqa: E402


class WandbSink:
    """Owns the W&B run, whose id is ours."""

    def __init__(
        self, run: RunDir, state: State | None, *, mode: Literal["offline", "online"], project: str, config: State
    ) -> None:
        """Raises StartOverError when rows that were sent are not in W&B's files: they went with a killed process."""
        self._num_rows = 0 if state is None else int(state["rows"])
        self._num_kept = num_rows(run.wandb, run.id)
        if self._num_rows > self._num_kept:
            raise StartOverError(str(run.wandb))
        self._run = wandb.init(
            project=project,
            id=run.id,
            name=run.id,
            dir=str(run.path),
            mode=mode,
            resume="allow" if mode == "online" else None,
            config=config,
            settings=wandb.Settings(
                console="off",  # what the trainer prints is in console.log
                silent=True,
                disable_git=True,
                save_code=False,
                x_disable_stats=True,  # it would measure the sink; the machine is in system.jsonl
                init_timeout=INIT_TIMEOUT_S,
            ),
        )
        self._run.define_metric("step", hidden=True)
        self._run.define_metric("*", step_metric="step")

    def write(self, record: Measured) -> None:
        number, self._num_rows = self._num_rows, self._num_rows + 1
        if number < self._num_kept:
            return
        values = scalars(record)
        if isinstance(record, EvalRecord):
            values |= {tag: value for tag, value in label_scalars(record).items() if tag.endswith("/f1")}
        self._run.log({**values, "step": record.step, "attempt": record.attempt}, step=number)

    def cut(self, step: int, at: float) -> None:
        """W&B takes nothing back: `attempt` tells the rows apart."""

    def commit(self) -> State:
        return {"rows": self._num_rows}

    def close(self) -> None:
        self._run.finish()
