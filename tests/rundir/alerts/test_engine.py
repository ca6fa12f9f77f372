"""All rules together: switches, saving, and the invariances that every rule must have."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rundir.alerts import RULES, Engine
from rundir.records import EVENT_DECODER, AnyRecord, NoteEvent, SystemRecord, encode
from tests.rundir.alerts.stories import epochs, evaluation, resume, scaled, step, tell

losses = st.one_of(
    st.floats(min_value=1e-3, max_value=1e3), st.sampled_from([math.nan, math.inf, -math.inf, 0.5, 0.5, 0.5])
)


@st.composite
def runs(draw: st.DrawFn) -> list[AnyRecord]:
    """Any run: steps, evals and resumes, with non-finite values anywhere; some evals rise for long."""
    records: list[AnyRecord] = []
    n = 0
    for _ in range(draw(st.integers(1, 30))):
        kind = draw(st.sampled_from(["steps", "steps", "eval", "overfit", "resume", "other"]))
        if kind == "steps":
            norms = st.one_of(st.none(), st.floats(0, 10), st.just(math.inf))
            for loss in draw(st.lists(losses, min_size=1, max_size=25)):
                n += 1
                records.append(step(n, loss, grad_norm=draw(norms)))
        elif kind == "eval":
            records.append(evaluation(n, draw(losses)))
        elif kind == "overfit":
            for k in range(draw(st.integers(3, 10))):
                n += 1
                records += [step(n, 0.5 * 0.7**k), evaluation(n, 0.5 + 0.1 * k)]
        elif kind == "resume":
            n = draw(st.integers(0, n))
            records.append(resume(n))
        else:
            records.append(SystemRecord(at=0.0, attempt=1))
            records.append(NoteEvent(at=0.0, attempt=1, writer="supervisor", text="hello"))
    return records


def outline(records: list[AnyRecord]) -> list[tuple[str, str, int, int]]:
    return [(c.rule, c.change, c.step, c.onset_step) for c in tell(records)]


@given(runs(), st.sampled_from([2.0**-20, 2.0**20]))
def test_the_unit_of_the_loss_does_not_matter(records: list[AnyRecord], factor: float) -> None:
    assert outline(list(scaled(records, factor))) == outline(records)


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_nor_does_a_factor_that_is_no_power_of_two(factor: float) -> None:
    records = list(epochs([0.9**n for n in range(30)], [1.0 + 0.03 * max(0, n - 5) for n in range(30)]))
    assert outline(list(scaled(records, factor))) == outline(records)
    assert outline(records)


@given(runs(), st.data())
def test_what_comes_later_changes_nothing_said_before(records: list[AnyRecord], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(records)))
    head = tell(records[:cut])
    assert tell(records)[: len(head)] == head


@given(runs(), st.data())
def test_a_restored_engine_goes_on_as_if_it_had_never_stopped(records: list[AnyRecord], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(records)))
    first = Engine()
    head = tell(records[:cut], first)
    second = Engine()
    second.restore(json.loads(json.dumps(first.state(), allow_nan=False)))
    assert head + tell(records[cut:], second) == tell(records)


@given(runs())
def test_at_most_one_alert_a_rule_is_open_and_every_change_is_a_line(records: list[AnyRecord]) -> None:
    is_open = dict.fromkeys(RULES, False)
    for change in tell(records):
        assert is_open[change.rule] == (change.change != "raised")
        is_open[change.rule] = change.change != "cleared"
        event = change.as_event(at=1.0, attempt=1)
        assert EVENT_DECODER.decode(encode(event)) == event


@given(runs(), st.data())
def test_no_alert_outlives_a_resume_before_its_onset(records: list[AnyRecord], data: st.DataObject) -> None:
    engine = Engine()
    tell(records, engine)
    target = data.draw(st.integers(0, 100))
    engine.feed(resume(target))
    for name in RULES:
        firing = engine.state()[name]["firing"]
        assert firing is None or firing["onset_step"] <= target
    assert engine.feed(resume(target)) == []


def test_switches_turn_rules_off_by_either_spelling() -> None:
    bad = step(1, math.nan)
    assert tell([bad], Engine({"non_finite": False, "overfitting": True})) == []
    assert len(tell([bad], Engine({"non-finite": True}))) == 1
    assert "overfitting" not in Engine({"overfitting": False}).state()
    assert Engine({"overfitting": False}).silent()["overfitting"] == "switched off"


def test_an_unknown_switch_is_an_error_that_names_the_known() -> None:
    with pytest.raises(ValueError, match=r"no alert rule nan-loss; there are non-finite, loss-scale-collapse"):
        Engine({"nan_loss": True})


@pytest.mark.parametrize("state", [{}, {"non-finite": {"bad": 3}}, {"non-finite": []}, {"gone": {}}])
def test_a_state_of_another_version_starts_afresh(state: dict[str, object]) -> None:
    engine = Engine()
    engine.restore(state)
    assert len(tell([step(1, math.nan)], engine)) == 1
