"""Any record that a file may hold: no rule raises, and what they remember stays JSON that the next engine takes."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rundir.alerts import Engine, Facts
from rundir.records import EvalRecord, StepRecord
from tests.protocol import records as odd

names = st.sampled_from(
    ["accuracy", "loss_scale", "update_ratio", "unchanged_count", "dead_relu_share", "grad_norm_first",
     "grad_norm_last", "prediction_top_share", "prediction_entropy", "label_top_share", "f1", "first_bad_step"]
)  # fmt: skip
metrics = st.dictionaries(names, st.one_of(odd.numbers, st.floats(0, 1)), max_size=6)
few = st.one_of(st.integers(0, 400), odd.ints)
known_steps = st.builds(
    StepRecord, at=odd.instants, attempt=st.just(1), step=few, loss=odd.numbers, grad_norm=st.none() | odd.numbers,
    lr=st.none() | odd.numbers, step_s=odd.maybe_float, data_wait_s=odd.maybe_float, tokens_per_s=odd.maybe_float,
    gpu_mem_allocated_bytes=odd.maybe_int, metrics=metrics, unchanged=st.lists(odd.texts, max_size=2),
)  # fmt: skip
known_evals = st.builds(
    EvalRecord, at=odd.instants, attempt=st.just(1), step=few, loss=odd.numbers, metrics=metrics,
    confusion=st.none() | st.lists(st.lists(odd.ints, max_size=3), max_size=3), best=st.booleans(),
)  # fmt: skip
anything = st.one_of(known_steps, known_steps, known_evals, odd.metrics_records, odd.event_records, odd.system_records)
facts = st.builds(
    Facts, num_classes=st.none() | st.integers(-1, 10), planned_steps=st.none() | few, warmup_steps=st.none() | few,
    clip_norm=st.none() | odd.odd_floats, lr_peak=st.none() | odd.odd_floats, checkpoint_every=st.none() | few,
    schedule=st.sampled_from([None, "linear", "cosine", "constant", "sgdr"]), majority_share=st.none() | odd.odd_floats,
    sibling=st.none() | st.lists(st.tuples(st.integers(0, 400), st.floats(-10, 10)), max_size=5).map(sorted),
)  # fmt: skip


@given(st.lists(anything, max_size=60), facts)
def test_no_record_raises_and_the_state_is_json(records: list[Any], known: Facts) -> None:
    engine = Engine(facts=known)
    for record in records:
        for change in engine.feed(record):
            change.as_event(at=1.0, attempt=1)
        engine.tick(record.at + 1000.0)
    engine.silent()
    state = json.loads(json.dumps(engine.state(), allow_nan=False))
    other = Engine(facts=known)
    other.restore(state)
    assert json.loads(json.dumps(other.state(), allow_nan=False)) == state
