"""The trainer process: sets everything up, resumes where there is something to resume from, runs the loop, and says
why it leaves. torch lives here and nowhere else.
"""

import argparse
import hashlib
import logging
import os
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import torch

from rundir.layout import RunDir
from rundir.records import EVENT_DECODER, ResumeEvent, ResumeRecord, decode_lines
from rundir.status import Phase, umask_private
from traind import best, checkpoint, config, device, leash, lineage
from traind.batch_order import BatchOrder
from traind.checkpoint import Loaded
from traind.complaint import print_traceback
from traind.config import Config, ConfigError
from traind.dial import initial_dials
from traind.eventlog import EventLog
from traind.journal import read_journal
from traind.loader import WorkerStart
from traind.loop import Loop
from traind.ranks import RankLostError, Ranks, Seat
from traind.recorder import Recorder
from traind.saver import NoSaver, Saver
from traind.steering import Leaving, Steering
from traind.stepper import Shrunk, Stepper
from traind.storage_alert import StorageAlert
from traind.task import Task
from traind.tasks.kind import open_task
from traind.training_state import EpochTally, TrainingState
from traind.wire import Facts, Leave, Pipe, Pulse


@dataclass(frozen=True, slots=True)
class Post:
    """Where this trainer stands: its run, its number, and the descriptors its supervisor gave it."""

    run: RunDir
    attempt: int
    reason: str
    """Why it was started: start, resume, restart or extend."""
    paused: bool
    order_fd: int
    report_fd: int
    lock_fd: int
    grace_s: float
    oom_kills: int
    """How often the kernel has ended a trainer of this run for want of memory: its micro-batches are to be smaller."""
    rank: int
    num_ranks: int
    local_rank: int

    @property
    def seat(self) -> Seat:
        return Seat(self.rank, self.num_ranks, self.local_rank)


def main() -> int:
    """Entry of `python -m traind.trainer`. Exit status 0 whenever it could say why it leaves."""
    post = _parse(sys.argv[1:])
    umask_private()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
    leash.hold(post.order_fd, post.grace_s)
    ranks = Ranks(post.seat)
    pulse = Pulse(post.report_fd, post.seat.rank)
    events = EventLog(_written_by(ranks, post.run.events), "trainer", post.attempt, post.run.reserve)
    orders = Pipe(post.order_fd) if ranks.is_leader else leash.Leash(post.order_fd)
    steering = Steering(orders, pulse, events, paused=post.paused, ranks=ranks)
    try:
        ranks.join()  # until then a signal ends the process: there is nothing to save, and no place to hear it
        steering.hear_signals()
        # Of several hosts the first one's supervisor knows.
        steering.hold_at_start = bool(ranks.share(b"paused" if post.paused else b""))
        reason = _train(post, pulse, events, steering, ranks)
    except RankLostError as error:
        print(f"rank {post.seat.rank}: another rank is gone: {error}", file=sys.stderr, flush=True)
        pulse.farewell(Leave.LOST)
        return 1
    except Leaving as leaving:
        pulse.farewell(leaving.reason, leaving.error, leaving.retreat)
    except ConfigError as error:
        pulse.farewell(Leave.MISTAKE, str(error))
    except Exception as error:  # noqa: BLE001 — the last resort of the process: the whole of it goes to console.log
        print_traceback()
        pulse.farewell(Leave.CRASHED, _cause(error))
        return 1
    else:
        pulse.farewell(reason)
    finally:
        events.close()
    ranks.leave()
    return 0


def _written_by(ranks: Ranks, path: Path) -> Path:
    """Records have one writer: what the other ranks would write as well goes nowhere."""
    return path if ranks.is_leader else Path(os.devnull)


def _parse(argv: list[str]) -> Post:
    parser = argparse.ArgumentParser(prog="traind.trainer", description="started by the supervisor, never by hand")
    parser.add_argument("run", type=Path)
    parser.add_argument("--attempt", type=int, required=True)
    parser.add_argument("--reason", required=True)
    parser.add_argument("--paused", action="store_true")
    for name in ("order", "report", "lock"):
        parser.add_argument(f"--{name}-fd", type=int, required=True)
    parser.add_argument("--grace-s", type=float, default=60.0)
    parser.add_argument("--oom-kills", type=int, default=0)
    parser.add_argument("--rank", type=int, default=0)
    parser.add_argument("--num-ranks", type=int, default=1)
    parser.add_argument("--local-rank", type=int, default=0)
    args = vars(parser.parse_args(argv))
    return Post(**args | {"run": RunDir(args["run"])})


def _cause(error: Exception) -> str:
    if device.is_out_of_memory(error):
        cure = "a shorter data.max_length, train.gradient_checkpointing or a smaller model may help"
        return f"out of memory, where smaller micro-batches did not help: {cure} ({error})"
    return f"{type(error).__name__}: {error}"


