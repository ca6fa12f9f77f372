"""The table of actions: what is possible when, and what it says when not."""

import pytest

from rundir.control import Verb
from rundir.status import Liveness, State
from trainwatch.actions import ACTIONS, DISCARD, KEEP, Situation, for_key, parse_lr, refusal
from trainwatch.keymap import SCREENS, rows
from trainwatch.keyname import shown
from trainwatch.paint import text_of
from trainwatch.panes.footer import line_of, paint_keys


def now(state: State | None, verdict: Liveness = Liveness.LIVE, **fields: bool | frozenset[str]) -> Situation:
    return Situation("a-run", state, verdict, **fields)  # type: ignore[arg-type]


def possible(situation: Situation) -> set[str]:
    return {action.name for action in ACTIONS if action.verb is not None and not refusal(action, situation)}


def test_every_verb_has_a_row_and_every_name_is_its_own() -> None:
    assert {action.verb for action in (*ACTIONS, KEEP, DISCARD) if action.verb} == set(Verb)
    assert len({action.name for action in ACTIONS}) == len(ACTIONS)


@pytest.mark.parametrize(
    ("state", "names"),
    [
        (State.STARTING, {"pause", "park", "note", "stop", "rollback", "kill"}),
        (State.RUNNING, {"pause", "park", "checkpoint", "eval", "set-lr", "note", "stop", "rollback", "kill"}),
        (State.PAUSED, {"resume", "park", "checkpoint", "eval", "set-lr", "note", "stop", "rollback", "kill"}),
        (State.PARKED, {"resume", "set-lr", "note", "stop", "rollback", "kill"}),
        (State.RESTARTING, {"pause", "park", "note", "stop", "rollback", "kill"}),
        (State.STOPPING, {"kill"}),
    ],
)
def test_what_is_possible_in_a_live_run(state: State, names: set[str]) -> None:
    assert possible(now(state)) == names


@pytest.mark.parametrize("state", list(State))
def test_read_only_allows_no_order(state: State) -> None:
    assert not possible(now(state, read_only=True))


@pytest.mark.parametrize(
    "verdict", [Liveness.UNATTENDED, Liveness.DEAD, Liveness.REBOOTED, Liveness.ORPHANED, Liveness.ENDED]
)
def test_nobody_listens_so_nothing_is_sent(verdict: Liveness) -> None:
    assert not possible(now(State.RUNNING, verdict))


@pytest.mark.parametrize("verdict", [Liveness.UNATTENDED, Liveness.DEAD, Liveness.REBOOTED, Liveness.ORPHANED])
def test_what_helps_is_named(verdict: Liveness) -> None:
    assert "traind resume a-run" in refusal(for_key("c", now(State.RUNNING, verdict)), now(State.RUNNING, verdict))


def test_p_pauses_or_resumes_by_state() -> None:
    assert for_key("p", now(State.RUNNING)).name == "pause"
    assert for_key("p", now(State.PAUSED)).name == "resume"
    assert for_key("p", now(State.PARKED)).name == "resume"
    assert for_key("p", now(State.STOPPING)).name == "pause"


def test_a_pending_order_is_not_sent_again_but_notes_are() -> None:
    waiting = now(State.RUNNING, pending=frozenset({"checkpoint", "note"}))
    assert refusal(for_key("c", waiting), waiting) == "checkpoint is pending already"
    assert not refusal(for_key("n", waiting), waiting)


@pytest.mark.parametrize("text", ["", "x", "0", "-1e-5", "nan", "inf", "1000", "1e-5x"])
def test_no_learning_rate(text: str) -> None:
    with pytest.raises(ValueError, match=r"learning rate|not a number"):
        parse_lr(text)


def test_a_learning_rate() -> None:
    assert parse_lr(" 3e-5 ") == 3e-5


@pytest.mark.parametrize("state", [State.STOPPED, State.FAILED])
def test_an_ended_run_names_the_way_on(state: State) -> None:
    ended = now(state, Liveness.ENDED)
    assert refusal(for_key("p", ended), ended).endswith("traind resume a-run")


def test_a_done_run_needs_more_epochs_first() -> None:
    done = now(State.DONE, Liveness.ENDED)
    assert refusal(for_key("p", done), done).endswith("traind set a-run epochs=N, then  traind resume a-run")


@pytest.mark.parametrize("state", [State.RUNNING, State.PAUSED])
@pytest.mark.parametrize("width", [16, 40, 80, 160])
def test_help_and_quit_are_on_every_line_of_keys(state: State, width: int) -> None:
    line = text_of(paint_keys(now(state), width))
    assert line.endswith("q quit  ? help")


@pytest.mark.parametrize("screen", SCREENS)
def test_a_line_of_keys_is_cut_between_keys_alone_and_ends_with_the_help(screen: str) -> None:
    table = rows(screen)
    names = {f"{shown(row.key)} {row.label}" for row in table if row.key and row.label}
    for width in range(8, 200):
        line = text_of(line_of(table, width, ("theme", "down"))).strip()
        assert line.endswith("? help")
        assert set(line.split("  ")) <= names
        assert width < 80 or {"esc back", "q quit"} & names <= set(line.split("  "))


def test_a_line_of_keys_names_what_is_everywhere_only_where_nothing_else_has_to_go_for_it() -> None:
    table = rows("system")
    assert not {"E export", "Y copy"} & set(text_of(line_of(table, 100, ())).strip().split("  "))
    assert {"E export", "Y copy"} <= set(text_of(line_of(table, 200, ())).strip().split("  "))


def test_a_narrow_line_of_keys_loses_the_past_note_and_eval_first() -> None:
    line = text_of(paint_keys(now(State.RUNNING), 80))
    assert all(words in line for words in ("p pause", "s stop", "l set lr", "tab pane"))
    assert not any(words in line for words in ("earlier", "note", "eval"))


@pytest.mark.parametrize("verdict", [Liveness.ENDED, Liveness.DEAD, Liveness.UNATTENDED])
def test_no_order_is_offered_where_nobody_listens(verdict: Liveness) -> None:
    line = text_of(paint_keys(now(State.STOPPED, verdict), 160))
    assert line.split("  ") == [" g metrics", "z zoom", "tab pane", "[ earlier", "q quit", "? help"]


def test_nothing_is_ordered_in_the_past_and_the_line_says_how_to_come_back() -> None:
    past = now(State.RUNNING, is_past=True)  # type: ignore[arg-type]
    assert not possible(past)
    assert "come back to now first" in refusal(for_key("p", past), past)
    for width in (160, 80, 40):
        line = text_of(paint_keys(past, width))
        assert "end now" in line
        assert "pause" not in line
