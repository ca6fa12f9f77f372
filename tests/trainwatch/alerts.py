"""Alert events for the dashboard's tests."""

from typing import Any

from rundir.records import AlertEvent, Severity
from tests.trainwatch.runs import START_AT


def alert(step: int, change: Any = "raised", rule: str = "divergence", **fields: Any) -> AlertEvent:
    at = fields.pop("at") if "at" in fields else START_AT + step
    fields = {"severity": Severity.WARNING, "message": f"{rule} seen at {step}", "at": at, **fields}
    return AlertEvent(attempt=1, writer="supervisor", step=step, rule=rule, change=change, **fields)


def divergence(step: int, onset: int, **fields: Any) -> AlertEvent:
    """As the engine says it: figures, causes, fixes, an order, an incident."""
    given: dict[str, Any] = {
        "severity": Severity.CRITICAL,
        "message": "loss level 1.855 is up from its best 0.4011: 62% of the progress is lost",
        "onset_step": onset,
        "evidence": {"level": 1.855, "best_step": 585, "lr": 1e-3, "silent_s": 125.0, "used_bytes": 2**31},
        "causes": ["the learning rate is too high", "gradients are not clipped"],
        "fixes": [
            "go back to a checkpoint before it with a third of the learning rate",
            "clip_norm = 1.0",
            "a longer warm-up",
            "lower the learning rate",
        ],
        "order": {"verb": "rollback", "args": {"lr_factor": 0.33}},
        "incident": 1,
        "primary": True,
    }
    return alert(step, **{**given, **fields})
