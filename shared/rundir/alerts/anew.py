"""Which fixes of an alert a new run does, and with which keys of its configuration changed. Pure.

A fix is known by its text, as in `remedy`: what an order changes in a run, a new one can have from its start.
"""

import math
import shlex
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from rundir.alerts.remedy import CLIP_NORM, LOWEST, Remedy, remedy_of
from rundir.section import section
from rundir.usual_lr import usual_range

Change: TypeAlias = Callable[[Mapping[str, Any]], list[tuple[str, Any]]]
"""From the run's configuration to keys with their values in the new one; nothing where the old ones say nothing."""


def _set(key: str, value: Any) -> Change:
    return lambda _config: [(key, value)]


def _times(key: str, times: float, *, least: float = 0.0, most: float = math.inf) -> Change:
    """So many times what the run has, within `least` and `most`, and never the other way."""

    def change(config: Mapping[str, Any]) -> list[tuple[str, Any]]:
        old = _value(config, key)
        if not isinstance(old, int | float) or isinstance(old, bool) or not math.isfinite(old):
            return []
        value = min(max(old * times, least), most)
        value = max(value, old) if times > 1.0 else min(value, old)
        return [(key, math.floor(value) if isinstance(old, int) else float(f"{value:.3g}"))]

    return change


def _warm_longer(config: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Steps go before a share, where the configuration has them; of none a warm-up of a hundred is made."""
    steps = _value(config, "train.warmup_steps")
    if steps is None:
        return _times("train.warmup_ratio", 2.0, least=0.1, most=0.5)(config)
    return [("train.warmup_steps", 100)] if steps == 0 else _times("train.warmup_steps", 2.0, least=1.0)(config)


def _halve_batches(config: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Half the batch, of which so many more make as large a one as before; nothing for a batch of one."""
    batch_size, accumulation = _value(config, "train.batch_size"), _value(config, "train.accumulation")
    if not isinstance(batch_size, int) or not isinstance(accumulation, int) or batch_size < 2:
        return []
    half = batch_size // 2
    return [("train.batch_size", half), ("train.accumulation", math.ceil(batch_size * accumulation / half))]


_CLIP = "train.clip_norm"
_MORE_WORKERS = _times("data.num_workers", 2.0, least=2.0, most=64.0)

CHANGES: Mapping[str, tuple[Change, ...]] = {
    "a longer warm-up": (_warm_longer,),
    "clip_norm = 1.0 and a longer warm-up": (_set(_CLIP, CLIP_NORM), _warm_longer),
    "bf16 or fp32 instead of fp16": (_set("train.precision", "fp32"),),
    "more weight_decay or dropout": (_times("train.weight_decay", 10.0, least=0.01, most=0.3),),
    "smaller batches, with accumulation": (_halve_batches,),
    "larger batches": (_times("train.batch_size", 2.0),),
    "gradient checkpointing": (_set("train.gradient_checkpointing", value=True),),
    "more loader workers": (_MORE_WORKERS,),
    "more workers, pinned memory, prefetching": (_MORE_WORKERS,),
    "fewer workers": (_times("data.num_workers", 0.5),),
    "num_workers = 0 as a test": (_set("data.num_workers", 0),),
    'device = "cuda" fails instead of falling back': (_set("train.device", "cuda"),),
    "[checkpoint] keep_last = 1": (_set("checkpoint.keep_last", 1),),
}
"""By the text of the fix. What a new run does only as an order does it to this one is not here."""
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
    known = [pair for change in CHANGES.get(fix, ()) for pair in change(config)]
    remedy = remedy_of(fix)
    if fix in _USUAL_LR or (remedy is not None and _lr_times(remedy) is not None):
        times = LOWEST if remedy is None else _lr_times(remedy)
        known.append(("train.lr", lr_anew(lr_peak, usual_range(config), times if times is not None else 1.0)))
    if remedy is not None and "clip_norm" in remedy.args:
        known.append((_CLIP, CLIP_NORM))
    return {key: value for key, value in known if value is not None and not _holds(config, key, value)}


def command_anew(run: str, changes: Mapping[str, Any]) -> str:
    """What begins such a run at a shell. `run`: as the command line understands it."""
    words = (f"{key}={str(value).lower() if isinstance(value, bool) else value}" for key, value in changes.items())
    config = shlex.quote(f"{run.rstrip('/')}/config.toml")
    return " ".join(["traind", "start", config, *(f"--set {word}" for word in words)])


def _lr_times(remedy: Remedy) -> float | None:
    if remedy.lr_times is not None:
        return remedy.lr_times
    factor = remedy.args.get("lr_factor")
    return factor if isinstance(factor, float) else None


def _value(config: Mapping[str, Any], key: str) -> Any:
    part, _, name = key.partition(".")
    return section(config, part).get(name)


def _holds(config: Mapping[str, Any], key: str, value: Any) -> bool:
    """Whether the run has it so already: a norm that is clipped lower is clipped."""
    old = _value(config, key)
    if key == _CLIP:
        return isinstance(old, int | float) and 0 < old <= CLIP_NORM
    return type(old) is type(value) and bool(old == value)
