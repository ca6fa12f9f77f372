"""One run as the table knows it: what its small files and the ends of its logs say. Pure and immutable."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rundir.direction import directions_in, is_lower_better
from rundir.layout import RunDir
from rundir.records import AlertEvent, Severity
from rundir.remarks import Remarks
from rundir.section import section
from rundir.status import Liveness, RunInfo, State, Status
from trainwatch.format import as_float
from trainwatch.listing.glance import Figures

_MOVING = (Liveness.LIVE, Liveness.SILENT, Liveness.ORPHANED)


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of one run. Immutable, so that it may cross threads."""

    run: RunDir
    info: RunInfo | None = None
    status: Status | None = None
    status_fault: str = ""
    verdict: Liveness = Liveness.UNKNOWN
    figures: Figures = field(default_factory=Figures)
    alerts: tuple[AlertEvent, ...] = ()
    remarks: Remarks = field(default_factory=Remarks)
    config: Mapping[str, Any] | None = None
    """The configuration; None until it was read."""
    place: str = ""
    """Where it lies, in a table of several places."""
    source: str = ""
    """What another program has written, in a word: nothing can be written to it. Empty of a run."""

    @property
    def id(self) -> str:
        """By which it is known in this program."""
        return f"{self.place}:{self.run.id}" if self.place else self.run.id

    @property
    def name(self) -> str:
        return self.info.name if self.info is not None else self.run.id

    @property
    def task(self) -> str:
        return self.info.task if self.info is not None else ""

    @property
    def short_task(self) -> str:
        """As people say it who have many: token-cls; of a log the program that wrote it."""
        if self.source:
            return self.task.partition(" ")[0]
        return self.task.replace("classification", "cls").replace("language-model", "lm")

    @property
    def host(self) -> str:
        named = self.status.host if self.status is not None else ""
        return named or (self.info.host if self.info is not None else "")

    @property
    def state(self) -> State | None:
        return self.status.state if self.status is not None else None

    @property
    def tags(self) -> list[str]:
        """Given here, and those of the run itself."""
        own = self.info.tags if self.info is not None else {}
        return list(dict.fromkeys([*self.remarks.tags, *own]))

    @property
    def is_moving(self) -> bool:
        """Whether processes of the run are alive, or seem so."""
        return self.verdict in _MOVING

    @property
    def may_live(self) -> bool:
        """Whether it lives, or nobody can say here that it does not."""
        return self.is_moving or (self.verdict is Liveness.UNKNOWN and self.status is not None)

    @property
    def step(self) -> int:
        return max(self.figures.step, self.status.step if self.status is not None else 0)

    @property
    def total_steps(self) -> int | None:
        if self.status is not None and self.status.total_steps is not None:
            return self.status.total_steps
        return self.info.planned_steps if self.info is not None else None

    @property
    def share(self) -> float | None:
        """Of the planned steps, 0 to 1; None where nothing is planned."""
        total = self.total_steps
        return max(0, min(self.step, total)) / total if total is not None and total > 0 else None

    @property
    def eta_s(self) -> float | None:
        total = self.total_steps
        if total is None or self.state is not State.RUNNING or not self.is_moving or not self.figures.rate > 0:
            return None
        return as_float(max(0, total - self.step)) / self.figures.rate

    @property
    def created_at(self) -> float | None:
        if self.info is not None:
            return self.info.created_at
        return self.status.started_at if self.status is not None else None

    @property
    def serious(self) -> tuple[AlertEvent, ...]:
        """The alerts that are no mere information, gravest first."""
        return tuple(alert for alert in self.alerts if alert.severity is not Severity.INFO)

    @property
    def chosen_metric(self) -> str:
        """What the best checkpoint is chosen by: as configured, else the first that is no loss."""
        named = section(self.config or {}, "eval").get("metric")
        known = self.figures.chosen or self.figures.best
        if isinstance(named, str) and named.removeprefix("eval_") in known:
            return named.removeprefix("eval_")
        return next((name for name in known if name != "loss"), "loss" if "loss" in known else "")

    @property
    def best(self) -> tuple[str, float] | None:
        """Name and best value of the metric by which the best checkpoint is chosen."""
        name = self.chosen_metric
        values = self.figures.chosen if name in self.figures.chosen else self.figures.best
        return (name, values[name]) if name in values else None

    def is_lower_better(self, metric: str) -> bool:
        return is_lower_better(metric, directions_in(self.config or {}))

    def age_s(self, now: float) -> float | None:
        at = self.created_at
        return max(0.0, now - at) if at is not None and math.isfinite(at) else None
