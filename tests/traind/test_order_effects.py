"""Orders to a run that has no trainer, and to one whose trainer ends before it has answered."""

import pytest

from rundir import checkpoint_dir
from rundir.control import Verb
from rundir.layout import RunDir
from rundir.process import ProcessId
from rundir.records import EVENT_DECODER, LifecycleEvent, decode_lines, encode
from rundir.status import Heart, Intent, Phase, State, Status, read_status, write_status
from tests.traind.bare_supervisor import KILLED, BareSupervisor, BareTrainer, left, put_checkpoint
from traind import lineage, manifest
from traind.config import Config
from traind.journal import read_journal
from traind.order_desk import LOST
from traind.supervisor import Supervisor
from traind.wire import Beat, Leave


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


# --- a run that has done all its steps -------------------------------------------------------------------------------


@pytest.fixture
def done(supervisor: BareSupervisor) -> BareSupervisor:
    for step in (20, 40):
        put_checkpoint(supervisor.run, step)
    supervisor.trains(40)
    supervisor.status.now.total_steps, supervisor.status.now.total_epochs = 40, 4.0
    supervisor.reap(left(Leave.DONE))
    assert supervisor.status.now.state is State.DONE
    return supervisor


def test_a_rollback_to_the_end_of_a_done_run_is_refused(done: BareSupervisor) -> None:
    for args in ({"lr_factor": 0.5}, {"step": 40}, {}):
        assert done.answer_to(Verb.ROLLBACK, **args).reason == (
            "step 40 is the end of the run: no step is left to train from there; give an earlier step (20), or extend "
            "the run first: `traind set RUN epochs=N`"
        )
    assert done.status.now.state is State.DONE
    outcome = done.answer_to(Verb.ROLLBACK, step=20)
    assert (outcome.result, done.status.now.state, done.status.now.step) == ("applied", State.STOPPED, 20)


def test_what_a_done_run_is_told_holds_once_it_has_more_to_do(done: BareSupervisor) -> None:
    assert "no step is left to train" in done.answer_to(Verb.SET, lr=1e-5).reason
    assert done.answer_to(Verb.SET, epochs=6).result == "applied"
    done.orders.note_outcomes([*done.outcomes().values()])
    assert done.answer_to(Verb.SET, lr=1e-5).result == "applied"
    assert done.answer_to(Verb.ROLLBACK, lr_factor=0.5).result == "applied"


# --- a run whose supervisor was killed -------------------------------------------------------------------------------


def test_the_next_supervisor_knows_of_the_lost_one_and_how_far_its_trainer_came(run_dir: RunDir) -> None:
    lost = Heart(process=ProcessId(pid=2**22 + 1, start_ticks=1), beat_at=1.0)
    status = Status(run=run_dir.id, state=State.RUNNING, attempt=1, step=136, supervisor=lost, trainer=lost)
    write_status(run_dir.status_json, status)
    put_checkpoint(run_dir, 139)
    told = LifecycleEvent(at=1, attempt=1, writer="trainer", what="orphaned", step=139)
    run_dir.events.write_bytes(encode(told))
    supervisor = Supervisor(run_dir, Config(), -1, [])
    assert supervisor.status.now.step == 139
    events = decode_lines(run_dir.events.read_bytes(), EVENT_DECODER).records
    assert [event.message for event in events if isinstance(event, LifecycleEvent) and event.what != "orphaned"] == [
        f"the supervisor (process {2**22 + 1}) was lost while the run was running"
    ]
    supervisor.announce()
    Supervisor(run_dir, Config(), -1, [])  # called for one order: the loss is told once
    assert decode_lines(run_dir.events.read_bytes(), EVENT_DECODER).records == events


def test_an_order_to_a_run_whose_supervisor_was_lost_is_answered_by_what_is_true(run_dir: RunDir) -> None:
    write_status(run_dir.status_json, Status(run=run_dir.id, state=State.RUNNING, attempt=1, step=136))
    supervisor = BareSupervisor(run_dir)
    put_checkpoint(run_dir, 139)
    assert supervisor.answer_to(Verb.PAUSE).reason == LOST
    assert supervisor.answer_to(Verb.RESUME).step == 139


# --- park: the trainer takes its time to leave -----------------------------------------------------------------------


def test_a_parking_run_says_so_until_it_is_parked_or_resumed(supervisor: BareSupervisor) -> None:
    def shown(beat: Phase) -> tuple[State, Phase | None]:
        supervisor.status.note_beat(Beat(phase=beat, step=34, safe_points=1))
        status = read_status(supervisor.run.status_json)
        assert status is not None
        return status.state, status.phase

    supervisor.trains(33)
    assert shown(Phase.TRAIN) == (State.RUNNING, Phase.TRAIN)
    supervisor.give(Verb.PARK)
    status = read_status(supervisor.run.status_json)
    assert status is not None
    assert (status.state, status.phase) == (State.STOPPING, Phase.PARKING)  # before the trainer has said anything
    assert [shown(beat) for beat in (Phase.TRAIN, Phase.SAVE, Phase.LEAVING)] == [(State.STOPPING, Phase.PARKING)] * 3
    supervisor.give(Verb.RESUME)
    assert shown(Phase.LEAVING) == (State.STOPPING, Phase.LEAVING)


