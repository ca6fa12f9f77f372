"""Checkpoints written by a thread, one at a time, while training goes on.

The loop hands over a finished copy; nothing here touches the model's live tensors. A failed save is an event, never
the end of the run; older checkpoints stay.
"""

import threading
import time
from collections.abc import Callable

from rundir.layout import RunDir
from traind import checkpoint, lineage
from traind.checkpoint import ModelWriter, Snapshot
from traind.complaint import print_traceback
from traind.eventlog import EventLog
from traind.training_state import TrainingState


class Saver:
    """Owns the saving thread."""

    def __init__(self, run: RunDir, events: EventLog, keep_last: int, sync_records: Callable[[], None]) -> None:
        self._run = run
        self._events = events
        self._keep_last = keep_last
        self._sync_records = sync_records
        self._thread: threading.Thread | None = None
        self._saved: tuple[int, int | None] | None = None

    def has(self, state: TrainingState) -> bool:
        """Whether this very state was saved (or is being saved) before. One asked for by a person is always saved."""
        return state.reason != "order" and self._saved == (state.step, state.evaluated_step)

    def note_loaded(self, state: TrainingState) -> None:
        """The state came from a checkpoint: saving it again unchanged would add nothing."""
        self._saved = (state.step, state.evaluated_step)

    def submit(self, snapshot: Snapshot, write_model: ModelWriter, *, began: float) -> None:
        """Write in the background. Waits for the save in flight: one at a time, in order."""
        self.join()
        self._saved = (snapshot.state.step, snapshot.state.evaluated_step)
        blocked_s = time.monotonic() - began
        self._thread = threading.Thread(
            target=self._save, args=(snapshot, write_model, began, blocked_s), name="saver", daemon=True
        )
        self._thread.start()

    def join(self) -> None:
        """Return when nothing is being written."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _save(self, snapshot: Snapshot, write_model: ModelWriter, began: float, blocked_s: float) -> None:
        state = snapshot.state
        try:
            # Records first: a checkpoint of step S on disk promises every record up to S on disk.
            self._sync_records()
            self._events.sync()
            path, size_bytes = checkpoint.write(self._run, snapshot, write_model)
            lineage.relink(self._run, state.best_step)
            lineage.prune(self._run, self._keep_last, state.best_step)
        except Exception as error:  # noqa: BLE001 — safetensors has errors of its own for a full disk; none may pass unsaid
            self._saved = None
            print_traceback()
            self._events.lifecycle(
                "checkpoint_failed", f"checkpoint of step {state.step} could not be written: {error}", step=state.step
            )
            return
        self._events.checkpoint(
            str(path.relative_to(self._run.path)),
            size_bytes,
            step=state.step,
            reason=state.reason,
            best=state.best_step == state.step,
            blocked_s=blocked_s,
            save_s=time.monotonic() - began,
        )


class NoSaver(Saver):
    """Of a rank that is not the leader: everything is as good as saved."""

    def has(self, state: TrainingState) -> bool:  # noqa: ARG002
        return True
