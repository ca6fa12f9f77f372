"""`traind check` as a program: what it prints, how it ends, what it leaves (nothing); and what `start` has of it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rundir import layout
from tests.process.tiny_run import Traind, status_of
from tests.traind.check.ground import rows, texts, toy


def _check(directory: Path, *args: str) -> "subprocess.CompletedProcess[str]":
    scratch = directory / "tmp"
    scratch.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "traind.cli", "check", *args],
        cwd=directory,
        env=os.environ | {"TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert list(scratch.iterdir()) == []
    assert layout.find_runs(directory / "runs") == []
    return done


@pytest.mark.slow
def test_good_ground_ends_with_0_and_json_that_says_so(tmp_path: Path) -> None:
    done = _check(tmp_path, str(toy(tmp_path)), "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["faults"], report["warnings"]) == (0, 0)
    assert {(finding["check"], finding["level"]) for finding in report["findings"]} >= {("gradients", "ok")}


@pytest.mark.slow
def test_a_fault_ends_with_1_and_is_a_row_with_its_cure(tmp_path: Path) -> None:
    done = _check(tmp_path, str(toy(tmp_path, "double softmax")))
    assert done.returncode == 1
    marked = [line for line in done.stdout.splitlines() if line.startswith("✗")]
    assert len(marked) == 1
    assert marked[0].startswith("✗ softmax ")
    assert "→ return logits" in done.stdout
    assert done.stdout.splitlines()[-1].split()[:6:2] == ["✓", "!", "✗"]


def test_a_mistake_in_the_configuration_ends_with_2_and_names_file_key_and_cure(tmp_path: Path) -> None:
    path = toy(tmp_path)
    done = _check(tmp_path, str(path), "--set", "train.lr=0")
    assert done.returncode == 2
    row = done.stdout.splitlines()[0]
    assert row.startswith("✗ configuration ")
    assert str(path) in row
    assert "train.lr = 0" in row
    assert "→ it is: peak learning rate" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("death", "said"),
    [
        pytest.param("os._exit(7)", "exit status 7", marks=pytest.mark.soak),
        (f"os.kill(os.getpid(), {int(signal.SIGKILL)})", "when memory is out"),
    ],
)
def test_a_process_that_dies_is_a_finding(tmp_path: Path, death: str, said: str) -> None:
    (tmp_path / "dying.py").write_text(f"import os\n\ndef make(options, seed):\n    {death}\n", encoding="utf-8")
    path = tmp_path / "dying.toml"
    path.write_text('[task]\nkind = "custom"\nfactory = "dying:make"\n', encoding="utf-8")
    done = _check(tmp_path, str(path))
    assert done.returncode == 1
    assert "✗ process" in done.stdout
    assert said in done.stdout


@pytest.mark.slow
def test_start_refuses_worthless_data_unless_told_not_to_look(traind: Traind, tmp_path: Path) -> None:
    path = texts(tmp_path, evaluation=rows(40, seed=2, topics=["sea"]))
    refused = traind("start", str(path))
    assert refused.returncode == 2
    assert "eval set: all 40 rows have the label sea" in refused.stderr
    assert "--no-check" in refused.stderr
    assert layout.find_runs(tmp_path / "runs") == []
    started = traind("start", str(path), "--no-check", "--set", "train.max_steps=1", "--foreground")
    assert started.returncode == 0, started.stderr


@pytest.mark.slow
def test_start_says_what_it_wonders_at_and_starts(traind: Traind, tmp_path: Path) -> None:
    path = texts(tmp_path, evaluation=rows(9, seed=2))
    done = traind("start", str(path), "--set", "train.max_steps=1", "--foreground")
    assert done.returncode == 0, done.stderr
    assert "! eval set: has 9 rows" in done.stderr
    assert status_of(layout.find_runs(tmp_path / "runs")[0]).state.has_ended


def test_start_refuses_what_any_kind_of_task_is_known_to_fail_by(traind: Traind, tmp_path: Path) -> None:
    refused = traind("start", str(toy(tmp_path)), "--set", "train.max_steps=5", "--set", "train.warmup_steps=5")
    assert refused.returncode == 2
    assert "warm-up: 5 of 5 steps" in refused.stderr
    assert layout.find_runs(tmp_path / "runs") == []


def test_what_a_label_says_does_not_steer_the_terminal_that_a_start_is_refused_on(
    traind: Traind, tmp_path: Path
) -> None:
    evil = [(text, "sea\x1b[2J" if label == "sea" else label) for text, label in rows(40, seed=2, topics=["sea"])]
    train = [(text, "sea\x1b[2J" if label == "sea" else label) for text, label in rows(240, seed=1)]
    refused = traind("start", str(texts(tmp_path, train=train, evaluation=evil)))
    assert refused.returncode == 2
    assert "have the label sea␛[2J" in refused.stderr
    assert "\x1b" not in refused.stderr
