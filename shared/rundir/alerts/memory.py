"""The rules on what fills up: `gpu-mem-leak`, `oom-ahead`, `ram-filling`, `disk-filling`.

Each judges the lower envelope of a series: minima of equal stretches, merged in pairs as the run grows, so that the
peaks of evaluations and saves do not count. Exempt from scaling: bytes have a limit.
"""

import math
from collections.abc import Mapping
from typing import ClassVar

import msgspec
from msgspec import field

from rundir.alerts.base import AlertChange, Finding, Rule, RuleState
from rundir.alerts.noise import mann_kendall_z
from rundir.alerts.track import Track
from rundir.records import CheckpointEvent, LifecycleEvent, Record, Severity, StepRecord, SystemRecord

PARTS = 42
"""Minima kept at most; half of them at least, from then on."""
SHORT = 12
"""Minima of the shortest stretch in which growth can be told: with a Z over 4 hardly any of them is out of order."""
MIN_Z = 4.0
GIB = 1 << 30


class Envelope(msgspec.Struct, kw_only=True):
    """Minima of equal stretches of a series over the whole run."""

    lows: list[float] = field(default_factory=list)
    places: list[float] = field(default_factory=list)
    """Where each stretch ends: steps, or seconds."""
    low: float | None = None
    num: int = 0
    size: int = 8

    def add(self, place: float, value: float) -> bool:
        """Whether a stretch was completed."""
        self.low = value if self.low is None else min(self.low, value)
        self.num += 1
        if self.num < self.size:
            return False
        self.lows.append(self.low)
        self.places.append(place)
        self.low, self.num = None, 0
        if len(self.lows) > PARTS:
            self.lows = [min(a, b) for a, b in zip(self.lows[::2], self.lows[1::2], strict=False)]
            self.places = self.places[1::2][: len(self.lows)]
            self.size *= 2
        return True

    def slope(self, num: int = SHORT) -> float:
        """Growth of the minima a unit of place, over the last so many of them; 0 for too few."""
        begin = max(len(self.lows) - num, 0)
        if len(self.lows) - begin < 4 or self.places[-1] <= self.places[begin]:
            return 0.0
        return (self.lows[-1] - self.lows[begin]) / (self.places[-1] - self.places[begin])

    def grown_since(self) -> int | None:
        """From which of the minima on they rise steadily up to now; None where they do not.

        The longest of a few stretches counts: what leaks need not do so from the start.
        """
        for num in (len(self.lows), 27, 18, SHORT):
            if SHORT <= num <= len(self.lows) and _is_steady(self.lows[-num:]):
                return len(self.lows) - num
        return None

    def forget(self) -> None:
        self.lows, self.places, self.low, self.num, self.size = [], [], None, 0, 8


def _is_steady(lows: list[float]) -> bool:
    """Whether values rise by trend, and in the last third no slower than 0.7 of either third before."""
    if mann_kendall_z(lows) <= MIN_Z:
        return False
    third = len(lows) // 3
    rises = [lows[end] - lows[end - third] for end in (third, 2 * third, len(lows) - 1)]
    return rises[2] >= 0.7 * max(rises[0], rises[1]) and min(rises) > 0.1 * rises[2] > 0.0


class LeakState(RuleState, kw_only=True):
    """What the rule remembers."""

    envelope: Envelope = field(default_factory=Envelope)
    suspected: int = 0
    """Stretches in a row after which growth was seen."""
    total_bytes: int | None = None


