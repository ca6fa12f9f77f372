"""What is known of the open run: the effective records, after every cut that a resume made.

Owned by the event loop, which alone applies batches; panes only read. Pure: no file, no clock, no screen.
"""

import math
from collections import deque
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from rundir.alert_family import PACE
from rundir.control import Malformed, Order, Verb
from rundir.layout import RunDir
from rundir.records import (
    AlertEvent,
    CheckpointEvent,
    EpochRecord,
    EvalRecord,
    EventRecord,
    LifecycleEvent,
    NoteEvent,
    OutcomeEvent,
    ResumeEvent,
    ResumeRecord,
    SystemRecord,
)
from rundir.series import Series, StepBlock
from rundir.status import HEARTBEAT_S, Liveness, Phase, State, Status
from trainwatch.feed import Batch, Opened
from trainwatch.findings import EventView, Findings
from trainwatch.format import as_float
from trainwatch.longlog.pieces import MetricsPiece
from trainwatch.pace import pace
from trainwatch.scores import Scores, numeric

ALLOCATED = "gpu_mem_allocated_bytes"
EVENTS_KEPT = 500
TOLD_KEPT = 20_000
"""Events of the page that shows nothing else."""
CONSOLE_LINES = 1000
CONSOLE_LINE_LENGTH = 2000
"""More than any terminal shows of a line that is not wrapped."""
EXPECTED = 1.05
"""Room for the steps of a log of which a part is read, for each that its length promises."""
ORDERS_KEPT = 200
"""The open ones longest."""
NO_ANSWER_S = 3 * HEARTBEAT_S


class Answer(StrEnum):
    """Where an order stands."""

    PENDING = "pending"
    APPLIED = "applied"
    REFUSED = "refused"
    NO_ANSWER = "no answer"


@dataclass(frozen=True, slots=True)
class OrderView:
    """One order and what became of it."""

    id: str
    verb: str
    args: dict[str, Any]
    sent_at: float
    by: str = ""
    outcome: OutcomeEvent | None = None

    def answer(self, now: float) -> Answer:
        if self.outcome is not None:
            return Answer.APPLIED if self.outcome.result == "applied" else Answer.REFUSED
        return Answer.PENDING if now - self.sent_at <= NO_ANSWER_S else Answer.NO_ANSWER


