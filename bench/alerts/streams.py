"""Drawn streams, for what small trainings cannot show: kinds of noise over 20,000 steps, and the machine's troubles.

Every stream has a gently falling loss, and each trouble comes with what surrounds it in life: evaluations, checkpoints
and epochs that lengthen steps, memory that an evaluation borrows.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.alerts.labels import Label
from bench.alerts.outcomes import Problem
from bench.alerts.spec import Part
from bench.alerts.store import Header
from rundir.records import (
    CheckpointEvent,
    EvalRecord,
    GpuSample,
    LifecycleEvent,
    StepRecord,
    SystemRecord,
)

STARTS_AT = 1_780_000_000.0
GIB = 1 << 30
SYSTEM_EVERY_S = 10.0
EVAL_EVERY, CHECKPOINT_EVERY, STEPS_PER_EPOCH = 250, 500, 700

Array = NDArray[np.float64]
Drawn = tuple[Header, list[msgspec.Struct]]


def _ar(r: np.random.Generator, n: int) -> Array:
    """An AR(1) of coefficient 0.9 and standard deviation 1."""
    shocks, values, last = r.normal(size=n) * math.sqrt(1 - 0.81), np.empty(n), 0.0
    for i in range(n):
        last = 0.9 * last + shocks[i]
        values[i] = last
    return values


def _sparse(r: np.random.Generator, n: int) -> Array:
    """Gaussian noise; one sample in 300 stands some ten deviations above it."""
    return r.normal(size=n) + (r.random(n) < 1 / 300) * r.exponential(10.0, size=n)


NOISES: dict[str, Callable[[np.random.Generator, int], Array]] = {
    "gaussian": lambda r, n: r.normal(size=n),
    "ar0.9": _ar,
    "t4": lambda r, n: r.standard_t(4, size=n) / math.sqrt(2.0),
    "multiplicative": lambda r, n: r.normal(size=n),
    "skewed": lambda r, n: r.exponential(1.0, size=n) - 1.0,
    "sparse": _sparse,
}
"""Standard noise by name; `multiplicative` multiplies the loss by its exponential, the others are added."""

_MANY = {"ar0.9": 15, "": 5}
NUM_NOISE = {"dev": {"ar0.9": 5, "": 2}, "spent": _MANY, "second": _MANY, "report": _MANY}
"""Streams of each kind of noise; `""` for those not named."""
SCALES = (1.0, 1e-6, 1e6, 1e-3, 1e3)
REPEATS = {"dev": 4, "spent": 12, "second": 12, "report": 12}

TROUBLES: dict[str, tuple[tuple[float, ...], float, tuple[str, ...]]] = {
    # kind: sizes, the least that counts as faulty, rules that name it
    "slow-step": ((1.2, 1.33, 1.5, 2.0, 4.0), 1.33, ("slow-step", "throttling")),
    "leak": ((0.5, 2.0, 5.0, 20.0), 2.0, ("gpu-mem-leak", "oom-ahead")),
    "disk": ((8.0, 2.0, 0.5), 0.0, ("disk-filling",)),
    "ram": ((5.0, 20.0, 50.0), 0.0, ("ram-filling",)),
    "throttling": ((1.15, 1.3, 1.6), 0.0, ("throttling", "slow-step")),
    "clock-jump": ((-3600.0, -60.0, 900.0, 86400.0), 0.0, ("clock-jump",)),
    "stall": ((1.0, 6.0), 0.0, ("stall",)),
    "low-utilisation": ((10.0, 30.0), 0.0, ("low-utilisation", "data-bound")),
    "data-bound": ((0.25, 0.4, 0.7), 0.0, ("data-bound",)),
    "checkpoint-overdue": ((1.0,), 0.0, ("checkpoint-overdue",)),
    "cpu-fallback": ((1.0,), 0.0, ("cpu-fallback",)),
    "quiet": ((0.0, 1.0, 2.0), math.inf, ()),
}
"""Sizes: times as slow; percent of the device per 1,000 steps; hours until full; GiB per 1,000 steps; times as slow
when hot; seconds jumped; hours of silence; percent used; share of the step waited; none for the last three.
`quiet` has no trouble but all the artefacts."""


@dataclass
class Machine:
    """What a stream's machine does, by step (arrays with one entry a step). The quiet state, changed by the trouble."""

    num: int
    step_s: Array
    wait_share: Array
    memory: Array
    """GPU memory allocated, as a fraction of the device."""
    disk_free: Array
    """Bytes."""
    ram: Array
    """Fraction of the host's."""
    util: Array
    temperature: Array
    power: Array
    jump_s: Array
    checkpoints: set[int] = field(default_factory=set)
    device: str = "cuda"
    ends_after_s: float = 0.0


