"""The course of a run: steps to epochs, and at each step boundary record, evaluation, checkpoint, in this order.

    for each epoch:
        for each optimizer step:
            for each micro-batch: safe point · forward · backward           (stepper)
            clip · learning rate · update                                   ← boundary: the state is whole
            step record · epoch record · evaluation if due · checkpoint if due

All that must survive a crash is in `state` and in the tensors of model and optimizer, and changes at a boundary only;
what an unfinished step has added up is thrown away and computed again.
"""

import math
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Literal

import msgspec
import torch

from rundir.layout import RunDir
from rundir.records import EpochRecord, EvalRecord, StepRecord, encode, number
from rundir.status import Phase
from traind import best, dial, optimizer
from traind.batch_order import BatchOrder
from traind.checkpoint import Snapshot
from traind.closing import report_best
from traind.config import Config
from traind.device import float_of, is_out_of_memory
from traind.direct_causes import is_due
from traind.eventlog import EventLog
from traind.guard import Trouble
from traind.intervention import Action, action_for, describe
from traind.journal import Journal
from traind.loader import WorkerStart, epoch_steps
from traind.model_writer import ModelWriter
from traind.ranks import Ranks
from traind.recorder import Recorder
from traind.saver import Saver
from traind.spaced import spaced
from traind.steering import Leaving, Steering
from traind.stepper import Stepper, StepResult, timed
from traind.task import Batch, Task
from traind.training_state import EpochTally, TrainingState
from traind.wire import Leave, Pulse, Retreat

Trigger = Literal["schedule", "order", "end"]
_SAVE_REASON = {Leave.PARKED: "park", Leave.STOPPED: "stop"}