class Store:
    """The state of one run. `revision` grows with every batch that is applied."""

    def __init__(self, run: RunDir, opened: Opened) -> None:
        self.run = run
        self.opened = opened
        self.revision = 0
        self.now = 0.0
        self.status: Status | None = None
        self.status_fault = ""
        self.verdict = Liveness.UNKNOWN
        self.newer = ""
        """Id of a newer run beside this one."""
        self.progress = 0.0
        self.caught_up = False
        self.skipped = 0
        self.system = Series()
        self.machine: SystemRecord | None = None
        """The newest sample of it."""
        self.console: deque[str] = deque(maxlen=CONSOLE_LINES)
        self.orders: dict[str, OrderView] = {}
        self.findings = Findings()
        self._clear_metrics()
        self._clear_events()

    def _clear_metrics(self) -> None:
        self.steps = Series()
        self.attempt = 0
        self.attempt_start = 0
        """Index in `steps` of the current attempt's first record."""
        self.seams: list[ResumeRecord] = []
        self.scores = Scores(self.opened.directions)
        self.epochs: list[EpochRecord] = []

    def _clear_events(self) -> None:
        self.events: deque[EventView] = deque(maxlen=EVENTS_KEPT)
        """The newest of `told`."""
        self.told: deque[EventView] = deque(maxlen=TOLD_KEPT)
        self.alerts: dict[str, AlertEvent] = {}
        self.checkpoints: list[CheckpointEvent] = []
        self.baseline: dict[str, float] = {}
        self.parameters: dict[str, float] = {}
        """Of the model: `num_parameters`, `num_trained_parameters`."""
        self.report: LifecycleEvent | None = None
        """The last word on a run that has ended; none while it goes on."""

    # --- applying ---------------------------------------------------------------------------------------------------

    def apply(self, batch: Batch) -> None:
        """Take a batch in. Never raises on what a file may hold."""
        self.now = batch.now
        self._apply_status(batch)
        self.newer = batch.newer
        self.progress, self.skipped = batch.progress, self.skipped + batch.skipped
        self._apply_metrics(batch)
        if batch.system_restarted:
            self.system = Series()
        for block in batch.system:
            self.system.append(block)
        self.machine = batch.machine or self.machine
        for order in batch.orders:
            self._apply_order(order)
        if batch.events_restarted:
            self._clear_events()
        for event in batch.events:
            self._apply_event(event)
        self.findings.apply(batch.found, self.events, self.told)
        if batch.console:
            lines = batch.console.removesuffix("\n").split("\n")
            # What was written over what (a progress bar) is one line: its last state.
            self.console.extend(line.rstrip("\r").rpartition("\r")[2][:CONSOLE_LINE_LENGTH] for line in lines)
        self.caught_up = self.caught_up or batch.at_end
        if self.caught_up:  # before, an old order may seem open only because its outcome was not read yet
            self._forget_orders()
        self.revision += 1

    def _apply_status(self, batch: Batch) -> None:
        """A run whose status went (the directory was deleted) is shown as it was last, and as gone."""
        self.verdict = batch.verdict
        if batch.status is not None or batch.status_fault or self.opened.source:
            self.status, self.status_fault = batch.status, batch.status_fault
        elif self.status is not None:
            self.status_fault = "status.json is gone"

    def _apply_metrics(self, batch: Batch) -> None:
        if batch.metrics_restarted:
            self._clear_metrics()
        for piece in batch.metrics:
            self._apply_metric(piece)
        if 0 < batch.progress < 1:
            self.steps.expect(int(EXPECTED * len(self.steps) / batch.progress))

    def _apply_metric(self, piece: MetricsPiece) -> None:
        match piece:
            case StepBlock():
                self._apply_steps(piece)
            case EvalRecord():
                self.scores.add(piece)
            case EpochRecord():
                self.epochs.append(piece)
            case ResumeRecord():
                self._cut_metrics(piece.step)
                self.seams.append(piece)
                self.attempt, self.attempt_start = max(self.attempt, piece.attempt), len(self.steps)

    def _apply_steps(self, block: StepBlock) -> None:
        if block.attempt < self.attempt:
            return  # a superseded attempt's line, out of order
        if block.attempt > self.attempt:
            if len(self.steps) and len(block) and block.x[0] <= self.steps.x[-1]:
                self._cut_metrics(float(block.x[0]) - 1)  # the resume marker was lost
            self.attempt, self.attempt_start = block.attempt, len(self.steps)
        self.steps.append(block)

    def _cut_metrics(self, step: float) -> None:
        self.steps.truncate(step)
        self.attempt_start = min(self.attempt_start, len(self.steps))
        self.scores.cut(step)
        self.epochs = [e for e in self.epochs if e.step <= step]
        self.seams = [s for s in self.seams if s.step <= step]

    def _apply_order(self, order: Order | Malformed) -> None:
        if order.id in self.orders:
            return
        args, at = (order.args, order.at) if isinstance(order, Order) else ({}, None)
        sent_at = at if at is not None and 0 < at <= self.now else self.now
        self.orders[order.id] = OrderView(order.id, str(order.verb), args, sent_at, order.by or "")

    def _apply_event(self, event: EventRecord) -> None:
        match event:
            case OutcomeEvent():
                known = self.orders.get(event.order)
                if known is None:
                    known = OrderView(event.order, event.verb, event.args or {}, event.at, event.by or "")
                # An order without a time of its own was given no later than it was answered.
                self.orders[event.order] = replace(known, outcome=event, sent_at=min(known.sent_at, event.at))
            case CheckpointEvent():
                self.checkpoints.append(event)
            case AlertEvent(change="cleared"):
                self.alerts.pop(event.rule, None)
            case AlertEvent():
                self.alerts[event.rule] = event
            case LifecycleEvent():
                self._apply_lifecycle(event)
            case ResumeEvent():
                self._cut_events(event.step or 0)
            case NoteEvent():
                pass  # only a line in the time line
        view = EventView(event)
        self.events.append(view)
        self.told.append(view)

    def _apply_lifecycle(self, event: LifecycleEvent) -> None:
        match event.what:
            case "baseline":
                self.baseline = numeric(event.detail or {})
            case "model":
                self.parameters = numeric(event.detail or {})
            case "report":
                self.report = event
            case _:
                pass  # only a line in the time line

    def _cut_events(self, step: int) -> None:
        self.report = None
        self.checkpoints = [c for c in self.checkpoints if (c.step or 0) <= step]
        self.alerts = {rule: a for rule, a in self.alerts.items() if (a.step or a.onset_step or 0) <= step}
        for views in (self.events, self.told):
            for i, view in enumerate(views):
                if view.event.step is not None and view.event.step > step and not view.superseded:
                    views[i] = EventView(view.event, superseded=True)

    def _forget_orders(self) -> None:
        """Keep `ORDERS_KEPT`: the answered ones go first, of each kind the oldest."""
        surplus = len(self.orders) - ORDERS_KEPT
        if surplus > 0:
            for order in sorted(self.orders.values(), key=lambda order: order.outcome is None)[:surplus]:
                del self.orders[order.id]

    def sent(self, order: Order) -> None:
        """An order of ours was written: it is pending until its outcome is read."""
        self.now = max(self.now, order.at or 0.0)
        self._apply_order(order)
        self.revision += 1

    def let_go(self) -> None:
        """Forget the columns: nobody looks at this store any more, and what still holds it need not hold them."""
        self.steps, self.system = Series(), Series()

    # --- reading ----------------------------------------------------------------------------------------------------

    @property
    def last_step(self) -> int:
        """Of the newest step record that was read."""
        return int(self.steps.x[-1]) if len(self.steps) else 0

    @property
    def step(self) -> int:
        """Optimizer steps done: not every one has a record, nor is every record read yet."""
        return max(self.last_step, self.status.step if self.status is not None else 0)

    @property
    def total_steps(self) -> int | None:
        if self.status is not None and self.status.total_steps is not None:
            return self.status.total_steps
        return self.opened.info.planned_steps if self.opened.info is not None else None

    @property
    def by_script(self) -> bool:
        """Whether a script writes the run for itself."""
        return self.opened.info is not None and self.opened.info.by_script

    @property
    def takes(self) -> frozenset[str] | None:
        """Which orders a script's run has said it takes; None where it has not."""
        takes = self.status.takes if self.status is not None else None
        return None if takes is None else frozenset(takes)

    @property
    def has_ended(self) -> bool:
        return self.verdict is Liveness.ENDED

    @property
    def ends_with_data(self) -> bool:
        """Whether an axis of it ends where the records do: no more are due, or nobody has said that they are."""
        return self.has_ended or bool(self.opened.source and self.total_steps is None)

    @property
    def absent(self) -> frozenset[str]:
        """The panes of its page that have nothing to show and never will: what another program has not recorded."""
        if not self.opened.source or not self.caught_up:
            return frozenset()
        columns = {"grad_norm": "grad_norm", "lr": "lr", "memory": self.memory()[1]}
        there = {name for name, column in columns.items() if self.steps.column(column) is not None}
        return frozenset({*columns} - there | {"console", "orders"} | (set() if self.scores.records else {"evals"}))

    @property
    def is_moving(self) -> bool:
        """Whether a live supervisor writes to this run."""
        return self.verdict in (Liveness.LIVE, Liveness.SILENT, Liveness.ORPHANED)

    @property
    def is_still(self) -> bool:
        """Whether nothing will happen unless somebody starts it."""
        return self.verdict in (Liveness.ENDED, Liveness.DEAD, Liveness.REBOOTED, Liveness.UNATTENDED)

    @property
    def rate(self) -> float:
        """Steps a second by the wall clock over the newest records, without holds; nan while unknown."""
        at = self.steps.column("at")
        if at is None or self._is_getting_ready:
            return math.nan
        return pace(self.steps.x[self.attempt_start :], at.values[self.attempt_start :])

    @property
    def _is_getting_ready(self) -> bool:
        """Whether no step is due yet: what was measured before says nothing of now."""
        status = self.status
        return status is not None and (
            status.state in (State.STARTING, State.RESTARTING)
            or status.phase in (Phase.LOADING, Phase.TOKENIZING, Phase.PRETRAIN)
        )

    @property
    def eta_s(self) -> float:
        """nan while it is unknown, or while the run trains not: a pause has no end of its own."""
        total, state = self.total_steps, self.status.state if self.status is not None else None
        if total is None or state is not State.RUNNING or not self.is_moving or not self.rate > 0:
            return math.nan
        return as_float(max(0, total - self.step)) / self.rate

    def elapsed_s(self, now: float) -> float:
        """While an attempt ran, over all of them; since the first began where nobody has counted that."""
        status = self.status
        if status is None or status.started_at is None:
            return math.nan
        if status.active_s > 0:
            runs = self.is_moving and status.trainer is not None
            return status.active_s + (max(0.0, now - status.updated_at) if runs else 0.0)
        end = status.ended_at
        if end is None:
            end = now if self.is_moving else status.updated_at
        return max(0.0, end - status.started_at)

    @property
    def peak_lr(self) -> float | None:
        """The learning rate at the schedule's peak: configured, or as last set by an order."""
        applied = [o.outcome for o in self.orders.values() if o.outcome and o.verb == Verb.SET]
        values = [o.args["lr"] for o in applied if o.result == "applied" and o.args and "lr" in o.args]
        newest = values[-1] if values else self.opened.lr
        return as_float(newest) if isinstance(newest, int | float) else None

    @property
    def active_alerts(self) -> list[AlertEvent]:
        """The gravest first; of those how training goes before its pace, an incident's primary kind, the newest."""
        order = {"critical": 0, "warning": 1, "info": 2}
        known = [*self.alerts.values(), *self.findings.active.values()]
        return sorted(known, key=lambda a: (order[a.severity], a.rule in PACE, not a.primary, -(a.step or 0)))

    def is_active(self, alert: AlertEvent) -> bool:
        return self.alerts.get(alert.rule) is alert or self.findings.active.get(alert.rule) is alert

    @property
    def gpus(self) -> tuple[str, ...]:
        """Product names of the machine's GPUs."""
        return tuple(gpu.name for gpu in self.machine.gpus) if self.machine is not None else ()

    def memory(self) -> tuple[str, str]:
        """Which memory matters: a title and a column, of `system` or (the allocator's own) of `steps`.

        On a GPU run what its GPU holds; where nothing may look into that, what torch has allocated; else the host's.
        """
        device = self.status.device if self.status is not None else None
        if device is not None and device.startswith("cuda"):
            wanted = f"gpu{device.partition(':')[2] or 0}"
            if self.system.column(wanted) is not None:
                return f"{wanted} memory", wanted
            if self.steps.column(ALLOCATED) is not None:
                return "gpu memory allocated", ALLOCATED
        return "host memory", "rss"
