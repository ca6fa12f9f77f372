"""Training one spec: the loop, and what it leaves as records and as a curve of every step.

Losses, gradients and evaluations are measured; step times and the clock are drawn (a busy machine would write its own
slow-downs into them), from the spec's seed.
"""

import math
import random
from dataclasses import dataclass, field
from typing import Any

import msgspec
import torch
from torch import Tensor

from bench.alerts import inject
from bench.alerts.families import build, prior
from bench.alerts.flat import Flat, Optimizer, Scaler
from bench.alerts.schedule import actual_lr
from bench.alerts.spec import Spec
from bench.alerts.task import Task
from rundir.records import EvalRecord, Number, ResumeRecord, StepRecord

SAMPLE_EVERY = 10
"""Steps between looks at updates and at the gradients of the first and last matrix."""
DEAD_EVERY = 100
STARTS_AT = 1_780_000_000.0


@dataclass
class Point:
    """What one step was, whether it was logged or not."""

    loss: float
    grad_norm: float
    lr: float
    accuracy: float | None = None
    unchanged: int | None = None
    update_ratio: float | None = None
    dead_share: float | None = None


@dataclass
class Trace:
    """One trained run."""

    spec: Spec
    facts: dict[str, Any]
    records: list[StepRecord | EvalRecord | ResumeRecord] = field(default_factory=list)
    """In file order."""
    points: dict[int, Point] = field(default_factory=dict)
    """By step; a resumed run keeps what holds."""
    evals: list[tuple[int, float, dict[str, float]]] = field(default_factory=list)
    prior_entropy: float | None = None
    sibling: list[float] = field(default_factory=list)
    """The loss of every step of the run that this one is compared with."""


class Clock:
    """Drawn step times: log-normal with a slow drift, a pause for each evaluation."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.step_s = math.exp(self._random.uniform(math.log(0.02), math.log(2.0)))
        self._sigma = self._random.choice([0.02, 0.05, 0.1])
        self.at = STARTS_AT

    def step(self, work: float) -> float:
        """The seconds of a step that does `work` times the first one's."""
        seconds = self.step_s * work * math.exp(self._random.gauss(0.0, self._sigma))
        if self._random.random() < 0.002:
            seconds *= self._random.uniform(1.5, 4.0)
        self.at += seconds
        return round(seconds, 5)

    def evaluate(self) -> float:
        seconds = self.step_s * self._random.uniform(5.0, 10.0)
        self.at += seconds
        return round(seconds, 4)


class Batches:
    """Examples epoch after epoch, shuffled unless they are to stay in order."""

    def __init__(self, spec: Spec, task: Task, seed: int) -> None:
        self._task, self._spec = task, spec
        self._generator = torch.Generator().manual_seed(seed)
        self._order = torch.empty(0, dtype=torch.long)
        self.epochs = -1.0

    def draw(self) -> tuple[Tensor, Tensor]:
        task, num = self._task, min(self._spec.batch, len(self._task.x))
        if len(self._order) < num:
            is_sorted = self._spec.hard == "sorted"
            n = len(task.x)
            self._order = torch.arange(n) if is_sorted else torch.randperm(n, generator=self._generator)
            self.epochs = math.ceil(self.epochs) + 0.0
        at, self._order = self._order[:num], self._order[num:]
        x, y = task.x[at], task.y[at]
        return (x + task.jitter * torch.randn_like(x), y) if task.jitter else (x, y)


