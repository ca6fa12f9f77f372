"""The rule `non-finite`: a loss that is NaN or infinite, or a gradient norm that stays so.

A loss counts at once, with the exact first bad step where the trainer knows it. An isolated infinite gradient norm is
no fault: under fp16 it is how the loss scaler finds its scale, and the optimizer skips that step.
"""

import math
from typing import Any, ClassVar

from msgspec import field

from rundir.alerts.base import AlertChange, Finding, Rule, RuleState
from rundir.alerts.track import Track
from rundir.records import EvalRecord, Number, Record, Severity, StepRecord, number

IN_A_ROW_SCALED = 8
"""With a loss scaler eight in a row mean that its scale fell by 256 and still overflows."""
WINDOW = 100
MAX_IN_WINDOW_SCALED = 12
"""A scaler that starts far too high may halve ten times in its first hundred steps, and then does so once in 2000."""
FIRST_RECORDS = 20
"""While a loss scaler finds its scale, whether it is logged or not."""

_LOSS, _EVAL, _GRADIENT = "loss", "eval loss", "gradient norm"

_FIXES = {
    _LOSS: [
        "go on from a checkpoint before the first bad step with a third of the learning rate",
        "clip_norm = 1.0 and a longer warm-up",
        "bf16 or fp32 instead of fp16",
        "look for log(0), division by zero or a broken sample in the batch of the first bad step",
    ],
    _EVAL: [
        "look at the eval data for samples without targets or with broken values",
        "compute the eval loss in fp32",
        "if the train loss is bad as well, go on from an earlier checkpoint with a lower learning rate",
    ],
    _GRADIENT: [
        "lower the learning rate to a third, clip_norm = 1.0",
        "bf16 or fp32 instead of fp16",
        "look for square roots and divisions near zero in the loss",
    ],
}


class NonFiniteState(RuleState, kw_only=True):
    """What the rule remembers."""

    bad: list[str] = field(default_factory=list)
    """The signals that the open alert is about."""
    good_in_a_row: int = 0
    window: list[tuple[int, bool]] = field(default_factory=list)
    """Step and badness of the last gradient norms."""
    last_step: int = 0
    """Of the newest step record: a first bad step before it is an old one, said again."""
    last_finite: tuple[int, float] | None = None
    """Step and value of the newest finite train loss."""


