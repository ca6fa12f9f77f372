"""The W&B sink on real processes: whatever is killed, each record is one row of its offline files."""

from collections.abc import Iterator
from functools import partial

import pytest

from rundir.layout import RunDir
from tests.conftest import eventually
from tests.process.wandb_files import wandb_rows
from tests.traind.sinks.stories import STORY, step, write
from tests.traind.sinks.test_sink_process import no_beat, processes_of
from traind import config
from traind.config import Config
from traind.sink_process import Sinks
from traind.sinks.catalog import SinkName


@pytest.fixture
def run(run_dir: RunDir) -> Iterator[RunDir]:
    settings = Config()
    settings.data.train, settings.model.init, settings.log.wandb = "sample:reviews", "scratch", "offline"
    run_dir.config_toml.write_bytes(config.dump(settings))
    yield run_dir
    for process in processes_of(run_dir):
        process.kill()


def started(run: RunDir) -> Sinks:
    sinks = Sinks(run, [SinkName.WANDB])
    sinks.start()
    assert sinks.look() == []
    return sinks


def test_every_record_is_a_row_with_its_attempt(run: RunDir) -> None:
    """Those that a resume overtook too: W&B takes nothing back."""
    write(run, STORY)
    assert started(run).finish(no_beat, lambda: False) == []
    rows = wandb_rows(run.wandb)
    measured = [record for record in STORY if record.__struct_config__.tag != "resume"]
    assert [(row["step"], row["attempt"]) for row in rows] == [(r.step, r.attempt) for r in measured]
    assert rows[0]["train/loss"] == 8.01


@pytest.mark.slow
def test_rows_that_a_kill_lost_are_sent_again_and_no_others(run: RunDir) -> None:
    """W&B writes whole blocks of some 70 rows: what is kept after a kill is less than what was sent."""
    position = run.sinks / "wandb.json"
    write(run, [step(1)])
    sinks = started(run)

    def has_sent(count: int) -> bool:
        assert sinks.look() == []
        return position.exists() and f'"rows":{count}' in position.read_text(encoding="utf-8")

    for count in (300, 600, 900):
        write(run, [step(number) for number in range(max(2, count - 299), count + 1)])
        eventually(partial(has_sent, count), 60.0)
        for process in processes_of(run):
            process.kill()
    write(run, [step(901)])
    eventually(partial(has_sent, 901), 60.0)
    assert sinks.finish(no_beat, lambda: False) == []
    assert [row["step"] for row in wandb_rows(run.wandb)] == list(range(1, 902))
