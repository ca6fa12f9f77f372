"""The rules on a run that goes nowhere: `not-learning` from the start, `plateau` later on (a mark: most runs converge).

Both compare stretches of the loss with the noise of their own means. Objectives that may be negative are left alone.
"""

import math
from typing import ClassVar

from msgspec import field

from rundir.alerts.base import AlertChange, Finding, Rule, RuleState
from rundir.alerts.noise import mann_kendall_z, median, spread, step_noise
from rundir.alerts.outlook import comes_to, steps_to_go
from rundir.alerts.track import Track
from rundir.records import EpochRecord, EvalRecord, Record, Severity, StepRecord, number

BELOW_CHANCE = 0.7
"""A loss that begins below this part of ln(classes) is of a model that knows something: fine-tuning may be flat."""
TUNING_UPDATES = 3e-4
"""Above this nobody tunes finely: a loss that is flat after half of the plan, and so many steps, is not well."""
WAIT, WAIT_STEPS = 0.5, 500
RIGHT = 0.25
"""Part of what lies between chance and all that predictions which know something get right."""
FAIR_UPDATES = (3e-6, 3e-2)
"""Sizes of an update against the weights at which a flat loss may be that of a model which has learnt elsewhere."""
MOST_MEANS = 64
FAR = 0.95
"""Part of its start that the loss falls below where it comes far."""
TREND_Z = 1.0
"""A falling trend of the means that chance brings in one of six flat runs: then it is looked at again."""


class NotLearningState(RuleState, kw_only=True):
    """What the rule remembers: means of equal stretches of losses, merged in pairs when there are many."""

    means: list[float] = field(default_factory=list)
    part: list[float] = field(default_factory=list)
    size: int = 0
    """Losses a mean is taken of; 0 before the first record."""
    first_step: int = 0
    warm_step: int | None = None
    """Where the learning rate first was at half its peak."""
    coarse: list[float] = field(default_factory=list)
    """Losses of epochs, or of evaluations where there are no epochs."""
    is_by_epoch: bool = False
    update_ratio: float | None = None
    """The newest that was sampled."""
    accuracy: float = 0.0
    num_accuracies: int = 0
    """Sum and number of the batches' accuracies."""


