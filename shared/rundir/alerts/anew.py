"""Which fixes of an alert a new run does, and with which keys of its configuration changed. Pure.

A fix is known by its text, as in `remedy`: what an order changes in a run, a new one can have from its start.
"""

import math
import shlex
from collections.abc import Mapping
from typing import Any

import msgspec

from rundir.alerts.remedy import CLIP_NORM, LOWEST, Remedy, remedy_of
from rundir.usual_lr import usual_range


class Change(msgspec.Struct, frozen=True):
    """One key of the new configuration: a value, or that of the run `times` as large within `least` and `most`."""

    key: str
    value: Any = None
    times: float | None = None
    none: int | None = None
    """What counts for the value of the run where that is 0."""
    least: float = 0.0
    most: float = math.inf


_LONGER_WARMUP = (
    Change("train.warmup_steps", times=2.0, least=1.0, none=50),
    Change("train.warmup_ratio", times=2.0, least=0.1, most=0.5),
)
"""Of these the first that the run's configuration has: steps go before a share."""
_CLIP = Change("train.clip_norm", CLIP_NORM)

CHANGES: Mapping[str, tuple[Change, ...]] = {
    "a longer warm-up": (),
    "clip_norm = 1.0 and a longer warm-up": (_CLIP,),
    "bf16 or fp32 instead of fp16": (Change("train.precision", "fp32"),),
    "more weight_decay or dropout": (Change("train.weight_decay", times=10.0, least=0.01, most=0.3),),
    "smaller batches, with accumulation": (),
    "larger batches": (Change("train.batch_size", times=2.0),),
    "gradient checkpointing": (Change("train.gradient_checkpointing", value=True),),
    "more loader workers": (Change("data.num_workers", times=2.0, least=2.0, most=64.0),),
    "more workers, pinned memory, prefetching": (Change("data.num_workers", times=2.0, least=2.0, most=64.0),),
    "fewer workers": (Change("data.num_workers", times=0.5),),
    "num_workers = 0 as a test": (Change("data.num_workers", 0),),
    'device = "cuda" fails instead of falling back': (Change("train.device", "cuda"),),
    "[checkpoint] keep_last = 1": (Change("checkpoint.keep_last", 1),),
}
"""By the text of the fix. What a new run does only as an order does it to this one is not here."""
_WARMS_LONGER = frozenset({"a longer warm-up", "clip_norm = 1.0 and a longer warm-up"})
_SMALLER_BATCHES = "smaller batches, with accumulation"
_USUAL_LR = frozenset({"begin anew with a usual learning rate: `traind check` names the range"})


def lr_anew(peak: float | None, usual: tuple[float, float] | None, times: float) -> float | None:
    """A peak learning rate for a new run: the old one so many times, never above all that are in use; where the old
    one was above those, the middle of them (by their logarithms). None where the old one is not known.

    `usual`: the lowest and the highest in use.
    """
    if peak is None or not math.isfinite(peak) or peak <= 0:
        return None
    lr = peak * times
    if usual is not None:
        lowest, highest = usual
        lr = math.sqrt(lowest * highest) if peak > highest else min(lr, highest)
    return float(f"{lr:.2g}")


def changes_of(fix: str, config: Mapping[str, Any], lr_peak: float | None) -> dict[str, Any]:
    """The keys that a new run has otherwise, where one does the fix; empty where none does, or all is so already.

    `config`: decoded config.toml of the run; `lr_peak`: the peak learning rate that holds.
    """
    known = [(change.key, _new(change, _value(config, change.key))) for change in CHANGES.get(fix, ())]
    if fix in _WARMS_LONGER:
        known += [
            (change.key, _new(change, old))
            for change in _LONGER_WARMUP
            if (old := _value(config, change.key)) is not None
        ][:1]
    if fix == _SMALLER_BATCHES:
        known += _halved(_value(config, "train.batch_size"), _value(config, "train.accumulation"))
    remedy = remedy_of(fix)
    if fix in _USUAL_LR or (remedy is not None and _times(remedy) is not None):
        times = LOWEST if remedy is None else _times(remedy)
        known.append(("train.lr", lr_anew(lr_peak, usual_range(config), times if times is not None else 1.0)))
    if remedy is not None and "clip_norm" in remedy.args:
        known.append((_CLIP.key, _CLIP.value))
    return {key: value for key, value in known if value is not None and not _holds(config, key, value)}


def command_anew(run: str, changes: Mapping[str, Any]) -> str:
    """What begins such a run at a shell. `run`: as the command line understands it."""
    words = (f"{key}={str(value).lower() if isinstance(value, bool) else value}" for key, value in changes.items())
    config = shlex.quote(f"{run.rstrip('/')}/config.toml")
    return " ".join(["traind", "start", config, *(f"--set {word}" for word in words)])


def _times(remedy: Remedy) -> float | None:
    if remedy.lr_times is not None:
        return remedy.lr_times
    factor = remedy.args.get("lr_factor")
    return factor if isinstance(factor, float) else None


def _value(config: Mapping[str, Any], key: str) -> Any:
    section, _, name = key.partition(".")
    found = config.get(section)
    return found.get(name) if isinstance(found, Mapping) else None


def _halved(batch_size: Any, accumulation: Any) -> list[tuple[str, Any]]:
    """Half the batch, of which so many more make as large a one as before; nothing for a batch of one."""
    if not isinstance(batch_size, int) or not isinstance(accumulation, int) or batch_size < 2:
        return []
    half = batch_size // 2
    return [("train.batch_size", half), ("train.accumulation", math.ceil(batch_size * accumulation / half))]


def _new(change: Change, old: Any) -> Any:
    """The value of a key in the new run; None where the old one says nothing."""
    if change.times is None:
        return change.value
    if not isinstance(old, int | float) or isinstance(old, bool) or not math.isfinite(old):
        return None
    old = change.none if change.none is not None and old == 0 else old
    value = min(max(old * change.times, change.least), change.most)
    value = max(value, old) if change.times > 1.0 else min(value, old)
    return math.floor(value) if isinstance(old, int) else float(f"{value:.3g}")


def _holds(config: Mapping[str, Any], key: str, value: Any) -> bool:
    """Whether the run has it so already: a norm that is clipped lower is clipped."""
    old = _value(config, key)
    if key == _CLIP.key:
        return isinstance(old, int | float) and 0 < old <= CLIP_NORM
    return type(old) is type(value) and bool(old == value)
