"""Checkpoints written by a thread, one at a time, while training goes on.

The loop hands over a finished copy; nothing here touches the model's live tensors. A save that fails, or that would not
find room, is an event, never the end of the run; older checkpoints stay.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from rundir import checkpoint_dir
from rundir.layout import RunDir
from traind import checkpoint, lineage, manifest, room
from traind.checkpoint import Snapshot
from traind.complaint import print_traceback
from traind.eventlog import EventLog
from traind.manifest import InvalidCheckpointError
from traind.model_writer import ModelWriter
from traind.storage_alert import Cause, StorageAlert
from traind.training_state import TrainingState


class Saver:
    """Owns the saving thread, and what is known of the checkpoints on disk."""

    def __init__(
        self, run: RunDir, events: EventLog, alert: StorageAlert, keep_last: int, sync_records: Callable[[], None]
    ) -> None:
        self._run = run
        self._events = events
        self._alert = alert
        self._keep_last = keep_last
        self._sync_records = sync_records
        self._thread: threading.Thread | None = None
        self._saved: tuple[int, int | None] | None = None
        self._extra_bytes = 0
        """Of a checkpoint beyond its tensors: tokenizer, configuration, headers."""
        self._whole: set[str] = set()
        """Names of checkpoints that this process has written, or found whole by their checksums."""
        self.on_disk_step = 0
        """Of the newest state that is on disk; 0: none."""

    def has(self, state: TrainingState) -> bool:
        """Whether this very state was saved (or is being saved) before. One asked for by a person is always saved."""
        return state.reason != "order" and self._saved == (state.step, state.evaluated_step)

    def note_loaded(self, state: TrainingState) -> None:
        """The state came from a checkpoint: saving it again unchanged would add nothing."""
        self._saved = (state.step, state.evaluated_step)
        self._whole.add(self._run.checkpoint(state.step).name)
        self.on_disk_step = state.step

    def make_up(self, state: TrainingState) -> None:
        """Remove what the save of a loaded state would have removed, had its writer lived: what a rollback by policy
        finds must not depend on where one was killed.

        By sizes: the loaded one is known to be whole, and reading the others would take its time at every resume.
        """
        with contextlib.suppress(OSError):  # tried again after the next save
            lineage.prune(self._run, self._keep_last, state.best_step, checkpoint_dir.is_whole)

    def make_way(self, state: TrainingState, num_bytes: int) -> bool:
        """Before the copy: wait for the save in flight, whose memory it takes. False, and said, where room lacks
        though what earlier attempts have left behind is gone.

        `num_bytes`: of the tensors.
        """
        self.join()
        lack = room.lack(self._run, num_bytes + self._extra_bytes)
        if lack is not None and (dropped := lineage.drop_superseded(self._run)):
            names = ", ".join(str(path.relative_to(self._run.checkpoints)) for path in dropped)
            self._events.lifecycle("superseded_removed", f"to make room for a checkpoint: {names}", step=state.step)
            lack = room.lack(self._run, num_bytes + self._extra_bytes)
        if lack is None:
            return True
        text = f"checkpoint of step {state.step} was skipped: {lack}; {self.kept()}"
        detail = asdict(lack)
        self._events.lifecycle("checkpoint_skipped", text, step=state.step, detail=detail)
        self._alert.found(Cause.CHECKPOINT, text, state.step, detail)
        return False

    def kept(self) -> str:
        """What a resume would go on from, in words."""
        if not self.on_disk_step:
            return "there is no checkpoint yet"
        return f"the newest on disk is that of step {self.on_disk_step}"

    def submit(self, snapshot: Snapshot, model_writer: ModelWriter, *, began: float, num_bytes: int = 0) -> None:
        """Write in the background. Waits for the save in flight: one at a time, in order.

        `num_bytes`: of the tensors, as `make_way` was told.
        """
        self.join()
        self._saved = (snapshot.state.step, snapshot.state.evaluated_step)
        blocked_s = time.monotonic() - began
        self._thread = threading.Thread(
            target=self._save, args=(snapshot, model_writer, began, blocked_s, num_bytes), name="saver", daemon=True
        )
        self._thread.start()

    def join(self) -> None:
        """Return when nothing is being written."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _save(
        self, snapshot: Snapshot, model_writer: ModelWriter, began: float, blocked_s: float, num_bytes: int
    ) -> None:
        state = snapshot.state
        if lineage.is_asked_for(self._run.checkpoint(state.step)):  # saved again, it stays a person's
            state.reason = "order"
        try:
            # Records first: a checkpoint of step S on disk promises every record up to S on disk.
            self._sync_records()
            self._events.sync()
            path, size_bytes = checkpoint.write(self._run, snapshot, model_writer)
        except Exception as error:  # noqa: BLE001 — safetensors has errors of its own for a full disk; none may pass unsaid
            self.fail(state, error)
            return
        save_s = time.monotonic() - began
        self.on_disk_step = state.step
        self._extra_bytes = max(self._extra_bytes, size_bytes - num_bytes)
        self._whole.add(path.name)
        self._alert.is_well(Cause.CHECKPOINT, f"the checkpoint of step {state.step} has been written", state.step)
        self._tidy(state)
        self._events.checkpoint(
            str(path.relative_to(self._run.path)),
            size_bytes,
            step=state.step,
            reason=state.reason,
            best=state.best_step == state.step,
            blocked_s=blocked_s,
            save_s=save_s,
        )

    def fail(self, state: TrainingState, error: BaseException) -> None:
        """Say that the state being saved, by the exception being handled, is not. It is tried again when next due."""
        self._saved = None
        print_traceback()
        text = f"checkpoint of step {state.step} could not be written: {error}; {self.kept()}"
        self._events.lifecycle("checkpoint_failed", text, step=state.step)
        self._alert.found(Cause.CHECKPOINT, text, state.step)

    def _tidy(self, state: TrainingState) -> None:
        """The links, and the removal of what is no longer kept. What goes wrong here is tried again after the next."""
        try:
            lineage.relink(self._run, state.best_step)
            lineage.prune(self._run, self._keep_last, state.best_step, self._is_whole)
        except OSError:
            print_traceback()

    def _is_whole(self, path: Path) -> bool:
        """Checksums once, manifest and sizes every time."""
        try:
            if path.name in self._whole:
                manifest.check_sizes(path)
            else:
                manifest.verify(path)
        except InvalidCheckpointError:
            self._whole.discard(path.name)
            return False
        self._whole.add(path.name)
        return True

    def unsaved(self, step: int) -> str | None:
        """What is lost by leaving at `step` without its checkpoint, in words; None where nothing is."""
        if self.on_disk_step == step:
            return None
        lost = f"steps {self.on_disk_step + 1} to {step} are" if step - self.on_disk_step > 1 else f"step {step} is"
        return f"the last checkpoint could not be written: {lost} not saved; {self.kept()}"


class NoSaver(Saver):
    """Of a rank that is not the leader: everything is as good as saved."""

    def has(self, state: TrainingState) -> bool:  # noqa: ARG002
        return True

    def unsaved(self, step: int) -> str | None:  # noqa: ARG002
        return None
