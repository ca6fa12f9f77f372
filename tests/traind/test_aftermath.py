"""What follows the end of a trainer, where orders came between its being ended and its end."""

import pytest

from rundir.control import Verb
from rundir.layout import RunDir
from rundir.status import Intent, State
from tests.traind.bare_supervisor import KILLED, BareSupervisor, left, put_checkpoint
from traind.trainer_process import Ending
from traind.wire import Leave, Retreat

RETREAT = Retreat(cause="spike", skip_from=30, skip_to=31, lr=1e-3)


@pytest.fixture
def training(run_dir: RunDir) -> BareSupervisor:
    put_checkpoint(run_dir, 20)
    supervisor = BareSupervisor(run_dir)
    supervisor.trains(step=33)
    return supervisor


def test_a_rollback_starts_a_trainer_once_the_old_one_is_gone(training: BareSupervisor) -> None:
    training.give(Verb.ROLLBACK)
    training.reap(KILLED)
    assert [trainer.reason for trainer in training.spawned] == ["start", "rollback"]


@pytest.mark.parametrize("ending", [KILLED, left(Leave.DONE)])
def test_a_kill_right_behind_a_rollback_ends_the_run(training: BareSupervisor, ending: Ending) -> None:
    """The trainer may have said that it was done before it was ended for the rollback: the run is not done then."""
    orders = [training.give(Verb.ROLLBACK), training.give(Verb.KILL)]
    training.reap(ending)
    assert [training.outcomes()[order].result for order in orders] == ["applied", "applied"]
    assert (training.trainer, training.status.now.state) == (None, State.STOPPED)
    assert training.status.now.last_error == "killed by order"


@pytest.mark.parametrize("ending", [left(Leave.RETREATED, RETREAT), left(Leave.PARKED), left(Leave.STOPPED)])
def test_a_kill_of_a_trainer_that_is_leaving_ends_the_run(training: BareSupervisor, ending: Ending) -> None:
    if ending.leave is Leave.PARKED:
        training.give(Verb.PARK)
    training.give(Verb.KILL)
    training.reap(ending)
    assert (training.trainer, training.status.now.state) == (None, State.STOPPED)


def test_without_a_kill_a_retreat_goes_back_and_a_parked_run_waits(training: BareSupervisor) -> None:
    training.reap(left(Leave.RETREATED, RETREAT))
    assert (training.spawned[-1].reason, training.status.now.step) == ("rollback", 20)
    training.give(Verb.PARK)
    training.reap(left(Leave.PARKED))
    assert (training.trainer, training.status.now.state) == (None, State.PARKED)


@pytest.mark.parametrize("verb", [Verb.RESUME, Verb.PAUSE, Verb.PARK, Verb.ROLLBACK])
def test_no_order_right_behind_a_kill_undoes_it(training: BareSupervisor, verb: Verb) -> None:
    training.give(Verb.KILL)
    refused = training.give(verb)
    training.reap(KILLED)
    assert training.outcomes()[refused].reason == "the run is stopping"
    assert (training.trainer, training.status.now.state) == (None, State.STOPPED)
    assert training.status.now.intent is Intent.STOPPED


def test_a_parked_run_that_was_resumed_starts_none_after_a_signal_to_the_supervisor(training: BareSupervisor) -> None:
    training.give(Verb.PARK)
    training.give(Verb.RESUME)
    training.is_told_to_leave, training.status.now.signal = True, "SIGTERM"
    training.reap(left(Leave.PARKED))
    assert (training.trainer, training.status.now.state) == (None, State.STOPPED)
