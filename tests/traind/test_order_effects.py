"""Orders to a run that has no trainer, and to one whose trainer ends before it has answered."""

import pytest

from rundir.control import Verb
from rundir.layout import RunDir
from rundir.records import EVENT_DECODER, decode_lines
from rundir.status import State
from tests.traind.bare_supervisor import KILLED, BareSupervisor, put_checkpoint
from traind.journal import read_journal


@pytest.fixture
def supervisor(run_dir: RunDir) -> BareSupervisor:
    return BareSupervisor(run_dir)


def killed_at(supervisor: BareSupervisor, step: int) -> None:
    supervisor.trains(step)
    supervisor.give(Verb.KILL)
    supervisor.reap(KILLED)


# --- set: from where the next attempt begins -------------------------------------------------------------------------


@pytest.mark.parametrize(("checkpoints", "start"), [([], 0), ([20, 40], 40)])
def test_what_is_set_without_a_trainer_holds_from_where_the_next_begins(
    supervisor: BareSupervisor, checkpoints: list[int], start: int
) -> None:
    """The steps that were lost with the last trainer are done again, and not at the old rate."""
    for step in checkpoints:
        put_checkpoint(supervisor.run, step)
    killed_at(supervisor, 84)
    outcome = supervisor.answer_to(Verb.SET, lr=1e-5)
    assert (outcome.result, outcome.step) == ("applied", start)
    journal = read_journal(decode_lines(supervisor.run.events.read_bytes(), EVENT_DECODER).records)
    assert journal.take_sets(start) == [(outcome.order, {"lr": 1e-5})]


def test_neither_a_cut_checkpoint_nor_one_beyond_a_rollback_is_where_it_begins(supervisor: BareSupervisor) -> None:
    for step in (10, 20, 30, 40):
        put_checkpoint(supervisor.run, step)
    (supervisor.run.checkpoint(40) / "state.json").write_text("{")
    killed_at(supervisor, 50)
    assert supervisor.answer_to(Verb.SET, lr=1e-5).step == 30
    supervisor.give(Verb.ROLLBACK, step=20)
    assert supervisor.answer_to(Verb.SET, lr=1e-6).step == 20


def test_between_a_crash_and_its_restart_too(supervisor: BareSupervisor) -> None:
    put_checkpoint(supervisor.run, 20)
    supervisor.trains(33)
    supervisor.reap(KILLED)
    assert supervisor.status.now.state is State.RESTARTING
    assert supervisor.answer_to(Verb.SET, clip_norm=0.5).step == 20


def test_a_run_may_be_told_to_end_at_a_step_that_it_has_lost(supervisor: BareSupervisor) -> None:
    put_checkpoint(supervisor.run, 20)
    supervisor.status.now.total_steps, supervisor.status.now.total_epochs = 100, 10.0
    killed_at(supervisor, 84)
    assert supervisor.answer_to(Verb.SET, max_steps=30).result == "applied"
    assert supervisor.answer_to(Verb.SET, max_steps=20).reason == "20 steps are already done"


# --- pause and resume: while a trainer that has crashed is being replaced --------------------------------------------


@pytest.fixture
def restarting(supervisor: BareSupervisor) -> BareSupervisor:
    put_checkpoint(supervisor.run, 20)
    supervisor.trains(33)
    supervisor.reap(KILLED)
    assert supervisor.status.now.state is State.RESTARTING
    return supervisor


def test_a_pause_is_applied_and_the_next_trainer_starts_held(restarting: BareSupervisor) -> None:
    outcome = restarting.answer_to(Verb.PAUSE)
    assert (outcome.result, outcome.step) == ("applied", 20)
    assert restarting.answer_to(Verb.PAUSE).reason == "the run is already paused"
    restarting.spawn("restart")
    assert restarting.spawned[-1].paused
    assert restarting.spawned[-1].handed == []


def test_a_resume_takes_the_pause_back(restarting: BareSupervisor) -> None:
    assert "not paused" in restarting.answer_to(Verb.RESUME).reason
    restarting.give(Verb.PAUSE)
    assert restarting.answer_to(Verb.RESUME).result == "applied"
    assert restarting.trainer is None  # it comes when its time has come, and no second one beside it
    restarting.spawn("restart")
    assert not restarting.spawned[-1].paused


@pytest.mark.parametrize(
    ("verbs", "is_held"), [([Verb.PAUSE], True), ([Verb.RESUME], False), ([Verb.PAUSE, Verb.RESUME], False)]
)
def test_what_a_dying_trainer_was_told_is_applied_by_the_start_of_the_next(
    supervisor: BareSupervisor, verbs: list[Verb], is_held: bool
) -> None:
    """It would find itself held, or not, by the very order, and say that it is so already."""
    supervisor.trains(33)
    given = [supervisor.give(verb) for verb in verbs]
    saving = supervisor.give(Verb.CHECKPOINT)
    assert supervisor.outcomes() == {}
    supervisor.reap(KILLED)
    supervisor.spawn("restart")
    assert [supervisor.outcomes()[order].result for order in given] == ["applied"] * len(verbs)
    assert supervisor.spawned[-1].paused is is_held
    assert supervisor.spawned[-1].handed == [saving]
