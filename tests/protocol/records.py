"""Hypothesis strategies for every record kind, odd values included."""

import math
from typing import Any

from hypothesis import strategies as st

from rundir import records as r

odd_floats = st.one_of(
    st.sampled_from([0.0, -0.0, 5e-324, 1.7976931348623157e308, 0.1, 1e16]),
    st.floats(allow_nan=False, allow_infinity=False),
)
non_finite = st.sampled_from([math.nan, math.inf, -math.inf])
numbers = st.one_of(odd_floats, st.sampled_from(["nan", "inf", "-inf"]))
ints = st.one_of(st.integers(0, 10), st.integers(-(2**63), 2**63), st.just(2**70))
texts = st.text(
    st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from('\u2028\u2029\x00\x1b\n\r\x7f\ufeff"\\null'))
)
instants = st.floats(0, 4e9)
names = st.one_of(st.sampled_from(["f1", "loss_scale", "null", "kind"]), texts)
metrics = st.none() | st.dictionaries(names, numbers, max_size=3)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.booleans(), ints, odd_floats, texts),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
details = st.none() | st.dictionaries(names, json_values, max_size=3)
differences = st.none() | st.dictionaries(names, texts, max_size=2)
common = {"at": instants, "attempt": st.integers(1, 9), "seq": ints}
event = {**common, "writer": st.sampled_from(["supervisor", "trainer"]), "step": st.none() | ints}
maybe_float = st.none() | odd_floats
maybe_int = st.none() | ints

steps = st.builds(
    r.StepRecord, **common, step=ints, loss=numbers, grad_norm=st.none() | numbers, lr=st.none() | numbers,
    epoch=maybe_float, step_s=maybe_float, data_wait_s=maybe_float, tokens_per_s=maybe_float,
    gpu_mem_allocated_bytes=maybe_int, metrics=metrics,
)  # fmt: skip
evals = st.builds(
    r.EvalRecord, **common, step=ints, loss=numbers, epoch=maybe_float, metrics=metrics, eval_s=maybe_float,
    trigger=st.sampled_from(["schedule", "order", "end"]), best=st.booleans(),
    labels=st.none() | st.dictionaries(names, st.dictionaries(names, numbers, max_size=2), max_size=2),
    confusion=st.none() | st.lists(st.lists(st.integers(0, 9), max_size=2), max_size=2),
    samples=st.none() | st.lists(st.builds(r.Sample, prompt=texts, text=texts), max_size=2),
)  # fmt: skip
epochs = st.builds(
    r.EpochRecord, **common, step=ints, epoch=ints, loss=numbers, metrics=metrics, started_at=st.none() | instants,
    epoch_s=maybe_float,
)  # fmt: skip
resume_fields = {
    "reason": texts, "checkpoint": st.none() | texts, "exact": st.booleans(), "differences": differences,
    "passed_over": differences,
}  # fmt: skip
resumes = st.builds(r.ResumeRecord, **common, step=ints, **resume_fields)
metrics_records = st.one_of(steps, evals, epochs, resumes)

event_records = st.one_of(
    st.builds(r.LifecycleEvent, **event, what=texts, message=texts, detail=details),
    st.builds(
        r.CheckpointEvent, **event, path=texts, size_bytes=ints, reason=texts, blocked_s=maybe_float,
        save_s=maybe_float, best=st.booleans(),
    ),
    st.builds(
        r.OutcomeEvent, **event, order=texts, verb=texts, result=st.sampled_from(["applied", "refused"]), reason=texts,
        args=details, by=st.none() | texts,
    ),
    st.builds(
        r.AlertEvent, **event, rule=texts, change=st.sampled_from(["raised", "updated", "cleared"]), message=texts,
        severity=st.sampled_from(r.Severity), onset_step=maybe_int, evidence=details, advice=texts,
    ),
    st.builds(r.NoteEvent, **event, text=texts, by=st.none() | texts),
    st.builds(r.ResumeEvent, **{**event, "step": ints}, **resume_fields),
)  # fmt: skip
processes = st.builds(
    r.GpuProcess, pid=ints, is_run=st.booleans(), user=texts, name=texts, mem_bytes=maybe_int,
)  # fmt: skip
gpus = st.builds(
    r.GpuSample, index=ints, name=texts, mem_used_bytes=maybe_int, mem_total_bytes=maybe_int, run_mem_bytes=maybe_int,
    util_percent=maybe_float, temperature_c=maybe_float, power_w=maybe_float, power_limit_w=maybe_float,
    clock_mhz=maybe_float, clock_max_mhz=maybe_float, slowed_by=st.none() | st.lists(texts, max_size=2),
    processes=st.none() | st.lists(processes, max_size=2),
)  # fmt: skip
system_records = st.builds(
    r.SystemRecord, **common, gpus=st.lists(gpus, max_size=2), cpu_percent=maybe_float, mem_used_bytes=maybe_int,
    mem_total_bytes=maybe_int, run_rss_bytes=maybe_int, run_cpu_percent=maybe_float, console_bytes=maybe_int,
    disk_free_bytes=maybe_int,
    num_cpus=maybe_int, shm_used_bytes=maybe_int, shm_total_bytes=maybe_int, disk_total_bytes=maybe_int,
    disk_read_bytes=maybe_int, disk_written_bytes=maybe_int, net_received_bytes=maybe_int, net_sent_bytes=maybe_int,
)  # fmt: skip

pairs = st.one_of(
    metrics_records.map(lambda record: (record, r.METRICS_DECODER)),
    event_records.map(lambda record: (record, r.EVENT_DECODER)),
    system_records.map(lambda record: (record, r.SYSTEM_DECODER)),
)
"""A record of any kind, and the decoder of its log."""
