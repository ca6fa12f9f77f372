"""Alerts that belong together: one incident, one primary kind, one message.

What begins or is found close together belongs together, and so does what follows from what is still open: a run whose
loss has exploded shows it in every rule. The primary kind is the one from which the others follow.
"""

import math
from collections.abc import Iterable

import msgspec
from msgspec import field

from rundir.alert_family import PACE
from rundir.records import Severity

NEAR_STEPS = 60
"""Alerts whose onset or detection lies within so many steps (or six records) of an incident's are of it."""
NEAR_RECORDS = 6
SETTLE_STEPS = 100
"""So long after its first alert an incident's primary kind may change; graver news may change it later."""
KEPT = 6

EXPLOSIVE = ("non-finite", "loss-scale-collapse", "grad-explode", "divergence", "loss-spike")
"""A blow-up, the cause before its effects; but see `_primary`."""
STANDSTILL = (
    *("lr-zero", "grad-zero", "starting-loss", "dead-relu", "tiny-updates", "grad-vanish", "frozen", "lr-off-schedule"),
    *("class-collapse", "chance-level", "not-learning", "below-baseline"),
)
"""Nothing is learnt, the cause before its effects."""
BLOW_UP = (
    *("non-finite", "loss-scale-collapse", "divergence", "grad-zero", "frozen", "class-collapse", "loss-spike"),
    *("grad-explode", "dead-relu"),
)
"""Which of a blow-up's alerts the others follow from: a loss that rises raises its gradient."""
EVALUATED = ("overfitting", "worse-than-sibling")
CURVE = (*EXPLOSIVE, *STANDSTILL, *EVALUATED, "always-clipping", "oscillation", "eval-better-than-train", "plateau")
MEMORY = ("gpu-mem-leak", "oom-ahead", "ram-filling")
STORAGE = ("disk-filling", "checkpoint-overdue")
FAMILIES = (CURVE, MEMORY, PACE, STORAGE, ("clock-jump",))
_GRAVE = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}


class Member(msgspec.Struct, kw_only=True):
    """A rule's alert in an incident."""

    severity: Severity
    first_step: int
    onset_step: int
    is_open: bool = True


class Incident(msgspec.Struct, kw_only=True):
    """Alerts that belong together."""

    number: int
    family: int
    onset_step: int
    first_step: int
    """Where its first alert was noticed."""
    last_step: int
    """Where its newest was."""
    primary: str
    members: dict[str, Member] = field(default_factory=dict)
    told: Severity | None = None
    """The severity it was last worth a message for."""
    told_step: int = 0

    @property
    def severity(self) -> Severity:
        return min((m.severity for m in self.members.values()), key=_GRAVE.__getitem__)

    @property
    def blew_up_from(self) -> float:
        """Where the first of its blow-ups set in; infinite while it has none."""
        return min((m.onset_step for name, m in self.members.items() if name in EXPLOSIVE), default=math.inf)

    def is_open(self) -> bool:
        return any(member.is_open for member in self.members.values())


