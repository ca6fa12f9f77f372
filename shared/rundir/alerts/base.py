"""What every alert rule stands on: the change it reports, its OK/FIRING state, and how it is saved and rewound.

A rule is a pure function of the records fed so far. It knows no clock and no file, holds O(window) memory, and
compares only with thresholds that do not depend on the scale of the loss.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, Literal, TypeVar

import msgspec

from rundir.records import AlertEvent, AnyRecord, ResumeEvent, ResumeRecord, Severity

Change = Literal["raised", "updated", "cleared"]


class AlertChange(msgspec.Struct, frozen=True, kw_only=True):
    """One step in an alert's life. `step` is where it was noticed, `onset_step` where its cause shows first."""

    rule: str
    change: Change
    severity: Severity
    message: str
    step: int
    onset_step: int
    evidence: dict[str, Any] = {}
    """Figures behind the message, by name with unit; non-finite ones spelled "nan", "inf", "-inf"."""
    advice: str = ""

    def as_event(self, *, at: float, attempt: int, seq: int = 0) -> AlertEvent:
        """The line of events.jsonl that says it."""
        return AlertEvent(
            at=at,
            attempt=attempt,
            seq=seq,
            writer="supervisor",
            step=self.step,
            rule=self.rule,
            change=self.change,
            severity=self.severity,
            message=self.message,
            onset_step=self.onset_step,
            evidence=self.evidence or None,
            advice=self.advice,
        )


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule holds to be wrong now."""

    severity: Severity
    message: str
    step: int
    onset_step: int
    evidence: dict[str, Any] = {}
    advice: str = ""


class RuleState(msgspec.Struct, kw_only=True):
    """What a rule remembers: nothing else may influence it, so that a saved rule is the same rule."""

    firing: Finding | None = None
    """The finding as last reported; None while all is well."""


S = TypeVar("S", bound=RuleState)


class Rule(ABC, Generic[S]):
    """One rule: at most one alert is open at a time.

    Subclasses set `name` and `state_type`, look at one record in `judge`, and forget in `forget_beyond`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    """What the rule finds, for help texts."""
    state_type: type[S]

    def __init__(self) -> None:
        self.state: S = self.state_type()

    def feed(self, record: AnyRecord) -> list[AlertChange]:
        """What one more record changes. Records of a kind that the rule does not read change nothing."""
        if isinstance(record, ResumeRecord | ResumeEvent):
            return self._rewind(record.step or 0)
        return self.judge(record)

    @abstractmethod
    def judge(self, record: AnyRecord) -> list[AlertChange]:
        """Look at one record: report through `fire` and `clear`."""

    @abstractmethod
    def forget_beyond(self, step: int) -> None:
        """Drop everything learnt from steps beyond `step`: they were superseded."""

    def save(self) -> dict[str, Any]:
        """The state as JSON-able builtins."""
        saved: dict[str, Any] = msgspec.to_builtins(self.state)
        return saved

    def restore(self, saved: dict[str, Any]) -> None:
        """Go on where `save` left off. Raises msgspec.ValidationError on a state of another shape."""
        self.state = msgspec.convert(saved, self.state_type)

    def fire(self, finding: Finding) -> list[AlertChange]:
        """Report a finding: raised when all was well, else updated. Whether an update is worth it is the rule's say."""
        change: Change = "raised" if self.state.firing is None else "updated"
        self.state.firing = finding
        return [self._change(change, finding, finding.step)]

    def clear(self, step: int, message: str, evidence: dict[str, Any] | None = None) -> list[AlertChange]:
        """Report that what fired is over; nothing when nothing fired."""
        firing = self.state.firing
        if firing is None:
            return []
        self.state.firing = None
        over = Finding(
            severity=firing.severity,
            message=message,
            step=step,
            onset_step=firing.onset_step,
            evidence=evidence if evidence is not None else firing.evidence,
        )
        return [self._change("cleared", over, step)]

    def _rewind(self, step: int) -> list[AlertChange]:
        """The run goes on from `step`: what lies beyond never happened. What comes again is raised again."""
        firing = self.state.firing
        changes: list[AlertChange] = []
        if firing is not None and firing.step > step:
            changes = self.clear(step, f"superseded: the run goes on from step {step}, before step {firing.step}")
        self.forget_beyond(step)
        return changes

    def _change(self, change: Change, finding: Finding, step: int) -> AlertChange:
        return AlertChange(
            rule=self.name,
            change=change,
            severity=finding.severity,
            message=finding.message,
            step=step,
            onset_step=finding.onset_step,
            evidence=finding.evidence,
            advice=finding.advice,
        )