class GpuMemLeakRule(Rule[LeakState]):
    """Warning: allocated memory grows steadily, step after step."""

    name = "gpu-mem-leak"
    title = "allocated GPU memory that grows steadily"
    gravest = Severity.WARNING
    reads = (StepRecord, SystemRecord)
    needs = ("gpu_mem_allocated_bytes",)
    limits: ClassVar = {"share": 0.01, "from_step": 200.0, "confirm": 3.0}
    state_type = LeakState

    def forget_beyond(self, step: int) -> None:
        self.state.envelope.forget()
        self.state.suspected = 0

    def judge(self, record: Record, track: Track) -> list[AlertChange]:
        state = self.state
        if isinstance(record, SystemRecord):
            totals = [gpu.mem_total_bytes for gpu in record.gpus if gpu.mem_total_bytes]
            state.total_bytes = min(totals) if totals else state.total_bytes
            return []
        assert isinstance(record, StepRecord)  # noqa: S101
        used = record.gpu_mem_allocated_bytes
        if used is None or record.step < self.limit["from_step"] or not state.envelope.add(record.step, used):
            return []
        lows = state.envelope.lows
        whole = state.total_bytes or 10 * lows[0]
        since = state.envelope.grown_since()
        grown = 0.0 if since is None else lows[-1] - lows[since]
        if since is None or grown <= self.limit["share"] * whole:
            state.suspected = 0
            if state.envelope.slope(4) <= 0.0:
                return self.clear(record.step, "allocated GPU memory no longer grows", track=track)
            return []
        state.suspected += 1
        if state.suspected < self.limit["confirm"]:
            return []
        per_1000 = 1000.0 * state.envelope.slope(len(lows) - since)
        finding = Finding(
            severity=Severity.WARNING,
            message=f"allocated GPU memory grows by {per_1000 / GIB:.2f} GiB a 1,000 steps, now {used / GIB:.1f} GiB",
            step=record.step,
            onset_step=int(state.envelope.places[since]),
            evidence={"bytes_per_1000_steps": per_1000, "allocated_bytes": used, "grown_bytes": grown},
        )
        return self.hold(finding, track)


class OomState(RuleState, kw_only=True):
    """What the rule remembers."""

    envelope: Envelope = field(default_factory=Envelope)
    """Of allocated bytes, by the time of their records."""
    total_bytes: int | None = None
    used_share: float = 0.0
    num_full: int = 0


class OomAheadRule(Rule[OomState]):
    """Critical: memory grows and will be full soon, with the time; info: a GPU is nearly full; warning: batches were
    made smaller for want of it."""

    name = "oom-ahead"
    title = "GPU memory that will be full soon"
    gravest = Severity.CRITICAL
    reads = (StepRecord, SystemRecord, LifecycleEvent)
    needs = ("gpu.mem_used_bytes|event.out_of_memory",)
    limits: ClassVar = {"full": 0.95, "eta_s": 1800.0, "samples": 5.0}
    state_type = OomState

    def forget_beyond(self, step: int) -> None:
        self.state.envelope.forget()

    def judge(self, record: Record, track: Track) -> list[AlertChange]:
        if isinstance(record, LifecycleEvent):
            if record.what != "out_of_memory":
                return []
            text = f"GPU memory has run out: {record.message}"
            return self.hold(self._finding(Severity.WARNING, text, track, {}), track)
        if isinstance(record, SystemRecord):
            return self._judge_machine(record, track)
        assert isinstance(record, StepRecord)  # noqa: S101
        return self._judge_step(record, track)

    def _judge_machine(self, record: SystemRecord, track: Track) -> list[AlertChange]:
        state = self.state
        shares = [
            (gpu.mem_used_bytes / gpu.mem_total_bytes, gpu.mem_total_bytes)
            for gpu in record.gpus
            if gpu.mem_used_bytes is not None and gpu.mem_total_bytes
        ]
        if not shares:
            return []
        state.used_share, state.total_bytes = max(shares)
        state.num_full = state.num_full + 1 if state.used_share > self.limit["full"] else 0
        if state.num_full >= self.limit["samples"]:
            text = f"GPU memory is {state.used_share:.0%} full"
            return self.hold(
                self._finding(Severity.INFO, text, track, {"used_share": state.used_share, "samples": state.num_full}),
                track,
            )
        is_mark = state.firing is not None and state.firing.severity is Severity.INFO
        if is_mark and state.used_share < self.limit["full"] - 0.1:
            return self.clear(track.step, f"GPU memory is {state.used_share:.0%} full", track=track)
        return []

    def _judge_step(self, record: StepRecord, track: Track) -> list[AlertChange]:
        state, used = self.state, record.gpu_mem_allocated_bytes
        if used is None or record.step < 200 or not state.envelope.add(record.at, used):
            return []
        slope = state.envelope.slope()
        if state.total_bytes is None or slope <= 0.0 or state.envelope.grown_since() is None:
            return []
        eta_s = (state.total_bytes - used) / slope
        if eta_s > self.limit["eta_s"] or used < 0.5 * state.total_bytes:
            return []
        text = f"GPU memory will be full in about {_duration(eta_s)} ({used / state.total_bytes:.0%} now)"
        evidence = {"eta_s": eta_s, "full_at": record.at + eta_s, "allocated_bytes": used, "bytes_per_s": slope}
        return self.hold(self._finding(Severity.CRITICAL, text, track, evidence), track)

    def _finding(self, severity: Severity, text: str, track: Track, evidence: dict[str, float]) -> Finding:
        return Finding(severity=severity, message=text, step=track.step, onset_step=track.step, evidence=evidence)


