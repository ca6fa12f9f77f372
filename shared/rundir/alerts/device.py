"""The rules on the machine's work: `cpu-fallback`, `data-bound`, `low-utilisation`, `throttling`, `stale-gpu-process`.

Exempt from scaling: seconds, degrees and bytes are what they are.
"""

import math
from typing import ClassVar

from msgspec import field

from rundir.alerts.base import AlertChange, Finding, Rule, RuleState
from rundir.alerts.noise import median, quantile
from rundir.alerts.track import Track
from rundir.records import LifecycleEvent, Record, Severity, StepRecord, SystemRecord

SMALL_MODEL = 1_000_000
"""Parameters below which a CPU may be meant."""
MIB = 1 << 20
LOOK_EVERY_S = 20.0


class CpuFallbackState(RuleState, kw_only=True):
    """What the rule remembers."""

    device: str | None = None
    """That training uses, as the trainer has said."""
    trained_params: int | None = None
    idle_since_at: float | None = None


class CpuFallbackRule(Rule[CpuFallbackState]):
    """Critical: training runs on the CPU beside a GPU. Info for a small model. Never where the CPU was asked for."""

    name = "cpu-fallback"
    title = "training on the CPU beside a GPU"
    gravest = Severity.CRITICAL
    reads = (SystemRecord, LifecycleEvent)
    needs = ("event.device",)
    limits: ClassVar = {"seconds": 60.0, "steps": 5.0}
    cooldown = 0
    state_type = CpuFallbackState

    def judge(self, record: Record, track: Track) -> list[AlertChange]:
        state = self.state
        if isinstance(record, LifecycleEvent):
            return self._take_event(record, track)
        assert isinstance(record, SystemRecord)  # noqa: S101
        asked = self.facts.device_asked
        if state.device is None or not state.device.startswith("cpu") or asked == "cpu":
            return []
        if asked in ("cuda", "mps"):
            return self.hold(self._finding(record, track, asked), track)
        if not record.gpus:
            return []
        state.idle_since_at = state.idle_since_at or record.at
        if track.step < self.limit["steps"] and record.at - state.idle_since_at < self.limit["seconds"]:
            return []
        return self.hold(self._finding(record, track, record.gpus[0].name or "a GPU"), track)

    def _take_event(self, record: LifecycleEvent, track: Track) -> list[AlertChange]:
        state, detail = self.state, record.detail or {}
        if record.what == "device":
            device = detail.get("device")
            state.device, state.idle_since_at = device if isinstance(device, str) else None, None
            if state.device is not None and not state.device.startswith("cpu"):
                return self.clear(track.step, f"training uses {state.device}")
        elif record.what == "model" and isinstance(params := detail.get("num_trained_parameters"), int):
            state.trained_params = params
        return []

    def _finding(self, record: SystemRecord, track: Track, there: str) -> Finding:
        params = self.facts.trainable_params or self.state.trained_params
        is_small = params is not None and params < SMALL_MODEL and self.facts.device_asked not in ("cuda", "mps")
        return Finding(
            severity=Severity.INFO if is_small else Severity.CRITICAL,
            message=f"training runs on the CPU, and {there} was there to be used",
            step=track.step,
            onset_step=1,
            evidence={"device": self.state.device, "gpus": len(record.gpus), "trainable_params": params},
        )


class DataBoundState(RuleState, kw_only=True):
    """What the rule remembers."""

    shares: list[float] = field(default_factory=list)


class DataBoundRule(Rule[DataBoundState]):
    """Warning: over a fifth of a step is spent waiting for data (XProf's bound for "high"). Info from a tenth."""

    name = "data-bound"
    title = "steps that wait for data"
    gravest = Severity.WARNING
    reads = (StepRecord,)
    needs = ("data_wait_s", "step_s")
    limits: ClassVar = {"info": 0.1, "warning": 0.2, "clear": 0.08, "records": 100.0, "skip": 20.0}
    state_type = DataBoundState

    def forget_beyond(self, step: int) -> None:
        self.state.shares = []

    def judge(self, record: StepRecord, track: Track) -> list[AlertChange]:
        if (
            record.data_wait_s is None
            or not record.step_s
            or record.data_wait_s > record.step_s
            or track.count <= self.limit["skip"]
        ):
            return []
        shares = self.state.shares
        shares.append(record.data_wait_s / record.step_s)
        del shares[: -int(self.limit["records"])]
        if len(shares) < self.limit["records"] or track.count % 10:
            return []
        share = median(shares)
        if share < self.limit["clear"]:
            return self.clear(record.step, f"{share:.0%} of a step is waiting for data", track=track)
        if share <= self.limit["info"]:
            return []
        finding = Finding(
            severity=Severity.WARNING if share > self.limit["warning"] else Severity.INFO,
            message=f"{share:.0%} of a step is spent waiting for data",
            step=record.step,
            onset_step=max(record.step - len(shares) * track.stride, 1),
            evidence={"wait_share": share, "step_s": record.step_s, "window_records": len(shares)},
        )
        return self.hold(finding, track)


class UtilisationState(RuleState, kw_only=True):
    """What the rule remembers."""

    percent: list[float] = field(default_factory=list)
    next_at: float = 0.0


