"""What is said of GPUs, of who holds them, and of what torch sees: tables of states, and one look at real processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rundir import process
from rundir.layout import RunDir
from rundir.status import Heart, Liveness, State, Status, write_status
from tests.conftest import eventually
from traind.check.finding import Finding, Level
from traind.doctor.command import shown
from traind.doctor.cuda import Silence, View, ask_torch, examine_cuda, hear
from traind.doctor.gpu import Gpu, Gpus, ask_gpus, examine_gpus
from traind.doctor.holder import (
    Process,
    RunState,
    examine_holders,
    is_holder,
    look,
    look_at_holder,
    run_of,
    run_path,
)

GIB = 2**30
OURS, OTHERS = 1000, 1001
H200 = Gpu(0, "NVIDIA H200", 20 * GIB, 140 * GIB, ((42, 20 * GIB),))


def seen(*gpus: Gpu, cuda: tuple[int, int] | None = (12, 8)) -> Gpus:
    return Gpus(gpus=list(gpus or [H200]), driver="570.1", cuda=cuda, has_device_file=True)


def held(uid: int = OURS, *, run: RunState | None = None, has_parent: bool = True, gpu: Gpu = H200) -> list[Finding]:
    found = Process(42, uid, "ada", ("python", "train.py"), 7300.0, has_parent)
    return list(examine_holders(seen(gpu), lambda _: found, lambda _: run, OURS))


def state(verdict: Liveness, *, is_recorded: bool = True) -> RunState:
    return RunState("run-1", State.RUNNING, verdict, is_recorded)


# --- GPUs ---------------------------------------------------------------------------------------------------------


def test_free_memory_is_told() -> None:
    driver, memory = examine_gpus(seen())
    assert driver.text == "NVIDIA 570.1, serves CUDA up to 12.8"
    assert (memory.level, memory.check, memory.text) == (Level.OK, "GPU 0", "NVIDIA H200: 120 GiB of 140 GiB free")


def test_a_full_gpu_is_a_warning_with_a_cure() -> None:
    _, memory = examine_gpus(seen(Gpu(1, "A100", 39 * GIB, 40 * GIB)))
    assert memory.level is Level.WARN
    assert "train.device = cuda:N" in memory.cure


def test_a_silent_driver_is_told_from_no_gpu() -> None:
    (none,) = examine_gpus(Gpus(error="NVML Shared Library Not Found"))
    (broken,) = examine_gpus(Gpus(error="Driver/library version mismatch", has_device_file=True))
    assert (none.level, broken.level) == (Level.OK, Level.WARN)
    assert "mismatch" in broken.text
    (driver, empty) = examine_gpus(Gpus(driver="570.1"))
    assert (driver.level, empty.level) == (Level.OK, Level.WARN)


def test_reading_never_raises() -> None:
    found = ask_gpus()
    assert bool(found.error) != bool(found.driver)
    assert "the process that asked" not in found.error


def test_a_driver_that_hangs_holds_nobody() -> None:
    hung = ask_gpus(limit_s=0.001)
    assert hung.error == "it did not answer within 0.001 s"
    (finding,) = examine_gpus(Gpus(error=hung.error, has_device_file=True))
    assert (finding.level, hung.error in finding.text) == (Level.WARN, True)


# --- who holds memory ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("run", "has_parent", "level", "words"),
    [
        (None, True, Level.OK, "process 42 of ada, since 2 h 01 min: python train.py"),
        (None, False, Level.WARN, "perhaps stale: who started it is gone"),
        (state(Liveness.LIVE), False, Level.OK, "belongs to run run-1 (running)"),
        (state(Liveness.ORPHANED), False, Level.OK, "belongs to run run-1"),
        (state(Liveness.ENDED), True, Level.WARN, "stale: its run run-1 has ended"),
        (state(Liveness.DEAD), False, Level.WARN, "stale: its run run-1 is dead"),
        (state(Liveness.LIVE, is_recorded=False), False, Level.WARN, "its run run-1 goes on with another process"),
        (state(Liveness.LIVE, is_recorded=False), True, Level.OK, "belongs to run run-1"),
    ],
)
def test_ours_are_judged_by_their_run_and_parent(run: RunState, has_parent: bool, level: Level, words: str) -> None:
    (finding,) = held(run=run, has_parent=has_parent)
    assert finding.level is level
    assert words in finding.text
    assert ("kill 42" in finding.cure) == (level is Level.WARN)


def test_of_others_no_end_is_proposed() -> None:
    (finding,) = held(OTHERS, has_parent=False)
    assert (finding.level, finding.cure) == (Level.OK, "")


def test_what_a_container_hides_is_said_to_be_untold() -> None:
    (hidden,) = examine_holders(seen(), lambda _: None, lambda _: None, OURS)
    assert "cannot be told" in hidden.text
    gpu = Gpu(0, "H200", 20 * GIB, 140 * GIB)
    (rest,) = examine_holders(seen(gpu), lambda _: None, lambda _: None, OURS)
    assert rest.level is Level.WARN
    assert "20 GiB are held by processes that NVML does not show" in rest.text
    assert not list(examine_holders(seen(Gpu(0, "H200", GIB // 4, 140 * GIB)), lambda _: None, lambda _: None, OURS))


def test_a_number_that_means_another_process_here_is_not_believed(tmp_path: Path) -> None:
    """As in a container: NVML gives the host's number, and an innocent process has it here."""
    child = subprocess.Popen(["sleep", "60"])
    try:
        assert look(child.pid) is not None
        gpu = Gpu(0, "H200", 20 * GIB, 140 * GIB, ((child.pid, 20 * GIB),))
        (finding,) = examine_holders(seen(gpu), look_at_holder, lambda _: None, os.getuid())
    finally:
        child.kill()
        child.wait()
    assert "is not visible from here" in finding.text
    assert "sleep" not in finding.text
    assert (finding.level, finding.cure) == (Level.OK, "")
    for pid, device in (("42", "/dev/nvidia0"), ("43", "/dev/null")):
        (tmp_path / pid / "fd").mkdir(parents=True)
        (tmp_path / pid / "fd" / "3").symlink_to(device)
    assert [is_holder(pid, tmp_path) for pid in (42, 43, 44)] == [True, False, False]


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (["python", "train.py", "--token=hf_abc"], "python train.py --token=…"),
        (["serve", "--api-key", "my pass phrase", "--port", "80"], "serve --api-key … --port 80"),
        (["env", "WANDB_API_KEY=abc", "python"], "env WANDB_API_KEY=… python"),
        (["sh", "-c", "HF_TOKEN=abc run"], "sh -c HF_TOKEN=…"),
        (["sh", "-c", "run --db-password abc --n 3"], "sh -c run --db-password … --n 3"),
        (["python", "-c", "client(secret='abc')\nx"], "python -c client(secret=… x"),
        (["train", "--tokenizer", "bert", "--tokenize=yes"], "train --tokenizer bert --tokenize=yes"),
        (["a" * 100], "a" * 70),
        ([], "unnamed"),
    ],
)  # fmt: skip
def test_no_secret_of_a_command_line_is_shown(command: list[str], text: str) -> None:
    assert shown(command) == text