class NonFiniteRule(Rule[NonFiniteState]):
    """Critical: everything computed after the first non-finite loss is lost."""

    name = "non-finite"
    title = "loss or gradient norm that is NaN or infinite"
    gravest = Severity.CRITICAL
    reads = (StepRecord, EvalRecord)
    limits: ClassVar = {"in_a_row": 3.0, "in_window": 5.0, "clear_records": 20.0}
    cooldown = 0
    state_type = NonFiniteState

    def judge(self, record: Record, track: Track) -> list[AlertChange]:
        if isinstance(record, StepRecord):
            return self._judge_step(record, track)
        if isinstance(record, EvalRecord):
            return self._judge_eval(record, track)
        return []

    def forget_beyond(self, step: int) -> None:
        state = self.state
        state.window = [entry for entry in state.window if entry[0] <= step]
        state.good_in_a_row = 0
        state.last_step = min(state.last_step, step)
        if state.last_finite is not None and state.last_finite[0] > step:
            state.last_finite = None
        if state.firing is None:
            state.bad = []

    def _judge_step(self, record: StepRecord, track: Track) -> list[AlertChange]:
        state = self.state
        loss, scale = number(record.loss), _metric(record, "loss_scale")
        since = self._first_bad_step(record)
        if track.count == FIRST_RECORDS + 1 and scale is None:
            state.window = []  # it has found its scale: what it overflowed on the way says nothing
        self._remember_gradient(record)
        state.last_step = record.step
        found: list[AlertChange] = []
        if since is not None:
            found += self._found(_LOSS, record, record.loss, since, track)
        may_be_scaled = scale is not None or track.count <= FIRST_RECORDS
        if (onset := self._bad_gradient_onset(scaled=may_be_scaled)) is not None:
            found += self._found(_GRADIENT, record, record.grad_norm, onset, track)
        healthy = since is None and _is_finite(record.grad_norm)
        state.good_in_a_row = state.good_in_a_row + 1 if healthy else 0
        if math.isfinite(loss):
            state.last_finite = (record.step, loss)
        return found + self._clear_if_over(record.step)

    def _judge_eval(self, record: EvalRecord, track: Track) -> list[AlertChange]:
        if not _is_finite(record.loss):
            return self._found(_EVAL, record, record.loss, record.step, track)
        if _EVAL in self.state.bad:
            self.state.bad = [signal for signal in self.state.bad if signal != _EVAL]
            if not self.state.bad:
                return self._cleared(record.step, "the eval loss is finite again")
        return []

    def _first_bad_step(self, record: StepRecord) -> int | None:
        """The first step since the last record whose loss was not finite. A trainer that logs every N knows it."""
        told = _metric(record, "first_bad_step")
        if told is not None and self.state.last_step < told <= record.step:
            return int(told)
        return None if _is_finite(record.loss) else record.step

    def _remember_gradient(self, record: StepRecord) -> None:
        if record.grad_norm is not None:
            self.state.window.append((record.step, not _is_finite(record.grad_norm)))
            del self.state.window[:-WINDOW]

    def _bad_gradient_onset(self, *, scaled: bool) -> int | None:
        """The first step of a bad stretch of gradient norms; None while bad ones are isolated."""
        window = self.state.window
        if not window or not window[-1][1]:
            return None
        in_a_row, limit = int(self.limit["in_a_row"]), int(self.limit["in_window"])
        if scaled:
            in_a_row, limit = max(in_a_row, IN_A_ROW_SCALED), max(limit, MAX_IN_WINDOW_SCALED)
        latest = window[-in_a_row:]
        if len(latest) == in_a_row and all(bad for _, bad in latest):
            return latest[0][0]
        bad_steps = [step for step, bad in window if bad]
        return bad_steps[0] if len(bad_steps) > limit else None

    def _found(
        self, signal: str, record: StepRecord | EvalRecord, value: Number | None, onset: int, track: Track
    ) -> list[AlertChange]:
        """Raise the alert, or add one more signal to the open one; the same signal again is no news."""
        state = self.state
        if signal in state.bad:
            return []
        state.bad = [*state.bad, signal]
        spelled = _spell(number(value))
        if isinstance(spelled, float) and signal == _LOSS:
            spelled = "not finite"  # this record's step is well again; the trainer's own flag tells of the bad one
        evidence: dict[str, Any] = {"signal": signal, "value": spelled, "first_bad_step": onset, "step": record.step}
        message = f"{signal} is {spelled} at step {onset}"
        if onset != record.step:
            message += f" (seen at step {record.step})"
        if state.last_finite is not None:
            step, loss = state.last_finite
            evidence |= {"last_finite_step": step, "last_finite_loss": loss}
            message += f"; last finite train loss {loss:.4g} at step {step}"
        if isinstance(record, StepRecord):
            others = {
                "lr": record.lr,
                "grad_norm": record.grad_norm,
                "loss_scale": (record.metrics or {}).get("loss_scale"),
            }
            evidence |= {name: _spell(number(other)) for name, other in others.items() if other is not None}
        if state.firing is not None:
            onset = min(onset, state.firing.onset_step)
        return self.fire(
            Finding(
                severity=Severity.CRITICAL,
                message=message,
                step=record.step,
                onset_step=onset,
                evidence=evidence,
                fixes=_FIXES[signal],
            ),
            track,
        )

    def _clear_if_over(self, step: int) -> list[AlertChange]:
        state = self.state
        if state.firing is None or state.good_in_a_row < self.limit["clear_records"]:
            return []
        state.bad = [_EVAL] if _EVAL in state.bad else []
        if state.bad:
            return []  # the train loss is well, but only a finite eval can say that evaluation is
        return self._cleared(step, f"finite again for {self.limit['clear_records']:.0f} records")

    def _cleared(self, step: int, message: str) -> list[AlertChange]:
        self.state.bad = []
        return self.clear(step, message)


def _metric(record: StepRecord, name: str) -> float | None:
    value = (record.metrics or {}).get(name)
    return None if value is None else number(value)


def _is_finite(value: Number | None) -> bool:
    """Whether a value is finite; an absent one says nothing bad."""
    return value is None or math.isfinite(number(value))


def _spell(value: float) -> float | str:
    """The value as it may stand in JSON."""
    return value if math.isfinite(value) else str(value)
