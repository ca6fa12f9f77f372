"""The writers that take in foreign text: each masks it by itself, whatever came before."""

import os

import pytest

from rundir.layout import RunDir
from rundir.records import EVENT_DECODER, decode_lines
from rundir.secret import MASK
from rundir.status import Phase
from traind import identity
from traind.config import Config, ConfigError, check
from traind.config_secret import refuse_secrets
from traind.crash_report import read_console, report_of
from traind.eventlog import EventLog
from traind.export.log import as_markdown
from traind.export.page import as_html
from traind.export.recording import read_recording
from traind.wire import MAX_TEXT, Facts, Farewell, Leave, Pipe, Pulse

TOKEN = "plantedPlantedPlanted"  # noqa: S105
URL = f"https://me:{TOKEN}@host/x"
ARGV = ["traind", "start", "x.toml", "--runs-dir", URL, TOKEN]
FACTS = Facts(planned_steps=1, threads=1, cpu_capability="", device="cpu", hashes={})


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)


def test_run_json(run_dir: RunDir) -> None:
    identity.write_run_json(run_dir, Config(), ARGV, 1.0, FACTS)
    text = run_dir.run_json.read_text(encoding="utf-8")
    assert TOKEN not in text
    assert text.count(MASK) == 2


def test_events(run_dir: RunDir) -> None:
    log = EventLog(run_dir.events, "trainer", 1, run_dir.reserve)
    log.lifecycle("crashed", f"cannot get {URL}", detail={"console": [TOKEN], TOKEN: 1.5})
    log.close()
    [event] = decode_lines(run_dir.events.read_bytes(), EVENT_DECODER).records
    assert event.message == f"cannot get https://{MASK}@host/x"
    assert event.detail == {"console": [MASK], MASK: 1.5}


@pytest.mark.parametrize("num_before", [0, MAX_TEXT - 10])
def test_a_farewell_is_masked_before_it_is_cut(num_before: int) -> None:
    """A secret that the cut goes through would not be known any more."""
    read, write = os.pipe()
    pulse = Pulse(write)
    pulse.enter(Phase.TRAIN)
    pulse.farewell(Leave.CRASHED, "x" * num_before + TOKEN)
    [said] = [report for report in Pipe(read).reports() if isinstance(report, Farewell)]
    assert TOKEN[:5] not in (said.error or "")
    os.close(read)
    os.close(write)


@pytest.mark.parametrize("num_after", [0, 1990, 2000, 2010])
def test_the_end_of_the_console_is_masked_before_it_is_cut(run_dir: RunDir, num_after: int) -> None:
    run_dir.console.write_text("begin " * 2000 + TOKEN + "y" * num_after, encoding="utf-8")
    report = report_of(read_console(run_dir.console, 0))
    assert report.console
    assert TOKEN[-5:] not in report.console


def test_exports_of_a_directory_that_was_written_elsewhere(run_dir: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    identity.write_run_json(run_dir, Config(), [word.replace("://me:", "") for word in ARGV], 1.0, FACTS)
    run_dir.config_toml.write_text(f'name = "x"\n[data]\ntrain = "{TOKEN}"\n', encoding="utf-8")
    log = EventLog(run_dir.events, "trainer", 1, run_dir.reserve)
    log.lifecycle("data", f"read {TOKEN}")
    log.close()
    assert TOKEN in run_dir.run_json.read_text(encoding="utf-8")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    recording = read_recording(run_dir)
    assert TOKEN not in as_markdown(recording)
    assert TOKEN not in as_html(recording)


def test_a_configuration_is_refused_by_its_keys() -> None:
    raw = {"name": TOKEN, "task": {"kind": "custom", "factory": "a:b", "options": {"deep": [{"url": URL}], TOKEN: 1}}}
    with pytest.raises(ConfigError) as refused:
        refuse_secrets(check(raw, "x.toml"), "x.toml")
    assert {fault.split(": ")[1] for fault in refused.value.faults} == {"name", "task.options", "task.options.deep.url"}
    assert TOKEN not in str(refused.value)
    refuse_secrets(check({"data": {"train": "sample:reviews"}, "model": {"init": "scratch"}}, "x"), "x")