class Incidents(msgspec.Struct, kw_only=True):
    """The newest incidents of a run, and the count of all."""

    num: int = 0
    kept: list[Incident] = field(default_factory=list)

    def join(self, rule: str, severity: Severity, onset_step: int, step: int, stride: int) -> tuple[Incident, bool]:
        """The incident of an alert that was raised or grew worse, and whether that is worth a message."""
        family = next((i for i, names in enumerate(FAMILIES) if rule in names), len(FAMILIES))
        near = max(NEAR_STEPS, NEAR_RECORDS * stride)
        incident = self.of(rule) or self._that_takes(rule, severity, family, onset_step, step, near)
        if incident is None:
            self.num += 1
            incident = Incident(
                number=self.num,
                family=family,
                onset_step=onset_step,
                first_step=step,
                last_step=step,
                primary=rule,
            )
            self.kept.append(incident)
            del self.kept[:-KEPT]
        was = incident.members[incident.primary].severity if incident.primary in incident.members else severity
        before = incident.members.get(rule)
        first_step = step if before is None else before.first_step
        incident.members[rule] = Member(severity=severity, first_step=first_step, onset_step=onset_step)
        incident.onset_step = min(incident.onset_step, onset_step)
        incident.last_step = max(incident.last_step, step)
        # Some rules need long to find what has begun with the first alert: then their onset says so.
        is_early = min(step - SETTLE_STEPS, onset_step) <= incident.first_step + near
        if is_early or _GRAVE[severity] < _GRAVE[was]:
            incident.primary = _primary(incident)
        return incident, _is_news(incident, severity, step, near)

    def of(self, rule: str) -> Incident | None:
        """The newest incident in which a rule has an open alert."""
        for incident in reversed(self.kept):
            if rule in incident.members and incident.members[rule].is_open:
                return incident
        return None

    def leave(self, rule: str) -> Incident | None:
        """A rule's alert is over. The incident it was of."""
        incident = self.of(rule)
        if incident is not None:
            incident.members[rule].is_open = False
        return incident

    def _that_takes(
        self, rule: str, severity: Severity, family: int, onset_step: int, step: int, near: int
    ) -> Incident | None:
        for incident in reversed(self.kept):
            if incident.family != family:
                continue
            is_near = incident.onset_step - near <= onset_step <= incident.last_step + near
            if severity is not Severity.INFO and incident.severity is Severity.INFO:
                is_near = abs(step - incident.last_step) <= near  # a mark of long ago explains nothing
            if is_near and (incident.is_open() or step - incident.last_step <= 4 * near):
                return incident
            if _explains((name for name, m in incident.members.items() if m.is_open), rule):
                return incident
        return None


def _explains(still_open: Iterable[str], rule: str) -> bool:
    """Whether an alert follows from one of those that are open."""
    names = set(still_open)
    if names & {*EXPLOSIVE} and rule in CURVE:
        return True
    if "gpu-mem-leak" in names and rule == "oom-ahead":
        return True
    if names & {"data-bound", "throttling"} and rule in ("slow-step", "low-utilisation"):
        return True
    return bool(names & {*STANDSTILL}) and rule in (*STANDSTILL, "plateau", "worse-than-sibling")


def _primary(incident: Incident) -> str:
    """The kind from which the others follow, among the gravest that are more than marks."""
    worth = {name for name, m in incident.members.items() if m.severity is not Severity.INFO}
    names = worth or set(incident.members)
    first = min(names, key=lambda name: incident.members[name].first_step)
    is_blow_up = first in EXPLOSIVE or not names & {*STANDSTILL}
    if "grad-explode" in names and "non-finite" not in names:
        rises = [_onset(incident, name) for name in ("divergence", "loss-spike") if name in names]
        if _onset(incident, "grad-explode") < min(rises, default=math.inf):
            return "grad-explode"  # the loss has followed
    if is_blow_up and "dead-relu" in names and not names & {"grad-explode", "non-finite"}:
        return "dead-relu"  # the loss has jumped, the gradient has not
    if {"chance-level", "class-collapse"} <= names and not is_blow_up:
        names -= {"class-collapse"} if _onset(incident, "chance-level") <= _onset(incident, "class-collapse") else set()
    order = BLOW_UP if is_blow_up else (*STANDSTILL[:8], *EXPLOSIVE, *STANDSTILL[8:])
    if {"lr-zero", "lr-off-schedule"} <= names and _onset(incident, "lr-off-schedule") < _onset(incident, "lr-zero"):
        return "lr-off-schedule"  # it led to zero
    everything = (*order, *CURVE, *MEMORY, *PACE, *STORAGE)
    return min(names, key=lambda name: everything.index(name) if name in everything else len(everything))


def _onset(incident: Incident, rule: str) -> int:
    return incident.members[rule].onset_step


def _is_news(incident: Incident, severity: Severity, step: int, near: int) -> bool:
    """An incident's first warning is; a critical one that comes long after its message is once more."""
    if severity is Severity.INFO:
        return False
    is_graver = incident.told is Severity.WARNING and severity is Severity.CRITICAL
    if incident.told is None or (is_graver and step - incident.told_step > max(2 * SETTLE_STEPS, near)):
        incident.told, incident.told_step = severity, step
        return True
    return False
