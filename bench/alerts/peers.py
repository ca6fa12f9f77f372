"""What other tools do, re-stated from their documentation at their defaults, as detectors of one common shape.

Each is fed what it would see in its own home: the train loss of every logged step, or the evals. It answers whether it
would speak up now. None groups, none cools down: where a tool speaks once (a kill, a stop), `speaks_once` says so.
"""

import math
from abc import ABC, abstractmethod
from collections import deque
from typing import ClassVar

from rundir.records import EvalRecord, StepRecord, number


class Peer(ABC):
    """A detector: fed one record at a time, it says whether it alerts."""

    name: ClassVar[str]
    source: ClassVar[str]
    """Where rule and defaults are documented."""
    finds: ClassVar[tuple[str, ...]]
    """The problems that it is meant to find, by the names of `labels.RULE_OF`."""
    speaks_once: ClassVar[bool] = False

    def __init__(self) -> None:
        self.has_spoken = False

    def feed(self, record: object, num_planned: int) -> bool:
        """Whether it alerts on this record."""
        if self.has_spoken and self.speaks_once:
            return False
        if isinstance(record, StepRecord):
            alerts = self.step(number(record.loss), number(record.grad_norm), num_planned)
        elif isinstance(record, EvalRecord):
            alerts = self.evaluation(number(record.loss))
        else:
            return False
        self.has_spoken = self.has_spoken or alerts
        return alerts

    @abstractmethod
    def step(self, loss: float, grad_norm: float, num_planned: int) -> bool:
        """One more logged step."""

    def evaluation(self, _loss: float) -> bool:
        """One more eval; nothing to most."""
        return False


class LossNotDecreasing(Peer):
    """The loss did not fall by `diff_percent` against that of `num_steps` earlier."""

    name = "SageMaker LossNotDecreasing"
    source = "sagemaker developer guide, debugger-built-in-rules: num_steps=10, diff_percent=0.1, every saved step"
    finds = ("never-learnt", "divergence", "grad-zero", "lr-zero")
    NUM_STEPS, DIFF_PERCENT = 10, 0.1

    def __init__(self) -> None:
        super().__init__()
        self._losses: deque[float] = deque(maxlen=self.NUM_STEPS + 1)

    def step(self, loss: float, _grad_norm: float, _num_planned: int) -> bool:
        self._losses.append(loss)
        if len(self._losses) <= self.NUM_STEPS:
            return False
        before = self._losses[0]
        return not before - loss >= self.DIFF_PERCENT / 100.0 * abs(before)


class Overfit(Peer):
    """(mean eval loss - mean train loss) / mean train loss over `ratio_threshold`, `patience` times in a row."""

    name = "SageMaker Overfit"
    source = "sagemaker developer guide, debugger-built-in-rules: ratio_threshold=0.1, patience=1, start_step=0"
    finds = ("overfitting",)
    RATIO, PATIENCE = 0.1, 1

    def __init__(self) -> None:
        super().__init__()
        self._since: list[float] = []
        self._in_a_row = 0

    def step(self, loss: float, _grad_norm: float, _num_planned: int) -> bool:
        self._since.append(loss)
        return False

    def evaluation(self, loss: float) -> bool:
        train = sum(self._since) / len(self._since) if self._since else math.nan
        self._since = []
        over = (loss - train) / train > self.RATIO if train > 0 else False
        self._in_a_row = self._in_a_row + 1 if over else 0
        return self._in_a_row >= self.PATIENCE


class KillLossSpike(Peer):
    """`outlier_multiplier` times the window's mean for more than `patience` steps, or half a window over the cap."""

    name = "llm-foundry KillLossSpike"
    source = (
        "llm-foundry kill_loss_spike_callback: log_only, patience=4, outlier_multiplier=2, window max(100, 5%), cap 10"
    )
    finds = ("spike", "divergence")
    PATIENCE, MULTIPLIER, WINDOW, WINDOW_SHARE, CAP = 4, 2.0, 100, 0.05, 10.0

    def __init__(self) -> None:
        super().__init__()
        self._window: deque[float] = deque()
        self._outliers = self._num = 0
        self._cap = self.CAP

    def step(self, loss: float, _grad_norm: float, num_planned: int) -> bool:
        size = max(self.WINDOW, round(self.WINDOW_SHARE * num_planned))
        alerts = len(self._window) == size and self._judge(loss, size)
        self._window.append(loss)
        if len(self._window) > size:
            self._window.popleft()
        self._num += 1
        return alerts

    def _judge(self, loss: float, size: int) -> bool:
        if self._num == size:
            self._cap = min(max(self._window), self.CAP)
        mean = sum(self._window) / size
        self._outliers = self._outliers + 1 if loss >= self.MULTIPLIER * mean else 0
        if self._outliers > self.PATIENCE:
            return True
        return self._num >= 2 * size and sum(value > self._cap for value in self._window) >= size / 2


