"""Samples of the machine: what NVML and the host tell, each in its field; what they do not tell in none."""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pynvml
import pytest

from rundir.records import SYSTEM_DECODER, GpuProcess, decode_lines, encode
from traind import gpu_sample, machine
from traind.machine import Machine

OTHER = 999_999


class Nvml:
    """NVML with one GPU, as far as it is asked. Each answer may be replaced; None: it does not tell."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {
            "nvmlInit": 0,
            "nvmlDeviceGetCount": 1,
            "nvmlDeviceGetHandleByIndex": "handle",
            "nvmlDeviceGetMemoryInfo": SimpleNamespace(used=30 << 30, total=80 << 30),
            "nvmlDeviceGetName": "NVIDIA H100",
            "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=87, memory=40),
            "nvmlDeviceGetTemperature": 62,
            "nvmlDeviceGetPowerUsage": 412_500,
            "nvmlDeviceGetEnforcedPowerLimit": 700_000,
            "nvmlDeviceGetClockInfo": 1755,
            "nvmlDeviceGetMaxClockInfo": 1980,
            "nvmlDeviceGetCurrentClocksEventReasons": (
                pynvml.nvmlClocksEventReasonSwPowerCap
                | pynvml.nvmlClocksEventReasonGpuIdle
                | pynvml.nvmlClocksEventReasonSwThermalSlowdown
                | pynvml.nvmlClocksEventReasonHwThermalSlowdown
            ),
            "nvmlDeviceGetCurrentClocksThrottleReasons": None,
            "nvmlDeviceGetComputeRunningProcesses": [
                SimpleNamespace(pid=OTHER, usedGpuMemory=4 << 30),
                SimpleNamespace(pid=os.getpid(), usedGpuMemory=25 << 30),
            ],
            "nvmlDeviceGetGraphicsRunningProcesses": [SimpleNamespace(pid=OTHER, usedGpuMemory=None)],
        }

    def query(self, name: str) -> Callable[..., Any]:
        def ask(*_: object) -> Any:
            if self.answers[name] is None:
                raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
            return self.answers[name]

        return ask


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> Nvml:
    fake = Nvml()
    for name in fake.answers:
        monkeypatch.setattr(pynvml, name, fake.query(name))
    monkeypatch.setattr(gpu_sample, "is_holder", lambda pid: pid == os.getpid())
    return fake


def test_a_gpu_as_nvml_tells_it(nvml: Nvml, tmp_path: Path) -> None:
    (gpu,) = Machine(tmp_path).sample([os.getpid()]).gpus
    assert (gpu.name, gpu.mem_used_bytes, gpu.mem_total_bytes) == ("NVIDIA H100", 30 << 30, 80 << 30)
    assert gpu.run_mem_bytes == 25 << 30
    assert (gpu.util_percent, gpu.temperature_c) == (87.0, 62.0)
    assert (gpu.power_w, gpu.power_limit_w, gpu.clock_mhz, gpu.clock_max_mhz) == (412.5, 700.0, 1755.0, 1980.0)
    assert gpu.slowed_by == ["power", "heat"]
    own, other = gpu.processes or []
    this = psutil.Process()
    assert own == GpuProcess(pid=os.getpid(), is_run=True, user=this.username(), name=this.name(), mem_bytes=25 << 30)
    assert other == GpuProcess(pid=OTHER, mem_bytes=4 << 30)  # which cannot be seen from here: nobody is named


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("nvmlDeviceGetMemoryInfo", ("mem_used_bytes", "mem_total_bytes")),
        ("nvmlDeviceGetUtilizationRates", ("util_percent",)),
        ("nvmlDeviceGetTemperature", ("temperature_c",)),
        ("nvmlDeviceGetPowerUsage", ("power_w",)),
        ("nvmlDeviceGetEnforcedPowerLimit", ("power_limit_w",)),
        ("nvmlDeviceGetClockInfo", ("clock_mhz",)),
        ("nvmlDeviceGetMaxClockInfo", ("clock_max_mhz",)),
        ("nvmlDeviceGetCurrentClocksEventReasons", ("slowed_by",)),
        ("nvmlDeviceGetComputeRunningProcesses", ("run_mem_bytes",)),
        ("nvmlDeviceGetHandleByIndex", ("mem_used_bytes", "util_percent", "processes", "slowed_by")),
    ],
)
def test_what_it_does_not_tell_is_missing(nvml: Nvml, tmp_path: Path, query: str, fields: tuple[str, ...]) -> None:
    nvml.answers[query] = None
    record = Machine(tmp_path).sample([os.getpid()])
    (gpu,) = record.gpus
    assert all(getattr(gpu, field) is None for field in fields)
    (read,) = decode_lines(encode(record), SYSTEM_DECODER).records
    assert read == record


def test_no_process_and_no_reason_are_said_to_be_none(nvml: Nvml, tmp_path: Path) -> None:
    nvml.answers |= {
        "nvmlDeviceGetComputeRunningProcesses": [],
        "nvmlDeviceGetGraphicsRunningProcesses": None,
        "nvmlDeviceGetCurrentClocksEventReasons": 0,
    }
    record = Machine(tmp_path).sample([])
    assert record.gpus[0].processes == []
    assert record.gpus[0].slowed_by == []
    line = encode(record)
    assert b'"slowed_by":[]' in line
    nvml.answers["nvmlDeviceGetComputeRunningProcesses"] = None
    assert Machine(tmp_path).sample([]).gpus[0].processes is None


def test_an_older_driver_calls_the_reasons_otherwise(nvml: Nvml, tmp_path: Path) -> None:
    nvml.answers |= {
        "nvmlDeviceGetCurrentClocksEventReasons": None,
        "nvmlDeviceGetCurrentClocksThrottleReasons": pynvml.nvmlClocksThrottleReasonHwSlowdown,
    }
    assert Machine(tmp_path).sample([]).gpus[0].slowed_by == ["hardware"]


def test_only_the_largest_processes_are_named(nvml: Nvml, tmp_path: Path) -> None:
    many = [SimpleNamespace(pid=10_000_000 + i, usedGpuMemory=i) for i in range(40)]
    nvml.answers["nvmlDeviceGetComputeRunningProcesses"] = many
    (gpu,) = Machine(tmp_path).sample([]).gpus
    assert [process.mem_bytes for process in gpu.processes or []] == list(range(39, 23, -1))


def test_an_owner_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    monkeypatch.setattr(gpu_sample, "_owner", lambda pid: (looked.append(pid), ("ada", "python"))[1])
    owners = gpu_sample.Owners()
    for pids in ({1, 2}, {1, 2}, {2}, {1, 2}):
        owners.of(pids)
    assert sorted(looked) == [1, 1, 2]  # one that was gone is looked up anew: its number may be another's


def test_the_host(tmp_path: Path) -> None:
    record = Machine(tmp_path).sample([os.getpid()])
    assert record.num_cpus == os.cpu_count()
    assert 0 < (record.mem_used_bytes or 0) < (record.mem_total_bytes or 0)
    assert (record.run_rss_bytes or 0) > 2**20
    assert 0 < (record.disk_free_bytes or 0) <= (record.disk_total_bytes or 0)
    assert (record.shm_total_bytes is None) is not machine.SHM.exists()


def counters(received: int, sent: int) -> SimpleNamespace:
    return SimpleNamespace(bytes_recv=received, bytes_sent=sent)


def test_the_network_is_hardware_or_else_what_leads_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"lo": counters(1, 1), "eth0": counters(10, 20), "docker0": counters(100, 100), "wlan0": counters(5, 6)}
    monkeypatch.setattr(psutil, "net_io_counters", lambda **_: found)
    monkeypatch.setattr(machine, "_DEVICES", tmp_path)
    assert machine._network() == (15, 26)
    (tmp_path / "eth0" / "device").mkdir(parents=True)
    assert machine._network() == (10, 20)
    found.clear()
    assert machine._network() == (None, None)


def test_what_the_system_does_not_tell_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError

    def misread() -> None:
        raise ValueError("not sure how to interpret line")  # as psutil says of a strange /proc/diskstats

    monkeypatch.setattr(psutil, "disk_io_counters", misread)
    monkeypatch.setattr(psutil, "net_io_counters", refuse)
    monkeypatch.setattr(machine, "SHM", tmp_path / "none")
    record = Machine(tmp_path).sample([])
    assert record.disk_read_bytes is record.disk_written_bytes is None
    assert record.net_received_bytes is record.net_sent_bytes is None
    assert record.shm_used_bytes is record.shm_total_bytes is None