def test_a_resume_of_a_run_whose_supervisor_was_lost_while_it_parked_starts_a_trainer(run_dir: RunDir) -> None:
    status = Status(run=run_dir.id, state=State.STOPPING, intent=Intent.PARKED, attempt=1, step=9)
    write_status(run_dir.status_json, status)
    supervisor = BareSupervisor(run_dir)
    assert supervisor.answer_to(Verb.RESUME).result == "applied"
    assert supervisor.trainer is not None


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


# --- keep and discard: the supervisor's, with a trainer or without ---------------------------------------------------


@pytest.fixture
def saved(supervisor: BareSupervisor) -> BareSupervisor:
    """Training at step 45, four checkpoints, the best of which is that of step 20."""
    for step in (10, 20, 30, 40):
        put_checkpoint(supervisor.run, step)
    lineage.relink(supervisor.run, 20)
    supervisor.trains(45)
    return supervisor


def there(supervisor: BareSupervisor) -> list[int]:
    return lineage.steps(supervisor.run)[::-1]


def test_a_checkpoint_that_the_run_does_not_need_is_removed(saved: BareSupervisor) -> None:
    outcome = saved.answer_to(Verb.DISCARD, step=30)
    assert (outcome.result, outcome.args) == ("applied", {"step": 30})
    assert there(saved) == [10, 20, 40]
    assert not list(saved.run.checkpoints.glob(".*"))
    assert isinstance(saved.trainer, BareTrainer)
    assert not saved.trainer.handed


@pytest.mark.parametrize(("step", "reason"), [(40, "needs step 40"), (20, "needs step 20"), (15, "no checkpoint of")])
def test_what_a_run_that_may_go_on_needs_stays(saved: BareSupervisor, step: int, reason: str) -> None:
    outcome = saved.answer_to(Verb.DISCARD, step=step)
    assert outcome.result == "refused"
    assert reason in outcome.reason
    assert there(saved) == [10, 20, 30, 40]


def test_after_a_rollback_the_checkpoint_gone_back_to_is_needed(saved: BareSupervisor) -> None:
    saved.give(Verb.ROLLBACK, step=30)
    assert saved.answer_to(Verb.DISCARD, step=30).result == "refused"
    assert saved.answer_to(Verb.DISCARD, step=40).result == "applied"


def test_of_an_ended_run_all_may_go_but_the_last_whole_one(saved: BareSupervisor) -> None:
    saved.give(Verb.KILL)
    saved.reap(KILLED)
    assert saved.status.now.state.has_ended
    (saved.run.checkpoint(10) / "state.json").write_text("{")
    assert [saved.answer_to(Verb.DISCARD, step=step).result for step in (40, 20)] == ["applied", "applied"]
    assert "the last whole checkpoint" in saved.answer_to(Verb.DISCARD, step=30).reason
    assert there(saved) == [10, 30]
    assert (saved.run.checkpoints / "latest").resolve() == saved.run.checkpoint(30)
    assert not (saved.run.checkpoints / "best").is_symlink()
    assert saved.answer_to(Verb.DISCARD, step=10).result == "applied"


def test_of_an_ended_run_that_was_told_to_go_back_the_checkpoint_it_would_go_on_from_stays(
    saved: BareSupervisor,
) -> None:
    saved.give(Verb.KILL)
    saved.reap(KILLED)
    saved.give(Verb.ROLLBACK, step=10)
    assert "needs step 10" in saved.answer_to(Verb.DISCARD, step=10).reason
    assert saved.answer_to(Verb.DISCARD, step=40).result == "applied"


def test_what_fails_in_the_folder_of_checkpoints_is_an_outcome(
    saved: BareSupervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint_dir, "_mend_links", fail)
        assert saved.answer_to(Verb.DISCARD, step=30).result == "applied"
    assert there(saved) == [10, 20, 40]
    monkeypatch.setattr(checkpoint_dir, "paths", fail)
    assert "Permission denied" in saved.answer_to(Verb.DISCARD, step=10).reason


def test_what_is_kept_by_order_is_not_pruned_until_that_is_taken_back(saved: BareSupervisor) -> None:
    assert saved.answer_to(Verb.KEEP, step=10).result == "applied"
    manifest.verify(saved.run.checkpoint(10))
    lineage.prune(saved.run, 1, 20, checkpoint_dir.is_whole)
    assert there(saved) == [10, 20, 40]
    assert saved.answer_to(Verb.KEEP, step=10, kept=False).result == "applied"
    lineage.prune(saved.run, 1, 20, checkpoint_dir.is_whole)
    assert there(saved) == [20, 40]
    assert "there are: 40, 20" in saved.answer_to(Verb.KEEP, step=10).reason
