"""All rules together: one record in, the changes of all rules out, grouped into incidents; saved and restored as one
JSON-able state.

Knows the list of rules and nothing of what they look for.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from rundir.alerts.advice import ADVICE, order_of, ranked, signs
from rundir.alerts.base import AlertChange, Rule
from rundir.alerts.baseline import BelowBaselineRule
from rundir.alerts.chance import ChanceLevelRule, StartingLossRule
from rundir.alerts.device import (
    CpuFallbackRule,
    DataBoundRule,
    LowUtilisationRule,
    StaleGpuProcessRule,
    ThrottlingRule,
)
from rundir.alerts.divergence import DivergenceRule
from rundir.alerts.evaluation import ClassCollapseRule, EvalBetterRule
from rundir.alerts.facts import Facts
from rundir.alerts.gradient import AlwaysClippingRule, GradExplodeRule, GradVanishRule, GradZeroRule
from rundir.alerts.incident import Incidents
from rundir.alerts.learning import NotLearningRule, PlateauRule
from rundir.alerts.loss_scale import LossScaleRule
from rundir.alerts.mark import CrashedRule, EndedRule, NewBestRule, RestartedRule
from rundir.alerts.memory import DiskFillingRule, GpuMemLeakRule, OomAheadRule, RamFillingRule
from rundir.alerts.non_finite import NonFiniteRule
from rundir.alerts.oscillation import OscillationRule
from rundir.alerts.overfitting import OverfittingRule
from rundir.alerts.pace import CheckpointOverdueRule, ClockJumpRule, SlowStepRule, StallRule
from rundir.alerts.parameters import DeadReluRule, FrozenRule
from rundir.alerts.plausible import is_plausible
from rundir.alerts.rate import LrOffScheduleRule, LrZeroRule, TinyUpdatesRule
from rundir.alerts.sibling import WorseThanSiblingRule
from rundir.alerts.spike import SpikeRule
from rundir.alerts.track import Track
from rundir.records import AnyRecord, ResumeEvent, ResumeRecord

_ALL: tuple[type[Rule[Any]], ...] = (
    *(NonFiniteRule, LossScaleRule, SpikeRule, DivergenceRule, OverfittingRule, NotLearningRule, ChanceLevelRule),
    *(GradExplodeRule, GradZeroRule, GradVanishRule, LrZeroRule, LrOffScheduleRule, TinyUpdatesRule, FrozenRule),
    *(
        DeadReluRule,
        ClassCollapseRule,
        BelowBaselineRule,
        StartingLossRule,
        AlwaysClippingRule,
        EvalBetterRule,
        PlateauRule,
    ),
    *(OscillationRule, WorseThanSiblingRule, StallRule, SlowStepRule, DataBoundRule, CpuFallbackRule, GpuMemLeakRule),
    *(OomAheadRule, LowUtilisationRule, StaleGpuProcessRule, ThrottlingRule, RamFillingRule, DiskFillingRule),
    *(CheckpointOverdueRule, ClockJumpRule, NewBestRule, EndedRule, CrashedRule, RestartedRule),
)
RULES: dict[str, type[Rule[Any]]] = {rule.name: rule for rule in _ALL}
"""Every rule there is, by its name."""
MARKS = frozenset(name for name, rule in RULES.items() if rule.is_mark)
"""Those whose alerts are over as soon as they are said: the records they tell of are in the logs already."""


class Engine:
    """The rules of one run. Not thread-safe: one feeder."""

    def __init__(
        self,
        switches: Mapping[str, bool] | None = None,
        facts: Facts | None = None,
        thresholds: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:
        """`switches` turns rules off by name, `-` and `_` alike; the others are on. `thresholds`: by rule and name.

        ValueError on an unknown name.
        """
        given = {name.replace("_", "-"): on for name, on in (switches or {}).items()}
        limits = {name.replace("_", "-"): values for name, values in (thresholds or {}).items()}
        if unknown := sorted((given.keys() | limits.keys()) - RULES.keys()):
            raise ValueError(f"no alert rule {', '.join(unknown)}; there are {', '.join(RULES)}")
        for name, values in limits.items():
            if strange := sorted(values.keys() - RULES[name].limits.keys()):
                known = ", ".join(RULES[name].limits) or "none"
                raise ValueError(f"no threshold {', '.join(strange)} of alert rule {name}; there are {known}")
        self.facts = facts if facts is not None else Facts()
        self._rules = {
            name: rule(self.facts, limits.get(name)) for name, rule in RULES.items() if given.get(name, True)
        }
        self._off = [name for name in RULES if name not in self._rules]
        self._readers: dict[type, list[Rule[Any]]] = {}
        for rule in self._rules.values():
            for kind in rule.reads:
                self._readers.setdefault(kind, []).append(rule)
        self._track = Track()
        self._incidents = Incidents()

    def feed(self, record: AnyRecord) -> list[AlertChange]:
        """What one more record changes, in the order of `RULES`. Feed every record once, each log in its own order and
        the logs merged by time.

        A resume marker to S clears alerts that were noticed beyond S as superseded; fed twice (from both logs) it says
        nothing the second time.
        """
        track = self._track
        if not is_plausible(record):
            return []
        if isinstance(record, ResumeRecord | ResumeEvent):
            step = record.step or 0
            changes = [change for rule in self._rules.values() for change in rule.rewind(step)]
            track.rewind(step, record.attempt)
            return self._grouped(changes)
        track.take(record)
        changes = []
        for rule in self._readers.get(type(record), ()):
            changes += rule.judge(record, track)
        return self._grouped(changes) if changes else changes

    def know(self, facts: Facts) -> None:
        """What has become known of the run; rules go by it from now on."""
        self.facts = facts
        for rule in self._rules.values():
            rule.facts = facts

    def tick(self, now_at: float) -> list[AlertChange]:
        """What the passing of time tells: call it every so often with the time, in UTC seconds."""
        return self._grouped([change for rule in self._rules.values() for change in rule.tick(now_at, self._track)])

    def silent(self) -> dict[str, str]:
        """The rules that can say nothing yet, and what they lack."""
        reasons = dict.fromkeys(self._off, "switched off")
        for name, rule in self._rules.items():
            reason = rule.missing(self._track)
            if reason is not None:
                reasons[name] = reason
        return reasons

    def state(self) -> dict[str, Any]:
        """Everything the rules remember, JSON-able (no non-finite number), bounded whatever the run's length."""
        rules: dict[str, Any] = {name: rule.save() for name, rule in self._rules.items()}
        return {
            **rules,
            "track": msgspec.to_builtins(self._track),
            "incidents": msgspec.to_builtins(self._incidents),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state()`, so that open alerts are neither repeated nor forgotten.

        A rule that the state does not know, or knows in another shape (an older version's), starts afresh.
        """
        for name, rule in self._rules.items():
            try:
                rule.restore(state[name])
            except (KeyError, msgspec.ValidationError):
                rule.state = rule.state_type()
        self._track = _converted(state.get("track"), Track)
        self._incidents = _converted(state.get("incidents"), Incidents)

    def primaries(self) -> dict[int, str]:
        """The primary kind of the newest incidents as it is held now, by number."""
        return {incident.number: incident.primary for incident in self._incidents.kept}

    def _grouped(self, changes: Iterable[AlertChange]) -> list[AlertChange]:
        """The same changes with their incidents, causes, fixes and orders."""
        return [self._told(change) for change in changes]

    def _told(self, change: AlertChange) -> AlertChange:
        track, incidents = self._track, self._incidents
        at, onset_at = track.at, track.time_of(change.onset_step)
        if change.rule in MARKS:
            return msgspec.structs.replace(change, at=at, onset_at=at)
        if change.change == "cleared":
            incident = incidents.leave(change.rule)
            number = 0 if incident is None else incident.number
            is_primary = incident is not None and incident.primary == change.rule
            return msgspec.structs.replace(change, at=at, onset_at=onset_at, incident=number, primary=is_primary)
        joined, is_news = incidents.join(change.rule, change.severity, change.onset_step, change.step, track.stride)
        advice = ADVICE[change.rule]
        found = signs(track, self.facts, change.onset_step, joined.members.keys(), change.evidence)
        causes = ranked(advice.causes, found)
        ill_from = min(change.onset_step, joined.blew_up_from)
        if causes[0].order is not None and track.blew_up_step is not None:
            ill_from = track.blew_up_step
        return msgspec.structs.replace(
            change,
            at=at,
            onset_at=onset_at,
            causes=[cause.text for cause in causes],
            fixes=change.fixes or list(causes[0].fixes or advice.fixes),
            order=order_of(advice, causes[0], change.severity, ill_from, track),
            incident=joined.number,
            primary=joined.primary == change.rule,
            news=is_news,
        )


def _converted(saved: Any, kind: type[Any]) -> Any:
    try:
        return msgspec.convert(saved, kind)
    except msgspec.ValidationError:
        return kind()