def test_a_command_line_names_its_run() -> None:
    command = ("/venv/bin/python", "-m", "traind.trainer", "runs/a", "--attempt", "1")
    assert run_path(command, "/home/ada") == Path("/home/ada/runs/a")
    assert run_path(("python", "train.py"), "/home/ada") is None
    assert run_path(("python", "-m", "traind.trainer"), "/") is None
    rank = ("python", "-u", "-m", "traind.rank", "runs/a", "60.0")
    assert run_path(rank, "/work") == Path("/work/runs/a")
    assert run_path(("python", "-m", "traind.rank_agent", "9", "60.0", *rank[2:]), "/work") == Path("/work/runs/a")


def test_a_real_process_is_seen_and_known_by_its_run(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run-1")
    run.path.mkdir()
    child = subprocess.Popen([sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.read()"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    try:
        assert child.stdout is not None
        child.stdout.readline()
        found = look(child.pid)
        assert found is not None
        assert (found.uid, found.has_parent) == (os.getuid(), True)
        assert run_of(found, tmp_path) is None
        this = process.identify(child.pid)
        assert this is not None
        status = Status(run=run.id, state=State.RUNNING, trainer=Heart(process=this, beat_at=0), host=process.host())
        write_status(run.status_json, status)
        assert run_of(found, tmp_path) == RunState("run-1", State.RUNNING, Liveness.ORPHANED, is_recorded=True)
    finally:
        child.communicate()
    assert look(child.pid) is None


def test_an_orphan_has_no_parent(tmp_path: Path) -> None:
    program = "import subprocess, sys; print(subprocess.Popen(['sleep', '60'], stdout=-3).pid)"
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True, text=True)
    orphan = int(done.stdout)
    try:
        found = eventually(lambda: look(orphan))
        assert found.command[0] == "sleep"
        assert not found.has_parent
    finally:
        os.kill(orphan, 9)


# --- what torch sees ----------------------------------------------------------------------------------------------


def cuda(view: View | Silence, gpus: Gpus | None = None, **environment: str) -> Finding:
    return next(iter(examine_cuda(view, seen() if gpus is None else gpus, environment)))


SEES = View(
    torch="2.13.0", built_for="12.8", devices=["NVIDIA H200"], capabilities=[(9, 0)], architectures=["sm_80", "sm_90"]
)
BLIND = View(torch="2.13.0", built_for="12.8")


@pytest.mark.parametrize(
    ("view", "gpus", "environment", "level", "words"),
    [
        (SEES, seen(), {}, Level.OK, "sees 1 of 1: NVIDIA H200 (CUDA 12.8)"),
        (SEES, seen(H200, H200), {"CUDA_VISIBLE_DEVICES": "1"}, Level.OK, "sees 1 of 2: NVIDIA H200"),
        (SEES, seen(H200, H200), {}, Level.WARN, "sees 1 of 2"),
        (SEES, Gpus(error="NVML hidden"), {}, Level.OK, "sees 1 of 1"),
        (BLIND, seen(), {"CUDA_VISIBLE_DEVICES": ""}, Level.WARN, "CUDA_VISIBLE_DEVICES='' hides every GPU"),
        (BLIND, seen(), {"CUDA_VISIBLE_DEVICES": "-1"}, Level.WARN, "hides every GPU"),
        (View(torch="2.13.0+cpu", built_for=None), seen(), {}, Level.FAULT, "is built without CUDA, though"),
        (View(torch="2.13.0+cpu", built_for=None), Gpus(error="none"), {}, Level.OK, "no NVIDIA GPU to see"),
        (View(torch="2.13.0", built_for="13.0"), seen(), {}, Level.FAULT, "serves CUDA 12.8, torch 2.13.0 is"),
        (
            View(torch="2.13.0", built_for="12.8", error="The NVIDIA driver on your system is too old (found 11040)"),
            seen(cuda=None), {}, Level.FAULT, "serves CUDA less",
        ),
        (
            View(torch="2.13.0", built_for="12.8", error="CUDA unknown error"),
            seen(), {}, Level.FAULT, "sees no GPU: CUDA unknown error",
        ),
        (
            View(torch="2.4.0", built_for="12.1", devices=["B200"], capabilities=[(10, 0)], architectures=["sm_90"]),
            seen(), {}, Level.FAULT, "its kernels are for sm_90, B200 is sm_100",
        ),
        (
            View(torch="2.4.0", built_for="12.1", devices=["L40S"], capabilities=[(8, 9)], architectures=["sm_86"]),
            seen(), {}, Level.OK, "sees 1 of 1: L40S",
        ),
        (
            View(torch="2.4.0", built_for="12.1", devices=["B"], capabilities=[(10, 0)], architectures=["compute_90"]),
            seen(), {}, Level.OK, "sees 1 of 1: B",
        ),
    ],
)  # fmt: skip
def test_why_cuda_is_seen_or_not(view: View, gpus: Gpus, environment: dict[str, str], level: Level, words: str) -> None:
    finding = cuda(view, gpus, **environment)
    assert finding.level is level
    assert words in finding.text
    assert bool(finding.cure) == (level is not Level.OK)


def test_mps_is_a_finding_of_its_own() -> None:
    view = View(torch="2.13.0", built_for=None, mps_built=True, mps_available=True)
    assert [finding.check for finding in examine_cuda(view, Gpus(error="none"), {})] == ["CUDA", "MPS"]
    (_, blind) = examine_cuda(View(torch="2.13.0", built_for=None, mps_built=True), Gpus(error="none"), {})
    assert blind.level is Level.WARN


def test_the_end_of_the_process_that_looks_is_an_answer() -> None:
    crashed, missing, garbage = (
        hear(-11, b"", ""),
        hear(1, b"", "ModuleNotFoundError: No module named 'torch'"),
        hear(0, b"", ""),
    )
    assert isinstance(crashed, Silence)
    assert "SIGSEGV" in crashed.why
    assert cuda(missing).cure == "pip install 'trainwatch[train]'"
    assert isinstance(garbage, Silence)
    assert cuda(crashed).level is cuda(garbage).level is Level.FAULT


def test_torch_itself_answers_in_time() -> None:
    view = ask_torch()
    assert isinstance(view, View)
    assert view.torch.startswith("2")
    hung = ask_torch(limit_s=0.001)
    assert isinstance(hung, Silence)
    assert "did not answer" in hung.why