class FillingState(RuleState, kw_only=True):
    """What the rules on RAM and disk remember: what is used, by time."""

    envelope: Envelope = field(default_factory=Envelope)
    num_full: int = 0
    checkpoint_bytes: int = 0


class RamFillingRule(Rule[FillingState]):
    """Critical: the machine's memory is all but full and the kernel will end a process; warning: it will be soon."""

    name = "ram-filling"
    title = "host memory that fills up"
    gravest = Severity.CRITICAL
    reads = (SystemRecord,)
    needs = ("system.mem_used_bytes",)
    limits: ClassVar = {"full": 0.97, "clear": 0.92, "eta_s": 43200.0, "samples": 3.0}
    state_type = FillingState

    def judge(self, record: SystemRecord, track: Track) -> list[AlertChange]:
        state, used, total = self.state, record.mem_used_bytes, record.mem_total_bytes
        if used is None or not total:
            return []
        is_part = state.envelope.add(record.at, used)
        share = used / total
        state.num_full = state.num_full + 1 if share > self.limit["full"] else 0
        evidence = {"used_bytes": used, "total_bytes": total, "run_rss_bytes": record.run_rss_bytes}
        if state.num_full >= self.limit["samples"]:
            text = f"host memory is {share:.0%} full: the kernel ends a process when nothing is left"
            return self.hold(_finding(Severity.CRITICAL, text, track, evidence), track)
        if state.firing is not None and share < self.limit["clear"] and state.envelope.slope(4) <= 0.0:
            return self.clear(track.step, f"host memory is {share:.0%} full", track=track)
        slope = state.envelope.slope()
        if not is_part or slope <= 0.0 or state.envelope.grown_since() is None:
            return []
        eta_s = (total - used) / slope
        if eta_s > min(self.limit["eta_s"], track.remaining_s(self.facts)):
            return []
        text = f"host memory will be full in about {_duration(eta_s)} ({share:.0%} now)"
        return self.hold(_finding(Severity.WARNING, text, track, {**evidence, "eta_s": eta_s}), track)


class DiskFillingRule(Rule[FillingState]):
    """Critical: no room for the next checkpoint; warning: there will be none before the run ends, with the time."""

    name = "disk-filling"
    title = "disk that fills up"
    gravest = Severity.CRITICAL
    reads = (SystemRecord, CheckpointEvent)
    needs = ("system.disk_free_bytes",)
    limits: ClassVar = {"free_mib": 256.0, "eta_s": 43200.0}
    state_type = FillingState

    def judge(self, record: Record, track: Track) -> list[AlertChange]:
        state = self.state
        if isinstance(record, CheckpointEvent):
            state.checkpoint_bytes = record.size_bytes
            return []
        assert isinstance(record, SystemRecord)  # noqa: S101
        free = record.disk_free_bytes
        if free is None:
            return []
        is_part = state.envelope.add(record.at, -free)
        needed = max(self.limit["free_mib"] * (1 << 20), state.checkpoint_bytes)
        evidence: dict[str, float] = {"free_bytes": free, "checkpoint_bytes": state.checkpoint_bytes}
        if free < needed:
            text = f"{free / GIB:.1f} GiB are free on the disk, a checkpoint takes {state.checkpoint_bytes / GIB:.1f}"
            return self.hold(_finding(Severity.CRITICAL, text, track, evidence), track)
        slope = state.envelope.slope()
        eta_s = (free - needed) / slope if slope > 0.0 else math.inf
        within_s = min(self.limit["eta_s"], track.remaining_s(self.facts))
        is_filling = eta_s < within_s and state.envelope.grown_since() is not None
        if not is_filling and free > 1.5 * needed:
            return self.clear(track.step, f"{free / GIB:.1f} GiB are free", track=track)
        if not is_part or not is_filling:
            return []
        text = f"the disk will be full in about {_duration(eta_s)} ({free / GIB:.1f} GiB are free)"
        evidence |= {"eta_s": eta_s, "full_at": record.at + eta_s, "bytes_per_s": slope}
        return self.hold(_finding(Severity.WARNING, text, track, evidence), track)


def _finding(severity: Severity, text: str, track: Track, evidence: Mapping[str, float | None]) -> Finding:
    known = {name: value for name, value in evidence.items() if value is not None}
    return Finding(severity=severity, message=text, step=track.step, onset_step=track.step, evidence=known)


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90.0 else f"{max(seconds, 0.0):.0f} s"
