"""What the alert rules cost: processor time a record, all of them together, by kind of record.

    python -m bench.alerts_cost [--steps 20000]

The mixed stream is that of a busy run: every step logged with all that the trainer samples, evaluations with a
confusion matrix, samples of a machine with a GPU, checkpoints. The bound is 100 µs a record.
"""

import argparse
import math
import random
import time
from collections import defaultdict
from collections.abc import Iterator

from rundir.alerts import Engine, Facts
from rundir.records import AnyRecord, CheckpointEvent, EvalRecord, GpuSample, StepRecord, SystemRecord

FACTS = Facts(
    num_classes=10, planned_steps=10**6, warmup_steps=100, clip_norm=1.0, lr_peak=1e-3, schedule="constant", log_every=1
)


def stream(num: int) -> Iterator[AnyRecord]:
    rng = random.Random(1)
    for n in range(1, num + 1):
        at = 1e9 + 0.5 * n
        loss = (0.3 + 2.0 * math.exp(-n / 2000)) * math.exp(0.1 * rng.gauss(0.0, 1.0))
        metrics: dict[str, float] = {"accuracy": rng.random(), "loss_scale": 65536.0}
        if n % 10 == 0:
            metrics |= {"update_ratio": 1e-3, "unchanged_count": 0.0, "grad_norm_first": 0.3, "grad_norm_last": 0.5}
        yield StepRecord(
            at=at,
            attempt=1,
            step=n,
            loss=loss,
            grad_norm=math.exp(0.3 * rng.gauss(0.0, 1.0)),
            lr=1e-3,
            step_s=0.5 * math.exp(0.05 * rng.gauss(0.0, 1.0)),
            data_wait_s=0.01,
            tokens_per_s=4e4,
            gpu_mem_allocated_bytes=int(1e10 + 1e8 * rng.random()),
            metrics=dict(metrics),
        )
        if n % 4 == 0:
            gpu = GpuSample(index=0, mem_used_bytes=2 * 10**10, mem_total_bytes=8 * 10**10, util_percent=90.0)
            gpu.run_mem_bytes, gpu.temperature_c = 10**10, 60.0 + rng.random()
            yield SystemRecord(
                at=at, attempt=1, gpus=[gpu], mem_used_bytes=10**10, mem_total_bytes=10**11, disk_free_bytes=10**12
            )
        if n % 100 == 0:
            yield EvalRecord(
                at=at, attempt=1, step=n, loss=loss, metrics={"f1": rng.random()}, confusion=[[90, 10]] * 10
            )
            yield CheckpointEvent(at=at, attempt=1, writer="trainer", step=n, path="checkpoints/x", size_bytes=10**9)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=20_000)
    records = list(stream(parser.parse_args().steps))
    engine, spent, count = Engine(facts=FACTS), defaultdict[str, float](float), defaultdict[str, int](int)
    slowest = 0.0
    for record in records:
        began = time.process_time()
        engine.feed(record)
        took = time.process_time() - began
        kind = type(record).__name__
        spent[kind] += took
        count[kind] += 1
        slowest = max(slowest, took)
    for kind, total in spent.items():
        print(f"{kind:16}{count[kind]:8,} records{1e6 * total / count[kind]:8.1f} µs a record")
    print(f"{'all':16}{len(records):8,} records{1e6 * sum(spent.values()) / len(records):8.1f} µs a record")
    print(f"{'slowest':24}{1e6 * slowest:16.0f} µs")
    began = time.process_time()
    state = engine.state()
    print(f"{'state()':24}{1e6 * (time.process_time() - began):16.0f} µs, {len(str(state)):,} characters")


if __name__ == "__main__":
    main()
