"""The machine: samples as columns, counters as rates, the share of waiting; and its page, painted at any size."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rundir.layout import RunDir
from rundir.records import GpuProcess, GpuSample, ResumeRecord, SystemRecord
from tests.protocol.records import system_records
from tests.trainwatch.runs import START_AT, append, make_run, step
from trainwatch.feed import Batch, Feed, Opened
from trainwatch.machine import Sampling, is_bytes
from trainwatch.metric import unit_of, written
from trainwatch.paint import row_width, text_of
from trainwatch.panes.machine import arrange_machine, machine_charts, now_lines, paint_now
from trainwatch.store import Store
from trainwatch.waiting import Waiting

GIB = 2**30


def gpu(index: int = 0, **fields: Any) -> GpuSample:
    whole: dict[str, Any] = {
        "name": "NVIDIA H100", "mem_used_bytes": 30 * GIB, "mem_total_bytes": 80 * GIB, "run_mem_bytes": 25 * GIB,
        "util_percent": 87.0, "temperature_c": 62.0, "power_w": 412.0, "power_limit_w": 700.0, "clock_mhz": 1755.0,
        "clock_max_mhz": 1980.0, "slowed_by": ["power"],
        "processes": [
            GpuProcess(pid=4242, is_run=True, user="ada", name="python", mem_bytes=25 * GIB),
            GpuProcess(pid=1234, mem_bytes=4 * GIB),
        ],
    }  # fmt: skip
    return GpuSample(index=index, **{**whole, **fields})


def sample(second: float, **fields: Any) -> SystemRecord:
    host: dict[str, Any] = {
        "cpu_percent": 43.0, "run_cpu_percent": 560.0, "num_cpus": 16, "mem_used_bytes": 32 * GIB,
        "mem_total_bytes": 126 * GIB, "run_rss_bytes": 12 * GIB, "shm_used_bytes": GIB, "shm_total_bytes": 63 * GIB,
        "disk_free_bytes": 821 * GIB, "disk_total_bytes": 1800 * GIB, "disk_read_bytes": int(second * 2**20),
        "disk_written_bytes": 5, "net_received_bytes": int(second * 3 * 2**20), "net_sent_bytes": 7,
    }  # fmt: skip
    return SystemRecord(at=START_AT + second, attempt=1, **{**host, **fields})


def store_of(*records: SystemRecord) -> Store:
    store = Store(RunDir(Path("/nowhere/a-run")), Opened("a-run", None, None))
    blocks = Sampling(whole=True).blocks(records, restarted=False)
    store.apply(Batch(now=START_AT, system=blocks, machine=records[-1] if records else None))
    return store


def said(store: Store, waiting: float = math.nan, chosen: int = 0, width: int = 64) -> str:
    return text_of(now_lines(store, waiting, chosen, width))


# --- columns ---------------------------------------------------------------------------------------------------------


def test_a_short_look_has_the_memory_alone() -> None:
    (block,) = Sampling(whole=False).blocks([sample(0, gpus=[gpu(), gpu(3, run_mem_bytes=None)])], restarted=False)
    assert {name: values[0] for name, values in block.columns.items()} == {
        "rss": 12 * GIB,
        "gpu0": 25 * GIB,
        "gpu3": 30 * GIB,
    }


def test_the_whole_machine_and_no_column_of_what_nobody_measured() -> None:
    (block,) = Sampling(whole=True).blocks([sample(0, cpu_percent=None, gpus=[gpu(power_w=None)])], restarted=False)
    assert "cpu" not in block.columns
    assert "gpu0_power" not in block.columns
    assert "disk_read_per_s" not in block.columns  # a counter says nothing by itself
    assert (block.columns["gpu0_util"][0], block.columns["gpu0_temperature"][0]) == (87.0, 62.0)
    assert block.columns["ram"][0] == 32 * GIB


def test_counters_become_rates_over_any_split_into_chunks() -> None:
    records = [sample(second) for second in (0, 5, 10, 20)]
    for split in range(5):
        sampling = Sampling(whole=True)
        blocks = [
            *sampling.blocks(records[:split], restarted=False),
            *sampling.blocks(records[split:], restarted=False),
        ]
        rates = np.concatenate([each.columns.get("disk_read_per_s", np.full(len(each), math.nan)) for each in blocks])
        assert math.isnan(rates[0])
        assert rates[1:].tolist() == [2**20] * 3


def test_a_counter_that_begins_anew_has_no_rate() -> None:
    records = [sample(0), sample(5), sample(10, disk_read_bytes=3), sample(15, disk_read_bytes=8)]
    (block,) = Sampling(whole=True).blocks(records, restarted=False)
    rates = block.columns["disk_read_per_s"]
    assert math.isnan(rates[2])
    assert rates[3] == 1.0
    sampling = Sampling(whole=True)
    sampling.blocks(records[:2], restarted=False)
    (anew,) = sampling.blocks(records[1:2], restarted=True)
    assert "disk_read_per_s" not in anew.columns


@pytest.mark.parametrize(
    ("name", "is_it", "shown"),
    [
        ("rss", True, "2 GiB"),
        ("gpu0", True, "2 GiB"),
        ("gpu12_used", True, "2 GiB"),
        ("net_sent_per_s", True, "2 GiB/s"),
        ("gpu0_util", False, "2.147e9"),
        ("cpu", False, "2.147e9"),
    ],
)
def test_units(name: str, is_it: bool, shown: str) -> None:
    assert is_bytes(name) is is_it
    assert written(f"system/{name}", 2.0**31) == shown
    assert (unit_of(f"system/{name}")[0] > 1) is is_it


def test_the_share_of_waiting_follows_the_steps(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    append(run.metrics, [step(i, 1.0, step_s=1.0, data_wait_s=0.25) for i in range(1, 101)])
    store, feed = Store(run, Opened("a-run", None, None)), Feed(run, ("step_s", "data_wait_s"))
    waiting = Waiting(store)
    assert math.isnan(waiting.newest())
    store.apply(feed.poll())
    at, share = waiting.read()
    assert len(at) == len(share) == 100
    assert waiting.newest() == 25.0
    append(run.metrics, [ResumeRecord(at=START_AT + 101, attempt=2, step=10)])
    append(run.metrics, [step(i, 1.0, 2, step_s=1.0, data_wait_s=3.0) for i in range(11, 200)])
    store.apply(feed.poll())
    assert len(waiting.read()[1]) == 199
    assert waiting.read()[1].values[10] == 100.0  # never more than the whole


# --- the page --------------------------------------------------------------------------------------------------------


def test_a_gpu_with_its_memory_in_three_parts() -> None:
    text = said(store_of(sample(0, gpus=[gpu()])))
    assert "gpu0  NVIDIA H100" in text
    assert "run 25 GiB  others 5 GiB  free 50 GiB" in text
    assert "38% of 80 GiB" in text
    assert "87 %" in text
    assert "temp 62 °C   power 412 of 700 W   clock 1,755 of 1,980 MHz" in text
    assert "slowed by power" in text
    assert "this run     4242 ada  python" in text
    assert "other        1234 owner not known" in text
    (bar,) = [line for line in text.splitlines() if line.startswith("mem")]
    assert bar.count("█") == round(25 / 80 * 31)
    assert bar.count("▓") == 2
    assert bar.count("█") + bar.count("▓") + bar.count("░") == 31


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"run_mem_bytes": None}, "this run's share not known"),
        ({"mem_used_bytes": None}, "mem   not known"),
        ({"util_percent": None}, "util  not known"),
        ({"temperature_c": None}, "temp not known"),
        ({"power_limit_w": None}, "power 412 W"),
        ({"clock_mhz": None}, "clock not known"),
        ({"processes": None}, "processes on it: not known"),
        ({"processes": []}, "NVML shows no process on it"),
        ({"processes": [], "run_mem_bytes": None}, "which holds memory all the same"),
        ({"processes": [GpuProcess(pid=i) for i in range(9)]}, "and 3 more"),
        ({"processes": [GpuProcess(pid=7)]}, "not known"),
    ],
)
def test_what_nvml_does_not_give_is_said_to_be_unknown(fields: dict[str, Any], text: str) -> None:
    assert text in said(store_of(sample(0, gpus=[gpu(**fields)])))


def test_of_many_gpus_the_chosen_one_is_shown_in_full() -> None:
    store = store_of(sample(0, gpus=[gpu(i) for i in range(8)]))
    lines = said(store, chosen=3).splitlines()
    assert [line[:4] for line in lines[:4]] == ["gpu0", "gpu1", "gpu2", "gpu3"]
    assert "NVIDIA H100" in lines[3]
    assert "87%" in lines[0]
    assert "slowed" in lines[0]
    assert sum("NVIDIA" in line for line in lines) == 1


def test_without_a_gpu_the_page_is_about_the_host() -> None:
    store = store_of(sample(0), sample(5))
    text = said(store, waiting=12.3)
    assert "no GPU was seen on this machine" in text
    assert "this run 5.6 of 16 CPUs" in text
    assert "this run 12 GiB  others 20 GiB  free 94 GiB" in text
    assert "25% of 126 GiB" in text
    assert "1 GiB of 63 GiB" in text
    assert "821 GiB free of 1.76 TiB" in text
    assert "read 1 MiB/s   written 0 B/s" in text
    assert "net   in 3 MiB/s   out 0 B/s" in text
    assert "waiting for data 12 % of a step, last 50 records" in text
    assert [chart.title for chart in machine_charts(store, Waiting(store), 0)] == [
        *("cpu", "ram", "disk read", "network in", "disk free", "shm"),
    ]


def test_a_record_of_an_earlier_version_claims_nothing() -> None:
    """The memory of a script's run, and nothing else."""
    store = store_of(SystemRecord(at=START_AT, attempt=1, run_rss_bytes=GIB))
    text = said(store)
    assert text.count("not known") >= 6
    assert "this run 1 GiB" in text
    assert "0 B" not in text
    assert said(Store(RunDir(Path("/nowhere/a-run")), Opened("a", None, None))) == "reading …"


