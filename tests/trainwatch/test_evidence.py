"""One alert: its life, incident, figures, thresholds, and the orders that its fixes come to; painted at any size."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rundir.layout import RunDir
from rundir.orders import Verb, command_of
from rundir.records import AlertEvent, CheckpointEvent, EventRecord, Severity
from tests.protocol.records import event_records
from tests.trainwatch.alerts import alert, divergence
from tests.trainwatch.runs import START_AT, outcome
from trainwatch.evidence import (
    Case,
    Fix,
    case_of,
    cases_of,
    drawn_by,
    figures_of,
    fixes_of,
    incident_of,
    shown_figure,
    thresholds_of,
)
from trainwatch.feed import Batch, Opened
from trainwatch.findings import EventView
from trainwatch.lens import Extent
from trainwatch.paint import row_width, text_of
from trainwatch.panes.evidence import (
    advice_lines,
    arrange_evidence,
    extent_around,
    paint_evidence_header,
    paint_lines,
    said_lines,
    seen_lines,
)
from trainwatch.store import Store


def views(*events: EventRecord) -> list[EventView]:
    return [EventView(event) for event in events]


def store_of(*events: EventRecord, lr: float | None = 1e-3, config: dict[str, Any] | None = None) -> Store:
    store = Store(RunDir(Path("/nowhere/a-run")), Opened("runs/a-run", None, lr, config=config or {}))
    store.apply(Batch(now=START_AT, events=events))
    return store


def saved(step: int, *, best: bool = False) -> CheckpointEvent:
    path = f"checkpoints/step-{step:08d}"
    return CheckpointEvent(at=0, attempt=1, writer="trainer", step=step, path=path, size_bytes=10, best=best)


def text(lines: Any) -> str:
    return text_of([line.row for line in lines])


# --- cases -----------------------------------------------------------------------------------------------------------


def test_events_of_a_rule_are_one_case_until_it_is_cleared() -> None:
    raised, worse = alert(10), alert(12, "updated", severity=Severity.CRITICAL)
    cleared, again, other = alert(20, "cleared"), alert(30), alert(11, rule="loss-spike")
    cases = cases_of(views(raised, other, worse, cleared, again))
    assert [case.events for case in cases] == [(raised, worse, cleared), (other,), (again,)]
    assert [case.cleared for case in cases] == [cleared, None, None]
    assert cases[0].worst is worse
    assert cases[0].found_step == 10
    assert case_of(worse, cases) is cases[0]
    assert case_of(again, cases) is cases[2]
    assert case_of(stranger := alert(99), cases).events == (stranger,)


def test_an_alert_whose_beginning_is_lost_is_one_all_the_same() -> None:
    cleared = alert(20, "cleared")
    (case,) = cases_of(views(cleared))
    assert case.worst is cleared
    assert case.cleared is cleared


def test_the_last_that_is_called_primary_is_it() -> None:
    events = [
        alert(10, rule="loss-spike", incident=3, primary=True),
        alert(12, incident=3, primary=True),
        alert(13, rule="plateau", incident=3),
        alert(14, rule="slow-step", incident=4, primary=True),
    ]
    cases = cases_of(views(*events))
    members, primary = incident_of(cases[2], cases)
    assert [case.rule for case in members] == ["loss-spike", "divergence", "plateau"]
    assert primary == "divergence"
    alone = Case((alert(5),))
    assert incident_of(alone, cases) == ([alone], "")


# --- figures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("used_bytes", 2**31, "2 GiB"),
        ("silent_s", 125.0, "2m 05s"),
        ("step_s", 0.25, "0.2500 s"),
        ("wait_share", 0.314, "31.4%"),
        ("temperature_c", 88.2, "88 °C"),
        ("lr", 1e-5, "1e-5"),
        ("step", 12345, "12,345"),
        ("value", "nan", "nan"),
        ("names", ["a", "b"], "a, b"),
        ("is", True, "True"),
        ("huge", 10**400, "inf"),
    ],
)
def test_figures_are_read_by_their_unit(name: str, value: object, shown: str) -> None:
    assert shown_figure(name, value) == shown


def test_thresholds_are_the_rule_s_with_the_run_s_own() -> None:
    config = {"alerts": {"limits": {"divergence": {"lost": 0.25, "noise": "many"}}}}
    found = {name: (value, own) for name, value, own in thresholds_of("divergence", config)}
    assert found["lost"] == (0.25, True)
    assert not found["lost_critical"][1]
    assert not found["noise"][1]  # a text is no threshold
    assert thresholds_of("no-such-rule", config) == []
    assert thresholds_of("loss-spike", {"alerts": {"limits": {"loss_spike": {"noise": 9}}}})[0][2]
    assert not any(own for *_, own in thresholds_of("divergence", {"alerts": {"limits": 3}}))


def test_a_rule_is_drawn_by_what_it_reads() -> None:
    def first(rule: str, **evidence: object) -> str:
        return drawn_by(Case((alert(1, rule=rule, evidence=evidence),)))[0]

    assert first("grad-explode") == "grad_norm"
    assert first("overfitting") == "eval/loss"
    assert first("non-finite", signal="eval loss") == "eval/loss"
    assert first("non-finite", signal="loss") == "loss"
    assert first("from-the-future") == "loss"


@pytest.mark.parametrize(
    ("onset", "found", "seen"),
    [
        (500, 510, Extent(470, 540)),
        (400, 700, Extent(99, 1000)),
        (2, 3, Extent(1, 33)),
        (998, 1500, Extent(968, 1500)),
        (500, 450, Extent(399, 551)),
    ],
)
def test_the_stretch_around_an_alert(onset: int, found: int, seen: Extent) -> None:
    x = np.arange(1.0, 1001.0)
    case = Case((divergence(found, onset),))
    extent = extent_around(case, x)
    assert extent is not None
    assert extent.start == pytest.approx(seen.start, abs=2)
    assert extent.stop == pytest.approx(seen.stop, abs=2)
    assert extent_around(case, x[:1]) is None


# --- fixes -----------------------------------------------------------------------------------------------------------


def fixes(*events: EventRecord, kept: Any = lambda _: True, **fields: Any) -> list[Fix]:
    store = store_of(*events, **fields)
    (case,) = cases_of(store.told)
    return fixes_of(case, store, kept)


def test_a_fix_becomes_the_order_that_does_it() -> None:
    back, clip, warm_up, lower = fixes(saved(500), saved(600, best=True), saved(700), divergence(690, 646))
    assert (back.verb, back.args) == (Verb.ROLLBACK, {"lr_factor": 0.33, "step": 600})
    assert (clip.verb, clip.args) == (Verb.SET, {"clip_norm": 1.0})
    assert (warm_up.verb, warm_up.args) == (None, None)
    assert (lower.verb, lower.args) == (Verb.SET, {"lr": 0.00033})


def test_without_a_best_checkpoint_the_newest_before_the_onset_is_gone_back_to() -> None:
    back, *_ = fixes(saved(500), saved(600), saved(700), divergence(690, 646))
    assert back.args == {"lr_factor": 0.33, "step": 600}
    back, *_ = fixes(saved(500), saved(600), divergence(690, 646), kept=lambda c: c.step == 500)
    assert back.args == {"lr_factor": 0.33, "step": 500}


def test_what_an_order_lacks_is_said() -> None:
    back, _, _, lower = fixes(saved(700), divergence(690, 646), lr=None)
    assert back.args is None
    assert back.missing == "no checkpoint was written before step 646"
    assert lower.args is None
    assert "learning rate is not known" in lower.missing
    (plan,) = fixes(alert(5, rule="lr-zero", fixes=["plan the schedule for the steps there are"]), lr=None)
    assert plan.args == {"replan": True}


def test_the_checkpoint_that_the_rules_have_named_goes_before_others() -> None:
    """They know since when the weights are ill, which may be long before the alert's onset."""
    fix = "go back to a checkpoint before it"
    ill = divergence(690, 646, fixes=[fix], order={"verb": "rollback", "args": {"step": 100}})
    (back,) = fixes(saved(100), saved(600), ill)
    assert back.args == {"step": 100}
    (back,) = fixes(saved(50), saved(100), saved(600, best=True), ill, kept=lambda c: c.step != 100)
    assert back.args == {"step": 50}
    (back,) = fixes(saved(100), saved(600), ill, kept=lambda c: c.step == 600)
    assert back.args is None
    assert "that of step 100 is gone" in back.missing