class LowUtilisationRule(Rule[UtilisationState]):
    """Info: the busiest GPU is idle half of the time even at its best."""

    name = "low-utilisation"
    title = "a GPU that has little to do"
    gravest = Severity.INFO
    reads = (SystemRecord,)
    needs = ("gpu.util_percent",)
    limits: ClassVar = {"percent": 50.0, "samples": 30.0}
    state_type = UtilisationState

    def judge(self, record: SystemRecord, track: Track) -> list[AlertChange]:
        busiest = max((g.util_percent for g in record.gpus if g.util_percent is not None), default=None)
        if busiest is None or not track.count:
            return []
        state = self.state
        percent = state.percent
        percent.append(busiest)
        del percent[: -int(self.limit["samples"])]
        if len(percent) < self.limit["samples"] or track.at < state.next_at:
            return []
        state.next_at = record.at + LOOK_EVERY_S
        high = quantile(percent, 0.95)
        if high >= self.limit["percent"]:
            return self.clear(track.step, f"the GPU is busy up to {high:.0f}%", track=track)
        finding = Finding(
            severity=Severity.INFO,
            message=f"the GPU is busy at most {high:.0f}% of the time",
            step=track.step,
            onset_step=track.step,
            evidence={"p95_percent": high, "p50_percent": median(percent), "samples": len(percent)},
        )
        return self.hold(finding, track)


class ThrottlingState(RuleState, kw_only=True):
    """What the rule remembers."""

    hot: int = 0
    times_s: list[float] = field(default_factory=list)
    cool_s: float | None = None
    """The usual step time while the GPUs were cool."""


class ThrottlingRule(Rule[ThrottlingState]):
    """Warning: a GPU is hot and steps have become slower; info while only hot."""

    name = "throttling"
    title = "a GPU so hot that it slows down"
    gravest = Severity.WARNING
    reads = (StepRecord, SystemRecord)
    needs = ("gpu.temperature_c",)
    limits: ClassVar = {"hot_c": 85.0, "clear_c": 80.0, "samples": 15.0, "times": 1.1}
    state_type = ThrottlingState

    def judge(self, record: Record, track: Track) -> list[AlertChange]:
        state = self.state
        if isinstance(record, StepRecord):
            if record.step_s is not None and math.isfinite(record.step_s):
                state.times_s.append(record.step_s)
                del state.times_s[:-50]
            return []
        assert isinstance(record, SystemRecord)  # noqa: S101
        hottest = max((g.temperature_c for g in record.gpus if g.temperature_c is not None), default=None)
        if hottest is None:
            return []
        if hottest < self.limit["clear_c"]:
            state.hot = 0
            if len(state.times_s) >= 20:
                state.cool_s = median(state.times_s)
            return self.clear(track.step, f"the GPU is at {hottest:.0f} °C", track=track)
        state.hot = state.hot + 1 if hottest >= self.limit["hot_c"] else state.hot
        if state.hot < self.limit["samples"]:
            return []
        now_s = median(state.times_s) if state.times_s else math.nan
        is_slower = state.cool_s is not None and now_s > self.limit["times"] * state.cool_s
        evidence = {"temperature_c": hottest, "samples": state.hot}
        if is_slower:
            evidence |= {"step_s": now_s, "step_s_while_cool": state.cool_s or 0.0}
        finding = Finding(
            severity=Severity.WARNING if is_slower else Severity.INFO,
            message=f"a GPU is at {hottest:.0f} °C"
            + (f"; a step takes {now_s:.3g} s, {state.cool_s:.3g} s while it was cool" if is_slower else ""),
            step=track.step,
            onset_step=track.step,
            evidence=evidence,
        )
        return self.hold(finding, track)


class StaleState(RuleState, kw_only=True):
    """What the rule remembers."""

    has_own: bool = False
    """Whether a process of this run was ever seen by NVML: else its list is none of ours."""
    since_at: float | None = None
    others: int = 0


class StaleGpuProcessRule(Rule[StaleState]):
    """Warning: a tenth of a GPU or more is held, unchanged, by processes that are not of this run.

    Off until NVML has shown a process of the run: in containers its list is empty, or has the host's numbers.
    """

    name = "stale-gpu-process"
    title = "GPU memory held by processes of no live run"
    gravest = Severity.WARNING
    reads = (SystemRecord,)
    needs = ("gpu.run_mem_bytes",)
    limits: ClassVar = {"share": 0.1, "mib": 512.0, "context_mib": 1024.0, "seconds": 60.0}
    state_type = StaleState

    def missing(self, track: Track) -> str | None:
        return None if self.state.has_own else "no process of this run in NVML's list (as in containers)"

    def judge(self, record: SystemRecord, track: Track) -> list[AlertChange]:
        state = self.state
        state.has_own |= any(gpu.run_mem_bytes for gpu in record.gpus)
        if not state.has_own:
            return []
        # The driver holds memory of its own beside what it lists for a process.
        held = [
            (gpu.mem_used_bytes - gpu.run_mem_bytes - int(self.limit["context_mib"]) * MIB, gpu.mem_total_bytes, gpu)
            for gpu in record.gpus
            if gpu.run_mem_bytes and gpu.mem_used_bytes is not None and gpu.mem_total_bytes
        ]
        if not held:
            return []
        others, total, gpu = max(held, key=lambda each: each[0])
        is_same = state.others > 0 and abs(others - state.others) <= 0.01 * total
        if others < self.limit["mib"] * MIB or others < self.limit["share"] * total or not is_same:
            state.others, state.since_at = max(others, 0), record.at
            is_free = others < self.limit["mib"] * MIB / 2
            return self.clear(track.step, "the memory is free again", track=track) if is_free else []
        if record.at - (state.since_at or record.at) < self.limit["seconds"]:
            return []
        finding = Finding(
            severity=Severity.WARNING,
            message=f"{others / (1 << 30):.1f} GiB of GPU {gpu.index} are held by processes that are not of this run",
            step=track.step,
            onset_step=track.step,
            evidence={"other_bytes": others, "gpu": gpu.index, "seconds": record.at - (state.since_at or record.at)},
        )
        return self.hold(finding, track)
