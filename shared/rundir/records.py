"""The records of the three logs: their kinds and fields, and how they become lines and back.

Guarantees: one record is one line of valid JSON (RFC 8259) ending in a newline; non-finite numbers are the strings
"nan", "inf" and "-inf"; an absent value is a missing key, never null; unknown kinds and fields are skipped by readers.
Knows nothing of files: `append` writes lines, `tail` finds them.
"""

import math
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any, Literal, TypeAlias, get_args, get_origin

import msgspec

NonFinite: TypeAlias = Literal["nan", "inf", "-inf"]
Number: TypeAlias = float | NonFinite
"""A number as it stands in a file. Read it with `number()`."""


def number(value: Number | None) -> float:
    """The float behind a value of a record: the three non-finite spellings included, absent as nan."""
    return math.nan if value is None else float(value)


class Severity(StrEnum):
    """How much an alert matters: critical wastes compute now, warning asks to act soon, info marks the chart."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Record(msgspec.Struct, omit_defaults=True, kw_only=True, gc=False, tag_field="kind"):
    """What every line of every log carries."""

    at: float
    """UTC seconds at which the record was made."""
    attempt: int
    """Which start of the trainer it belongs to; counts from 1. Grows with every resume."""
    seq: int = 0
    """Counts the records of one writer in one attempt; a repeated (attempt, writer, seq) is a rewritten line."""


# --- metrics.jsonl -----------------------------------------------------------------------------------------------


class StepRecord(Record, tag="step", omit_defaults=True, kw_only=True, gc=False):
    """One optimizer step."""

    step: int
    """Optimizer steps done, counts from 1."""
    loss: Number
    """Mean over the step's targets (weighted by class weight where there are any)."""
    grad_norm: Number | None = None
    """Global L2 norm before clipping."""
    lr: Number | None = None
    epoch: float | None = None
    """Epochs done after this step, as a fraction."""
    step_s: float | None = None
    """Wall time of the step, waiting for data included."""
    data_wait_s: float | None = None
    tokens_per_s: float | None = None
    gpu_mem_allocated_bytes: int | None = None
    """Peak of the CUDA allocator since the last record."""
    metrics: dict[str, Number] | None = None
    """Anything else a task measures at a step, by name."""
    unchanged: list[str] = []
    """Trainable tensors, at most eight, that the update of this step left exactly as they were."""


