"""Run directories and lines as nobody should write them, by a seed: valid ones in which something is wrong."""

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rundir.layout import RunDir
from rundir.records import (
    AlertEvent,
    CheckpointEvent,
    EpochRecord,
    GpuSample,
    LifecycleEvent,
    NoteEvent,
    ResumeEvent,
    ResumeRecord,
    Sample,
    Severity,
    SystemRecord,
    encode,
)
from rundir.remarks import Remarks
from rundir.status import RunInfo, State
from tests.trainwatch.checkpoints import put_checkpoint
from tests.trainwatch.runs import append, evaluation, make_run, outcome, set_status, step, steps

TEXTS = (
    "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "\x1b[2J\x1b[H", "\x9b31m",
    "\x1bP+q\x1b\\", "\x1b[6n", "a\rb\nc\td\x00e\x7f", "\u202eright to left\u2066", "e\u0301\u0301\u0301",
    "\u200b\ufeff", "\u2028\u2029", "\ud800", "\U000e0041", "日本語" * 30, "👩‍👩‍👧‍👦", "[red]x[/red]",
    "[/]", "[@click=app.quit]x[/]", "[", "\\[", "{}%s%n", "x" * 5000, "", " ", "null", "../../etc/passwd", "-rf", "NaN",
    "nan", "inf", "-inf",
)  # fmt: skip
NUMBERS = (
    0, -1, 1, 2**31, 2**53 + 1, 2**63, -(2**63), 2**64, 10**30, 10**400, -0.0, 5e-324, 1e-300, 1e300, 1.7e308, -1.7e308,
    0.1, float("nan"), float("inf"),
)  # fmt: skip


WHOLE = 0.25
WRONG_ATTEMPT = 0.02


def value(random_: random.Random, depth: int = 0) -> Any:
    """Anything JSON can hold, and some that it cannot."""
    kind = random_.randrange(8 if depth < 3 else 5)
    match kind:
        case 0 | 1:
            return random_.choice(TEXTS)
        case 2 | 3:
            return random_.choice(NUMBERS)
        case 4:
            return random_.choice([None, True, False])
        case 5:
            return [value(random_, depth + 1) for _ in range(random_.randrange(4))]
        case 6:
            return {random_.choice(TEXTS): value(random_, depth + 1) for _ in range(random_.randrange(4))}
        case _:
            return nested(random_.choice([10, 200]))


def nested(depth: int) -> Any:
    found: Any = 1
    for level in range(depth):
        found = [found] if level % 2 else {"a": found}
    return found


def mutated(random_: random.Random, found: Any) -> Any:
    """The same with something in it replaced, dropped, added or put in twice."""
    if isinstance(found, dict) and found and random_.random() < 0.9:
        found = dict(found)
        key = random_.choice(list(found))
        match random_.randrange(6):
            case 0:
                del found[key]
            case 1:
                found[random_.choice(TEXTS)] = found[key]
            case 2 | 3:
                found[key] = mutated(random_, found[key])
            case _:
                found[key] = value(random_)
        return found
    if isinstance(found, list) and found and random_.random() < 0.8:
        at = random_.randrange(len(found))
        return [*found[:at], mutated(random_, found[at]), *found[at:]]
    return value(random_)


def written(random_: random.Random, found: Any) -> bytes:
    """As JSON, escaped or not; sometimes with bytes of it lost or changed."""
    data = json.dumps(found, ensure_ascii=random_.random() < 0.5).encode("utf-8", "surrogatepass")
    if random_.random() < 0.1 and data:
        at = random_.randrange(len(data))
        match random_.randrange(4):
            case 0:
                data = data[:at]
            case 1:
                data = data[:at] + random_.randbytes(random_.randrange(1, 9)) + data[at + 1 :]
            case 2:
                data = data[:at] + data[at:] * 2
            case _:
                data = b"[" * random_.choice([100, 100_000])
    return data.replace(b"\n", b" ")


def hostile_line(random_: random.Random, line: bytes) -> bytes:
    """A line of a log, mutated once to three times."""
    found = json.loads(line)
    for _ in range(random_.randrange(1, 4)):
        found = mutated(random_, found)
    return written(random_, found) + b"\n"


def metrics_lines() -> list[bytes]:
    """One of each kind that metrics.jsonl holds, all fields in use."""
    labels: dict[str, dict[str, Any]] = {"PER": {"precision": 0.25, "f1": 0.5, "support": 3}}
    records = [
        step(40, 0.25, grad_norm=1.5, lr=1e-4, epoch=0.4, tokens_per_s=4000.0, step_s=0.5, metrics={"accuracy": 0.5}),
        evaluation(40, 0.5, 0.25, labels=labels, confusion=[[1, 2], [3, 4]], best=True, epoch=0.4,
                   samples=[Sample(prompt="once", text="upon a time")]),
        EpochRecord(at=1.76e9, attempt=1, seq=3, step=40, epoch=1, loss=0.5, metrics={"f1": 0.5}, epoch_s=3.0),
        ResumeRecord(at=1.76e9, attempt=2, seq=4, step=30, reason="restart", checkpoint="checkpoints/step-30"),
    ]  # fmt: skip
    return [encode(record).rstrip() for record in records]


def events_lines() -> list[bytes]:
    """One of each kind that events.jsonl holds."""
    common: dict[str, Any] = {"at": 1.76e9, "attempt": 1, "writer": "trainer", "step": 20}
    records = [
        LifecycleEvent(**common, what="failed", message="it broke", detail={"f1": 0.5, "loss": 0.25}),
        LifecycleEvent(**common, what="baseline", detail={"f1": 0.5}),
        LifecycleEvent(**common, what="report", message="better", detail={"metric": "f1", "best": 0.5}),
        CheckpointEvent(**common, path="checkpoints/step-20", size_bytes=10**6, reason="schedule", best=True),
        AlertEvent(
            **common, rule="spike", change="raised", severity=Severity.WARNING, message="a spike", onset_step=18,
            evidence={"loss": 9.0}, advice="lower the learning rate",
        ),
        outcome("o-1", "set", args={"lr": 1e-4}, reason="", by="me", step=20),
        NoteEvent(**common, text="a note", by="me"),
        ResumeEvent(**{**common, "attempt": 2}, reason="restart", checkpoint="checkpoints/step-20"),
    ]  # fmt: skip
    return [encode(record).rstrip() for record in records]


def system_lines() -> list[bytes]:
    """What system.jsonl holds."""
    gpu = GpuSample(index=0, name="a GPU", mem_used_bytes=10**9, mem_total_bytes=10**10, util_percent=50.0)
    record = SystemRecord(at=1.76e9, attempt=1, seq=1, gpus=[gpu], cpu_percent=10.0, run_rss_bytes=10**9)
    return [encode(record).rstrip()]


def hostile_run(parent: Path, seed: int) -> RunDir:
    """A run directory with a dozen things wrong in it."""
    random_ = random.Random(seed)
    name = f"{seed:03}-" + (
        random_.choice(["\x1b[31mrun", "r\nun", "[red]", "日本", "\x9b1m"]) if seed % 5 == 0 else "run"
    )
    run = make_run(parent, name)
    append(run.metrics, [*steps(30), evaluation(30, 0.5, 0.5)])
    _spoil_log(random_, run.metrics, metrics_lines())
    _spoil_log(random_, run.events, events_lines())
    _spoil_log(random_, run.system, system_lines())
    order = {"id": "o-1", "verb": "set", "args": {"lr": 1e-4}, "at": 1.76e9, "by": "me"}
    _spoil_log(random_, run.control, [json.dumps(order).encode()])
    run.console.write_bytes(b"\n".join(random_.choice(TEXTS).encode("utf-8", "surrogatepass") for _ in range(30)))
    set_status(
        run, random_.choice(list(State)), step=30, total=100, device=random_.choice(["cpu", "cuda:0", "\x1b[1m"])
    )
    run.run_json.write_bytes(
        encode(RunInfo(id=run.id, name="fuzz", task="ner", created_at=1.76e9, versions={"a": "1"}))
    )
    run.remarks_json.write_bytes(encode(Remarks(tags=["good"], note="a note")))
    run.config_toml.write_text('[train]\nlr = 1e-4\n[task]\nkind = "ner"\n', encoding="utf-8")
    for path in (run.status_json, run.run_json, run.remarks_json, run.config_toml):
        _spoil_file(random_, path)
    _spoiled_checkpoints(random_, run)
    return run


def _spoiled_checkpoints(random_: random.Random, run: RunDir) -> None:
    """Some of which a file is wrong, some of which are no directory, and one that is whole."""
    saved = [put_checkpoint(run, step, reason="order") for step in (10, 20, 30)]
    put_checkpoint(run, 25, put_aside=1)
    append(run.events, random_.sample(saved, 2))
    for path in (run.checkpoint(20), run.superseded / "1" / "step-00000025"):
        for name in ("manifest.json", "state.json", "metrics.json"):
            _spoil_file(random_, path / name)
    odd = run.path / "checkpoints" / random_.choice(["step-1e9", "step-00000040", "step-\x1b[2J", "best"])
    if random_.random() < 0.5:
        odd.write_bytes(b"no directory")
    else:
        odd.symlink_to(random_.choice(["step-00000010", "nowhere", "."]))


def _spoil_log(random_: random.Random, path: Path, lines: list[bytes]) -> None:
    with path.open("ab") as log:
        for _ in range(random_.randrange(30)):
            log.write(hostile_line(random_, random_.choice(lines)))
        log.write(random_.choice([b"", b"\x00" * 100, b'{"kind":"st', b"\xff\xfe\n"]))


def _spoil_file(random_: random.Random, path: Path) -> None:
    match random_.randrange(8):
        case 0 | 1 | 2 if path.suffix == ".json":
            path.write_bytes(hostile_line(random_, path.read_bytes()))
        case 3:
            path.unlink()
        case 4:
            path.write_bytes(random_.choice([b"", b"\x00", b"[" * 100_000, b"\xff", b"{}", b"null"]))
        case 5:
            path.unlink()
            path.mkdir()
        case 6 if path.suffix == ".toml":
            text = random_.choice(TEXTS)
            path.write_text(f"[train]\nlr = {json.dumps(text)}\n{json.dumps(text)} = 1\n", "utf-8", "surrogatepass")
        case _:
            pass


def hostile_lines(seed: int, count: int, lines: list[bytes]) -> Iterator[bytes]:
    """So many lines, a quarter of them whole but for their numbers, which rise. A wrong attempt is rare: it supersedes
    all that follows.
    """
    random_ = random.Random(seed)
    for number in range(count):
        line = random_.choice(lines).replace(b'"step":40', b'"step":%d' % (number + 1))
        if random_.random() < WHOLE:
            yield line + b"\n"
            continue
        hostile = hostile_line(random_, line)
        is_wrong = b'"attempt": 1,' not in hostile and b'"attempt": 2,' not in hostile
        yield line + b"\n" if is_wrong and random_.random() > WRONG_ATTEMPT else hostile


def num_runs(usual: int) -> int:
    """How many directories are tried: `make fuzz` asks for more."""
    return int(os.environ.get("FUZZ_RUNS", usual))
