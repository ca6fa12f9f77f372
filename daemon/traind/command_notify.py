"""`traind notify-test`: send one message to everybody that a configuration names, and say what became of it. Never
imports torch.
"""

import sys
import time
from pathlib import Path

from rundir import layout, process
from rundir.layout import RunDir
from rundir.records import Severity
from traind import config, exit_code
from traind.config import ConfigError
from traind.config_notify import Notify
from traind.notify import address
from traind.notify.errand import Errand, run_command, send
from traind.notify.notice import Notice


def notify_test(reference: str, overrides: list[str], runs_dir: Path) -> int:
    """`reference` is a configuration (a file) or a run. Returns 0 when all have got it. Raises ConfigError."""
    path = Path(reference)
    if path.is_file():
        source, settings = path, config.load(path, overrides).notify
    else:
        run = layout.resolve(reference, runs_dir)
        source, settings = run.config_toml, _of_run(run)
    if not settings.is_on:
        raise ConfigError(f"{source}: notify: names nobody to tell; give notify.urls_env, urls_file or command")
    if missing := address.faults(settings):
        raise ConfigError(*missing)
    notice = _notice(source)
    is_well = _try_urls(settings, notice) if settings.has_urls else True
    if settings.command:
        why = run_command(settings.command, notice, settings.command_timeout_s)
        print(f"command {settings.command[0]}: {why or 'ok'}")
        is_well = is_well and not why
    return exit_code.OK if is_well else exit_code.FAILED


def _of_run(run: RunDir) -> Notify:
    try:
        return config.parse(run.config_toml.read_bytes(), str(run.config_toml)).notify
    except OSError as error:
        raise ConfigError(f"{run.config_toml}: cannot be read: {error.strerror}; give a configuration") from None


def _try_urls(settings: Notify, notice: Notice) -> bool:
    found = send(Errand(notify=settings, notice=notice))
    if found.fault:
        print(f"traind: {found.fault}", file=sys.stderr)
    for result in found.results:
        print(f"{result.name}: {result.why or 'ok'}")
    return not found.fault and not any(result.why for result in found.results)


def _notice(source: Path) -> Notice:
    host = process.host()
    return Notice(
        kind="test",
        severity=Severity.INFO,
        title="traind: a test message",
        text=f"If you can read this, messages of runs with {source} on {host} will reach you.",
        run="test",
        directory=str(source.parent),
        host=host,
        at=time.time(),
    )
