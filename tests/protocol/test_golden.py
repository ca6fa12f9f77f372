"""A directory of format 1, written by the first version of this code, is read to the same values for ever.

Never write it anew to make a test pass: if it cannot be read any more, other people's runs cannot either. What the
format has gained since stands in lines of its own (those without a `seq`); no line was changed.
"""

import hashlib
import json
import math
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rundir import layout, records
from rundir.alerts import Engine
from rundir.control import ControlReader, Malformed, Order, Verb
from rundir.effective import effective
from rundir.layout import RunDir
from rundir.process import ProcessId
from rundir.records import EvalRecord, StepRecord, decode_lines, number
from rundir.status import Heart, Intent, Liveness, State, Status, liveness, read_run_info, read_status
from rundir.tail import Tail

GOLDEN = Path(__file__).parent / "golden" / "format-1"


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """A copy: as rsync would leave it, and safe from a test that writes."""
    return RunDir(Path(shutil.copytree(GOLDEN, tmp_path / "20270115-080000-golden", symlinks=True)))


def read(path: Path, decoder: msgspec.json.Decoder[Any]) -> tuple[list[Any], int]:
    decoded = decode_lines(Tail(path).poll().lines, decoder)
    return decoded.records, decoded.skipped


def test_it_is_found_by_its_name(run: RunDir) -> None:
    assert layout.find_runs(run.path.parent) == [run]


def test_what_the_run_is(run: RunDir) -> None:
    info = read_run_info(run.run_json)
    assert info is not None
    assert (info.format, info.id, info.name, info.task) == (
        1,
        "20270115-080000-golden",
        "golden",
        "token-classification",
    )
    assert (info.created_at, info.seed, info.planned_steps, info.threads) == (1_800_000_000.0, 7, 8, 2)
    assert info.argv == ["traind", "start", "configs/ner.toml"]
    assert (info.git_commit, info.git_dirty) == ("0123456789abcdef0123456789abcdef01234567", False)
    assert info.versions == {"python": "3.11.7", "torch": "2.13.0"}
    assert info.hashes == {"train": "ab" * 32}
    assert json.loads(run.labels_json.read_bytes()) == ["O", "B-Slogans", "I-Slogans"]


def test_where_it_ended(run: RunDir) -> None:
    status = read_status(run.status_json)
    assert status is not None
    assert status.control is not None
    assert (status.control.offset, status.control.files) == (116, ["6b9ac02e7f1b"])
    assert msgspec.structs.replace(status, control=None) == Status(
        format=1,
        run="20270115-080000-golden",
        state=State.DONE,
        intent=Intent.RUN,
        attempt=2,
        step=8,
        total_steps=8,
        epoch=2.0,
        total_epochs=2.0,
        device="cpu",
        supervisor=Heart(process=ProcessId(4710, 1000), beat_at=1_800_000_030.0),
        host="node-1",
        boot_id="b00t",
        updated_at=1_800_000_030.0,
        started_at=1_800_000_001.0,
        active_s=25.5,
        ended_at=1_800_000_030.0,
        last_error="killed by SIGKILL",
        checkpoint="checkpoints/step-00000004",
    )
    assert liveness(status, 1_900_000_000.0) is Liveness.ENDED


def test_every_line_of_the_metrics(run: RunDir) -> None:
    found, skipped = read(run.metrics, records.METRICS_DECODER)
    assert skipped == 2  # a fragment in the middle, a kind that format 1 does not know; the torn end is no line yet
    kinds = [type(record).__name__.removesuffix("Record") for record in found]
    first = [*["Step"] * 4, "Epoch", "Eval", "Step", "Step"]
    assert kinds == [*first, "Resume", "Resume", "Step", "Step", "Eval", "Step", "Step", "Eval"]