@pytest.mark.parametrize("args", [5, [1], None, "step"])
def test_an_order_of_a_damaged_line_names_no_checkpoint(args: Any) -> None:
    ill = divergence(690, 646, fixes=["go back to a checkpoint before it"], order={"verb": "rollback", "args": args})
    (back,) = fixes(saved(600), ill)
    assert back.args == {"step": 600}


@pytest.mark.parametrize("steps", [(10**400, None), (60, 10**400), (60, -(10**400))])
def test_a_step_beyond_all_has_a_place_on_the_axis(steps: tuple[int, int | None]) -> None:
    (case,) = cases_of(views(alert(steps[0], onset_step=steps[1], at=START_AT)))
    seen = extent_around(case, np.arange(1.0, 101.0))
    assert seen is not None
    assert np.isfinite([seen.start, seen.stop]).all()


def test_a_checkpoint_that_the_alert_names_has_to_be_there() -> None:
    named = divergence(690, 646, fixes=["a longer warm-up"], order={"verb": "rollback", "args": {"step": 600}})
    *_, gone = fixes(saved(600), saved(700), named, kept=lambda c: c.step == 700)
    assert gone.args is None
    assert gone.missing == "there is no whole checkpoint of step 600 any more"
    *_, there = fixes(saved(600), saved(700), named)
    assert there.args == {"step": 600}