class Training:
    """One run under way."""

    def __init__(self, spec: Spec) -> None:
        self.spec, self.task = spec, build(spec)
        self.flat = Flat(self.task.model)
        self.optimizer = Optimizer(spec.optimizer, len(self.flat.values))
        self.batches = Batches(spec, self.task, spec.seed + 2 * spec.order)
        self.clock = Clock(spec.seed)
        self.scaler = Scaler() if spec.hard == "fp16" or spec.fault == "scale-collapse" else None
        self.attempt = 1
        self.clip = spec.clip
        self._first_bad: int | None = None
        self._pretrain()
        if spec.fault == "clip-tiny":
            self._backward(1)
            self.clip = float(f"{float(self.flat.grads.norm()) / spec.size:.3g}")
        self.trace = Trace(spec, self._facts())
        known = prior(self.task)
        self.trace.prior_entropy = known[1] if known else None

    def run(self) -> Trace:
        spec, step, resume_at = self.spec, 0, 0
        if spec.hard == "resume":
            resume_at = spec.steps * 6 // 10
        kept: Any = None
        while step < spec.steps:
            step += 1
            self._step(step)
            if step % spec.eval_every == 0 or step == spec.steps:
                self._evaluate(step)
            if step == resume_at - spec.eval_every // 2:
                kept = step, self.flat.values.clone(), self.optimizer.saved()
            if step == resume_at and self.attempt == 1:
                step = self._resume(kept)
        return self.trace

    def _pretrain(self) -> None:
        optimizer = Optimizer("adam", len(self.flat.values))
        for step in range(self.task.pretrain):
            self.flat.grads.zero_()
            x, y = self.batches.draw()
            self.task.criterion(self.task.model(x), y, step).backward()  # type: ignore[no-untyped-call]
            optimizer.update(self.flat.values, self.flat.grads, 3e-3 * (1 - step / self.task.pretrain), None)

    def _facts(self) -> dict[str, Any]:
        spec, known = self.spec, prior(self.task)
        facts: dict[str, Any] = {
            "num_classes": self.task.num_classes,
            "majority_share": round(known[0], 4) if known else None,
            "planned_steps": spec.steps,
            "warmup_steps": spec.warmup,
            "clip_norm": self.clip,
            "lr_peak": spec.lr,
            "schedule": spec.schedule,
            "device_asked": "cpu",
            "trainable_params": len(self.flat.values),
            "signed_loss": self.task.signed,
            "log_every": spec.log_every,
            "eval_every": spec.eval_every,
        }
        if spec.fault in ("lr-jump", "lr-ramp") and spec.seed % 2:
            del facts["schedule"], facts["lr_peak"]  # a log whose schedule nobody has declared
        return {name: value for name, value in facts.items() if value is not None}

    # --- one step ----------------------------------------------------------------------------------------------------

    def _backward(self, step: int) -> tuple[float, float | None, int]:
        """Forward and backward; gives the loss, the share of right predictions and the number of tokens or examples."""
        spec, task = self.spec, self.task
        x, y = inject.batch(spec, task, *self.batches.draw(), step)
        if spec.hard == "curriculum" and task.is_sequence:
            length = round(x.shape[1] * (1, 0.5, 0.75, 1)[min(3, 1 + 3 * step // (spec.steps + 1))])
            x, y = x[:, :length], (y[:, :length] if y.dim() == 2 else y)
        task.model.train()
        out = task.model(x)
        loss = inject.loss(spec, task, task.criterion(out, y, step), step)
        if spec.fault != "no-zero-grad" or not spec.strength(step):
            self.flat.grads.zero_()
        loss.backward()  # type: ignore[no-untyped-call]
        right = float((out.detach().argmax(-1) == y).float().mean()) if task.num_classes else None
        return float(loss.detach()), right, x[..., 0].numel() if x.is_floating_point() else x.numel()

    def _step(self, step: int) -> None:
        spec, flat = self.spec, self.flat
        inject.net(spec, self.task.model, step)
        lr = actual_lr(spec, step)
        value, right, work = self._backward(step)
        inject.grads(spec, flat, step)
        norm = float(flat.grads.norm())
        forced = spec.fault == "scale-collapse" and spec.strength(step) > 0 and random.Random(step).random() < spec.size
        skip = self.scaler.overflows(flat.grads, forced=forced) if self.scaler else False
        point = Point(value, math.inf if skip else norm, lr, right)
        before = flat.values.clone() if step % SAMPLE_EVERY == 0 else None
        if not skip and not (spec.fault == "nan-loss" and math.isnan(value)):
            if self.clip is not None and norm > self.clip:
                flat.grads.mul_(self.clip / norm)
            self.optimizer.update(flat.values, flat.grads, lr, inject.mask(spec, flat, step))
        self.trace.points[step] = point
        metrics: dict[str, Number] = {} if right is None else {"accuracy": round(right, 4)}
        names = None if before is None else self._sample(before, point, metrics)
        if step % DEAD_EVERY == 0:
            self._look_for_dead(point, metrics)
        self._record(step, point, metrics, names, work)

    @torch.no_grad()
    def _sample(self, before: Tensor, point: Point, metrics: dict[str, Number]) -> list[str]:
        flat = self.flat
        moved, sizes = flat.norms(flat.values - before), flat.norms(before)
        still = [
            name for name, part in zip(flat.names, flat.parts(flat.values - before), strict=True) if not part.any()
        ]
        point.unchanged, point.update_ratio = len(still), _short(float((moved / (sizes + 1e-12)).median()))
        norms = flat.norms(flat.grads)[flat.matrices]
        metrics["unchanged_count"] = len(still)
        metrics["update_ratio"] = spelled(point.update_ratio)
        metrics["grad_norm_first"], metrics["grad_norm_last"] = spelled(float(norms[0])), spelled(float(norms[-1]))
        return still[:8]

    def _look_for_dead(self, point: Point, metrics: dict[str, Number]) -> None:
        self.task.model.eval()
        share = inject.dead_share(self.task.model, self.task.x[:1000])
        if share is not None:
            point.dead_share = round(share, 4)
            metrics["dead_relu_share"] = point.dead_share

    def _record(
        self, step: int, point: Point, metrics: dict[str, Number], unchanged: list[str] | None, work: int
    ) -> None:
        per_example = work / (
            self.spec.batch * (self.task.x[0][..., 0] if self.task.jitter else self.task.x[0]).numel()
        )
        seconds = self.clock.step(min(1.0, per_example) if self.spec.hard == "curriculum" else 1.0)
        if not math.isfinite(point.loss) and self._first_bad is None:
            self._first_bad = step
        if step % self.spec.log_every:
            return
        if self._first_bad is not None:
            metrics["first_bad_step"] = self._first_bad
            self._first_bad = None
        if self.scaler:
            metrics["loss_scale"] = self.scaler.scale
        record = StepRecord(
            at=round(self.clock.at, 4),
            attempt=self.attempt,
            step=step,
            loss=spelled(point.loss),
            grad_norm=spelled(point.grad_norm),
            lr=_short(point.lr),
            step_s=seconds,
            tokens_per_s=round(work / seconds, 2) if self.task.is_sequence else None,
            metrics=metrics or None,
            unchanged=unchanged or [],
        )
        self.trace.records.append(record)

    # --- evaluation and resume ---------------------------------------------------------------------------------------

    @torch.no_grad()
    def _evaluate(self, step: int) -> None:
        task = self.task
        task.model.eval()
        with torch.random.fork_rng():
            torch.manual_seed(self.spec.seed)
            out = task.model(task.held_x)
            loss = float(task.criterion(out, task.held_y, step))
            loss /= self.spec.size if self.spec.fault == "eval-scale" else 1.0
        metrics = _classes(out, task.held_y, task.num_classes) if task.num_classes else {}
        self.trace.evals.append((step, loss, metrics))
        eval_s = self.clock.evaluate()
        written: dict[str, Number] = {name: spelled(value) for name, value in metrics.items()}
        self.trace.records.append(
            EvalRecord(
                at=round(self.clock.at, 4),
                attempt=self.attempt,
                step=step,
                loss=spelled(loss),
                metrics=written or None,
                eval_s=eval_s,
            )
        )

    def _resume(self, kept: tuple[int, Tensor, Any]) -> int:
        step, values, optimizer = kept
        self.flat.values.copy_(values)
        self.optimizer.load(optimizer)
        self.batches = Batches(self.spec, self.task, self.spec.seed + 1)
        self.attempt = 2
        self.clock.at += 60.0
        self.trace.points = {s: p for s, p in self.trace.points.items() if s <= step}
        self.trace.evals = [e for e in self.trace.evals if e[0] <= step]
        self.trace.records.append(ResumeRecord(at=round(self.clock.at, 4), attempt=2, step=step, reason="resume"))
        return step


def _classes(out: Tensor, y: Tensor, num_classes: int) -> dict[str, float]:
    guess, y = out.argmax(-1).reshape(-1), y.reshape(-1)
    share = torch.bincount(guess, minlength=num_classes) / guess.numel()
    labels = torch.bincount(y, minlength=num_classes) / y.numel()
    entropy = -sum(p * math.log(p) for p in share.tolist() if p > 0) / math.log(num_classes)
    return {
        "accuracy": round(float((guess == y).float().mean()), 4),
        "prediction_top_share": round(float(share.max()), 4),
        "prediction_entropy": round(entropy, 4),
        "label_top_share": round(float(labels.max()), 4),
    }


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def spelled(value: float) -> Number:
    """As it may stand in a record: six digits, non-finite ones by name."""
    if math.isfinite(value):
        return _short(value)
    return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")


def train(spec: Spec) -> Trace:
    """Train one run. Deterministic with one thread."""
    torch.set_num_threads(1)
    trace = Training(spec).run()
    if spec.fault == "worse" or spec.hard == "sibling":
        usual = Training(_usual(spec)).run()
        trace.sibling = [usual.points[step].loss for step in sorted(usual.points)]
        every = spec.log_every
        trace.facts["sibling"] = [[s, _short(usual.points[s].loss)] for s in range(every, spec.steps + 1, every)]
    return trace


def _usual(spec: Spec) -> Spec:
    """The sibling's recipe: the usual rate, the same data in another order."""
    lr = spec.lr / spec.size if spec.fault == "worse" else spec.lr
    return msgspec.structs.replace(spec, lr=lr, order=1, fault="", hard="", size=0.0)
