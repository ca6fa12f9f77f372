"""What every alert rule stands on: the change it reports, its state with cooldown, how it is saved and rewound.

A rule is a pure function of the records fed so far. It knows no clock and no file, holds O(window) memory, and
compares only with thresholds that do not depend on the scale of the loss, unless its description says so.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, Literal, TypeVar

import msgspec

from rundir.alerts.facts import Facts
from rundir.alerts.track import Track
from rundir.records import AlertEvent, Record, Severity

Change = Literal["raised", "updated", "cleared"]

COOLDOWN = 200
"""Step records after the end of an alert before its rule may raise it again; doubles with every time it was raised."""
MOST_DOUBLINGS = 6


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
    at: float = 0.0
    """UTC seconds of the record at which it was noticed, 0: unknown."""
    onset_at: float | None = None
    """UTC seconds of the first record kept that is not before `onset_step`."""
    causes: list[str] = []
    """Likely ones, the likeliest first, at most three."""
    fixes: list[str] = []
    """What to do, in order."""
    order: dict[str, Any] | None = None
    """The order that does the first fix that is one: its `verb`, and `args` where it takes any."""
    incident: int = 0
    """Alerts that belong together have the same number, from 1; marks have 0."""
    primary: bool = False
    """Whether it is the incident's primary kind by what is known now; the last to be called so is it."""
    news: bool = False
    """Whether it is worth a message: an incident's first warning, or a later one that makes it critical."""

    @property
    def advice(self) -> str:
        """The fixes as one text."""
        return "; ".join(f"{n}. {fix}" for n, fix in enumerate(self.fixes, start=1))

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
            causes=self.causes,
            fixes=self.fixes,
            order=self.order,
            incident=self.incident or None,
            primary=self.primary,
        )


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule holds to be wrong now."""

    severity: Severity
    message: str
    step: int
    onset_step: int
    evidence: dict[str, Any] = {}
    fixes: list[str] = []
    """Where they depend on the figures; else those of the rule."""


class RuleState(msgspec.Struct, kw_only=True):
    """What a rule remembers: nothing else may influence it, so that a saved rule is the same rule."""

    firing: Finding | None = None
    """The finding as last reported; None while all is well."""
    num_raised: int = 0
    quiet_until: int = 0
    """No new alert before so many step records."""


S = TypeVar("S", bound=RuleState)


class Rule(ABC, Generic[S]):
    """One rule: at most one alert is open at a time.

    Subclasses set the class variables, look at one record in `judge`, and forget in `forget_beyond`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    """What the rule finds, for help texts."""
    gravest: ClassVar[Severity]
    """The highest severity it may raise."""
    reads: ClassVar[tuple[type[Record], ...]]
    """The kinds of records that `judge` is given."""
    needs: ClassVar[tuple[str, ...]] = ()
    """Inputs without which it can say nothing, as `Track.seen` names them; "a|b": one of them."""
    limits: ClassVar[Mapping[str, float]] = {}
    """Thresholds that a configuration may change, by name."""
    cooldown: ClassVar[int] = COOLDOWN
    is_mark: ClassVar[bool] = False
    """Whether its alerts are over as soon as they are said."""
    state_type: type[S]

    def __init__(self, facts: Facts, limits: Mapping[str, float] | None = None) -> None:
        self.facts = facts
        self.limit: dict[str, float] = {**self.limits, **(limits or {})}
        self.state: S = self.state_type()

    @abstractmethod
    def judge(self, record: Any, track: Track) -> list[AlertChange]:
        """Look at one record of the kinds of `reads`: report through `fire` and `clear`. `track` has taken it in."""

    def tick(self, now_at: float, track: Track) -> list[AlertChange]:
        """What the time alone tells, at UTC seconds `now_at`."""
        return []

    def forget_beyond(self, step: int) -> None:
        """Drop everything learnt from steps beyond `step`: they were superseded."""

    def missing(self, track: Track) -> str | None:
        """Why it can say nothing yet; None when it can."""
        for need in self.needs:
            if not any(track.has(name, self.facts) for name in need.split("|")):
                return "no " + need.replace("|", " or ")
        return None

    def is_signed(self, track: Track) -> bool:
        """Whether the loss may be negative, so that its level says nothing."""
        return self.facts.signed_loss or track.is_signed

    def save(self) -> dict[str, Any]:
        """The state as JSON-able builtins."""
        saved: dict[str, Any] = msgspec.to_builtins(self.state)
        return saved

    def restore(self, saved: Any) -> None:
        """Go on where `save` left off. Raises msgspec.ValidationError on a state of another shape."""
        self.state = msgspec.convert(saved, self.state_type)

    def fire(self, finding: Finding, track: Track) -> list[AlertChange]:
        """Report a finding: raised when all was well, else updated. Whether an update is worth it is the rule's say.

        Nothing within the cooldown of the last alert, unless this one is graver than a warning.
        """
        state = self.state
        if state.firing is None:
            if track.count < state.quiet_until and finding.severity is not Severity.CRITICAL:
                return []
            state.num_raised += 1
        change: Change = "raised" if state.firing is None else "updated"
        state.firing = finding
        return [self._change(change, finding, finding.step)]

    def hold(self, finding: Finding, track: Track) -> list[AlertChange]:
        """`fire` where it is news: nothing is open, or what is open is less grave."""
        firing = self.state.firing
        if firing is not None and _RANK[finding.severity] >= _RANK[firing.severity]:
            return []
        if firing is not None:
            finding = msgspec.structs.replace(finding, onset_step=min(finding.onset_step, firing.onset_step))
        return self.fire(finding, track)

    def clear(
        self, step: int, message: str, evidence: dict[str, Any] | None = None, track: Track | None = None
    ) -> list[AlertChange]:
        """Report that what fired is over; nothing when nothing fired. With `track` the cooldown begins."""
        state = self.state
        firing = state.firing
        if firing is None:
            return []
        state.firing = None
        if track is not None:
            state.quiet_until = track.count + self.cooldown * 2 ** min(state.num_raised - 1, MOST_DOUBLINGS)
        over = Finding(
            severity=firing.severity,
            message=message,
            step=step,
            onset_step=firing.onset_step,
            evidence=evidence if evidence is not None else firing.evidence,
        )
        return [self._change("cleared", over, step)]

    def rewind(self, step: int) -> list[AlertChange]:
        """The run goes on from `step`: what lies beyond never happened. What comes again is raised again."""
        state = self.state
        firing = state.firing
        changes: list[AlertChange] = []
        if firing is not None and firing.step > step:
            changes = self.clear(step, f"superseded: the run goes on from step {step}, before step {firing.step}")
        state.quiet_until = 0
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
            fixes=finding.fixes,
        )


_RANK = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}
