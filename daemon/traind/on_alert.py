"""Which order an alert calls for, where [policy] on_alert binds its rule to one.

A pure function of events.jsonl, read from its start: a new supervisor neither acts again on what is open nor forgets
how often it went back.
"""

from dataclasses import dataclass

from rundir.control import Verb
from rundir.records import AlertEvent, EventRecord, OutcomeEvent, Severity
from traind.config import Policy
from traind.order_desk import POLICY

BY = f"{POLICY}: "
"""Begins who gives such an order; the rule follows."""


@dataclass(frozen=True, slots=True)
class Wish:
    """An order that an alert calls for."""

    rule: str
    verb: Verb
    step: int
    """At which the alert was raised."""
    onset_step: int
    why: str
    """For people."""

    @property
    def by(self) -> str:
        return BY + self.rule


class Bindings:
    """Owns the alerts that were acted on and are still open, and the count of rollbacks."""

    def __init__(self, policy: Policy) -> None:
        self._verbs = {rule.replace("_", "-"): Verb(verb) for rule, verb in policy.on_alert.items()}
        self._max_rollbacks = policy.max_rollbacks
        self._num_rollbacks = 0
        self._acted: set[str] = set()

    def hear(self, event: EventRecord) -> Wish | None:
        """The order that an event calls for; feed every event once, in order. One for each alert, raised as a warning
        or worse, or grown to one.
        """
        if isinstance(event, OutcomeEvent):
            is_ours = (event.by or "").startswith(BY) and event.result == "applied"
            self._num_rollbacks += is_ours and event.verb == Verb.ROLLBACK
        elif isinstance(event, AlertEvent) and event.rule in self._verbs:
            if event.change == "cleared":
                self._acted.discard(event.rule)
            elif event.severity is not Severity.INFO and event.rule not in self._acted:
                self._acted.add(event.rule)
                return self._wish(event)
        return None

    def _wish(self, event: AlertEvent) -> Wish:
        step = event.step or 0
        verb, why = self._verbs[event.rule], f"{event.rule} at step {step:,}: {event.message}"
        if verb is Verb.ROLLBACK and self._num_rollbacks >= self._max_rollbacks:
            verb = Verb.PAUSE
            why += f"; held for a person to look at, after {self._num_rollbacks} rollbacks"
        onset_step = step if event.onset_step is None else event.onset_step
        return Wish(event.rule, verb, step, onset_step, why)