class Loop:
    """Owns the training state between two boundaries."""

    def __init__(
        self,
        *,
        config: Config,
        task: Task,
        stepper: Stepper,
        order: BatchOrder,
        state: TrainingState,
        baseline: Mapping[str, float],
        run: RunDir,
        events: EventLog,
        journal: Journal,
        pulse: Pulse,
        steering: Steering,
        recorder: Recorder,
        saver: Saver,
        worker_start: WorkerStart,
        device: torch.device,
        ranks: Ranks,
    ) -> None:
        self.config, self.task, self.stepper, self.order = config, task, stepper, order
        self.state, self.journal, self.device = state, journal, device
        self.pulse, self.steering, self.recorder, self.saver = pulse, steering, recorder, saver
        self.worker_start, self.ranks = worker_start, ranks
        self._model_writer = ModelWriter(partial(task.write_model, stepper.model))
        self.baseline, self.rundir, self.events = baseline, run, events
        self._loss_sum = torch.tensor(number(state.tally.loss_sum), dtype=float_of(device), device=device)
        self._weight_sum = torch.tensor(state.tally.target_weight, dtype=float_of(device), device=device)
        self._counts: torch.Tensor | int = torch.tensor(state.tally.counts, device=device) if state.tally.counts else 0
        self._logged_at = self._epoch_began = time.monotonic()
        self._logged_step = state.step
        self._num_tokens = 0
        self._data_wait_s = 0.0
        self._aside_s = -steering.held_s  # a hold before the first step is over by now
        self._is_evaluating = False
        self._plan()
        self._say_position()

    def run(self) -> Leave:
        """Train from the state as it is to the end. Raises Leaving at an order, a signal or a lost supervisor."""
        self.pulse.enter(Phase.TRAIN)
        self.stepper.model.train()
        self._evaluate_and_save_if_due()
        self._replay_sets()
        self.steering.attach(self)
        while True:
            self._train()
            self._close()
            if self._is_over():
                return Leave.DONE
            self.pulse.enter(Phase.TRAIN)  # an order during the closing report made the run longer

    def _train(self) -> None:
        while not self._is_over():
            for batches in self._rest_of_epoch():
                if self.journal.leaves_out(self.state.step + 1):
                    self._leave_out()
                else:
                    self._step(batches)
                    self._heed_troubles()
                if self.ranks.leaders(self.recorder.must_hold):
                    self.steering.hold_until(spaced(self.recorder.has_room, 1.0), "the disk is full: records wait")
                self._evaluate_and_save_if_due()
                self._replay_sets()
                if self._is_over():
                    break

    def _close(self) -> None:
        if self.state.evaluated_step != self.state.step:
            self._evaluate("end")
        self._save_at_last()
        self.pulse.enter(Phase.EVAL)
        self.steering.alone(
            lambda: report_best(
                self.rundir, self.state, self.config.eval, self.task, self.stepper, self.events, baseline=self.baseline
            )
        )

    def _save_at_last(self) -> None:
        """The weights of the end, on disk whatever it takes: leaving without them would throw the work away."""

        def is_saved() -> bool:
            self.save("end")
            self._await_save()
            return self.saver.unsaved(self.state.step) is None

        self.steering.hold_until(spaced(is_saved, 5.0), "training is done, and its checkpoint cannot be written")

    def leave(self, reason: Leave) -> str | None:
        """Checkpoint at the last boundary, and wait until it is on disk; of a retreat nothing is kept.

        What could not be saved, in words.
        """
        if reason is Leave.RETREATED:
            return None
        self.save(_SAVE_REASON.get(reason, "signal"))
        self._await_save()
        return self.saver.unsaved(self.state.step)

    def _is_over(self) -> bool:
        return self.state.step >= self.total_steps or self.state.early_stopped

    def _rest_of_epoch(self) -> Iterator[list[Batch]]:
        epoch, position = divmod(self.state.step, self.order.steps_per_epoch)
        tally = self.state.tally
        tally.started_at = tally.started_at or time.time()
        self._epoch_began = time.monotonic() - tally.active_s
        steps = epoch_steps(
            self.task,
            self.order,
            epoch=epoch,
            position=position,
            num_workers=self.config.data.num_workers,
            pin_memory=self.device.type == "cuda",
            worker_start=self.worker_start,
        )
        return timed(steps, time.monotonic, self._add_wait_s)

    def _add_wait_s(self, seconds: float) -> None:
        self._data_wait_s += seconds

    # --- at a boundary -------------------------------------------------------------------------------------------

    def _step(self, batches: list[Batch]) -> None:
        result = self.stepper.train(
            batches,
            step=self.state.step,
            lr=lambda: self.lr,
            clip=lambda: self.dials.clip_norm,
            looks=self.ranks.is_leader
            and is_due(self.state.step + 1, self.config.log.causes_every, self.dials.log_every),
        )
        is_finite = torch.isfinite(result.loss_sum)  # an epoch's mean is that of the losses there were
        self._loss_sum = self._loss_sum + torch.where(is_finite, result.loss_sum, 0.0)
        self._weight_sum = self._weight_sum + is_finite * result.weight
        self._counts = self._counts + result.counts
        self._num_tokens += result.num_tokens
        lr = self.lr
        self.state.step += 1
        self._say_position()
        if self.state.step == 1:
            self._compare_starting_loss(result.loss.item())
        if self.state.step % self.dials.log_every == 0 or self._is_over():
            self._record_step(result, lr)
        if self.state.step % self.order.steps_per_epoch == 0:
            self._record_epoch()

    def _leave_out(self) -> None:
        """A step whose batches a rollback has left out: counted, and nothing else. It has no record: it has no loss."""
        self.state.step += 1
        self._say_position()
        if not self.journal.leaves_out(self.state.step + 1):
            self.events.lifecycle("batches_left_out", f"up to step {self.state.step}", step=self.state.step)
        if self.state.step % self.order.steps_per_epoch == 0:
            self._record_epoch()

    def _heed_troubles(self) -> None:
        """What the records have told of bad updates. Raises Leaving where the policy goes back or gives up."""
        for step, trouble in self.recorder.take_troubles():
            action = action_for(trouble, self.config.policy)
            said = describe(trouble, step)
            detail = {"cause": trouble.cause, "from_step": trouble.first_step, "to_step": step, "action": str(action)}
            detail |= {"num_skipped": trouble.num_skipped, "in_a_row": trouble.in_a_row}
            self.events.lifecycle("updates_skipped", f"{said}; {action}", step=step, detail=detail)
            match action:
                case Action.ROLLBACK:
                    raise Leaving(Leave.RETREATED, retreat=self._retreat(trouble, step))
                case Action.PAUSE:
                    self.steering.hold(said)
                case Action.STOP:
                    raise Leaving(Leave.GAVE_UP, said)
                case Action.GO_ON:
                    pass

    def _retreat(self, trouble: Trouble, step: int) -> Retreat:
        """`step` is that of the record which told of the trouble; from a GPU it comes a record later."""
        first = min(trouble.first_step, step - max(trouble.in_a_row - 1, 0))
        return Retreat(cause=trouble.cause, skip_from=first, skip_to=self.state.step, lr=self.dials.lr)

    def _compare_starting_loss(self, loss: float) -> None:
        num_classes = self.task.num_classes
        if num_classes:
            knows_nothing = math.log(num_classes)
            text = f"{loss:.3f}; a model that knows nothing has ln({num_classes:,}) = {knows_nothing:.3f}"
            self.events.lifecycle("starting_loss", text, step=1, detail={"loss": loss, "ln_classes": knows_nothing})

    @property
    def dials(self) -> dial.Dials:
        return self.state.dials

    @property
    def lr(self) -> float:
        """The learning rate of the next update."""
        return self.dials.lr * self._shape(self.state.step)

    def _say_position(self) -> None:
        self.pulse.step = self.state.step
        self.pulse.epoch = self.state.step / self.order.steps_per_epoch

    def _record_step(self, result: StepResult, lr: float) -> None:
        now = time.monotonic()
        elapsed_s = max(now - self._logged_at - self._take_aside_s(), 1e-9)
        num_steps = self.state.step - self._logged_step
        record = StepRecord(
            at=time.time(),
            attempt=0,
            step=self.state.step,
            loss=0.0,
            lr=lr,
            epoch=self.state.step / self.order.steps_per_epoch,
            step_s=elapsed_s / num_steps,
            data_wait_s=self._data_wait_s / num_steps,
            tokens_per_s=self._num_tokens / elapsed_s if self._num_tokens else None,
        )
        if self.device.type == "cuda":
            record.gpu_mem_allocated_bytes = torch.cuda.max_memory_allocated(self.device)
            torch.cuda.reset_peak_memory_stats(self.device)
        named = {"loss_scale": result.loss_scale, "accuracy": self.task.accuracy(result.counts)}
        found = self.stepper.guard.take()
        self.recorder.log_step(record, result.loss, result.grad_norm, found, named, result.causes)
        self._logged_at, self._logged_step, self._num_tokens, self._data_wait_s = now, self.state.step, 0, 0.0

    def _take_aside_s(self) -> float:
        """Seconds since the last record that were no training: holds, evaluations, copies for a checkpoint."""
        aside_s = self._aside_s + self.steering.held_s
        self._aside_s = -self.steering.held_s
        return aside_s

    def _record_epoch(self) -> None:
        self.recorder.drain()
        tally = self._host_tally()
        self.recorder.write(
            EpochRecord(
                at=time.time(),
                attempt=0,
                step=self.state.step,
                epoch=self.state.step // self.order.steps_per_epoch,
                loss=number(tally.loss_sum) / (tally.target_weight or 1.0),
                metrics=dict(self.task.train_metrics(tally.counts)),
                started_at=tally.started_at,
                epoch_s=tally.active_s,
            )
        )
        self._loss_sum, self._weight_sum = torch.zeros_like(self._loss_sum), torch.zeros_like(self._weight_sum)
        self._counts = 0
        self._epoch_began = time.monotonic()
        self.state.tally = EpochTally()

    def _host_tally(self) -> EpochTally:
        counts = self._counts.tolist() if isinstance(self._counts, torch.Tensor) else []
        return EpochTally(
            loss_sum=self._loss_sum.item(),
            target_weight=self._weight_sum.item(),
            counts=counts,
            started_at=self.state.tally.started_at,
            active_s=time.monotonic() - self._epoch_began,
        )

    def _evaluate_and_save_if_due(self) -> None:
        step = self.state.step
        if step == 0:
            return
        is_best = False
        if step % (self.dials.eval_every or self.order.steps_per_epoch) == 0 and self.state.evaluated_step != step:
            is_best = self._evaluate("schedule")
        if step % (self.dials.save_every or self.order.steps_per_epoch) == 0:
            self.save("schedule")
        elif is_best:
            self.save("best")

    def _evaluate(self, trigger: Trigger) -> bool:
        """Evaluate, record, and tell whether it is the best so far. An ordered one changes nothing of the course.

        The leader does it alone; the other ranks obey orders meanwhile, and take from it what it has come to.
        """
        self.recorder.drain()  # by all ranks, so that all know of bad updates at the same step
        self._is_evaluating = True
        try:
            is_best = self.steering.alone(lambda: self._evaluate_here(trigger))
        finally:
            self._is_evaluating = False
        if not self.ranks.is_alone:
            self.state = msgspec.json.decode(self.ranks.share(encode(self.state)), type=TrainingState)
        return bool(is_best)

    def _evaluate_here(self, trigger: Trigger) -> bool:
        began, held_s = time.monotonic(), self.steering.held_s
        phase = self.pulse.phase
        self.pulse.enter(Phase.EVAL)
        try:
            result = self.stepper.evaluate()
        except (RuntimeError, MemoryError) as error:
            if trigger != "order" or not is_out_of_memory(error):
                raise
            self.events.lifecycle("eval_failed", f"no memory for it: {error}", step=self.state.step)
            self.pulse.enter(phase)
            return False
        samples = self.stepper.samples()
        eval_s = time.monotonic() - began - (self.steering.held_s - held_s)
        is_best = trigger != "order" and best.note(self.state, result, self.config.eval)
        self.recorder.write(
            EvalRecord(
                at=time.time(),
                attempt=0,
                step=self.state.step,
                loss=result.loss,
                epoch=self.state.step / self.order.steps_per_epoch,
                trigger=trigger,
                metrics={**result.metrics, **result.shares},
                labels={name: dict(values) for name, values in result.labels.items()},
                confusion=None if result.confusion is None else [list(row) for row in result.confusion],
                samples=samples or None,
                eval_s=eval_s,
                best=is_best,
            )
        )
        self._aside_s += eval_s
        self.pulse.enter(phase)
        return is_best

    def save(self, reason: str) -> None:
        """Copy the state of the last boundary and have it written; the loop waits for the copy alone."""
        self.recorder.drain()
        self.recorder.has_room()  # a checkpoint needs all records on disk; at the end no later one takes them along
        self.state.reason = reason
        if self.saver.has(self.state):
            return
        began = time.monotonic()
        phase = self.pulse.phase
        self.pulse.enter(Phase.SAVE)
        num_bytes = self.stepper.state_bytes
        if self.saver.make_way(self.state, num_bytes) and (snapshot := self._snapshot()) is not None:
            self.saver.submit(snapshot, self._model_writer, began=began, num_bytes=num_bytes)
        self._aside_s += time.monotonic() - began
        self.pulse.enter(phase)

    def _snapshot(self) -> Snapshot | None:
        """None, and said, where there is no memory for a copy."""
        self.state.tally = self._host_tally()
        self.stepper.note_state(self.state)
        try:
            model, optimizer_state = self.stepper.copy()
        except (RuntimeError, MemoryError, OSError) as error:
            if isinstance(error, RuntimeError) and not is_out_of_memory(error):
                raise
            self.saver.fail(self.state, error)
            return None
        state = msgspec.json.decode(encode(self.state), type=TrainingState)
        return Snapshot(state=state, optimizer=optimizer_state, model=model)

    def _await_save(self) -> None:
        phase = self.pulse.phase
        self.pulse.enter(Phase.SAVE)
        self.saver.join()
        self.pulse.enter(phase)

    # --- what orders do (steering.Steered) -----------------------------------------------------------------------

    def settle(self) -> None:
        self.recorder.drain()

    def save_for_order(self) -> None:
        self.save("order")

    def refuse_eval(self) -> str | None:
        return "an evaluation is running" if self._is_evaluating else None

    def eval_for_order(self) -> None:
        self._evaluate("order")

    def refuse_set(self, args: dict[str, Any]) -> str | None:
        fault = dial.check_args(args)
        if fault:
            return fault
        turned = dial.turn(self.dials, args, self.order.steps_per_epoch)
        if dial.total_steps(turned, self.order.steps_per_epoch) <= self.state.step:
            return f"{self.state.step} steps are already done; `stop` ends the run"
        return None

    def apply_set(self, order_id: str, args: dict[str, Any]) -> None:
        """What an order sets now holds, whatever earlier ones have set at later steps before a resume went back."""
        self._replay_sets()  # what is due at this very step comes first, as it will at the next resume
        self.journal.override_later(self.state.step, args)
        self._turn(order_id, args)

    def _turn(self, order_id: str, args: dict[str, Any]) -> None:
        """Turn the dials. They act on the update and what follows it, so that any safe point of a step will do."""
        self.state.dials = dial.turn(self.dials, args, self.order.steps_per_epoch)
        self.state.applied_sets.append(order_id)
        if self.state.early_stopped and ("epochs" in args or "max_steps" in args):
            self.state.early_stopped, self.state.evals_since_best = False, 0
        self._plan()

    def _replay_sets(self) -> None:
        """Orders applied in an earlier attempt take effect again at their recorded step.

        What was answered with no trainer alive may name a step before the checkpoint: it takes effect at once.
        """
        for order_id, args in self.journal.take_sets(self.state.step):
            if order_id not in self.state.applied_sets:
                self._turn(order_id, args)

    def _plan(self) -> None:
        self.total_steps = dial.total_steps(self.dials, self.order.steps_per_epoch)
        self._shape = optimizer.schedule_shape(self.config.train, self.dials.schedule_steps or self.total_steps)
        self.pulse.total_steps = self.total_steps
        self.pulse.total_epochs = self.total_steps / self.order.steps_per_epoch
