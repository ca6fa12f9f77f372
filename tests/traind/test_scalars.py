"""The names under which numbers leave: nothing lost, nothing invented, odd values as they are."""

import math

from hypothesis import given

from rundir.records import EpochRecord, EvalRecord, GpuSample, ResumeRecord, StepRecord, SystemRecord
from tests.protocol import records as strategies
from traind.scalars import label_scalars, scalars


def test_a_step_has_the_fields_that_are_there() -> None:
    record = StepRecord(
        at=1.0, attempt=1, step=3, loss="nan", grad_norm="inf", lr=1e-4, epoch=0.5, metrics={"loss_scale": 1024.0}
    )
    found = scalars(record)
    assert math.isnan(found.pop("train/loss"))
    assert found == {
        "train/grad_norm": math.inf,
        "train/lr": 1e-4,
        "train/epoch": 0.5,
        "train/loss_scale": 1024.0,
    }


def test_an_evaluation_has_its_metrics_and_by_label_on_demand() -> None:
    labels = {"Slogans, all": {"f1": 0.5, "support": 4}}
    record = EvalRecord(at=1.0, attempt=1, step=3, loss=1.5, metrics={"f1": 0.25}, labels=labels, eval_s=2.0)
    assert scalars(record) == {"eval/loss": 1.5, "eval/f1": 0.25, "eval/eval_s": 2.0}
    assert label_scalars(record) == {"label/Slogans, all/f1": 0.5, "label/Slogans, all/support": 4.0}


def test_a_field_goes_before_a_metric_of_its_name() -> None:
    record = EpochRecord(at=1.0, attempt=1, step=3, epoch=1, loss=1.5, metrics={"loss": 9.0, "f1": 0.5})
    assert scalars(record) == {"epoch/loss": 1.5, "epoch/epoch": 1.0, "epoch/f1": 0.5}


def test_a_sample_names_its_gpus_by_index() -> None:
    gpus = [GpuSample(index=1, mem_used_bytes=10, power_w=3.5), GpuSample(index=0)]
    record = SystemRecord(at=1.0, attempt=1, gpus=gpus, cpu_percent=50.0)
    assert scalars(record) == {
        "system/cpu_percent": 50.0,
        "system/gpu1_mem_used_bytes": 10.0,
        "system/gpu1_power_w": 3.5,
    }


def test_a_marker_has_none() -> None:
    assert scalars(ResumeRecord(at=1.0, attempt=2, step=3)) == {}


@given(strategies.metrics_records)
def test_every_record_gives_floats(record: StepRecord | EvalRecord | EpochRecord | ResumeRecord) -> None:
    assert all(type(value) is float for value in scalars(record).values())