class NotLearningRule(Rule[NotLearningState]):
    """Warning: after some hundred steps, or three epochs, the loss is where it began."""

    name = "not-learning"
    title = "loss that stays where it began"
    gravest = Severity.WARNING
    reads = (StepRecord, EpochRecord, EvalRecord)
    needs = ("level of the loss",)
    limits: ClassVar = {
        "steps": 250.0,
        "records": 24.0,
        "gain": 0.02,
        "errors": 3.0,
        "sees": 0.05,
        "of_plan": 0.025,
        "epochs": 3.0,
    }
    state_type = NotLearningState

    def missing(self, track: Track) -> str | None:
        if self.is_signed(track):
            return "the loss may be negative: its level says nothing"
        return None if track.num_losses or "epoch.loss" in track.seen or "eval.loss" in track.seen else "no loss"

    def forget_beyond(self, step: int) -> None:
        state = self.state
        state.part = []
        if step <= state.first_step:
            state.means, state.coarse = [], []

    def judge(self, record: Record, track: Track) -> list[AlertChange]:
        if self.is_signed(track):
            return []
        if not isinstance(record, StepRecord):
            assert isinstance(record, EpochRecord | EvalRecord)  # noqa: S101
            return self._judge_coarse(record, track)
        ratio = number(record.metrics.get("update_ratio")) if record.metrics else math.nan
        if math.isfinite(ratio):
            self.state.update_ratio = ratio
        accuracy = number(record.metrics.get("accuracy")) if record.metrics else math.nan
        if 0.0 <= accuracy <= 1.0:
            self.state.accuracy += accuracy
            self.state.num_accuracies += 1
        if track.loss is None:
            return []
        if not self._take(record, track):
            return []
        if self._is_flat(record.step, track):
            return self.hold(self._finding(record, track), track)
        return self.clear(record.step, f"the loss falls: {self.state.means[-1]:.4g} at step {record.step}", track=track)

    def _take(self, record: StepRecord, track: Track) -> bool:
        """Whether a mean was completed with this loss, of which there are enough to judge by."""
        state = self.state
        if not state.size:
            state.size, state.first_step = 1, record.step
        if state.size == 1 and len(state.means) == 1 and track.stride == 1:
            state.size, state.part, state.means = 8, state.means, []  # every step is logged: single ones say little
        if state.warm_step is None and (record.lr is None or number(record.lr) >= 0.5 * self._peak(track)):
            state.warm_step = record.step
        state.part.append(track.loss or 0.0)
        if len(state.part) < state.size:
            return False
        state.means.append(math.fsum(state.part) / len(state.part))
        state.part = []
        if len(state.means) > MOST_MEANS:
            state.means = [(a + b) / 2 for a, b in zip(state.means[::2], state.means[1::2], strict=False)]
            state.size *= 2
        return True

    def _peak(self, track: Track) -> float:
        return max(track.lr_peak, self.facts.lr_peak or 0.0)

    def _is_flat(self, step: int, track: Track) -> bool:
        state, limit, start = self.state, self.limit, abs(track.start or 0.0)
        # A warm-up that is known is waited for; one that is seen is, as far as half of its peak.
        warm = state.warm_step if self.facts.warmup_steps is None else min(self.facts.warmup_steps, step)
        warm = max(step if warm is None else warm, state.first_step)
        patience = max(limit["steps"], limit["of_plan"] * (self.facts.planned_steps or 0))
        if step - warm < patience or len(state.means) * state.size < limit["records"]:
            return False
        means = state.means
        part = max(len(means) // 5, 2)
        first, last = means[:part], means[-part:]
        gained = median(first) - median(last)
        noise = max(step_noise(means), spread(means), 1e-12 * start)
        error = 1.25 * noise * math.sqrt(2.0 / part)
        if limit["errors"] * error > limit["sees"] * start:
            return False  # so noisy that a fair gain could not be seen yet
        if state.firing is None and mann_kendall_z(means) < -TREND_Z and self._comes_far(step, start, track):
            return False  # slow is not flat
        is_still = gained < limit["errors"] * error or gained < 0.005 * start
        begun = max(track.start or 0.0, median(first))
        return (
            is_still and begun - min(median(last), track.best_level or math.inf) < limit["gain"] * start + 2.0 * error
        )

    def _comes_far(self, step: int, start: float, track: Track) -> bool:
        """Whether at its pace, such as it is, the loss has fallen by a fair part of its start when the run ends."""
        more, size = steps_to_go(self.facts.planned_steps, step, self.state.first_step), self.state.size * track.stride
        expected = comes_to([(i * size, mean) for i, mean in enumerate(self.state.means)], more)
        return expected is None or expected < FAR * start

    def _judge_coarse(self, record: EpochRecord | EvalRecord, track: Track) -> list[AlertChange]:
        state, loss = self.state, number(record.loss)
        by_epoch = isinstance(record, EpochRecord)
        if not math.isfinite(loss) or (state.is_by_epoch and not by_epoch) or track.count >= self.limit["steps"]:
            return []  # the steps say it better
        if by_epoch and not state.is_by_epoch:
            state.is_by_epoch, state.coarse = True, []
        state.coarse.append(loss)
        del state.coarse[1:-3]  # the first one says where it began
        if len(state.coarse) < self.limit["epochs"] or (track.count > 0 and not self._is_coarsely_flat(track)):
            return []
        if max(state.coarse) - min(state.coarse) > self.limit["gain"] / 2 * abs(state.coarse[0]):
            return []
        rounds = record.epoch or 0.0
        if not by_epoch and rounds < self.limit["epochs"] - 0.5 and record.step < self.limit["steps"]:
            return []
        return self.hold(self._finding(record, track), track)

    def _is_right(self, classes: int) -> bool:
        """Whether its predictions were far better than chance all the time."""
        state, chance = self.state, max(1.0 / classes, self.facts.majority_share or 0.0)
        return state.num_accuracies > 0 and state.accuracy / state.num_accuracies > chance + RIGHT * (1.0 - chance)

    def _is_coarsely_flat(self, track: Track) -> bool:
        return track.progress < self.limit["gain"] * abs(track.start or 0.0) + 3.0 * track.noise

    def _finding(self, record: StepRecord | EpochRecord | EvalRecord, track: Track) -> Finding:
        state = self.state
        is_step = isinstance(record, StepRecord)
        values = state.means if is_step else state.coarse
        begun, now = values[0], values[-1]
        classes = self.facts.num_classes
        knows = (
            classes is not None
            and classes > 1
            and (begun < BELOW_CHANCE * math.log(classes) or self._is_right(classes))
        )
        low, high = FAIR_UPDATES
        is_fair = classes is None and state.update_ratio is not None and low < state.update_ratio < high
        if is_fair and (state.update_ratio or 0.0) > TUNING_UPDATES:
            is_fair = record.step < max(
                WAIT * (self.facts.planned_steps or 0), WAIT_STEPS
            )  # it was not learnt elsewhere
        what = f"after {record.step - state.first_step + 1} steps" if is_step else f"over {len(values)} rounds"
        evidence = {
            "loss_at_start": begun,
            "loss": now,
            "lr": track.lr,
            "window_records": len(values) * (state.size if is_step else 1),
        }
        return Finding(
            severity=Severity.INFO if knows or is_fair else Severity.WARNING,
            message=f"loss {now:.4g} {what} is where it began ({begun:.4g})"
            + ("; it began better than chance" if knows else "")
            + ("; the updates are of a fair size: there may be nothing to learn" if is_fair else ""),
            step=record.step,
            onset_step=max(state.first_step, 1),
            evidence=evidence,
        )


class PlateauState(RuleState, kw_only=True):
    """What the rule remembers: means as above, of the whole run."""

    means: list[float] = field(default_factory=list)
    part: float = 0.0
    num: int = 0
    size: int = 10
    since: int = 0


class PlateauRule(Rule[PlateauState]):
    """Info: the loss no longer falls. True of nearly half of all healthy runs, as they converge."""

    name = "plateau"
    title = "loss that no longer falls"
    gravest = Severity.INFO
    reads = (StepRecord,)
    needs = ("level of the loss",)
    limits: ClassVar = {"records": 600.0, "share": 0.25, "gain": 0.01, "z": 1.645}
    state_type = PlateauState

    def missing(self, track: Track) -> str | None:
        if self.is_signed(track):
            return "the loss may be negative: its level says nothing"
        return None if track.count >= self.limit["records"] else f"needs {self.limit['records']:.0f} step records"

    def forget_beyond(self, step: int) -> None:
        self.state.part, self.state.num = 0.0, 0

    def judge(self, record: StepRecord, track: Track) -> list[AlertChange]:
        state = self.state
        if track.loss is None or self.is_signed(track):
            return []
        state.part += track.loss
        state.num += 1
        if state.num < state.size:
            return []
        state.means.append(state.part / state.num)
        state.part, state.num = 0.0, 0
        if len(state.means) > 160:
            state.means = [(a + b) / 2 for a, b in zip(state.means[::2], state.means[1::2], strict=False)]
            state.size *= 2
        state.since += state.size
        if track.num_losses < self.limit["records"] or state.since < 100:
            return []
        state.since = 0
        late = state.means[-max(int(len(state.means) * self.limit["share"]), 300 // state.size, 8) :]
        gained = median(late[: len(late) // 3]) - median(late[-(len(late) // 3) :])
        is_flat = mann_kendall_z(late) > -self.limit["z"] and gained < self.limit["gain"] * track.progress
        if not is_flat:
            return self.clear(record.step, "the loss falls again", track=track)
        finding = Finding(
            severity=Severity.INFO,
            message=f"loss has stayed near {late[-1]:.4g} for the last {len(late) * state.size} records",
            step=record.step,
            onset_step=max(record.step - len(late) * state.size * track.stride, 1),
            evidence={"loss": late[-1], "gained": gained, "progress": track.progress, "lr": track.lr},
        )
        return self.hold(finding, track)
