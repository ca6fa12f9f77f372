"""Secrets of the environment and credentials of URLs, planted wherever a run takes in text: none is written down."""

import os
from pathlib import Path

import pytest

from rundir import layout
from rundir.layout import RunDir
from rundir.records import LifecycleEvent
from rundir.secret import MASK
from rundir.status import State
from tests.conftest import eventually
from tests.process.tiny_run import Traind, events_of, status_of
from tests.traind.tasks.custom_task import write_module

TOKEN, PASSWORD = "hf_plantedPlantedPlanted", "correct horse battery"
URL = f"https://user:{TOKEN[::-1]}@proxy.example/x?token={TOKEN[3:]}"
SECRETS = [TOKEN, PASSWORD, TOKEN[::-1], TOKEN[3:]]
SINKS = ("log.csv=true", "log.tensorboard=true", "log.wandb=offline")


def secretive(directory: Path) -> Traind:
    """The command line with secrets in its environment, and a umask that hides nothing."""
    env = os.environ | {"HF_TOKEN": TOKEN, "DB_PASSWORD": PASSWORD, "WANDB_SILENT": "true"}
    return Traind(directory, {"env": env, "umask": 0})


def files_with_secrets(run: RunDir) -> dict[str, str]:
    """By name, what each file of a run directory gives away."""
    return {
        str(path.relative_to(run.path)): secret
        for path in run.path.rglob("*")
        if path.is_file()
        for secret in SECRETS
        if secret.encode() in path.read_bytes()
    }


def modes(top: Path) -> dict[str, str]:
    """What is neither a directory of mode 0700 nor a file of mode 0600 in a tree; a symlink has no mode of its own."""
    found = {}
    for path in (top, *top.rglob("*")):
        mode = path.lstat().st_mode & 0o7777
        if not path.is_symlink() and mode != (0o700 if path.is_dir() else 0o600):
            found[str(path.relative_to(top))] = oct(mode)
    return found


@pytest.mark.slow
def test_a_run_keeps_its_secrets_and_its_files_to_itself(tmp_path: Path, config: Path) -> None:
    """A whole run with every sink, notes, a second attempt and its exports, under umask 0."""
    traind = secretive(tmp_path)
    run = traind.start(config, "train.epochs=400", *SINKS)
    traind.ok("note", "latest", f"{URL} and {PASSWORD}")
    traind.ok("pause")
    with run.control.open("a", encoding="utf-8") as file:
        file.write(f'{{"verb": "{TOKEN}", "by": "{TOKEN}"}}\n{{"verb": "set", "args": {{"{URL}": "{PASSWORD}"}}}}\n')
    eventually(lambda: status_of(run).state is State.PAUSED)
    traind.ok("set", "latest", f"max_steps={status_of(run).step + 30}")
    traind.ok("park")
    traind.ok("resume")
    traind.finish(run)
    in_control = {run.control.name}  # is what people write there, secrets included
    assert {*files_with_secrets(run)} <= in_control
    assert MASK in run.events.read_text(encoding="utf-8")
    assert {"csv", "tensorboard", "wandb", "sinks", "checkpoints"} <= {path.name for path in run.path.iterdir()}
    assert modes(run.path) == {}

    shown = [traind.ok("status", "--json"), traind.ok("list", "--json"), traind.ok("status")]
    shown += [traind.ok("export", "--to", to, "--out", "-") for to in ("html", "markdown")]
    assert not [secret for secret in SECRETS for text in shown if secret in text]


@pytest.mark.slow
def test_an_exception_that_names_secrets_ends_in_an_event_without_them(tmp_path: Path) -> None:
    """What the user's code prints is in console.log as it was printed: that file is promised nothing."""
    fault = f'raise RuntimeError("cannot load {URL} with " + __import__("os").environ["HF_TOKEN"])'
    config = write_module(tmp_path, ("self.model = Net()", f'print("printed {PASSWORD}"); {fault}'))
    done = secretive(tmp_path)("start", str(config))
    assert done.returncode == 1, done.stderr
    run = RunDir(layout.find_runs(tmp_path / "runs")[0].path)
    assert status_of(run).state is State.FAILED
    assert files_with_secrets(run) == {run.console.name: PASSWORD}
    assert TOKEN not in run.console.read_text(encoding="utf-8"), "the traceback is ours to print"
    assert f"cannot load https://{MASK}@proxy.example/x?token={MASK} with {MASK}" in (status_of(run).last_error or "")
    crash = next(e for e in events_of(run) if isinstance(e, LifecycleEvent) and e.what == "crashed")
    assert f"printed {MASK}" in (crash.detail or {})["console"]
    assert not [secret for secret in SECRETS if secret in done.stderr]


@pytest.mark.parametrize("setting", [f"task.factory={URL}", f"data.train={TOKEN}", f"task.prompts=['{PASSWORD}']"])
def test_a_configuration_with_a_secret_is_refused(tmp_path: Path, config: Path, setting: str) -> None:
    done = secretive(tmp_path)("start", str(config), "--set", setting)
    assert done.returncode == 2
    assert "tiny.toml: " + setting.partition("=")[0] in done.stderr
    assert not [secret for secret in SECRETS if secret in done.stderr]
    assert not (tmp_path / "runs").exists()