class Sample(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A text that the model made at an evaluation."""

    prompt: str
    text: str
    """What it wrote after the prompt."""


class EvalRecord(Record, tag="eval", omit_defaults=True, kw_only=True):
    """One evaluation on the eval set."""

    step: int
    loss: Number
    epoch: float | None = None
    trigger: Literal["schedule", "order", "end"] = "schedule"
    metrics: dict[str, Number] | None = None
    """Names and values, e.g. precision, recall, f1, token_accuracy."""
    labels: dict[str, dict[str, Number]] | None = None
    """Per label: precision, recall, f1, support. Beside `confusion`: every label, in its order."""
    confusion: list[list[int]] | None = None
    """Examples by true label (row) and predicted label (column)."""
    samples: list[Sample] | None = None
    eval_s: float | None = None
    best: bool = False
    """Whether this is the best value so far of the metric that chooses the best checkpoint."""


class EpochRecord(Record, tag="epoch", omit_defaults=True, kw_only=True):
    """One finished epoch of training."""

    step: int
    epoch: int
    """Epochs done, counts from 1."""
    loss: Number
    """Mean train loss over the epoch's targets."""
    metrics: dict[str, Number] | None = None
    """From the logits of training, e.g. token_accuracy, f1."""
    started_at: float | None = None
    epoch_s: float | None = None


class ResumeRecord(Record, tag="resume", omit_defaults=True, kw_only=True):
    """A later attempt goes on from `step`: effective records beyond it go. Written before its first step."""

    step: int
    reason: str = ""
    """resume, restart, rollback or extend."""
    checkpoint: str | None = None
    exact: bool = True
    differences: dict[str, str] | None = None
    """What differs from the machine that wrote the checkpoint and so makes the resume inexact."""
    passed_over: dict[str, str] | None = None
    """Newer checkpoints that were not taken, and why."""


# --- events.jsonl ------------------------------------------------------------------------------------------------


class Event(Record, omit_defaults=True, kw_only=True):
    """What every line of events.jsonl carries besides."""

    writer: Literal["supervisor", "trainer"]
    step: int | None = None


class LifecycleEvent(Event, tag="lifecycle", omit_defaults=True, kw_only=True):
    """The run moved on: `what` is one of `LIFECYCLE`."""

    what: str
    message: str = ""
    detail: dict[str, Any] | None = None


LIFECYCLE = {
    "supervised": "a supervisor holds the lock",
    "supervisor_lost": "an earlier supervisor was killed, or its machine: found by the one that takes the run up",
    "orphaned": "the trainer has seen that its supervisor is gone: it makes a checkpoint and leaves",
    "spawned": "a trainer process was started",
    "device": "the device that training uses, and why",
    "data": "the data was read: counts, and what was lost",
    "model": "the model was built or loaded",
    "pretrained": 'the encoder of `model.init = "mlm"` was pre-trained: its loss, steps and seconds',
    "baseline": "what a program without a model scores on the eval set",
    "training": "the first step of this attempt begins",
    "starting_loss": "the loss of the first step, beside that of a model that knows nothing",
    "paused": "the loop holds at a safe point",
    "resumed": "the loop goes on after a pause",
    "parked": "the trainer has left, its memory is free",
    "updates_skipped": "loss or gradient norm was not finite, or a spike: those updates were not made; what follows",
    "acted": "an order that [policy] on_alert binds to an alert rule was given: which rule, which order, and why",
    "held": "rollbacks by the run's own policy have not helped: it is paused for a person to look at",
    "batches_left_out": "the steps whose batches a rollback has left out are past",
    "out_of_memory": "batches were made smaller: of training with the same effective batch, or of evaluations",
    "eval_failed": "an ordered evaluation found no memory even for single examples; training goes on",
    "checkpoint_failed": "a checkpoint could not be written; training goes on",
    "checkpoint_skipped": "there is too little room for a checkpoint: bytes needed and free; training goes on",
    "superseded_removed": "checkpoints beyond a later resume were removed to make room for a new one",
    "disk_full": "a record could not be written: it and those after it wait in memory",
    "disk_ok": "there is room again: what waited has been written, in order",
    "control_distrusted": "no orders are taken from a control file that others may write: why, and the cure",
    "control_ok": "orders are taken from it again; what others may have written is passed over",
    "sink_failed": "a sink of [log] has ended by a fault; training and the other sinks go on",
    "notify_failed": "a message of [notify] could not be sent: why, and whether it is tried again",
    "notify_sent": "one that could not be sent at first has been sent",
    "report": "the best checkpoint, evaluated again at the end, and the verdict",
    "crashed": "the trainer ended without leave: its cause",
    "restarting": "the supervisor starts the trainer again",
    "stalled": "the trainer lives and makes no progress: for how long, and the stacks of its threads",
    "stall_over": "it makes progress again",
    "unattended": "the supervisor of a parked run was told to leave by a signal; `traind resume` goes on",
    "done": "the run reached its end",
    "stopped": "the run was ended by order or signal",
    "failed": "the run ended by a fault: its reason",
}
"""What a lifecycle event may say."""


class CheckpointEvent(Event, tag="checkpoint", omit_defaults=True, kw_only=True):
    """A checkpoint is on disk, whole."""

    path: str
    """Relative to the run directory."""
    size_bytes: int
    reason: str = "schedule"
    """schedule, order, best, end, park, pause, stop or signal."""
    blocked_s: float | None = None
    """How long the training loop waited."""
    save_s: float | None = None
    """From the boundary to the rename."""
    best: bool = False


class OutcomeEvent(Event, tag="outcome", omit_defaults=True, kw_only=True):
    """What became of an order. Written ahead of the effect; exactly one for every order."""

    order: str
    """The order's id."""
    verb: str
    result: Literal["applied", "refused"]
    reason: str = ""
    args: dict[str, Any] | None = None
    by: str | None = None


class AlertEvent(Event, tag="alert", omit_defaults=True, kw_only=True):
    """An alert was raised, grew worse (updated) or was cleared."""

    rule: str
    change: Literal["raised", "updated", "cleared"]
    severity: Severity
    message: str
    onset_step: int | None = None
    evidence: dict[str, Any] | None = None
    advice: str = ""
    causes: list[str] = []
    """Likely ones, the likeliest first."""
    fixes: list[str] = []
    """What to do, in order: `advice` one by one."""
    order: dict[str, Any] | None = None
    """The order that does one of the fixes: its `verb`, and `args` where it takes any."""
    incident: int | None = None
    """Alerts that belong together have the same number."""
    primary: bool = False
    """Whether the others of its incident follow from it, by what was known then; the last that says so is it."""


class NoteEvent(Event, tag="note", omit_defaults=True, kw_only=True):
    """A remark by a person."""

    text: str
    by: str | None = None


class ResumeEvent(Event, tag="resume", omit_defaults=True, kw_only=True):
    """The twin in events.jsonl of `ResumeRecord`."""

    step: int | None
    reason: str = ""
    checkpoint: str | None = None
    exact: bool = True
    differences: dict[str, str] | None = None
    passed_over: dict[str, str] | None = None


# --- system.jsonl ------------------------------------------------------------------------------------------------


class GpuProcess(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A process that holds memory of a GPU."""

    pid: int
    """As NVML has it: in a container perhaps the host's."""
    is_run: bool = False
    """Whether it is this run's own."""
    user: str = ""
    """Whose it is; empty where it cannot be seen from here."""
    name: str = ""
    mem_bytes: int | None = None


class GpuSample(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One GPU as NVML sees it; a sensor that is not there is a missing key."""

    index: int
    name: str = ""
    mem_used_bytes: int | None = None
    mem_total_bytes: int | None = None
    run_mem_bytes: int | None = None
    """What this run's own processes hold; absent where NVML's process list is hidden (containers)."""
    util_percent: float | None = None
    temperature_c: float | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    clock_mhz: float | None = None
    """Of the multiprocessors."""
    clock_max_mhz: float | None = None
    slowed_by: list[str] | None = None
    """Why the clock is lower than it could be: heat, power, brake, hardware, setting. Empty: it is not."""
    processes: list[GpuProcess] | None = None
    """Those that hold its memory, the largest first, at most 16. Empty: NVML shows none, which is no proof."""


class SystemRecord(Record, tag="system", omit_defaults=True, kw_only=True):
    """One sample of the machine."""

    gpus: list[GpuSample] = []
    cpu_percent: float | None = None
    """Of the whole machine, 0 to 100."""
    mem_used_bytes: int | None = None
    mem_total_bytes: int | None = None
    run_rss_bytes: int | None = None
    """Resident memory of the supervisor, the trainer and its children."""
    run_cpu_percent: float | None = None
    """Of one core: 200 is two cores busy."""
    console_bytes: int | None = None
    """How long console.log was: so it is known what was printed when."""
    disk_free_bytes: int | None = None
    num_cpus: int | None = None
    """Logical ones of the machine."""
    shm_used_bytes: int | None = None
    """Of /dev/shm, through which loader workers hand over batches."""
    shm_total_bytes: int | None = None
    disk_total_bytes: int | None = None
    """Of the file system of the run directory."""
    disk_read_bytes: int | None = None
    """By all disks of the machine since it started."""
    disk_written_bytes: int | None = None
    net_received_bytes: int | None = None
    """Through all network devices since the machine started, loopback not among them."""
    net_sent_bytes: int | None = None


MetricsRecord: TypeAlias = StepRecord | EvalRecord | EpochRecord | ResumeRecord
EventRecord: TypeAlias = LifecycleEvent | CheckpointEvent | OutcomeEvent | AlertEvent | NoteEvent | ResumeEvent
AnyRecord: TypeAlias = MetricsRecord | EventRecord | SystemRecord

METRICS_DECODER: msgspec.json.Decoder[MetricsRecord] = msgspec.json.Decoder(MetricsRecord)
EVENT_DECODER: msgspec.json.Decoder[EventRecord] = msgspec.json.Decoder(EventRecord)
SYSTEM_DECODER: msgspec.json.Decoder[SystemRecord] = msgspec.json.Decoder(SystemRecord)

_ENCODER = msgspec.json.Encoder()


def encode(record: msgspec.Struct | dict[str, Any]) -> bytes:
    """One line of JSON with its newline. Never raises on a float, however odd, nor on a lone surrogate in a text.

    A number field spells a non-finite value out; any other optional field leaves it out, as readers expect a number
    there. Lone surrogates become "?". In a list, where a place cannot be missing, an absent value is "nan".
    The fast path costs one encode: msgspec writes non-finite floats as null, and as absent values have no key, a
    null in the line means that one of them (or the word itself) is there and the slow path is taken.
    """
    try:
        line = _ENCODER.encode(record)
    except UnicodeEncodeError:
        return _ENCODER.encode(_plain(record)) + b"\n"
    if b"null" in line:
        line = _ENCODER.encode(_plain(record))
    return line + b"\n"


def _plain(value: Any) -> Any:
    """The same value in builtins, with non-finite floats spelled out, None-valued keys dropped, surrogates replaced."""
    if isinstance(value, msgspec.Struct):
        tag = {} if value.__struct_config__.tag_field is None else {"kind": value.__struct_config__.tag}
        return _plain({**tag, **dict(_plain_fields(value))})
    if isinstance(value, dict):
        return {_plain(str(k)): _plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return ["nan" if v is None else _plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return value


def _plain_fields(struct: msgspec.Struct) -> Iterator[tuple[str, Any]]:
    """The fields that are written: those that differ from their default, and whose type can carry what they hold."""
    for field in msgspec.structs.fields(struct):
        value = getattr(struct, field.name)
        if not field.required:
            is_default = value is field.default or (field.default_factory in (list, dict) and not value)
            if struct.__struct_config__.omit_defaults and is_default:
                continue
            if isinstance(value, float) and not math.isfinite(value) and "nan" not in _literals(field.type):
                continue
        yield field.encode_name, value


def _literals(annotation: Any) -> set[Any]:
    """The literal values that an annotation allows, those inside unions included."""
    if get_origin(annotation) is Literal:
        return set(get_args(annotation))
    return {literal for inner in get_args(annotation) for literal in _literals(inner)}


class Decoded(msgspec.Struct):
    """What became of a chunk of lines."""

    records: list[Any]
    skipped: int
    """Lines that were no record of this format: fragments, unknown kinds, garbage. Blank lines are not counted."""


def decode_lines(lines: bytes, decoder: msgspec.json.Decoder[Any], num_lines: int | None = None) -> Decoded:
    """Decode whole lines. A bad line costs itself only: the chunk then goes line by line.

    What a line means does not depend on its neighbours: an object spread over several lines is no record, nor are two
    on one line, though msgspec would take both. Hence the count of lines: `num_lines`, where the caller has a faster
    way to it.
    """
    try:
        records = decoder.decode_lines(lines)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _decode_singly(lines.split(b"\n"), decoder)
    if len(records) != (lines.count(b"\n") if num_lines is None else num_lines):
        return _decode_singly(lines.split(b"\n"), decoder)
    return Decoded(records, 0)


def _decode_singly(lines: Iterable[bytes], decoder: msgspec.json.Decoder[Any]) -> Decoded:
    records: list[Any] = []
    skipped = 0
    for line in lines:
        if not line.strip():
            continue
        try:
            records.append(decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            skipped += 1
    return Decoded(records, skipped)
