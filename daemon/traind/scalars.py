"""The names under which a record's numbers go to other programs (TensorBoard, W&B). Pure; knows no sink, no file."""

import math
from collections.abc import Mapping

from rundir.records import EpochRecord, EvalRecord, GpuSample, MetricsRecord, Number, StepRecord, SystemRecord

_STEP_FIELDS = (
    "loss", "grad_norm", "lr", "epoch", "step_s", "data_wait_s", "tokens_per_s", "gpu_mem_allocated_bytes",
)  # fmt: skip
_SYSTEM_FIELDS = (
    "cpu_percent", "mem_used_bytes", "mem_total_bytes", "run_rss_bytes", "run_cpu_percent", "disk_free_bytes",
)  # fmt: skip
_GPU_FIELDS = ("mem_used_bytes", "mem_total_bytes", "run_mem_bytes", "util_percent", "temperature_c", "power_w")


def scalars(record: MetricsRecord | SystemRecord) -> dict[str, float]:
    """The numbers of one record by tag: `train/loss`, `eval/f1`, `epoch/loss`, `system/gpu0_power_w`, ….

    A value that is not there has no tag; non-finite ones are floats like any other, integers beyond float infinite.
    A field goes before a metric of the same name. A resume marker has none. Figures by label: `label_scalars`.
    """
    match record:
        case StepRecord():
            values = {name: getattr(record, name) for name in _STEP_FIELDS}
            return _tagged("train", {**(record.metrics or {}), **_there(values)})
        case EvalRecord():
            values = {"loss": record.loss, "epoch": record.epoch, "eval_s": record.eval_s}
            return _tagged("eval", {**(record.metrics or {}), **_there(values)})
        case EpochRecord():
            values = {"loss": record.loss, "epoch": record.epoch, "epoch_s": record.epoch_s}
            return _tagged("epoch", {**(record.metrics or {}), **_there(values)})
        case SystemRecord():
            values = {name: getattr(record, name) for name in _SYSTEM_FIELDS}
            for gpu in record.gpus:
                values |= _gpu_values(gpu)
            return _tagged("system", _there(values))
        case _:
            return {}


def label_scalars(record: EvalRecord) -> dict[str, float]:
    """The figures by label of an evaluation: `label/Doubt/f1`, ….; a task of 77 classes has some three hundred."""
    return {
        f"label/{label}/{name}": as_float(value)
        for label, figures in (record.labels or {}).items()
        for name, value in figures.items()
    }


def as_float(value: Number) -> float:
    """A number of a record as a float: the spelled-out ones read, integers beyond its range infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if not isinstance(value, str) and value > 0 else -math.inf


def _gpu_values(gpu: GpuSample) -> dict[str, Number | None]:
    return {f"gpu{gpu.index}_{name}": getattr(gpu, name) for name in _GPU_FIELDS}


def _there(values: Mapping[str, Number | None]) -> dict[str, Number]:
    return {name: value for name, value in values.items() if value is not None}


def _tagged(group: str, values: Mapping[str, Number]) -> dict[str, float]:
    return {f"{group}/{name}": as_float(value) for name, value in values.items()}