def test_what_is_so_already_is_no_order() -> None:
    """A norm that is clipped lower is clipped; of two things the other is still worth an order."""
    for clip_norm, is_so in ((1.0, True), (0.5, True), (5.0, False), (0.0, False)):
        store = store_of(divergence(690, 646), config={"train": {"clip_norm": clip_norm}})
        (case,) = cases_of(store.told)
        clip = fixes_of(case, store, lambda _: True)[1]
        assert clip.text == "clip_norm = 1.0"
        assert (clip.args is None) is is_so
        assert bool(clip.missing) is is_so
        assert ("train.clip_norm" in clip.anew) is not is_so
    both = alert(5, fixes=["lower the learning rate to a third, clip_norm = 1.0"])
    store = store_of(both, config={"train": {"clip_norm": 1.0}})
    (fix,) = fixes_of(cases_of(store.told)[0], store, lambda _: True)
    assert fix.args == {"lr": 0.00033}


def test_what_an_order_has_set_is_what_holds() -> None:
    turned = outcome("o1", "set", "applied", args={"clip_norm": 0.0})
    store = store_of(turned, divergence(690, 646), config={"train": {"clip_norm": 1.0}})
    assert fixes_of(cases_of(store.told)[0], store, lambda _: True)[1].args == {"clip_norm": 1.0}


def test_a_script_s_run_is_not_begun_anew_by_a_command() -> None:
    store = store_of(divergence(690, 646), config={"train": {"warmup_ratio": 0.1}})
    assert any(fix.anew for fix in fixes_of(cases_of(store.told)[0], store, lambda _: True))
    store.opened = replace(store.opened, source="csv")
    assert not any(fix.anew for fix in fixes_of(cases_of(store.told)[0], store, lambda _: True))


def test_the_learning_rate_that_holds_is_lowered() -> None:
    *_, lower = fixes(outcome("a", "set", args={"lr": 3e-5}), divergence(690, 646))
    assert lower.args == {"lr": 9.9e-6}


