"""`traind pause`, `park`, `set`, `rollback`, … : write the order, wait for its outcome, say it."""

import sys
import time
import tomllib
from pathlib import Path
from typing import Any

from rundir import layout, process
from rundir.control import Order, Verb
from rundir.layout import RunDir
from rundir.status import State, liveness, umask_private
from rundir.text import plain
from traind import dial, exit_code, launch, rollback
from traind.config import ConfigError
from traind.order_desk import argument_fault
from traind.run_state import status_of


def order(reference: str, runs_dir: Path, verb: Verb, args: dict[str, Any], argv: list[str]) -> int:
    """Returns the exit code. Raises RunNotFoundError, ConfigError."""
    umask_private()
    run = layout.resolve(reference, runs_dir)
    if verb is Verb.ROLLBACK and (fault := rollback.argument_fault(args)):
        raise ConfigError(f"rollback: {fault}")
    if verb in (Verb.KEEP, Verb.DISCARD) and (fault := argument_fault(Order(verb=verb, args=args))):
        raise ConfigError(f"{verb}: {fault}")
    if verb == Verb.RESUME:
        launch.require_trainer()
    try:
        outcome = launch.give_order(run, verb, args, argv)
    except (launch.LaunchError, OSError) as error:
        raise ConfigError(str(error)) from None
    if outcome is None:
        status = status_of(run)
        verdict = "unknown" if status is None else liveness(status, time.time())
        print(
            f"traind: no answer from {run.id} ({verdict}); the order stays written and may yet be taken",
            file=sys.stderr,
        )
        return exit_code.NO_ANSWER
    at_step = "" if outcome.step is None else f" at step {outcome.step}"
    if outcome.result == "refused":
        print(f"traind: {verb} refused{at_step}: {plain(outcome.reason)}", file=sys.stderr)
        return exit_code.REFUSED
    if verb in _LEAVING:
        launch.poll_until(lambda: True if _has_left(run) else None, _LEAVE_TIMEOUT_S)
    told = {"set": tuple(outcome.args or ()), "rollback": ("step", "lr"), "keep": ("step",), "discard": ("step",)}.get(
        verb, ()
    )
    values = "".join(f" {key}={value}" for key, value in (outcome.args or {}).items() if key in told)
    print(f"{verb}{values} applied{at_step}{_what_next(run, verb)}")
    return exit_code.OK


def _what_next(run: RunDir, verb: str) -> str:
    """The next command, where an order alone does not bring about what one gave it for."""
    status = status_of(run)
    if (
        verb in (Verb.SET, Verb.ROLLBACK)
        and status is not None
        and (status.state.has_ended or status.state is State.PARKED)
    ):
        return f"; `traind resume {run.id}` goes on with it"
    return ""


_LEAVING = ("park", "stop", "kill")
_LEAVE_TIMEOUT_S = 120.0


def _has_left(run: RunDir) -> bool:
    """Whether the trainer has gone and its memory is free: one waits for it before using the GPU."""
    status = status_of(run)
    if status is None:
        return True
    is_gone = status.trainer is None or not process.is_alive(status.trainer.process)
    # The supervisor, as long as there is one, has yet to say what became of the run.
    is_said = status.state not in (State.RUNNING, State.PAUSED, State.STOPPING)
    return is_gone and (is_said or not launch.is_supervised(run))


def read_args(verb: Verb, words: list[str]) -> dict[str, Any]:
    """The arguments of an order as typed. Raises ConfigError."""
    if verb is Verb.NOTE:
        return {"text": " ".join(words)}
    if verb is not Verb.SET:
        return {}
    args = dict(_setting(word) for word in words)
    fault = dial.check_args(args)
    if fault:
        raise ConfigError(f"set: {fault}")
    return args


def _setting(word: str) -> tuple[str, Any]:
    key, equals, text = word.partition("=")
    if not equals:
        raise ConfigError(f"set {word}: write it as KEY=VALUE, e.g. lr=1e-5")
    try:
        return key, tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        raise ConfigError(f"set {word}: {text!r} is no number, true or false") from None
