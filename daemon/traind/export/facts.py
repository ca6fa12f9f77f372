"""What there is to say of a run, as rows of plain text: the page and the log both say it. Pure but for file sizes."""

import math
import statistics
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from rundir.direction import directions_in, is_lower_better
from rundir.layout import checkpoint_step
from rundir.records import EvalRecord, LifecycleEvent, number
from rundir.size import size
from rundir.status import Liveness, State, liveness
from traind import words
from traind.config import Config
from traind.export.recording import Recording
from traind.scalars import as_float

Row = tuple[str, str]

ESSENTIAL = (
    "task.kind", "data.train", "data.eval", "data.max_length", "model.pretrained", "model.init", "train.epochs",
    "train.max_steps", "train.batch_size", "train.accumulation", "train.lr", "train.schedule", "train.warmup_ratio",
    "train.weight_decay", "train.precision", "eval.metric", "seed",
)  # fmt: skip
"""Settings that a log names though they be the defaults."""


class Result(NamedTuple):
    """One evaluation, beside what training itself measured until there."""

    epoch: float | None
    step: int
    train_loss: float | None
    loss: float
    metrics: dict[str, float]
    best: bool
    trigger: str


def state(recording: Recording, now: float) -> str:
    """In a word or two how the run is: `done`, `running`, `dead (was running)`, …."""
    status = recording.status
    if status is None:
        return "unknown: no readable status.json"
    verdict = liveness(status, now)
    if verdict in (Liveness.ENDED, Liveness.LIVE):
        return str(status.state)
    return f"{verdict} (was {status.state})"


def said(recording: Recording, what: str) -> LifecycleEvent | None:
    """The newest lifecycle event that says `what`."""
    found = [event for event in recording.events if isinstance(event, LifecycleEvent) and event.what == what]
    return found[-1] if found else None


def baseline(recording: Recording) -> dict[str, float]:
    """Scores of a program without a model, by metric; empty when none were written."""
    event = said(recording, "baseline")
    return _numbers(event.detail or {}) if event is not None else {}


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= _numbers(value)
        elif value in ("nan", "inf", "-inf") or (isinstance(value, int | float) and not isinstance(value, bool)):
            found[name] = as_float(value)
    return found


def run_rows(recording: Recording, now: float) -> list[Row]:
    """What was run, when, and how far it came."""
    info, status = recording.info, recording.status
    cause = (
        f": {status.last_error}" if status is not None and status.state is State.STOPPED and status.last_error else ""
    )
    rows = [("run", recording.run.id), ("state", state(recording, now) + cause)]
    if info is not None:
        rows += [("task", info.task), ("begun", words.instant(info.created_at))]
        rows += [("command", " ".join(info.argv))] if info.argv else []
        rows += [("code", f"commit {info.git_commit[:12]}{_dirty(info.git_dirty)}")] if info.git_commit else []
        rows += [("seed", str(info.seed))] if info.seed is not None else []
    if status is not None:
        rows += [("ended", words.instant(status.ended_at))] if status.ended_at is not None else []
        attempts = f", {status.attempt} attempts" if status.attempt > 1 else ""
        rows += [("training time", f"{words.duration(status.active_s)}{attempts}")] if status.active_s else []
    rows += [("steps", _steps(recording))]
    for what in ("data", "model", "baseline", "starting_loss", "device"):
        event = said(recording, what)
        rows += [(what.replace("_", " "), _message(event))] if event is not None else []
    return [(name, words.one_line(text)) for name, text in rows]


def _dirty(is_dirty: bool | None) -> str:
    return ", with uncommitted changes" if is_dirty else ""


def _message(event: LifecycleEvent) -> str:
    scores = ", ".join(f"{k} {words.number(v)}" for k, v in _numbers(event.detail or {}).items())
    return f"{event.message}: {scores}" if event.what == "baseline" and scores else event.message


def _steps(recording: Recording) -> str:
    status, last = recording.status, recording.steps[-1] if recording.steps else None
    done = max(status.step if status is not None else 0, last.step if last is not None else 0)
    total = status.total_steps if status is not None else None
    epoch = (
        status.epoch if status is not None and status.epoch is not None else last.epoch if last is not None else None
    )
    text = f"{done:,}" + (f" of {total:,}" if total is not None else "")
    return text + (f", {epoch:.2f} epochs" if epoch is not None else "")


def machine_rows(recording: Recording) -> list[Row]:
    """Where it ran, what was used of it, and which versions."""
    info, rows = recording.info, list[Row]()
    if info is not None and info.host:
        rows.append(("host", info.host))
    for gpu, peak, memory in _gpus(recording):
        rows.append(("GPU", f"{gpu}, {size(memory)}" + (f", at most {size(peak)} in use" if peak else "")))
    if info is not None and info.threads is not None:
        rows.append(
            (
                "CPU",
                f"{info.threads} thread{'' if info.threads == 1 else 's'} of torch"
                + (f", {info.cpu_capability}" if info.cpu_capability else ""),
            )
        )
    totals = [record.mem_total_bytes for record in recording.system if record.mem_total_bytes]
    used = [record.run_rss_bytes for record in recording.system if record.run_rss_bytes]
    if used:
        total = f" of {size(max(totals))}" if totals else ""
        rows.append(("memory", f"at most {size(max(used))}{total}"))
    for name, values, unit in (
        ("step", [s.step_s for s in recording.steps], "s"),
        ("throughput", [s.tokens_per_s for s in recording.steps], "tokens/s"),
    ):
        there = [value for value in values if value is not None]
        rows += [(name, f"{words.number(statistics.median(there))} {unit} (median)")] if there else []
    return rows + [(name, version) for name, version in (info.versions.items() if info is not None else ())]


