"""What orders have made of a run's course, read back from events.jsonl: a resume steers by it. Pure: no torch.

An applied order is written ahead of its effect. `set` acts again at its recorded step, less what a later order has set
at an earlier step, to which a resume had gone back. A rollback to step S ends what was set from S on, states the
learning rate that holds from there, and the steps whose batches are left out.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from rundir.records import EventRecord, OutcomeEvent, ResumeEvent

Setting = tuple[str, dict[str, Any]]
"""Id of an order, and what it sets."""
_LENGTH = frozenset({"epochs", "max_steps"})
"""Either sets the length of the run."""


class Journal:
    """The applied orders of all attempts, by the step at which each took effect."""

    def __init__(self) -> None:
        self._sets: dict[int, list[Setting]] = {}
        self._left_out: list[tuple[int, int]] = []
        self.rollback_to: int | None = None
        """Target of a rollback that no attempt has begun from yet: a resume takes no later checkpoint."""

    def note(self, event: EventRecord) -> None:
        """Take in one event, in file order."""
        if isinstance(event, ResumeEvent):
            self.rollback_to = None
        elif isinstance(event, OutcomeEvent) and event.result == "applied":
            if event.verb == "set":
                self.override_later(event.step or 0, event.args or {})
                self._sets.setdefault(event.step or 0, []).append((event.order, dict(event.args or {})))
            elif event.verb == "rollback":
                self._note_rollback(event.order, event.args or {})

    def _note_rollback(self, order_id: str, args: dict[str, Any]) -> None:
        target = int(args["step"])
        self._sets = {step: sets for step, sets in self._sets.items() if step < target}
        if "lr" in args:
            self._sets[target] = [(order_id, {"lr": args["lr"]})]
        if "skip_from" in args:
            self._left_out.append((int(args["skip_from"]), int(args["skip_to"])))
        self.rollback_to = target

    def override_later(self, step: int, args: Mapping[str, Any]) -> None:
        """An order has just set this at `step`: what earlier ones have set of it at later steps does not come again."""
        keys = args.keys() - {"replan"}
        if keys & _LENGTH:
            keys |= _LENGTH | {"replan"}
        for at in [at for at in self._sets if at > step]:
            left = [(order, _without(keys, its)) for order, its in self._sets[at]]
            self._sets[at] = [setting for setting in left if setting[1]]

    def take_sets(self, step: int) -> list[Setting]:
        """What was set at `step` or before and has not been taken yet, in order."""
        due = sorted(at for at in self._sets if at <= step)
        return [setting for at in due for setting in self._sets.pop(at)]

    def leaves_out(self, step: int) -> bool:
        """Whether a rollback has left the batches of `step` (counts from 1) out."""
        return any(first <= step <= last for first, last in self._left_out)


def _without(keys: set[str], args: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in args.items() if key not in keys}


def read_journal(events: Iterable[EventRecord]) -> Journal:
    """The journal of a run, from all its events in file order."""
    journal = Journal()
    for event in events:
        journal.note(event)
    return journal


def peak_lr(events: Iterable[EventRecord], configured: float) -> float:
    """The peak learning rate in force after these events."""
    lr = configured
    for event in events:
        if isinstance(event, OutcomeEvent) and event.result == "applied" and event.verb in ("set", "rollback"):
            lr = float((event.args or {}).get("lr", lr))
    return lr
