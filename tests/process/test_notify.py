"""A real run that tells of itself: what has reached a real server by its end; no file of it knows where that was."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rundir.records import StepRecord, number
from tests.conftest import eventually
from tests.process.tiny_run import Traind, disturbed_once, metrics_of
from tests.traind.notify.receiver import SECRET, Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.mark.slow
def test_a_crash_a_restart_and_the_end_are_told(tmp_path: Path, config: Path, receiver: Receiver) -> None:
    """The first message is refused, and comes later."""
    traind = Traind(tmp_path, {"env": os.environ | {"MINE": receiver.url}})
    hook = tmp_path / "hook"
    hook.write_text(f'#!/bin/sh\ncat >> "{tmp_path}/told"; echo >> "{tmp_path}/told"\n', encoding="utf-8")
    hook.chmod(0o700)
    receiver.answers = [503]
    settings = ("notify.urls_env=MINE", f'notify.command=["{hook}"]', "log.causes_every=5", "train.max_steps=40")
    settings += ("notify.severity=critical",)  # so short a run may well stay below its baseline
    run = traind.start(config, *settings)
    disturbed_once(run)
    traind.finish(run)
    eventually(lambda: len(receiver.titles) == 3, 30.0)
    told = [title.partition(": ")[2].partition(" ")[0] for title in receiver.titles]
    assert sorted(told) == ["crashed", "done", "restarting"]
    (end,) = [body["message"] for body in receiver.bodies if ": done" in body["title"]]
    assert end.startswith("best f1 ")
    assert end.endswith(f":{run.path.resolve()}")
    assert (tmp_path / "told").read_text(encoding="utf-8").count('"kind":"crashed"') == 1
    holding = [path for path in run.path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert holding == []
    steps = [record for record in metrics_of(run) if isinstance(record, StepRecord)]
    assert all(0.0 <= number((record.metrics or {}).get("accuracy")) <= 1.0 for record in steps)
    looked_at = [record for record in steps if "unchanged_count" in (record.metrics or {})]
    assert [record.step for record in looked_at] == list(range(5, 41, 5))
    for record in looked_at:
        assert 1e-6 < number((record.metrics or {})["update_ratio"]) < 1.0
        assert number((record.metrics or {})["grad_norm_first"]) > 0.0
