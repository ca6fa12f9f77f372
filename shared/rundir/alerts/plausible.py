"""Which records the rules are given: files may hold numbers and durations without bound, and no run makes them."""

from rundir.records import CheckpointEvent, EpochRecord, EvalRecord, Event, Record, StepRecord, SystemRecord

MOST_STEPS = 2**53
MOST_BYTES = 2**60
MOST_SECONDS = 1e12


def is_plausible(record: Record) -> bool:
    """Whether steps, bytes and seconds of a record are those of a run. Figures of training may be what they like."""
    if not 0.0 <= record.at <= MOST_SECONDS:
        return False
    match record:
        case StepRecord():
            return (
                0 <= record.step <= MOST_STEPS
                and 0 <= (record.gpu_mem_allocated_bytes or 0) <= MOST_BYTES
                and 0.0 <= (record.step_s or 0.0) <= MOST_SECONDS
                and 0.0 <= (record.data_wait_s or 0.0) <= MOST_SECONDS
                and 0.0 <= (record.tokens_per_s or 0.0) <= MOST_SECONDS
            )
        case EvalRecord():
            rows = [row for row in record.confusion or () if row]
            least, most = min(map(min, rows), default=0), max(map(max, rows), default=0)
            return 0 <= record.step <= MOST_STEPS and least >= 0 and most <= MOST_STEPS
        case EpochRecord():
            return 0 <= record.step <= MOST_STEPS
        case SystemRecord():
            return _is_plausible_machine(record)
        case CheckpointEvent():
            return 0 <= (record.step or 0) <= MOST_STEPS and 0 <= record.size_bytes <= MOST_BYTES
        case Event():
            return 0 <= (record.step or 0) <= MOST_STEPS
        case _:
            return True


def _is_plausible_machine(record: SystemRecord) -> bool:
    sizes = [record.mem_used_bytes, record.mem_total_bytes, record.run_rss_bytes, record.disk_free_bytes]
    figures: list[float | None] = []
    for gpu in record.gpus:
        sizes += [gpu.mem_used_bytes, gpu.mem_total_bytes, gpu.run_mem_bytes]
        figures += [gpu.util_percent, gpu.temperature_c]
    return all(0 <= (size or 0) <= MOST_BYTES for size in sizes) and all(abs(f or 0.0) < 1e9 for f in figures)