def _gpus(recording: Recording) -> list[tuple[str, int, int]]:
    """Name, most memory in use and all memory of each GPU that was seen."""
    seen: dict[int, tuple[str, int, int]] = {}
    for record in recording.system:
        for gpu in record.gpus:
            name, peak, _ = seen.get(gpu.index, ("", 0, 0))
            if gpu.mem_total_bytes:
                seen[gpu.index] = (gpu.name or name, max(peak, gpu.mem_used_bytes or 0), gpu.mem_total_bytes)
    return list(seen.values())


def setting_rows(recording: Recording) -> list[Row]:
    """The settings that matter most, and those that differ from the defaults."""
    defaults = dict(_flat(msgspec.to_builtins(Config())))
    given = dict(_flat(recording.config))
    essential = [key for key in ESSENTIAL if key in given]
    others = [
        key for key in given if key not in essential and (key not in defaults or given[key] != _plain(defaults[key]))
    ]
    return [(key, _setting(given[key])) for key in essential + others if key != "name"]


def _flat(config: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for key, value in config.items():
        rows += _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(f"{prefix}{key}", value)]
    return rows


def _plain(value: Any) -> Any:
    """A default as TOML gives it back."""
    return list(value) if isinstance(value, tuple) else value


def _setting(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)


def results(recording: Recording) -> list[Result]:
    """Every evaluation that holds; the train loss is the epoch's where it ended there, else the mean since the last."""
    found, begin = [], 0
    epochs = {record.step: number(record.loss) for record in recording.epochs}
    for record in recording.evals:
        end = begin
        while end < len(recording.steps) and recording.steps[end].step <= record.step:
            end += 1
        losses = [number(step.loss) for step in recording.steps[begin:end]]
        mean = sum(losses) / len(losses) if losses else None
        metrics = {name: as_float(value) for name, value in (record.metrics or {}).items()}
        loss = number(record.loss)
        train_loss = epochs.get(record.step, mean)
        found.append(Result(record.epoch, record.step, train_loss, loss, metrics, record.best, record.trigger))
        begin = end
    return found


def metric_names(recording: Recording) -> list[str]:
    """Names of the metrics of any evaluation, that which chooses the best first."""
    chosen = recording.config.get("eval", {}).get("metric")
    names = list(dict.fromkeys(name for record in recording.evals for name in record.metrics or {}))
    return sorted(names, key=lambda name: name != chosen)


def best_rows(recording: Recording, best: EvalRecord) -> list[tuple[str, float, float | None]]:
    """Metric, value at the best evaluation, and the baseline's where there is one."""
    below = baseline(recording)
    values = {"loss": number(best.loss)} | {name: as_float(v) for name, v in (best.metrics or {}).items()}
    names = ["loss", *(name for name in metric_names(recording) if name in values)]
    return [(name, values[name], below.get(name)) for name in names]


def improvement(recording: Recording, name: str, value: float, below: float | None) -> str:
    """Signed distance from the baseline, marked where it is for the worse."""
    if below is None or not math.isfinite(value - below):
        return ""
    is_worse = (value > below) if is_lower_better(name, directions_in(recording.config)) else (value < below)
    return f"{value - below:+.4g}" + (" (worse)" if is_worse else "")


def file_rows(recording: Recording) -> list[tuple[str, int, str]]:
    """Checkpoints and files of the run, their bytes on disk, and what they are; what cannot be read is left out."""
    run = recording.run
    marks: dict[str, list[str]] = {}
    for link in ("best", "latest"):
        target = run.checkpoints / link
        if target.is_symlink():
            marks.setdefault(target.readlink().name, []).append(link)
    steps = sorted(run.checkpoints.glob("step-*")) if run.checkpoints.is_dir() else []
    rows = [
        (f"checkpoints/{path.name}", _tree_bytes(path), ", ".join(marks.get(path.name, [])))
        for path in steps
        if checkpoint_step(path) is not None
    ]
    if run.superseded.is_dir():
        rows.append(("checkpoints/superseded", _tree_bytes(run.superseded), "beyond a later resume"))
    files = (run.metrics, run.events, run.system, run.console, run.config_toml)
    return rows + [(path.name, path.stat().st_size, "") for path in files if path.is_file()]


def _tree_bytes(path: Path) -> int:
    total = 0
    for each in path.rglob("*"):
        try:
            total += each.lstat().st_size if not each.is_dir() else 0
        except OSError:  # pruned meanwhile, by a live run
            continue
    return total
