"""The training log against a text to be read by eye, and what it makes of odd runs. `golden.md` is the promise."""

import time
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rundir import records as r
from rundir.layout import RunDir
from rundir.status import State, read_status, write_status
from tests.protocol import records as strategies
from tests.traind.export import stories
from tests.trainwatch.runs import set_status
from traind.config import Config, dump
from traind.export.facts import ESSENTIAL
from traind.export.log import MANY_RESULTS, as_markdown, text
from traind.export.recording import read_recording

NOW = stories.START_AT + 60


def log(run: RunDir) -> str:
    return as_markdown(read_recording(run), NOW)


def section(log: str, title: str) -> list[str]:
    return log.partition(f"## {title}\n\n")[2].partition("\n## ")[0].strip().splitlines()


def test_the_golden_run_reads_as_it_always_did(tmp_path: Path) -> None:
    assert log(stories.golden(tmp_path)) == (Path(__file__).parent / "golden.md").read_text(encoding="utf-8")


def test_results_mark_a_new_best_and_stand_beside_the_baseline(tmp_path: Path) -> None:
    found = log(stories.scored(tmp_path))
    assert section(found, "Results")[2:] == [
        "| 1.00 | 2 | 1.75 | 1 | 0.5 | ✓ |",
        "| 2.00 | 4 | inf | 1.25 | 0.25 |  |",
    ]
    best = section(found, "Best checkpoint")
    assert best[0] == "Step 2 (epoch 1)."
    assert "| f1 | 0.5 | 0.125 | +0.375 |" in best
    assert r"| \<b\>pos\| | nan | 0 | 0 | 2 |" in best
    assert best[-2:] == ["| neg | 2 | 0 |", r"| \<b\>pos\| | 2 | 0 |"]


def test_issues_and_foreign_text_are_told_and_tamed(tmp_path: Path) -> None:
    found = log(stories.scored(tmp_path))
    issues = "\n".join(section(found, "Issues met"))
    assert r"**critical** non-finite: loss is inf at step 3 \<script\>alert(1)\</script\>" in issues
    assert "**fault** checkpoint failed: disk full" in issues
    lines = section(found, "Samples at step 4")
    assert lines == [r"After **Where \<i\>**", "", "```text", " is my | card?", "</script>", "```"]
    assert r"looks \| odd (ada)" in section(found, "Orders and notes")[0]


def test_a_sample_keeps_its_lines_and_cannot_leave_its_block(tmp_path: Path) -> None:
    texts = [("ROMEO:", "\nBut soft!\tWhat\x1b[31m light\x07\n\n## No title\n"), ("\n", "```\n````\nout?\r")]
    record = r.EvalRecord(
        at=1.0, attempt=1, seq=1, step=7, loss=1.0, samples=[r.Sample(prompt=p, text=t) for p, t in texts]
    )
    found = log(stories.write(RunDir(tmp_path / "run"), [record], []))
    block = found.partition("## Samples at step 7\n\n")[2].partition("\n\n## Files")[0]
    assert block == (
        "After **ROMEO:**\n\n```text\n\nBut soft!    What light␇\n\n## No title\n```\n\n"
        "After nothing\n\n`````text\n```\n````\nout?␍\n`````"
    )


def test_a_run_that_was_killed_says_so(tmp_path: Path) -> None:
    run = stories.scored(tmp_path)
    set_status(run, State.STOPPED, step=4, total=10)
    assert "| state | stopped |" in log(run)
    status = read_status(run.status_json)
    assert status is not None
    status.last_error = "killed by order"
    write_status(run.status_json, status)
    assert "| state | stopped: killed by order |" in log(run)


def test_a_crashed_run_says_so_and_how_to_go_on(tmp_path: Path) -> None:
    run = stories.scored(tmp_path)
    set_status(run, State.RUNNING, step=4, total=10, alive=False)
    found = log(run)
    assert "| state | dead (was running) |" in found
    assert f"what to do: traind resume {run.id}" in found
    set_status(run, State.RUNNING, step=4, total=10)
    assert "| state | running |" in as_markdown(read_recording(run), time.time())


def test_a_verdict_comes_first(tmp_path: Path) -> None:
    run = stories.scored(tmp_path)
    report = r.LifecycleEvent(at=1.0, attempt=1, writer="trainer", what="report", message="best f1 0.5; use it")
    with open(run.events, "ab") as file:
        file.write(r.encode(report))
    assert log(run).splitlines()[2] == "**Verdict.** best f1 0.5; use it"


def test_worse_is_what_the_configuration_says(tmp_path: Path) -> None:
    run = stories.scored(tmp_path)
    assert "| f1 | 0.5 | 0.125 | +0.375 |" in log(run)
    settings = Config()
    settings.eval.direction = "lower"
    run.config_toml.write_bytes(dump(settings))
    assert "| f1 | 0.5 | 0.125 | +0.375 (worse) |" in log(run)


def test_settings_are_the_essential_ones_and_those_that_differ(tmp_path: Path) -> None:
    run = stories.scored(tmp_path)
    settings = Config()
    settings.train.lr = 0.25
    settings.train.gradient_checkpointing = True
    settings.task.prompts = ["Where | is"]
    run.config_toml.write_bytes(dump(settings))
    keys = [line.split("|")[1].strip(" `") for line in section(log(run), "Configuration")[2:]]
    assert keys[-2:] == ["task.prompts", "train.gradient_checkpointing"]
    assert set(keys[:-2]) <= set(ESSENTIAL)
    assert "| `train.lr` | 0.25 |" in log(run)
    assert "| `train.gradient_checkpointing` | true |" in log(run)


def test_an_empty_run_has_a_log_too(tmp_path: Path) -> None:
    found = log(stories.empty(tmp_path))
    assert "| steps | 0 |" in found
    assert section(found, "Issues met") == ["None."]


def test_many_evaluations_are_thinned_but_for_the_bests(tmp_path: Path) -> None:
    bests = {7, 501, 993}
    evals: list[r.MetricsRecord] = [
        r.EvalRecord(at=1.0, attempt=1, seq=n, step=n, loss=1.0, best=n in bests) for n in range(1, 1001)
    ]
    rows = section(log(stories.write(RunDir(tmp_path / "run"), evals, [])), "Results")
    shown = [line.split(" | ") for line in rows if line.startswith("| – ")]
    assert bests | {1, 1000} <= {int(cells[1].replace(",", "")) for cells in shown}
    assert len(shown) <= MANY_RESULTS + len(bests) + 1
    assert rows[-1].endswith("of 1,000 evaluations are left out; evals.csv has all.")


@given(strategies.texts)
def test_text_stays_in_its_cell(value: str) -> None:
    found = text(value)
    assert len(found.splitlines()) <= 1
    assert "|" not in found.replace("\\\\", "").replace("\\|", "")
    assert "<" not in found.replace("\\\\", "").replace("\\<", "")


@given(st.lists(strategies.metrics_records, max_size=6), st.lists(strategies.event_records, max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_no_record_breaks_the_log(tmp_path: Path, metrics: list[r.MetricsRecord], events: list[r.EventRecord]) -> None:
    assert log(stories.write(RunDir(tmp_path / "run"), metrics, events)).startswith("# Training log")