def test_the_curve(run: RunDir) -> None:
    found, _ = read(run.metrics, records.METRICS_DECODER)
    steps = [record for record in effective(found) if isinstance(record, StepRecord)]
    assert [record.step for record in steps] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [number(record.loss) for record in steps] == [2.0, 1.5, 1.25, 1.125, 1.0625, 1.03125, 0.0, 5e-324]
    assert math.copysign(1.0, number(steps[6].loss)) == -1.0
    assert [record.attempt for record in steps] == [1, 1, 1, 1, 2, 2, 2, 2]
    assert steps[3] == StepRecord(
        at=1_800_000_014.0,
        attempt=1,
        seq=4,
        step=4,
        loss=1.125,
        grad_norm=0.25,
        lr=0.004,
        epoch=1.0,
        step_s=0.5,
        data_wait_s=0.125,
        tokens_per_s=1024.0,
    )
    assert (steps[4].gpu_mem_allocated_bytes, steps[4].metrics) == (2**40, {"loss_scale": 65536.0})
    superseded = found[6]
    assert (superseded.step, superseded.loss, superseded.grad_norm) == (5, "nan", "inf")
    assert superseded.metrics == {"first_bad_step": 5.0}
    assert found[7].metrics == {
        "accuracy": 0.5,
        "update_ratio": 2**-10,
        "grad_norm_first": 0.25,
        "grad_norm_last": "inf",
        "dead_relu_share": 0.75,
        "unchanged_count": 9.0,
    }
    assert found[7].unchanged == ["encoder.weight", "head.bias"]


def test_evals_epochs_and_the_seam(run: RunDir) -> None:
    found, _ = read(run.metrics, records.METRICS_DECODER)
    holding = effective(found)
    assert holding[4] == records.EpochRecord(
        at=1_800_000_014.5,
        attempt=1,
        seq=5,
        step=4,
        epoch=1,
        loss=1.46875,
        metrics={"token_accuracy": 0.75, "f1": 0.5},
        started_at=1_800_000_010.0,
        epoch_s=4.5,
    )
    scores: dict[str, records.Number] = {"precision": 0.5, "recall": 0.25, "f1": 1 / 3}
    assert holding[5] == EvalRecord(
        at=1_800_000_014.75,
        attempt=1,
        seq=6,
        step=4,
        loss=1.0,
        epoch=1.0,
        metrics=scores,
        labels={"Slogans": {**scores, "support": 4}},
        eval_s=0.25,
        best=True,
    )
    assert holding[6] == records.ResumeRecord(
        at=1_800_000_019.0,
        attempt=2,
        seq=1,
        step=4,
        reason="restart",
        checkpoint="checkpoints/step-00000004",
        exact=False,
        differences={"threads": "2, was 4"},
        passed_over={"checkpoints/step-00000005": "no manifest"},
    )
    ordered = next(r for r in holding if isinstance(r, EvalRecord) and r.trigger == "order")
    assert ordered == EvalRecord(
        at=1_800_000_026.75,
        attempt=2,
        step=6,
        loss=1.25,
        epoch=1.5,
        trigger="order",
        metrics={"f1": 0.25, "accuracy": 0.625},
        labels={
            "O": {"precision": 0.75, "recall": 0.6, "f1": 2 / 3, "support": 5},
            "Slogans": {"precision": 0.5, "recall": "nan", "f1": 0.25, "support": 3},
        },
        confusion=[[3, 2], [1, 2]],
        samples=[records.Sample(prompt="Der Ball", text=" ist rund.\n\x1b[31m"), records.Sample(prompt="", text="")],
        eval_s=0.5,
    )
    assert holding[-1] == EvalRecord(at=1_800_000_028.5, attempt=2, seq=6, step=8, loss="inf", epoch=2.0, trigger="end")


