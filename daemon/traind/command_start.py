"""`traind start`: check everything that can be checked, make the run, start its supervisor, wait for the first step."""

import importlib.util
import os
import sys
from pathlib import Path

from rundir import layout
from rundir.control import Verb
from rundir.layout import RunDir
from rundir.status import Intent, State, Status, read_status, umask_private
from traind import config, exit_code, launch
from traind.config import Config, ConfigError
from traind.data import load_corpus
from traind.follow import follow
from traind.supervise import supervise


def start(
    path: Path,
    overrides: list[str],
    runs_dir: Path,
    argv: list[str],
    *,
    resume_auto: bool,
    watch: bool,
    foreground: bool,
) -> int:
    """Returns the exit code; the run's path is the last line of standard output. Raises ConfigError."""
    umask_private()
    settings = config.load(path, overrides)
    if importlib.util.find_spec("torch") is None:
        raise ConfigError("the trainer is not installed here; pip install 'trainwatch[train]'")
    earlier = _unfinished_twin(settings, runs_dir) if resume_auto else None
    if earlier is None:
        load_corpus(settings)  # names every fault of the data while nothing is made yet
        run = launch.create_run(settings, runs_dir)
    else:
        run = earlier
    if foreground:
        return _in_foreground(run, argv, is_new=earlier is None)
    if earlier is None:
        _spawn(run, argv)
    else:
        _say(f"continuing {run.path}")
        if not launch.is_supervised(run):
            launch.give_order(run, Verb.RESUME, {}, argv)
    if watch:
        return _watch(run)
    return _await_first_step(run, is_new=earlier is None)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _spawn(run: RunDir, argv: list[str]) -> None:
    try:
        launch.spawn_supervisor(run, reason="start", order_id=None, argv=argv)
    except launch.LaunchError as error:
        launch.discard(run)
        raise ConfigError(str(error)) from None


def _in_foreground(run: RunDir, argv: list[str], *, is_new: bool) -> int:
    print(run.path, flush=True)
    if is_new:
        return supervise(run, "start", None, argv)
    order_id = launch.write_order(run, Verb.RESUME, {}).id
    return supervise(run, "resume", order_id, argv)


def _watch(run: RunDir) -> int:
    """The dashboard on a terminal, lines without one. The dashboard is another program: we know its name alone."""
    if sys.stdout.isatty() and sys.stdin.isatty():
        print(run.path, flush=True)
        os.execv(sys.executable, [sys.executable, "-m", "trainwatch", str(run.path)])  # noqa: S606
    try:
        state = follow(run, sys.stdout)
    except KeyboardInterrupt:
        _say(f"\nthe run goes on; watch it with: trainwatch {run.path}")
        return exit_code.INTERRUPTED
    print(run.path, flush=True)
    return exit_code.OF_STATE.get(state, exit_code.FAILED)


def _await_first_step(run: RunDir, *, is_new: bool) -> int:
    _say(f"{run.id}: starting; Ctrl-C leaves it running")
    try:
        status = launch.poll_until(lambda: launch.first_step_or_end(run), None)
    except KeyboardInterrupt:
        _say(f"\nthe run goes on; watch it with: trainwatch {run.path}")
        print(run.path, flush=True)
        return exit_code.INTERRUPTED
    if status is not None and status.state is State.FAILED:
        return _report_failure(run, status, is_new=is_new)
    print(run.path, flush=True)
    return 0


def _report_failure(run: RunDir, status: Status, *, is_new: bool) -> int:
    """A mistake that only the trainer could find leaves nothing behind; a fault leaves the run, to look at."""
    if is_new and status.is_mistake:
        launch.poll_until(lambda: None if launch.is_supervisor_alive(run) else True, 10.0)
        launch.discard(run)
        raise ConfigError(status.last_error or "the run could not begin")
    _say(f"traind: the run failed: {status.last_error}; see {run.console}")
    print(run.path, flush=True)
    return exit_code.FAILED


def _unfinished_twin(settings: Config, runs_dir: Path) -> RunDir | None:
    """The newest run of this very configuration that was neither done nor stopped by order."""
    wanted = config.dump(settings)
    for run in layout.find_runs(runs_dir):
        status = read_status(run.status_json)
        if status is None or status.state is State.DONE or status.intent is Intent.STOPPED:
            continue
        if run.config_toml.is_file() and run.config_toml.read_bytes() == wanted:
            return RunDir(run.path.resolve())
    return None