class SixSigma(Peer):
    """Loss or gradient norm over the mean of the last 128 by more than six standard deviations; from 64 values on."""

    name = "OLMo-core 6 sigma"
    source = "OLMo-core SkipStepOptimizer: rolling_interval_length=128, sigma_factor=6; non-finite ones kept out"
    finds = ("spike", "divergence", "grad-explode", "non-finite")
    WINDOW, SIGMAS = 128, 6.0

    def __init__(self) -> None:
        super().__init__()
        self._windows: tuple[deque[float], deque[float]] = (deque(maxlen=self.WINDOW), deque(maxlen=self.WINDOW))

    def step(self, loss: float, grad_norm: float, _num_planned: int) -> bool:
        over = False
        for window, value in zip(self._windows, (loss, grad_norm), strict=True):
            if window or math.isfinite(value):  # a norm that is never logged says nothing
                over = self._is_over(window, value) or over
            if math.isfinite(value):
                window.append(value)
        return over

    def _is_over(self, window: deque[float], value: float) -> bool:
        if len(window) + 1 < self.WINDOW // 2:
            return False
        mean = sum(window) / len(window)
        sd = math.sqrt(sum((each - mean) ** 2 for each in window) / (len(window) - 1))
        return not value - mean <= self.SIGMAS * sd


class SpikeDetection(Peer):
    """The loss rose since the last batch and is off the mean of ten by `rtol` times it; or it is not finite."""

    name = "Lightning SpikeDetection"
    source = (
        "lightning.fabric.utilities.spike: mode=min, window=10, warmup=1, atol=None, rtol=2.0, finite_only; it raises"
    )
    finds = ("spike", "divergence", "non-finite")
    speaks_once = True
    WINDOW, WARMUP, RTOL = 10, 1, 2.0

    def __init__(self) -> None:
        super().__init__()
        self._window: deque[float] = deque(maxlen=self.WINDOW)
        self._last = 0.0
        self._num = 0

    def step(self, loss: float, _grad_norm: float, _num_planned: int) -> bool:
        is_spike = self._num >= self.WARMUP and self._is_spike(loss)
        self._num += 1
        if not is_spike:
            self._window.append(loss)
            self._last = loss
        return is_spike

    def _is_spike(self, loss: float) -> bool:
        if not math.isfinite(loss):
            return True
        if not self._window or loss <= self._last:
            return False
        mean = sum(self._window) / len(self._window)
        return abs(loss - mean) >= self.RTOL * abs(mean)


class Patience(Peer):
    """The eval loss has not improved for `patience` evals (ReduceLROnPlateau, whose patience is ten)."""

    name = "Keras ReduceLROnPlateau"
    source = "keras.callbacks.ReduceLROnPlateau: monitor=val_loss, patience=10, min_delta=1e-4, cooldown=0"
    finds = ("overfitting", "never-learnt", "grad-zero", "lr-zero", "divergence")
    PATIENCE, MIN_DELTA = 10, 1e-4

    def __init__(self) -> None:
        super().__init__()
        self._best, self._waited = math.inf, 0

    def step(self, _loss: float, _grad_norm: float, _num_planned: int) -> bool:
        return False

    def evaluation(self, loss: float) -> bool:
        if loss < self._best - self.MIN_DELTA:
            self._best, self._waited = loss, 0
            return False
        self._waited += 1
        if self._waited < self.PATIENCE:
            return False
        self._waited = 0
        return True


class EarlyStopping(Patience):
    """The eval loss has not improved at one eval (EarlyStopping, whose patience is none)."""

    name = "Keras EarlyStopping"
    source = "keras.callbacks.EarlyStopping: monitor=val_loss, patience=0, min_delta=0"
    speaks_once = True
    PATIENCE, MIN_DELTA = 1, 0.0


PEERS: tuple[type[Peer], ...] = (
    LossNotDecreasing,
    Overfit,
    KillLossSpike,
    SixSigma,
    SpikeDetection,
    Patience,
    EarlyStopping,
)