def _train(post: Post, pulse: Pulse, events: EventLog, steering: Steering, ranks: Ranks) -> Leave:
    pulse.enter(Phase.LOADING)
    settings = config.parse(post.run.config_toml.read_bytes(), str(post.run.config_toml))
    # Read by all before they meet: later the leader may have answered an order that waited, and it would act twice.
    past = decode_lines(post.run.events.read_bytes(), EVENT_DECODER).records
    journal = read_journal(past)
    loaded, passed_over = _newest(post.run, ranks, at_most=journal.rollback_to)
    placement = _place(settings, loaded, events, post.seat)
    ranks.join_device(placement.device)
    pulse.enter(Phase.TOKENIZING)
    task = steering.first(lambda safe_point: open_task(settings, post.run, safe_point))
    events.lifecycle("data", task.describe(), detail=dict(task.summary))
    check_metric(settings, task)
    order = _order(settings, task, post.seat)
    if settings.model.init == "mlm" and loaded is None:  # an adapter of a base that was lost fits no other
        pulse.enter(Phase.PRETRAIN)
        steering.alone(lambda: _pretrain(settings, post.run, task, placement, steering, events))
    pulse.enter(Phase.LOADING)
    model = task.build_model() if loaded is None else task.load_model(loaded.path)
    model.to(placement.device)
    ranks.take_leaders([*model.parameters(), *model.buffers()])
    if settings.train.gradient_checkpointing:
        save_activations(model)
    stepper = Stepper(settings, task, model, placement, steering.safe_point, partial(_say_shrunk, events, pulse), ranks)
    environment = device.environment(placement, settings, ranks.seat.num_ranks)
    state = _fresh_state(post, settings, order, environment) if loaded is None else loaded.state
    alert = StorageAlert(events)
    alert.begin(past)
    metrics = _written_by(ranks, post.run.metrics)
    recorder = Recorder(metrics, post.attempt, placement.device, post.run.reserve, events, alert)
    saver_of = Saver if ranks.is_leader else NoSaver
    saver = saver_of(post.run, events, alert, settings.checkpoint.keep_last, recorder.sync)
    if loaded is not None:
        stepper.restore(loaded.optimizer, loaded.state)
        saver.note_loaded(loaded.state)
    if post.oom_kills:  # the kernel gives no second chance: what it killed begins smaller
        share = -(-settings.train.batch_size * settings.train.accumulation // ranks.seat.num_ranks)
        stepper.shrink_to(max(min(settings.train.batch_size, share) >> post.oom_kills, 1))
    baseline_name, baseline = task.baseline()
    if post.attempt > 1 and ranks.is_leader:
        _mark_resume(post, loaded, passed_over, environment, order, recorder, events, stepper.micro_batch_size)
        if loaded is not None:
            saver.make_up(loaded.state)
    else:
        _describe_model(model, events)
        events.lifecycle("baseline", baseline_name, detail=dict(baseline))
    if state.best_step is not None and not post.run.checkpoint(state.best_step).is_dir():
        best.forget(state)
    state.attempt, state.environment, state.steps_per_epoch = post.attempt, environment, order.steps_per_epoch
    loop = Loop(
        config=settings,
        task=task,
        stepper=stepper,
        order=order,
        state=state,
        baseline=baseline,
        run=post.run,
        events=events,
        journal=journal,
        pulse=pulse,
        steering=steering,
        recorder=recorder,
        saver=saver,
        worker_start=WorkerStart([post.order_fd, post.report_fd, post.lock_fd]),
        device=placement.device,
        ranks=ranks,
    )
    pulse.facts(
        Facts(
            planned_steps=loop.total_steps,
            threads=torch.get_num_threads(),
            cpu_capability=environment["cpu_capability"],
            device=placement.name,
            hashes=task.hashes,
        )
    )
    events.lifecycle("training", step=state.step)
    return _run(loop, pulse, recorder, saver)


def _run(loop: Loop, pulse: Pulse, recorder: Recorder, saver: Saver) -> Leave:
    """To the end, or to a checkpoint on the way out."""
    try:
        return loop.run()
    except (Leaving, RankLostError) as error:
        pulse.enter(Phase.LEAVING)
        lost = loop.leave(error.reason if isinstance(error, Leaving) else Leave.LOST)
        if isinstance(error, Leaving):
            error.error = "; ".join(filter(None, (error.error, lost))) or None
        raise
    finally:
        saver.join()
        recorder.close()


def _newest(run: RunDir, ranks: Ranks, *, at_most: int | None) -> tuple[Loaded | None, dict[str, str]]:
    """The leader chooses the checkpoint to go on from; the others read the same one."""
    if ranks.is_leader:
        loaded, passed_over = checkpoint.newest_valid(run, at_most=at_most)
        ranks.share(b"" if loaded is None else loaded.path.name.encode())
        return loaded, passed_over
    name = ranks.share(b"").decode()
    return (checkpoint.read(run.checkpoints / name) if name else None), {}


def _order(settings: Config, task: Task, seat: Seat) -> BatchOrder:
    train = settings.train
    return BatchOrder(
        task.num_train, train.batch_size, train.accumulation, settings.seed, rank=seat.rank, num_ranks=seat.num_ranks
    )


def _place(settings: Config, loaded: Loaded | None, events: EventLog, seat: Seat) -> device.Placement:
    placement = device.place(settings.train, seat.local_rank, seat.num_ranks)
    began_with = None if loaded is None else int(loaded.state.environment["threads"])
    device.set_threads(began_with or settings.train.threads)
    if settings.train.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    events.lifecycle("device", placement.reason, detail=device.environment(placement, settings, seat.num_ranks))
    return placement


def _pretrain(
    settings: Config, run: RunDir, task: Task, placement: device.Placement, steering: Steering, events: EventLog
) -> None:
    from traind.tasks.pretrain import Texts, ensure_base

    if not isinstance(task, Texts):
        raise ConfigError(f'model.init = "mlm": not for task.kind = "{settings.task.kind}"; take "scratch"')
    say = partial(print, file=sys.stderr, flush=True)
    done = ensure_base(settings, run, task, placement.device, steering.safe_point, say)
    if done is not None:
        events.lifecycle("pretrained", str(done), detail=msgspec.to_builtins(done))


def save_activations(model: torch.nn.Module) -> None:
    """Compute activations twice instead of keeping them. Raises ConfigError for a model that does not know how."""
    if not getattr(model, "supports_gradient_checkpointing", False):
        raise ConfigError(f"train.gradient_checkpointing: {type(model).__name__} does not support it; leave it out")
    # The library has renamed it: the old name, the only one of its first 5.x versions, warns at every start.
    enable: Any = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    # Reentrant checkpointing replays the random generators as well, but needs inputs that require gradients.
    enable({"use_reentrant": False})


def _describe_model(model: torch.nn.Module, events: EventLog) -> None:
    counts = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    total, trained = sum(n for n, _ in counts), sum(n for n, is_trained in counts if is_trained)
    text = f"{type(model).__name__}, {total:,} parameters"
    if trained != total:
        text += f", {trained:,} of them trained ({trained / total:.1%})"
    events.lifecycle("model", text, detail={"num_parameters": total, "num_trained_parameters": trained})


def check_metric(settings: Config, task: Task) -> None:
    known = ("loss", *task.metric_names)
    if settings.eval.metric not in known:
        raise ConfigError(
            f"eval.metric = {settings.eval.metric!r}: not measured by this task; known: {', '.join(known)}"
        )


def _fresh_state(post: Post, settings: Config, order: BatchOrder, environment: dict[str, str]) -> TrainingState:
    return TrainingState(
        step=0,
        attempt=post.attempt,
        steps_per_epoch=order.steps_per_epoch,
        dials=initial_dials(settings),
        applied_sets=[],
        tally=EpochTally(),
        environment=environment,
        config_sha256=_config_sha256(post.run),
        reason="",
    )


def _config_sha256(run: RunDir) -> str:
    return hashlib.sha256(run.config_toml.read_bytes()).hexdigest()


def _mark_resume(
    post: Post,
    loaded: Loaded | None,
    passed_over: dict[str, str],
    environment: dict[str, str],
    order: BatchOrder,
    recorder: Recorder,
    events: EventLog,
    micro_batch_size: int | None,
) -> None:
    """Say in both logs where this attempt goes on, and put aside the checkpoints beyond."""
    step = 0 if loaded is None else loaded.state.step
    differences = {}
    if loaded is not None:
        before = {
            "nproc": "1",  # where a checkpoint does not say
            **loaded.state.environment,
            "config": loaded.state.config_sha256[:12],
            "steps_per_epoch": str(loaded.state.steps_per_epoch),
        }
        now = {**environment, "config": _config_sha256(post.run)[:12], "steps_per_epoch": str(order.steps_per_epoch)}
        if loaded.state.micro_batch_size != micro_batch_size:
            before["micro_batch"] = str(loaded.state.micro_batch_size or "as configured")
            now["micro_batch"] = str(micro_batch_size)
        differences = {key: f"{before.get(key)} → {now[key]}" for key in now if before.get(key) != now[key]}
        if environment["device"] != "cpu" and not torch.are_deterministic_algorithms_enabled():
            differences["deterministic"] = "false: exact on a GPU only with train.deterministic = true"
    record = ResumeRecord(
        at=0,
        attempt=0,
        step=step,
        reason=post.reason,
        checkpoint=None if loaded is None else loaded.path.name,
        exact=not differences,
        differences=differences or None,
        passed_over=passed_over or None,
    )
    lineage.supersede_beyond(post.run, step, post.attempt)
    lineage.relink(post.run, None if loaded is None else loaded.state.best_step)
    recorder.write(record)
    fields = {name: getattr(record, name) for name in ResumeEvent.__struct_fields__ if hasattr(record, name)}
    events.write(ResumeEvent(**fields, writer="trainer"))


def _say_shrunk(events: EventLog, pulse: Pulse, shrunk: Shrunk) -> None:
    detail = {"where": shrunk.where, "before": shrunk.before, "after": shrunk.after, "error": shrunk.error[:500]}
    if shrunk.where == "train":
        what = "micro-batches of {before} made {after}: the effective batch and its order stay, floats may differ"
    else:
        what = "evaluation batches of {before} made {after}; those of training stay"
    events.lifecycle("out_of_memory", what.format(**detail), step=pulse.step, detail=detail)


if __name__ == "__main__":
    sys.exit(main())
