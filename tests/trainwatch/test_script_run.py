"""What the dashboard says of a run that a script writes for itself."""

import pytest

from rundir.status import Liveness, State
from trainwatch.actions import ACTIONS, Situation, attention, refusal
from trainwatch.paint import text_of
from trainwatch.panes.footer import paint_keys


def test_the_cure_is_the_script_not_a_command() -> None:
    for verdict in (Liveness.DEAD, Liveness.UNATTENDED, Liveness.REBOOTED):
        text = attention(Situation("runs/it", State.RUNNING, verdict, by_script=True))
        assert text == f"{verdict} (was running): its script does not run now; only that can go on with it"
    ended = attention(Situation("runs/it", State.DONE, Liveness.ENDED, by_script=True))
    assert ended == "done: its script does not run now; only that can go on with it"
    for name in ("park", "rollback", "kill"):
        action = next(action for action in ACTIONS if action.name == name)
        live = Situation("runs/it", State.RUNNING, Liveness.LIVE, by_script=True)
        assert refusal(action, live) == f"a script's run knows no {name}: pause or stop it"
    pause = next(action for action in ACTIONS if action.name == "pause")
    assert refusal(pause, Situation("runs/it", State.RUNNING, Liveness.LIVE, by_script=True)) == ""


@pytest.mark.parametrize(
    ("takes", "shown", "hidden"),
    [
        (frozenset(), {"pause", "note", "stop"}, {"checkpoint", "eval", "set lr", "park"}),
        (frozenset({"checkpoint", "lr"}), {"checkpoint", "set lr"}, {"eval", "park"}),
        (frozenset({"eval", "clip_norm"}), {"eval"}, {"checkpoint", "set lr"}),
        (None, {"checkpoint", "eval", "set lr"}, {"park"}),
    ],
)
def test_the_line_of_keys_lists_what_the_script_takes(
    takes: frozenset[str] | None, shown: set[str], hidden: set[str]
) -> None:
    now = Situation("runs/it", State.RUNNING, Liveness.LIVE, by_script=True, takes=takes)
    line = text_of(paint_keys(now, 300))
    assert {word for word in shown | hidden if f" {word} " in f"{line} "} == shown
    for action in ACTIONS:
        if action.verb is not None and action.label in hidden - {"park"}:
            assert refusal(action, now) == f"its script takes no order to {action.label}"
