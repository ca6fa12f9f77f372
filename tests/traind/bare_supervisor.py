"""A supervisor without processes: real orders, real aftermath, real files; its trainers are names that take orders."""

import os

from rundir.control import Order, Verb, send
from rundir.layout import RunDir
from rundir.records import EVENT_DECODER, OutcomeEvent, decode_lines, encode
from rundir.status import Intent, State
from traind import manifest
from traind.aftermath import Aftermath
from traind.config import Policy
from traind.dial import Dials
from traind.eventlog import EventLog
from traind.order_effects import OrderEffects
from traind.status_file import StatusFile
from traind.trainer_process import Ending, TrainerProcess
from traind.training_state import EpochTally, TrainingState
from traind.wire import Farewell, Leave, Retreat

KILLED = Ending(None, "killed by SIGKILL", signal="SIGKILL", pid=os.getpid())


def left(reason: Leave, retreat: Retreat | None = None) -> Ending:
    """The end of a trainer that has said why it leaves."""
    return Ending(Farewell(reason=reason, retreat=retreat), "exit status 0", exit_status=0, pid=os.getpid())


def put_checkpoint(run: RunDir, step: int) -> None:
    """A whole one, of no weights."""
    state = TrainingState(
        step=step,
        attempt=1,
        steps_per_epoch=10,
        dials=Dials(lr=1e-3, clip_norm=1.0, epochs=10.0, log_every=1),
        applied_sets=[],
        tally=EpochTally(),
        environment={},
        config_sha256="",
        reason="schedule",
    )
    directory = run.checkpoint(step)
    directory.mkdir(parents=True)
    (directory / "state.json").write_bytes(encode(state))
    manifest.write(directory, {"state.json": manifest.checksum(directory / "state.json")})


class BareTrainer(TrainerProcess):
    """Takes orders and answers none; is killed, and not reaped until its supervisor's test says so."""

    def __init__(self, reason: str, *, paused: bool) -> None:
        self.reason, self.paused = reason, paused
        self.handed: list[str] = []
        self.num_kills = 0

    def order(self, order: Order) -> None:
        self.handed.append(order.id)

    def kill(self, why: str = "") -> None:  # noqa: ARG002
        self.num_kills += 1


class BareSupervisor:
    """Does what `Supervisor` does for orders and endings, less the processes and the clock."""

    def __init__(self, run: RunDir) -> None:
        self.run = run
        self.status = StatusFile(run)
        self.events = EventLog(run.events, "supervisor", 1, run.reserve)
        self.orders = OrderEffects(run, self, 1e-3)
        self.aftermath = Aftermath(run, Policy(), self)
        self.trainer: TrainerProcess | None = None
        self.is_restarting = False
        self.is_told_to_leave = False
        self.spawned: list[BareTrainer] = []

    # --- what a test does ----------------------------------------------------------------------------------------

    def trains(self, step: int) -> None:
        """Have a trainer at work, at a step."""
        self.spawn("start")
        self.status.now.state, self.status.now.step = State.RUNNING, step

    def give(self, verb: Verb, **args: object) -> str:
        """An order, taken at once. Returns its id."""
        order = Order(verb=verb, id=f"{verb}-{len(self.run.control.read_bytes()) if self.run.control.exists() else 0}")
        order.args.update(args)
        send(self.run, order)
        self.orders.take_arrivals()
        return order.id

    def answer_to(self, verb: Verb, **args: object) -> OutcomeEvent:
        """The same; it must be answered at once."""
        order = self.give(verb, **args)
        return self.outcomes()[order]

    def reap(self, ending: Ending) -> None:
        self.trainer = None
        self.aftermath.follow(ending)

    def outcomes(self) -> dict[str, OutcomeEvent]:
        """By the order's id. No order has two."""
        if not self.run.events.exists():
            return {}
        events = decode_lines(self.run.events.read_bytes(), EVENT_DECODER).records
        found = [event for event in events if isinstance(event, OutcomeEvent)]
        assert len({event.order for event in found}) == len(found)
        return {event.order: event for event in found}

    # --- what orders and endings do to it ------------------------------------------------------------------------

    def spawn(self, reason: str) -> None:
        self.is_restarting = False
        self.status.begin_attempt()
        trainer = BareTrainer(reason, paused=self.status.now.intent is Intent.PAUSED)
        self.trainer = trainer
        self.spawned.append(trainer)
        self.orders.hand_on_again(trainer)

    def park(self, lost: str | None = None) -> None:  # noqa: ARG002
        self.is_restarting = False
        self.status.now.state = State.PARKED
        self.orders.answer_in_flight("the run was parked first")
        if self.status.now.intent is Intent.RUN:
            self.spawn("resume")

    def end(self, state: State, error: str | None = None, *, was_killed: bool = False) -> None:  # noqa: ARG002
        self.is_restarting = False
        self.status.end(state, error)
        self.orders.answer_in_flight(f"the run ended first: {state}")

    def await_leaving(self) -> None: ...

    def begin_anew(self, reason: str) -> None:
        assert self.trainer is not None
        self.aftermath.begin_anew = reason
        self.trainer.kill()

    def restart_in(self, delay_s: float) -> None:  # noqa: ARG002
        self.is_restarting = True

    def retreat(self, wish: Retreat) -> str | None:
        return self.orders.retreat(wish, Policy())