def test_what_happened(run: RunDir) -> None:
    found, skipped = read(run.events, records.EVENT_DECODER)
    assert skipped == 1
    lifecycle = [(e.writer, e.what) for e in found if isinstance(e, records.LifecycleEvent)]
    assert lifecycle == [
        ("supervisor", "supervised"),
        ("supervisor", "spawned"),
        ("trainer", "device"),
        ("trainer", "training"),
        ("trainer", "starting_loss"),
        ("supervisor", "crashed"),
        ("supervisor", "restarting"),
        ("trainer", "report"),
        ("trainer", "done"),
    ]
    details = {e.what: e.detail or {} for e in found if isinstance(e, records.LifecycleEvent)}
    assert details["starting_loss"] == {"loss": 2.0, "ln_classes": math.log(3)}
    assert (details["report"]["metric"], details["report"]["baseline"]) == ("f1", {"f1": 0.125})
    outcomes = [(e.order, e.verb, e.result, e.reason) for e in found if isinstance(e, records.OutcomeEvent)]
    assert outcomes == [
        ("a1b2c3", "set", "applied", ""),
        ("120e9cb7e580", "pause", "refused", "expired"),
        ("384595d19c43", "", "refused", "not JSON: JSON is malformed: invalid character (byte 1)"),
        ("c0ffee", "note", "applied", ""),
    ]
    alerts = [(e.rule, e.change, e.severity, e.step, e.onset_step) for e in found if isinstance(e, records.AlertEvent)]
    assert alerts == [
        ("non-finite", "raised", records.Severity.CRITICAL, 5, 5),
        ("non-finite", "cleared", records.Severity.CRITICAL, 4, 5),
    ]
    [note] = [e for e in found if isinstance(e, records.NoteEvent)]
    assert (note.text, note.by) == ("line\u2028separator, \x1b[31mred, \U0001f600, \x00", "ada")
    [saved] = [e for e in found if isinstance(e, records.CheckpointEvent)]
    assert (saved.path, saved.reason, saved.best, saved.blocked_s) == ("checkpoints/step-00000004", "best", True, 0.01)
    [resume] = [e for e in found if isinstance(e, records.ResumeEvent)]
    assert (resume.step, resume.exact, resume.differences) == (4, False, {"threads": "2, was 4"})


def test_the_machine(run: RunDir) -> None:
    found, skipped = read(run.system, records.SYSTEM_DECODER)
    assert skipped == 0
    assert found[0].gpus == [
        records.GpuSample(
            index=0,
            name="NVIDIA H200",
            mem_used_bytes=10**9,
            mem_total_bytes=15 * 10**10,
            run_mem_bytes=9 * 10**8,
            util_percent=97.5,
            temperature_c=61.0,
            power_w=412.5,
        ),
        records.GpuSample(index=1),
    ]
    assert (found[0].cpu_percent, found[0].run_cpu_percent, found[0].disk_free_bytes) == (12.5, 150.0, 2**36)
    assert found[1] == records.SystemRecord(at=1_800_000_011.0, attempt=1, seq=2)


def test_the_orders_keep_their_ids(run: RunDir) -> None:
    bare, malformed, settled, noted = ControlReader(run).poll()
    assert bare == Order(verb=Verb.PAUSE, id="120e9cb7e580")
    assert isinstance(malformed, Malformed)
    assert malformed.id == "384595d19c43"
    assert settled == Order(verb=Verb.SET, id="a1b2c3", args={"lr": 5e-4}, at=1_800_000_024.0, by="ada@node-1")
    assert noted == Order(verb=Verb.NOTE, id="c0ffee", args={"text": "from afar"}, at=1_800_000_025.0)


def test_the_checkpoint_is_whole(run: RunDir) -> None:
    path = run.checkpoint(4)
    assert (run.checkpoints / "latest").resolve() == (run.checkpoints / "best").resolve() == path
    files = json.loads((path / "manifest.json").read_bytes())["files"]
    assert files.keys() == {"config.json", "model.safetensors", "optimizer.safetensors", "state.json"}
    for name, entry in files.items():
        data = (path / name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (entry["size_bytes"], entry["sha256"])


def test_the_memory_of_the_alert_rules(run: RunDir) -> None:
    engine = Engine()
    engine.restore(json.loads(run.alerts_json.read_bytes())["engine"])
    assert engine.state()["non-finite"]["last_step"] == 8


def test_the_document_names_every_file_of_it(run: RunDir) -> None:
    """Complete: each file of the layout is there, what only some runs have excepted."""
    names = [name for name, value in vars(RunDir).items() if isinstance(value, property) and name != "id"]
    missing = {name for name in names if not getattr(run, name).exists()}
    assert missing <= {"base", "cache", "superseded", "sinks", "csv", "tensorboard", "wandb", "remarks_json"}