@pytest.mark.parametrize(
    ("verb", "args", "command"),
    [
        ("rollback", {"lr_factor": 0.33, "step": 600}, "traind rollback 'a run' --lr-factor 0.33 --step 600"),
        ("set", {"clip_norm": 1.0, "replan": True}, "traind set 'a run' clip_norm=1.0 replan=true"),
        ("keep", {"step": 600, "kept": False}, "traind keep 'a run' --step 600 --no-more"),
        ("stop", {}, "traind stop 'a run'"),
        ("note", {"text": "it's odd"}, """traind note 'a run' 'it'"'"'s odd'"""),
    ],
)
def test_an_order_as_a_command(verb: str, args: dict[str, Any], command: str) -> None:
    assert command_of(verb, args, "a run") == command


# --- painting --------------------------------------------------------------------------------------------------------


def test_the_texts_say_what_is_known() -> None:
    events = (saved(600, best=True), divergence(690, 646), alert(700, rule="plateau", incident=1, onset_step=400))
    store = store_of(*events, config={"alerts": {"limits": {"divergence": {"lost": 0.25}}}})
    cases = cases_of(store.told)
    seen = text(seen_lines(cases[0], cases, store, 60))
    assert "level of the loss rising over its best" in seen
    assert "used bytes  2 GiB" in seen
    assert "lost 0.2500 (this run)" in seen
    assert "incident 1: 2 alerts" in seen
    assert "▲ plateau  onset 400, found 700" in seen
    assert "62%" in text(said_lines(cases[0], 60))
    advice = text(advice_lines(cases[0], fixes_of(cases[0], store, lambda _: True), "a-run", "gpu1", lambda _: "", 70))
    assert "1. the learning rate is too high\n2. gradients are not clipped" in advice
    assert "1 go back to a checkpoint before it" in advice
    assert "on gpu1: traind rollback a-run --lr-factor 0.33 --step 600" in advice
    assert "not now" not in advice
    refused = text(advice_lines(cases[0], fixes_of(cases[0], store, lambda _: True), "a-run", "", lambda _: "dead", 70))
    assert refused.count("not now: dead") == 3


def test_the_header_says_whether_it_is_over() -> None:
    store = store_of()
    cases = cases_of(views(alert(10), alert(20, "cleared"), alert(30)))
    over, still = (text_of(paint_evidence_header(case, store, 80)) for case in cases)
    assert "over since step 20" in over
    assert "open" in still


@settings(max_examples=40, deadline=None)
@given(
    events=st.lists(event_records, max_size=5),
    size=st.sampled_from([(80, 20), (40, 6), (12, 3), (3, 2)]),
)
def test_any_alert_at_any_size(events: list[EventRecord], size: tuple[int, int]) -> None:
    width, height = size
    store = store_of(*events)
    cases = cases_of(store.told)
    for case in cases:
        found = fixes_of(case, store, lambda _: True)
        inner = max(12, width - 3)
        lines = [*said_lines(case, inner), *seen_lines(case, cases, store, inner)]
        lines += advice_lines(case, found, "a-run", "", lambda _: "x", inner)
        rows = [*paint_lines("text", lines, width, height, 3), *paint_evidence_header(case, store, width)]
        assert len(rows) == height + 1
        assert {row_width(row) for row in rows} == {width}
        assert all(character.isprintable() for row in rows for text, _ in row for character in text)
        assert figures_of(case) or not case.worst.evidence
        assert drawn_by(case)
    assert len(cases) <= sum(isinstance(event, AlertEvent) for event in events)


@pytest.mark.parametrize("size", [(160, 48), (110, 26), (80, 24), (40, 10), (20, 4), (1, 1), (0, 0)])
def test_panes_cover_the_screen(size: tuple[int, int]) -> None:
    places = arrange_evidence(*size)
    assert sum(place.width * place.height for place in places.values()) == size[0] * size[1]
