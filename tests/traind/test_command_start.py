"""Which unfinished run `start --resume auto` continues, by what its configuration means."""

import time
from pathlib import Path

import pytest

from rundir.layout import RunDir
from rundir.status import Intent, State, Status, write_status
from traind import config, launch
from traind.command_start import unfinished_twin
from traind.config import Config, Data, Model, Train


def _settings(lr: float = 1e-3) -> Config:
    return Config(data=Data(train="x.csv"), model=Model(init="scratch"), train=Train(lr=lr, max_steps=9))


def _state(run: RunDir, state: State, intent: Intent = Intent.RUN) -> None:
    write_status(run.status_json, Status(run=run.id, state=state, intent=intent, updated_at=time.time()))


def test_a_run_of_an_older_version_is_continued_though_it_lacks_the_newer_keys(tmp_path: Path) -> None:
    run = launch.create_run(_settings(), tmp_path)
    lines = run.config_toml.read_text(encoding="utf-8").splitlines(keepends=True)
    newer = ("csv = ", "tensorboard = ", "wandb", "dtype = ")
    older = [line for line in lines if not line.startswith(newer)]
    assert len(older) == len(lines) - 5
    run.config_toml.write_text("".join(older), encoding="utf-8")
    assert unfinished_twin(_settings(), tmp_path) == RunDir(run.path.resolve())
    assert unfinished_twin(_settings(lr=2e-3), tmp_path) is None


@pytest.mark.parametrize("content", [None, b"", b"no toml", b"\xff", b"[train]\nlr = 0\n", b"[gone]\nkey = 1\n"])
def test_a_configuration_that_means_nothing_now_is_no_twin(tmp_path: Path, content: bytes | None) -> None:
    run = launch.create_run(_settings(), tmp_path)
    run.config_toml.unlink()
    if content is not None:
        run.config_toml.write_bytes(content)
    assert unfinished_twin(_settings(), tmp_path) is None


def test_what_is_done_or_was_stopped_is_not_taken_up_and_the_newest_of_the_rest_is(tmp_path: Path) -> None:
    runs = [launch.create_run(_settings(), tmp_path) for _ in range(4)]
    newest_first = sorted(runs, key=lambda run: run.id, reverse=True)
    _state(newest_first[0], State.DONE)
    _state(newest_first[1], State.STOPPED, Intent.STOPPED)
    found = unfinished_twin(_settings(), tmp_path)
    assert found is not None
    assert found.id == newest_first[2].id
    assert config.parse(found.config_toml.read_bytes(), "") == _settings()
