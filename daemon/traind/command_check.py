"""`traind check`: prints what is found as it is found, in a table or as JSON. Never imports torch.

The half that needs it runs in a process of its own: one that crashes, or is killed for its memory, is a finding too.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rundir.layout import RunDir
from traind import config, exit_code, launch
from traind.check.data import examine_data
from traind.check.finding import Finding, fault, of_mistake, ok
from traind.check.report import read_line
from traind.check.table import Table
from traind.config import Config, ConfigError
from traind.config_secret import refuse_secrets
from traind.data import load_corpus
from traind.doctor.room import existing
from traind.exit_status import signal_name
from traind.notify import address
from traind.sinks import catalog as sinks

_LAST_WORDS = 3
"""Lines of a process that crashed that are shown."""


def check(path: Path, overrides: list[str], runs_dir: Path, *, as_json: bool) -> int:
    """Returns 0 without a fault, 1 with one, 2 where the configuration itself is one."""
    table = Table(as_json=as_json, took="check_s")
    began = time.monotonic()
    try:
        settings = config.load(path, overrides)
        refuse_secrets(settings, str(path))
        launch.require_trainer()
        if missing := [*sinks.faults(settings.log), *address.faults(settings.notify)]:
            raise ConfigError(*missing)
    except ConfigError as error:
        for mistake in error.faults:
            table.add(of_mistake("configuration", mistake))
        table.end(time.monotonic() - began)
        return exit_code.MISTAKE
    table.add(ok("configuration", str(path)))
    if _examine_data(settings, table):
        with _workplace(settings) as run:
            _inspect(run, runs_dir, table)
    table.end(time.monotonic() - began)
    return exit_code.FAILED if table.has_fault else exit_code.OK


def _examine_data(settings: Config, table: Table) -> bool:
    """Whether there is data to go on with."""
    if settings.task.kind == "custom":  # its factory reads it
        return True
    table.doing("reading the data")
    try:
        survey = load_corpus(settings).survey()
    except ConfigError as error:
        for mistake in error.faults:
            table.add(of_mistake("data", mistake))
        return False
    for finding in examine_data(settings, survey):
        table.add(finding)
    return True


@contextmanager
def _workplace(settings: Config) -> Iterator[RunDir]:
    """A directory like a run's for tokenised data, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="traind-check-") as directory:
        run = RunDir(Path(directory))
        run.config_toml.write_bytes(config.dump(settings))
        yield run


def _inspect(run: RunDir, runs_dir: Path, table: Table) -> None:
    table.doing("loading torch")
    report_read, report_write = os.pipe()
    command = [sys.executable, "-m", "traind.check", str(run.path), "--report-fd", str(report_write)]
    with open(run.console, "w+b") as console:
        process = subprocess.Popen(
            [*command, "--disk", str(existing(runs_dir))],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            pass_fds=(report_write,),
        )
        os.close(report_write)
        try:
            with os.fdopen(report_read, "rb") as reports:
                for data in reports:
                    line = read_line(data)
                    if line.finding is not None:
                        table.add(line.finding)
                    else:
                        table.doing(line.doing)
            status = process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if status:
        table.add(_crash(run, status))


def _crash(run: RunDir, status: int) -> Finding:
    if status == -signal.SIGKILL:
        return fault(
            "process",
            "was killed, as the system does when memory is out",
            "halve train.batch_size and double train.accumulation, or take a smaller model",
        )
    cause = signal_name(-status) if status < 0 else f"exit status {status}"
    words = run.console.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-_LAST_WORDS:]
    return fault("process", "\n".join([f"ended with {cause}", *words]), "training would end the same way")
