"""`traind start`: check everything that can be checked, make the run, start its supervisor, wait for the first step."""

import os
import sys
from pathlib import Path

import msgspec

from rundir import layout
from rundir.control import Verb
from rundir.layout import RunDir
from rundir.status import Intent, State, read_status, umask_private
from rundir.text import plain
from traind import config, exit_code, launch
from traind.check.data import examine_early
from traind.check.finding import Level, in_one_line
from traind.config import Config, ConfigError
from traind.config_secret import refuse_secrets
from traind.data import load_corpus
from traind.data.survey import Survey
from traind.follow import follow
from traind.last_word import last_word
from traind.notify import address
from traind.sinks import catalog as sinks
from traind.supervise import take_up


def start(
    path: Path,
    overrides: list[str],
    runs_dir: Path,
    argv: list[str],
    *,
    resume_auto: bool,
    watch: bool,
    foreground: bool,
    name: str | None = None,
    look_first: bool = True,
) -> int:
    """Returns the exit code; the run's path is the last line of standard output. Raises ConfigError.

    `look_first`: what `traind check` finds wrong without torch refuses the start, what it only wonders at is said.
    """
    umask_private()
    settings = config.load(path, overrides)
    if name is not None:
        settings = config.check(msgspec.to_builtins(settings) | {"name": name}, "--name")
    refuse_secrets(settings, str(path))
    launch.require_trainer()
    if missing := [*sinks.faults(settings.log), *address.faults(settings.notify)]:
        raise ConfigError(*missing)
    earlier = unfinished_twin(settings, runs_dir) if resume_auto else None
    if earlier is None:
        # Names every fault of the data while nothing is made yet; that of a custom task is its own.
        survey = None if settings.task.kind == "custom" else load_corpus(settings).survey()
        if look_first:
            _look_at(settings, survey)
        run = launch.create_run(settings, runs_dir)
    else:
        run = earlier
    is_new = earlier is None
    if foreground:
        return _in_foreground(run, argv, is_new=is_new)
    if is_new:
        _spawn(run, argv)
    else:
        _say(f"continuing {run.path}")
        _go_on(run, argv)
    return _watch(run, is_new=is_new) if watch else _await_first_step(run, is_new=is_new)


def _look_at(settings: Config, survey: Survey | None) -> None:
    """The part of `traind check` that takes no time. Raises ConfigError for what would make the run worthless."""
    findings = examine_early(settings, survey)
    faults = [finding for finding in findings if finding.level is Level.FAULT]
    if faults:
        raise ConfigError(*map(in_one_line, faults), "start it all the same with --no-check")
    for finding in findings:
        if finding.level is Level.WARN:
            _say(f"! {in_one_line(finding)}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _spawn(run: RunDir, argv: list[str]) -> None:
    try:
        launch.spawn_supervisor(run, reason="start", order_id=None, argv=argv)
    except launch.LaunchError as error:
        launch.discard(run)
        raise ConfigError(str(error)) from None


def _go_on(run: RunDir, argv: list[str]) -> None:
    """Make an unfinished run train again, whatever it was doing."""
    status = read_status(run.status_json)
    waits = status is not None and status.state in (State.PARKED, State.PAUSED)
    if waits or not launch.is_supervised(run):
        launch.give_order(run, Verb.RESUME, {}, argv)


def _in_foreground(run: RunDir, argv: list[str], *, is_new: bool) -> int:
    supervisor = take_up(run, argv)
    order_id = None if is_new else launch.write_order(run, Verb.RESUME, {}).id
    print(run.path, flush=True)
    state = supervisor.supervise("start" if is_new else "resume", order_id)
    return _report_end(run, state, is_new=is_new)


def _watch(run: RunDir, *, is_new: bool) -> int:
    """The dashboard on a terminal, lines without one. The dashboard is another program: we know its name alone."""
    if sys.stdout.isatty() and sys.stdin.isatty():
        print(run.path, flush=True)
        os.execv(sys.executable, [sys.executable, "-m", "trainwatch", str(run.path)])  # noqa: S606
    try:
        state = follow(run, sys.stdout)
    except KeyboardInterrupt:
        _say(f"\nthe run goes on; watch it with: trainwatch {run.path}")
        return exit_code.INTERRUPTED
    code = _report_end(run, state, is_new=is_new)
    print(run.path, flush=True)
    return code


def _await_first_step(run: RunDir, *, is_new: bool) -> int:
    _say(f"{run.id}: starting; Ctrl-C leaves it running")
    try:
        state = launch.poll_until(lambda: launch.first_step_or_end(run), None)
    except KeyboardInterrupt:
        _say(f"\nthe run goes on; watch it with: trainwatch {run.path}")
        print(run.path, flush=True)
        return exit_code.INTERRUPTED
    code = exit_code.OK
    if state is not None and (state is State.FAILED or not (state.has_ended or launch.is_supervised(run))):
        code = _report_end(run, state, is_new=is_new)
    print(run.path, flush=True)
    return code


def _report_end(run: RunDir, state: State, *, is_new: bool) -> int:
    """The exit code of how a run ended, and a line for what is not plain success.

    A mistake that only the trainer could find leaves nothing behind: raises ConfigError. A fault leaves the run, to
    look at.
    """
    status = read_status(run.status_json)
    if state is State.FAILED and status is not None:
        if is_new and status.is_mistake:
            if launch.poll_until(lambda: None if launch.is_supervisor_alive(run) else True, 10.0):
                launch.discard(run)
            raise ConfigError(status.last_error or "the run could not begin")
        _say(f"traind: the run failed: {plain(status.last_error or '')}; see {run.console}")
    elif state.has_ended and status is not None:
        _say(f"{run.id}: {state}, step {status.step:,} of {status.total_steps or 0:,}")
        if state is State.DONE and (said := last_word(run)):
            _say(said)
    else:
        _say(f"traind: {run.id}: its supervisor is gone; `traind resume {run.id}` goes on")
    return exit_code.OF_STATE.get(state, exit_code.FAILED)


def unfinished_twin(settings: Config, runs_dir: Path) -> RunDir | None:
    """The newest run of this very configuration that was neither done nor stopped by order."""
    for run in layout.find_runs(runs_dir):
        status = read_status(run.status_json)
        if status is None or status.state is State.DONE or status.intent is Intent.STOPPED:
            continue
        if _began_as(run) == settings:
            return RunDir(run.path.resolve())
    return None


def _began_as(run: RunDir) -> Config | None:
    """What its configuration means now, keys that it was written without included; None where it means nothing."""
    try:
        return config.parse(run.config_toml.read_bytes(), str(run.config_toml))
    except (OSError, ConfigError):
        return None
