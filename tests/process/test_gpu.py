"""On a machine with an NVIDIA GPU: `make test-gpu`. Nothing else needs one."""

from pathlib import Path

import pytest

from rundir.records import METRICS_DECODER, SYSTEM_DECODER, LifecycleEvent, StepRecord, decode_lines
from rundir.status import State
from tests.process.faulty_task import write_faulty
from tests.process.tiny_run import Traind, disturbed_once, events_of, metrics_of, status_of, trace_of

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not Path("/proc/driver/nvidia").exists(), reason="there is no NVIDIA driver on this machine"),
]

ON_GPU = ("train.device=cuda", "train.deterministic=true")


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_run_trains_on_the_gpu_and_says_so(traind: Traind, config: Path, precision: str) -> None:
    run = traind.start(config, "train.device=auto", f"train.precision={precision}", "train.max_steps=20")
    traind.finish(run)
    device = next(e for e in events_of(run) if isinstance(e, LifecycleEvent) and e.what == "device")
    assert device.message.startswith("cuda:0")
    steps = decode_lines(run.metrics.read_bytes(), METRICS_DECODER).records
    assert all(record.gpu_mem_allocated_bytes for record in steps if isinstance(record, StepRecord))
    samples = decode_lines(run.system.read_bytes(), SYSTEM_DECODER).records
    assert any(gpu.mem_used_bytes for sample in samples for gpu in sample.gpus)


def test_a_killed_run_is_the_same_on_the_gpu(traind: Traind, config: Path) -> None:
    whole = traind.start(config, *ON_GPU)
    traind.finish(whole)
    killed = traind.start(config, *ON_GPU)
    disturbed_once(killed)
    traind.finish(killed)
    assert trace_of(killed) == trace_of(whole)
    assert [record.step for record in metrics_of(killed) if isinstance(record, StepRecord)]


def test_a_gpu_without_room_gets_smaller_pieces_of_the_same_step(traind: Traind, tmp_path: Path) -> None:
    """CUDA's own error: a step of 4 examples wants 4 GiB and may have a fiftieth of the device."""
    hungry = ("task.options.hungry_bytes=1073741824", "task.options.fraction=0.03", "task.options.norm=false")
    run = traind.start(write_faulty(tmp_path), *hungry, "train.device=cuda", "eval.batch_size=4")
    traind.finish(run)
    assert status_of(run).state is State.DONE
    assert status_of(run).attempt == 1
    shrunk = [e.detail or {} for e in events_of(run) if isinstance(e, LifecycleEvent) and e.what == "out_of_memory"]
    assert [(detail["where"], detail["before"], detail["after"]) for detail in shrunk][:1] == [("train", 4, 2)]
    assert all("CUDA out of memory" in detail["error"] for detail in shrunk)
