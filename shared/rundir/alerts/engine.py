"""All rules together: one record in, the changes of all rules out; saved and restored as one JSON-able state.

Knows the list of rules and nothing of what they look for.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from rundir.alerts.base import AlertChange, Rule
from rundir.alerts.non_finite import NonFiniteRule
from rundir.alerts.overfitting import OverfittingRule
from rundir.records import AnyRecord

RULES: dict[str, type[Rule[Any]]] = {rule.name: rule for rule in (NonFiniteRule, OverfittingRule)}
"""Every rule there is, by its name."""


class Engine:
    """The rules of one run. Not thread-safe: one feeder."""

    def __init__(self, switches: Mapping[str, bool] | None = None) -> None:
        """`switches` turns rules off by name, `-` and `_` alike; the others are on. ValueError on an unknown name."""
        given = {name.replace("_", "-"): on for name, on in (switches or {}).items()}
        if unknown := sorted(given.keys() - RULES.keys()):
            raise ValueError(f"no alert rule {', '.join(unknown)}; there are {', '.join(RULES)}")
        self._rules = {name: rule() for name, rule in RULES.items() if given.get(name, True)}

    def feed(self, record: AnyRecord) -> list[AlertChange]:
        """What one more record changes, in the order of `RULES`. Feed every record once, in the order it was written.

        A resume marker to S clears alerts whose onset lies beyond S as superseded; fed twice (from both logs) it says
        nothing the second time.
        """
        return [change for rule in self._rules.values() for change in rule.feed(record)]

    def state(self) -> dict[str, Any]:
        """Everything the rules remember, JSON-able (no non-finite number), bounded whatever the run's length."""
        return {name: rule.save() for name, rule in self._rules.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state()`, so that open alerts are neither repeated nor forgotten.

        A rule that the state does not know, or knows in another shape (an older version's), starts afresh.
        """
        for name, rule in self._rules.items():
            try:
                rule.restore(state[name])
            except (KeyError, msgspec.ValidationError):
                self._rules[name] = RULES[name]()
