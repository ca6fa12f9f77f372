"""Marks: what is worth a line on a chart, and a message to those who ask for it, but is nothing wrong: `new-best`,
`ended`, `crashed`, `restarted`. Each is over as soon as it is said.
"""

from rundir.alerts.base import AlertChange, Finding, Rule, RuleState
from rundir.alerts.track import Track
from rundir.records import EvalRecord, LifecycleEvent, Record, Severity, number


class MarkRule(Rule[RuleState]):
    """Says it once for each record that tells of it; never open."""

    gravest = Severity.INFO
    cooldown = 0
    is_mark = True
    state_type = RuleState

    def mark(self, message: str, step: int, track: Track) -> list[AlertChange]:
        finding = Finding(severity=Severity.INFO, message=message, step=step, onset_step=step)
        changes = self.fire(finding, track)
        self.state.firing = None
        return changes


class NewBestRule(MarkRule):
    """Info: the metric that chooses the best checkpoint was never better."""

    name = "new-best"
    title = "a new best evaluation"
    reads = (EvalRecord,)
    needs = ("eval.loss",)

    def judge(self, record: EvalRecord, track: Track) -> list[AlertChange]:
        if not record.best:
            return []
        figures = {"loss": record.loss, **(record.metrics or {})}
        said = ", ".join(f"{name} {number(value):.4g}" for name, value in list(figures.items())[:4])
        return self.mark(f"best evaluation so far: {said}", record.step, track)


class EventMarkRule(MarkRule):
    """A lifecycle event of certain kinds."""

    reads = (LifecycleEvent,)
    whats: tuple[str, ...] = ()
    words: str = ""

    def missing(self, track: Track) -> str | None:
        return None if any(name.startswith("event.") for name in track.seen) else "no events"

    def judge(self, record: Record, track: Track) -> list[AlertChange]:
        if not isinstance(record, LifecycleEvent) or record.what not in self.whats:
            return []
        said = f"{self.words or record.what}: {record.message}" if record.message else self.words or record.what
        return self.mark(said, record.step or track.step, track)


class EndedRule(EventMarkRule):
    """Info: the run is done, was stopped, or has failed."""

    name = "ended"
    title = "the end of the run"
    whats = ("done", "stopped", "failed")


class CrashedRule(EventMarkRule):
    """Info: the trainer has ended without leave."""

    name = "crashed"
    title = "a crash of the trainer"
    whats = ("crashed",)


class RestartedRule(EventMarkRule):
    """Info: the supervisor starts the trainer again."""

    name = "restarted"
    title = "a restart by the supervisor"
    whats = ("restarting",)