def _quiet(r: np.random.Generator, num: int) -> Machine:
    """A machine that is well: step times with a noise of 2 to 10%, and now and then a long one."""
    steps = np.arange(1, num + 1)
    seconds = math.exp(r.uniform(math.log(0.15), math.log(3.0))) * np.exp(
        r.normal(size=num) * r.choice([0.02, 0.05, 0.1])
    )
    seconds[r.random(num) < 0.003] *= 3.0
    seconds[(steps % STEPS_PER_EPOCH < 3) & (steps > 3)] *= 2.0
    seconds[:5] *= np.array([30.0, 5.0, 2.0, 1.5, 1.2])
    memory = r.uniform(0.35, 0.6) + 0.004 * np.abs(r.normal(size=num))
    memory[steps % EVAL_EVERY == 0] += 0.05
    disk = 400.0 * GIB - 2.0 * GIB * np.minimum(steps // CHECKPOINT_EVERY, 3) + 0.02 * GIB * r.normal(size=num)
    return Machine(
        num=num,
        step_s=seconds,
        wait_share=np.clip(0.02 + 0.01 * r.normal(size=num), 0.001, None),
        memory=memory,
        disk_free=disk,
        ram=np.clip(0.4 + 0.01 * r.normal(size=num) + 0.05 * (1 - np.exp(-steps / 300)), 0, 1),
        util=np.clip(88 + 5 * r.normal(size=num), 0, 100),
        temperature=62 + 1.5 * r.normal(size=num),
        power=280 + 10 * r.normal(size=num),
        jump_s=np.zeros(num),
        checkpoints=set(range(CHECKPOINT_EVERY, num + 1, CHECKPOINT_EVERY)),
    )


def _trouble(machine: Machine, kind: str, size: float, onset: int) -> None:  # noqa: C901 - one case for each trouble
    """Put the trouble into the machine from the onset on."""
    since = np.maximum(0, np.arange(1, machine.num + 1) - onset + 1)
    after = slice(onset - 1, None)
    match kind:
        case "slow-step":
            machine.step_s[after] *= size
        case "leak":
            machine.memory += size / 100.0 * since / 1000.0
        case "disk":
            gone = np.cumsum(machine.step_s) - np.cumsum(machine.step_s)[onset - 1]
            machine.disk_free = np.maximum(0.0, machine.disk_free - 400.0 * GIB * np.maximum(gone, 0) / (3600.0 * size))
        case "ram":
            machine.ram = np.minimum(0.99, machine.ram + size / 64.0 * since / 1000.0)
        case "throttling":
            machine.step_s[after] *= size
            machine.temperature[after] += 30.0
            machine.power[after] /= size
        case "clock-jump":
            machine.jump_s[onset - 1] = size
        case "stall":
            machine.num, machine.ends_after_s = onset, 3600.0 * size
        case "low-utilisation":
            machine.util[after] = np.clip(size + 0.2 * (machine.util[after] - 88), 0, 100)
        case "data-bound":
            machine.wait_share[after] = np.clip(size + 0.05 * (machine.wait_share[after] - 0.02) / 0.01, 0.01, 0.95)
            machine.step_s[after] /= 1.0 - size
            machine.util[after] *= 1.0 - size
        case "checkpoint-overdue":
            machine.checkpoints = {step for step in machine.checkpoints if step < onset}
        case "cpu-fallback":
            machine.device = "cpu"
            machine.util[:] = 0.0
            machine.memory[:] = 0.0


def _told(machine: Machine, r: np.random.Generator, log_every: int) -> list[msgspec.Struct]:
    """The records that such a machine writes."""
    records: list[msgspec.Struct] = []
    start = LifecycleEvent(
        at=STARTS_AT,
        attempt=1,
        writer="trainer",
        what="device",
        message=f"{machine.device}: asked for auto",
        detail={"device": machine.device},
    )
    records.append(start)
    at, next_sample, peak = STARTS_AT + 5.0, STARTS_AT, 0.0
    loss = 0.5 + 2.0 * np.exp(-np.arange(machine.num) / 400) + 0.05 * r.normal(size=machine.num)
    for i in range(machine.num):
        step, peak = i + 1, max(peak, float(machine.memory[i]))
        at += float(machine.step_s[i] + machine.jump_s[i])
        if step % log_every == 0:
            records.append(_step(machine, i, at, float(loss[i]), peak))
            peak = 0.0
        if step % EVAL_EVERY == 0:
            seconds = 10.0 * float(machine.step_s[i])
            at += seconds
            records.append(
                EvalRecord(
                    at=round(at, 3),
                    attempt=1,
                    step=step,
                    loss=round(float(0.5 + 2 * math.exp(-i / 400)), 5),
                    eval_s=seconds,
                )
            )
        if step in machine.checkpoints:
            at += 3.0 * float(machine.step_s[i])
            records.append(
                CheckpointEvent(
                    at=round(at, 3),
                    attempt=1,
                    writer="trainer",
                    step=step,
                    path=f"checkpoints/step-{step:08d}",
                    size_bytes=2 * GIB,
                )
            )
        if at >= next_sample or machine.jump_s[i] < 0:
            records.append(_system(machine, i, at))
            next_sample = at + SYSTEM_EVERY_S
    return records


def _step(machine: Machine, i: int, at: float, loss: float, peak: float) -> StepRecord:
    seconds = float(machine.step_s[i])
    return StepRecord(
        at=round(at, 3),
        attempt=1,
        step=i + 1,
        loss=round(loss, 5),
        lr=1e-3,
        step_s=round(seconds, 5),
        data_wait_s=round(seconds * float(machine.wait_share[i]), 5),
        tokens_per_s=round(4096 / seconds, 1),
        gpu_mem_allocated_bytes=int(min(peak, 1.0) * 24 * GIB) if machine.device == "cuda" else None,
    )


def _system(machine: Machine, i: int, at: float) -> SystemRecord:
    gpu = GpuSample(
        index=0,
        name="drawn",
        mem_used_bytes=int(min(1.0, machine.memory[i] + 0.03) * 24 * GIB),
        mem_total_bytes=24 * GIB,
        util_percent=round(float(machine.util[i]), 1),
        temperature_c=round(float(machine.temperature[i]), 1),
        power_w=round(float(machine.power[i]), 1),
    )
    return SystemRecord(
        at=round(at, 3),
        attempt=1,
        gpus=[gpu],
        cpu_percent=20.0,
        mem_used_bytes=int(machine.ram[i] * 64 * GIB),
        mem_total_bytes=64 * GIB,
        run_rss_bytes=int((machine.ram[i] - 0.2) * 64 * GIB),
        disk_free_bytes=int(machine.disk_free[i]),
    )


def trouble(part: Part, number: int, kind: str, size: float, r: np.random.Generator) -> Drawn:
    """One stream of a machine with one trouble."""
    _, least, named = TROUBLES[kind]
    num = 4000
    machine = _quiet(r, num)
    # on a multiple of 10, so that every log interval has the step
    onset = 1 if kind == "cpu-fallback" else 10 * int(r.integers(120, 180))
    _trouble(machine, kind, size, onset)
    log_every = int(r.choice([1, 1, 5, 10]))
    records = _told(machine, r, log_every)
    problems = {} if kind == "quiet" else {kind: Problem(size=abs(size), seen_at=onset)}
    is_faulty = kind == "clock-jump" or (kind != "quiet" and size >= least)
    label = Label(
        verdict="healthy" if kind == "quiet" else "faulty" if is_faulty else "ambiguous",
        onset=onset,
        problems=problems,
        rules=list(named[:1]),
        asked=list(named[:1]),
        named_by=list(named),
    )
    facts: dict[str, Any] = {
        "planned_steps": num,
        "device_asked": "auto",
        "trainable_params": 60_000_000,
        "log_every": log_every,
        "checkpoint_every": CHECKPOINT_EVERY,
        "eval_every": EVAL_EVERY,
        "lr_peak": 1e-3,
        "schedule": "constant",
    }
    header = Header(
        name=f"{part}-s{number:04d}-machine-{kind}",
        part=part,
        family="machine",
        label=label,
        facts=facts,
        stream={"kind": kind, "size": size, "onset": onset},
        ends_at=getattr(records[-1], "at", STARTS_AT) + machine.ends_after_s,
    )
    return header, records


def noise(part: Part, number: int, kind: str, scale: float, r: np.random.Generator, num: int = 20_000) -> Drawn:
    """One stream of a healthy loss under one kind of noise."""
    steps, standard = np.arange(num), NOISES[kind](r, num)
    start, tau, sd = r.uniform(1.5, 5.0), r.uniform(200, 4000), r.uniform(0.02, 0.08)
    level = 1.0 + (start - 1.0) * np.exp(-steps / tau) if r.random() < 0.75 else 1.0 + (start - 1) / (1 + steps / tau)
    loss = level * np.exp(sd * standard) if kind == "multiplicative" else level + sd * standard
    norms = np.exp(0.15 * r.normal(size=num)) * (0.5 + level / start)
    records: list[msgspec.Struct] = [
        StepRecord(
            at=round(STARTS_AT + 0.5 * i, 1),
            attempt=1,
            step=i + 1,
            loss=float(f"{scale * loss[i]:.6g}"),
            grad_norm=float(f"{norms[i]:.4g}"),
            lr=1e-3,
        )
        for i in range(num)
    ]
    header = Header(
        name=f"{part}-s{number:04d}-noise-{kind}",
        part=part,
        family="noise",
        label=Label(verdict="healthy", onset=1),
        facts={"planned_steps": num, "log_every": 1, "schedule": "constant", "lr_peak": 1e-3},
        stream={"kind": kind, "scale": scale},
    )
    return header, records


def draw(part: Part, seed: int) -> Iterator[Drawn]:
    """Every stream of one part."""
    number = 0
    for kind in NOISES:
        many = NUM_NOISE[part]
        for i in range(many.get(kind, many[""])):
            number += 1
            yield noise(part, number, kind, SCALES[i % len(SCALES)], _generator(part, seed, number))
    for kind, (sizes, _, _) in TROUBLES.items():
        for i in range(REPEATS[part] * max(1, len(sizes) // 2)):
            number += 1
            yield trouble(part, number, kind, sizes[i % len(sizes)], _generator(part, seed, number))


def _generator(part: Part, seed: int, number: int) -> np.random.Generator:
    return np.random.default_rng([seed, part != "dev", number])
