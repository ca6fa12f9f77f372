"""The learning rate of a step, as the configuration declares it."""

import math

from bench.alerts.spec import Spec


def declared_lr(spec: Spec, step: float) -> float:
    """The rate of step 1, 2, …; beyond the planned steps it stays at the last one's."""
    done = min(step - 1, spec.steps - 1)
    if done < spec.warmup:
        return spec.lr * (done + 1) / spec.warmup
    part = (done - spec.warmup) / max(1, spec.steps - 1 - spec.warmup)
    match spec.schedule:
        case "constant":
            return spec.lr
        case "linear":
            return spec.lr * (1.0 - part)
        case "cosine":
            return spec.lr * 0.5 * (1.0 + math.cos(math.pi * part))
        case "step":
            return spec.lr * 0.3 ** int(3 * min(part, 0.999))
        case "sgdr":
            return spec.lr * (0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * (part * 4 % 1.0))))


def actual_lr(spec: Spec, step: int) -> float:
    """What the optimizer is given: the declared rate, unless the fault is in it."""
    if spec.fault == "off-schedule":
        return declared_lr(spec, 1 + (step - 1) * spec.size)
    lr, strength = declared_lr(spec, step), spec.strength(step)
    if strength and spec.fault in ("lr-jump", "lr-ramp"):
        return lr * float(spec.size**strength)
    return 0.0 if strength and spec.fault == "lr-zero" else lr