def test_the_age_of_the_sample_is_said() -> None:
    store = store_of(sample(0))
    assert "sampled just now" in text_of(paint_now([], store, 60, 4, START_AT + 3, 0))
    assert "sampled 2 m ago" in text_of(paint_now([], store, 60, 4, START_AT + 125, 0))


def test_charts_of_the_chosen_gpu() -> None:
    store = store_of(*(sample(i, gpus=[gpu(0, util_percent=50.0), gpu(1, util_percent=i)]) for i in range(20)))
    charts = {chart.title: chart for chart in machine_charts(store, Waiting(store), 1)}
    assert charts["gpu1 utilisation"].value == 19.0
    assert charts["gpu1 utilisation"].value_format(19.0) == "19 %"
    assert charts["network in"].value_format(3.0 * 2**20) == "3 M/s"
    memory = charts["gpu1 memory"]
    assert memory.value_format(memory.value) == "30 GiB"
    assert text_of([memory.note]) == "━ run 25 GiB"


@settings(max_examples=40, deadline=None)
@given(
    records=st.lists(system_records, max_size=4),
    size=st.sampled_from([(100, 30), (70, 12), (30, 6), (5, 3)]),
    waiting=st.sampled_from([math.nan, 0.0, 55.0]),
)
@example(
    records=[
        SystemRecord(at=0.0, attempt=1, net_received_bytes=0),
        SystemRecord(at=2.2e-311, attempt=1, net_received_bytes=1),
    ],
    size=(100, 30),
    waiting=math.nan,
)
def test_any_samples_at_any_size(records: list[SystemRecord], size: tuple[int, int], waiting: float) -> None:
    width, height = size
    store = store_of(*records)
    lines = now_lines(store, waiting, 0, max(20, width - 3))
    rows = paint_now(lines, store, width, height, START_AT, 2)
    assert len(rows) == height
    assert {row_width(row) for row in rows} == {width}
    assert all(character.isprintable() for row in rows for text, _ in row for character in text)
    machine_charts(store, Waiting(store), 0)


@pytest.mark.parametrize(
    "size", [(160, 48), (100, 12), (99, 48), (80, 24), (40, 30), (40, 10), (20, 4), (1, 1), (0, 0)]
)
def test_panes_cover_the_screen(size: tuple[int, int]) -> None:
    places = arrange_machine(*size, num_lines=20)
    assert sum(place.width * place.height for place in places.values()) == size[0] * size[1]


@pytest.mark.parametrize("odd", [None, 10**400, -(10**400), 1e301])
def test_what_is_not_there_or_beyond_belief_is_unknown(odd: float | None) -> None:
    records = [SystemRecord(at=float(i), attempt=1, run_rss_bytes=value) for i, value in enumerate([5, odd, 7])]  # type: ignore[arg-type]
    (block,) = Sampling(whole=False).blocks(records, restarted=False)
    np.testing.assert_array_equal(block.columns["rss"], [5.0, np.nan, 7.0])
