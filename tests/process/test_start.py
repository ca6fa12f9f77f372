"""Starting: what a mistake leaves behind, what a lost terminal changes (nothing both), what a second start does."""

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rundir import layout, process
from rundir.layout import RunDir
from rundir.status import State
from tests.conftest import eventually
from tests.process.tiny_run import Trace, Traind, status_of, trace_of


def toml(directory: Path, text: str) -> Path:
    path = directory / "bad.toml"
    path.write_text(text, encoding="utf-8")
    return path


GOOD_MODEL = '[model]\ninit = "scratch"\n'
MISTAKES = {
    "unknown key": (
        '[data]\ntrain = "sample:propaganda"\n[train]\nlearning_rate = 1\n' + GOOD_MODEL,
        "train.learning_rate",
    ),
    "wrong type": ('[data]\ntrain = "sample:propaganda"\n[train]\nlr = "fast"\n' + GOOD_MODEL, "train.lr"),
    "no data": (GOOD_MODEL, "data.train"),
    "missing file": ('[data]\ntrain = "nowhere.jsonl"\n' + GOOD_MODEL, "nowhere.jsonl"),
    "zero epochs": ('[data]\ntrain = "sample:propaganda"\n[train]\nepochs = 0\n' + GOOD_MODEL, "train.epochs"),
    "zero steps": ('[data]\ntrain = "sample:propaganda"\n[train]\nmax_steps = 0\n' + GOOD_MODEL, "train.max_steps"),
    "no model": ('[data]\ntrain = "sample:propaganda"\n', "model"),
    "not TOML": ("[data\n", "bad.toml"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_the_configuration_is_one_clear_line(traind: Traind, tmp_path: Path, name: str) -> None:
    text, key = MISTAKES[name]
    assert_refused(traind("start", str(toml(tmp_path, text))), key, tmp_path)


def assert_refused(done: "subprocess.CompletedProcess[str]", key: str, directory: Path) -> None:
    assert done.returncode == 2, done.stderr
    assert key in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2, done.stderr
    assert layout.find_runs(directory / "runs") == []
    assert not (directory / "runs" / "latest").is_symlink()


def test_empty_data_and_unknown_labels_are_refused(traind: Traind, config: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.jsonl").write_text("", encoding="utf-8")
    assert_refused(traind("start", str(config)), "tiny.jsonl", tmp_path)
    (tmp_path / "tiny.jsonl").write_text('{"tokens": ["a", "b"], "ner_tags": ["O", "B-X"]}\n' * 20, encoding="utf-8")
    (tmp_path / "labels.json").write_text('["O", "B-Y", "I-Y"]', encoding="utf-8")
    labels = f"task.labels={tmp_path / 'labels.json'}"
    assert_refused(traind("start", str(config), "--set", labels), "'X'", tmp_path)


@pytest.mark.parametrize(
    ("setting", "key"),
    [
        ("train.device=cuda", "train.device"),
        pytest.param("eval.metric=beauty", "eval.metric", marks=pytest.mark.slow),
        pytest.param("model.pretrained=/nowhere", "/nowhere", marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
def test_a_mistake_that_only_the_trainer_finds_leaves_nothing_either(
    traind: Traind, config: Path, tmp_path: Path, setting: str, key: str
) -> None:
    if setting.startswith("model"):
        text = config.read_text(encoding="utf-8").replace('init = "scratch"\n', "")
        config.write_text(text, encoding="utf-8")
    assert_refused(traind("start", str(config), "--set", setting), key, tmp_path)


def test_a_directory_that_cannot_be_made_is_named(traind: Traind, config: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = traind("start", str(config), "--runs-dir", "file/runs")
    assert done.returncode == 2
    assert "file/runs" in done.stderr


def test_an_unknown_verb_is_refused(traind: Traind) -> None:
    done = traind("frobnicate", "latest")
    assert done.returncode == 2
    assert "invalid choice: 'frobnicate'" in done.stderr


def test_a_run_that_is_not_there_is_named(traind: Traind) -> None:
    done = traind("status", "nothing")
    assert done.returncode == 2
    assert "nothing" in done.stderr


def test_a_second_supervisor_is_refused(traind: Traind, config: Path) -> None:
    run = traind.start(config, "train.epochs=400")
    second = subprocess.run(
        [sys.executable, "-m", "traind.supervise", str(run.path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert second.returncode == 2
    assert "already supervised by process" in second.stderr
    assert status_of(run).state is State.RUNNING
    traind.ok("kill")


@pytest.mark.slow
def test_start_resume_auto_continues_the_same_configuration(traind: Traind, config: Path, undisturbed: Trace) -> None:
    run = traind.start(config)
    eventually(lambda: status_of(run).checkpoint, 30.0)
    heart = status_of(run).supervisor
    assert heart is not None
    os.kill(heart.process.pid, signal.SIGKILL)
    done = traind("start", str(config), "--resume", "auto")
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.splitlines()[-1]).name == run.id
    traind.finish(run)
    assert trace_of(run) == undisturbed
    fresh = traind("start", str(config), "--resume", "auto", "--set", "train.max_steps=2")
    assert Path(fresh.stdout.splitlines()[-1]).name != run.id


@pytest.mark.slow
def test_foreground_ends_with_the_run(traind: Traind, config: Path) -> None:
    done = traind("start", str(config), "--foreground", "--set", "train.max_steps=3")
    assert done.returncode == 0, done.stderr
    run = RunDir(traind.directory / done.stdout.splitlines()[0])
    assert status_of(run).state is State.DONE


@pytest.mark.slow
def test_watch_without_a_terminal_prints_a_line_a_step(traind: Traind, config: Path) -> None:
    done = traind("start", str(config), "--watch", "--set", "train.max_steps=3")
    assert done.returncode == 0, done.stderr
    assert sum(line.startswith("step ") for line in done.stdout.splitlines()) == 3
    assert any(line.startswith("eval at step 3") for line in done.stdout.splitlines())


def test_the_run_outlives_its_terminal(traind: Traind, config: Path) -> None:
    """A shell on a pty starts the run; the pty closes, which sends SIGHUP to the whole session."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(traind.directory)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup around the tests would have it ignored
        command = f"{sys.executable} -m traind.cli start {config} --set train.epochs=400; exec sleep 600"
        os.execv("/bin/sh", ["/bin/sh", "-c", command])  # noqa: S606 — a shell is what people start runs from
    run = eventually(lambda: next(iter(layout.find_runs(traind.directory / "runs")), None), 30.0)
    eventually(lambda: status_of(run).state is State.RUNNING, 60.0)
    os.close(terminal)
    _, how = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(how)
    assert os.WTERMSIG(how) == signal.SIGHUP
    trainer, step = status_of(run).trainer, status_of(run).step
    eventually(lambda: status_of(run).step > step + 5)
    assert trainer is not None
    assert process.is_alive(trainer.process)
    traind.ok("kill")


@pytest.mark.slow
def test_sigterm_to_the_supervisor_checkpoints_and_ends(traind: Traind, config: Path, undisturbed: Trace) -> None:
    run = traind.start(config)
    heart = status_of(run).supervisor
    assert heart is not None
    os.kill(heart.process.pid, signal.SIGTERM)
    eventually(lambda: status_of(run).state.has_ended, 30.0)
    ended = status_of(run)
    assert (ended.state, ended.last_error) == (
        State.STOPPED,
        f"SIGTERM to the supervisor (process {heart.process.pid})",
    )
    assert ended.checkpoint == f"checkpoints/step-{ended.step:08d}"
    eventually(lambda: not process.is_alive(heart.process))
    traind.ok("resume")
    traind.finish(run)
    assert trace_of(run) == undisturbed


@pytest.mark.slow
def test_sigterm_to_the_trainers_whole_group_checkpoints_and_ends(traind: Traind, config: Path) -> None:
    """As systemd and scancel send it: the loader's workers get it too."""
    run = traind.start(config, "train.epochs=400")
    heart = status_of(run).trainer
    assert heart is not None
    os.killpg(heart.process.pid, signal.SIGTERM)
    eventually(lambda: status_of(run).state.has_ended, 30.0)
    ended = status_of(run)
    assert (ended.state, ended.attempt) == (State.STOPPED, 1)
    assert ended.checkpoint == f"checkpoints/step-{ended.step:08d}"


@pytest.mark.slow
@pytest.mark.parametrize("how", ["--foreground", pytest.param("--watch", marks=pytest.mark.soak)])
def test_a_late_mistake_leaves_nothing_however_the_run_is_started(
    traind: Traind, config: Path, tmp_path: Path, how: str
) -> None:
    assert_refused(traind("start", str(config), how, "--set", "eval.metric=beauty"), "eval.metric", tmp_path)


@pytest.mark.slow
def test_start_resume_auto_takes_up_a_parked_run(traind: Traind, config: Path) -> None:
    run = traind.start(config, "train.epochs=400")
    traind.ok("park")
    refused = traind("start", str(config), "--resume", "auto", "--foreground", "--set", "train.epochs=400")
    assert (refused.returncode, status_of(run).state) == (2, State.PARKED)
    done = traind("start", str(config), "--resume", "auto", "--set", "train.epochs=400")
    assert done.returncode == 0, done.stderr
    assert status_of(run).state is State.RUNNING
    traind.ok("kill")
