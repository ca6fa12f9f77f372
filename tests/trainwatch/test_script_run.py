"""What the dashboard says of a run that a script writes for itself."""

from rundir.status import Liveness, State
from trainwatch.actions import ACTIONS, Situation, attention, refusal


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
