"""`traind predict` on real runs: what it says is what the evaluation counted, wherever the checkpoint lies."""

import io
import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from rundir.layout import RunDir
from rundir.records import EvalRecord
from rundir.status import State, Status, write_status
from tests.process.tiny_run import metrics_of
from tests.traind.predict import tiny_models
from traind import config
from traind.config import Train
from traind.data import TextDocument, load_corpus
from traind.predict.__main__ import main
from traind.predict.model import place
from traind.predict.spans import SpanFinder


@pytest.fixture(scope="session")
def span_run(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    return tiny_models.span_run(tmp_path_factory.mktemp("spans"))


@pytest.fixture(scope="session")
def label_run(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    return tiny_models.label_run(tmp_path_factory.mktemp("labels"))


@pytest.fixture(scope="session")
def writing_run(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    return tiny_models.writing_run(tmp_path_factory.mktemp("writing"))


class Told:
    """What one call of the command gave."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def rows(self) -> list[dict[str, Any]]:
        assert self.code == 0, self.err
        return [json.loads(line) for line in self.out.split("\n")[:-1]]  # U+2028 is no end of a line


Predict = Callable[..., Told]


@pytest.fixture
def predict(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Predict:
    """The command in this process, which has torch already; `stdin` is what is piped into it."""
    monkeypatch.chdir(tmp_path)

    def call(*words: object, stdin: str = "") -> Told:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        code = main([*map(str, words), "--device", "cpu"])
        captured = capsys.readouterr()
        return Told(code, captured.out, captured.err)

    return call


def evaluated(run: RunDir, step: int) -> EvalRecord:
    return next(r for r in metrics_of(run) if isinstance(r, EvalRecord) and r.step == step)


def steps_of(run: RunDir) -> list[int]:
    return sorted(int(path.name.removeprefix("step-")) for path in run.checkpoints.glob("step-*"))


def damage(checkpoint: Path) -> None:
    content = bytearray((checkpoint / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (checkpoint / "model.safetensors").write_bytes(content)


def copy_of(run: RunDir, tmp_path: Path) -> RunDir:
    shutil.copytree(run.path, tmp_path / "copy", symlinks=True)
    return RunDir(tmp_path / "copy")


def refused(told: Told, *words: str) -> None:
    assert told.code == 2
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    for word in words:
        assert word in told.err


# --- spans -----------------------------------------------------------------------------------------------------------


def test_spans_are_those_that_the_evaluation_counted(predict: Predict, span_run: RunDir, tmp_path: Path) -> None:
    """Long documents in several windows included: precision and recall are the recorded ones, to the digit."""
    documents = load_corpus(config.parse(span_run.config_toml.read_bytes(), "run")).eval
    (tmp_path / "eval.jsonl").write_text(
        "".join(json.dumps({"text": document.text}) + "\n" for document in documents), encoding="utf-8"
    )
    step = steps_of(span_run)[-1]
    rows = predict(span_run.path, "--checkpoint", step, "--file", tmp_path / "eval.jsonl", "--json").rows
    assert [row["text"] for row in rows] == [document.text for document in documents]
    assert max(len(row["text"].split()) for row in rows) > 30  # more than a window takes
    found, true = set(), set()
    for number, (row, document) in enumerate(zip(rows, documents, strict=True)):
        assert isinstance(document, TextDocument)
        found |= {(number, span["start"], span["end"], span["label"]) for span in row["spans"]}
        true |= {(number, span.start, span.end, span.label) for span in document.spans}
        for span in row["spans"]:
            assert span["text"] == row["text"][span["start"] : span["end"]]
            assert 0 < span["score"] <= 1
    metrics = evaluated(span_run, step).metrics
    assert metrics is not None
    assert len(found & true) / len(found) == metrics["precision"]
    assert len(found & true) / len(true) == metrics["recall"]


@pytest.mark.slow
def test_of_a_model_of_words_only_first_tokens_are_listened_to(predict: Predict, tmp_path: Path) -> None:
    """As at evaluation: the recorded precision and recall, in words."""
    run = tiny_models.word_run(tmp_path)
    documents = load_corpus(config.parse(run.config_toml.read_bytes(), "run")).eval
    rows = predict(run.path, *(" ".join(document.tokens) for document in documents), "--json").rows
    found, true = set(), set()
    for number, (row, document) in enumerate(zip(rows, documents, strict=True)):
        starts = [len(" ".join([*document.tokens[:index], ""])) for index in range(len(document.tokens))]
        begins = [index for index, tag in enumerate(document.tags) if tag == "B-A"]
        for index in begins:
            following = "I-A" in document.tags[index + 1 : index + 2]
            last = index + following
            true.add((number, starts[index], starts[last] + len(document.tokens[last])))
        found |= {(number, span["start"], span["end"]) for span in row["spans"]}
    metrics = max((r for r in metrics_of(run) if isinstance(r, EvalRecord)), key=lambda r: -float(r.loss)).metrics
    assert metrics is not None
    assert len(found & true) / len(found) == metrics["precision"]
    assert len(found & true) / len(true) == metrics["recall"]


def test_a_checkpoint_alone_somewhere_else_says_the_same(predict: Predict, span_run: RunDir, tmp_path: Path) -> None:
    """Without its run, without its optimizer; windows as in training all the same."""
    text = " ".join(["alpha delta beta kappa gamma"] * 20)
    step = steps_of(span_run)[0]
    expected = predict(span_run.path, text, "--json", "--checkpoint", step).rows
    assert expected[0]["spans"]
    alone = tmp_path / "elsewhere" / "model"
    shutil.copytree(span_run.checkpoint(step), alone)
    (alone / "optimizer.safetensors").unlink()
    assert predict(alone, text, "--json").rows == expected
    assert predict(span_run.checkpoint(step), text, "--json").rows == expected  # inside the run


def test_texts_come_from_arguments_a_file_or_a_pipe_all_the_same(
    predict: Predict, span_run: RunDir, tmp_path: Path
) -> None:
    texts = ["alpha delta beta", "", "eta \u2028 delta"]
    expected = predict(span_run.path, *texts, "--json").rows
    assert [row["text"] for row in expected] == texts
    assert predict(span_run.path, "--json", *texts, "--batch-size", 1).rows == expected  # TEXT after an option
    (tmp_path / "a.txt").write_text("\r\n".join(texts) + "\n", encoding="utf-8", newline="")
    without_blank = [row for row in expected if row["text"]]
    assert predict(span_run.path, "--file", "a.txt", "--json").rows == without_blank
    rows = [json.dumps({"text": text, "id": 1}) for text in texts]
    (tmp_path / "a.jsonl").write_text("\n".join(rows), encoding="utf-8")
    assert predict(span_run.path, "--file", "a.jsonl", "--json").rows == expected
    assert predict(span_run.path, "--json", stdin="\n".join(texts)).rows == without_blank
    assert predict(span_run.path, "--file", "-", "--json", stdin="\n".join(texts)).rows == without_blank
    refused(predict(span_run.path, "--json", stdin="\n  \n"), "standard input: no text given")


def test_a_person_gets_a_table_and_the_speed(predict: Predict, span_run: RunDir) -> None:
    told = predict(span_run.path, "alpha delta beta \x1b[2J", "beta")
    assert "[delta](A)" in told.out
    assert "\x1b" not in told.out
    assert "2: no span" in told.out
    assert "2 texts in" in told.err
    assert "a second" in told.err


# --- labels ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_labels_are_those_that_the_evaluation_counted(predict: Predict, label_run: RunDir) -> None:
    survey = load_corpus(config.parse(label_run.config_toml.read_bytes(), "run")).survey().eval
    step = steps_of(label_run)[-1]
    rows = predict(label_run.path, *survey.texts, "--checkpoint", "latest", "--json").rows
    num_right = sum(row["label"] == target for row, target in zip(rows, survey.targets, strict=True))
    metrics = evaluated(label_run, step).metrics
    assert metrics is not None
    assert num_right / len(rows) == metrics["accuracy"] > 0.8
    for row in rows:
        assert sum(row["scores"].values()) == pytest.approx(1, abs=1e-5)
        assert row["score"] == row["scores"][row["label"]] == max(row["scores"].values())
        assert row["truncated"] == (len(row["text"].split()) > 14)  # of 16 tokens two are special


@pytest.mark.slow
def test_a_truncated_text_is_said(predict: Predict, label_run: RunDir) -> None:
    told = predict(label_run.path, "alpha " * 40, "alpha")
    assert told.out.count("cut off: longer than the model takes") == 1


@pytest.mark.slow
def test_an_adapter_is_put_on_its_base_wherever_both_are(predict: Predict, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    run = tiny_models.adapter_run(tmp_path / "made")
    survey = load_corpus(config.parse(run.config_toml.read_bytes(), "run")).survey().eval
    step = steps_of(run)[-1]
    expected = predict(run.path, *survey.texts, "--checkpoint", step, "--json").rows
    num_right = sum(row["label"] == target for row, target in zip(expected, survey.targets, strict=True))
    metrics = evaluated(run, step).metrics
    assert metrics is not None
    assert num_right / len(expected) == metrics["accuracy"]
    alone = tmp_path / "alone" / "here" / "model"
    shutil.copytree(run.checkpoint(step), alone)
    assert predict(alone, *survey.texts, "--json").rows == expected  # on the base that it names
    (tmp_path / "made").rename(tmp_path / "moved")
    refused(predict(alone, "alpha"), str(run.base), "no model is there", "--base")
    moved = tmp_path / "moved" / "runs" / run.id
    assert predict(moved, *survey.texts, "--checkpoint", step, "--json").rows == expected
    assert predict(alone, *survey.texts, "--base", moved / "base", "--json").rows == expected
    (alone / "adapter_config.json").unlink()
    refused(predict(alone, "alpha"), "adapter_config.json is missing")


# --- written ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_was_learnt_by_heart_is_said(predict: Predict, writing_run: RunDir, tmp_path: Path) -> None:
    told = predict(writing_run.path, "alpha beta", "--checkpoint", "latest", "--temperature", 0, "--json")
    assert told.rows[0]["prompt"] == "alpha beta"
    assert told.rows[0]["text"].strip() == tiny_models.SENTENCE.removeprefix("alpha beta ")
    assert told.rows[0]["memorised"] is True
    assert "1 of 1 (100%) word for word in the training text" in told.err
    shutil.copytree(writing_run.checkpoint(steps_of(writing_run)[-1]), tmp_path / "alone")
    alone = predict(tmp_path / "alone", "alpha beta", "--temperature", 0, "--json")
    assert alone.rows[0]["text"] == told.rows[0]["text"]
    assert "memorised" not in alone.rows[0]
    assert "the training text is not at hand" in alone.err


@pytest.mark.slow
def test_the_seed_decides_what_is_drawn(predict: Predict, writing_run: RunDir) -> None:
    """Untrained enough to differ; and however the texts are batched."""
    step = steps_of(writing_run)[0]
    words = (writing_run.path, "alpha", "alpha", "--checkpoint", step, "--temperature", 3, "--max-tokens", 12, "--json")
    first, second = (row["text"] for row in predict(*words, "--seed", 5).rows)
    assert first != second
    assert [row["text"] for row in predict(*words, "--seed", 5, "--batch-size", 1).rows] == [first, second]
    assert predict(*words, "--seed", 6).rows[0]["text"] == second
    assert all(len(text.split()) <= 12 for text in (first, second))


# --- which checkpoint, and what is wrong with it --------------------------------------------------------------------


def test_the_best_is_taken_unless_another_is_asked_for(predict: Predict, span_run: RunDir) -> None:
    best = min((r for r in metrics_of(span_run) if isinstance(r, EvalRecord)), key=lambda record: float(record.loss))
    newest = steps_of(span_run)[-1]
    for wanted, step in (([], best.step), (["--checkpoint", "best"], best.step), (["--checkpoint", "latest"], newest)):
        assert f"step-{step:08d} of {span_run.id}" in predict(span_run.path, "alpha", *wanted).err
    refused(predict(span_run.path, "alpha", "--checkpoint", "7"), "--checkpoint 7", str(best.step))
    refused(predict(span_run.checkpoint(best.step), "alpha", "--checkpoint", "best"), "is a checkpoint itself")


def test_a_damaged_checkpoint_is_refused_and_passed_over(predict: Predict, span_run: RunDir, tmp_path: Path) -> None:
    run = copy_of(span_run, tmp_path)
    best = (run.checkpoints / "best").resolve()
    damage(best)
    refused(predict(best, "alpha"), best.name, "model.safetensors does not match its checksum", "copy it again")
    refused(predict(run.path, "alpha", "--checkpoint", "best"), best.name, "checksum")
    told = predict(run.path, "alpha", "--json")
    assert told.rows
    assert f"{best.name} passed over: model.safetensors does not match" in told.err
    for path in run.checkpoints.glob("step-*"):
        if path != best:
            damage(path)
    refused(predict(run.path, "alpha"), "no checkpoint is whole")
    for path in run.checkpoints.glob("step-*"):
        shutil.rmtree(path)
    refused(predict(run.path, "alpha"), "no checkpoint is left")
    for state, says in ((State.STOPPED, f"ended before its first; `traind resume {run.id}`"), (State.RUNNING, "yet")):
        write_status(run.status_json, Status(run=run.id, state=state))
        refused(predict(run.path, "alpha"), f"{run.path}: no checkpoint", says)


def test_a_foreign_model_is_tried_unverified(predict: Predict, span_run: RunDir, tmp_path: Path) -> None:
    """As `save_pretrained` leaves it: no manifest, no configuration of ours."""
    foreign = tmp_path / "foreign"
    shutil.copytree(span_run.checkpoint(steps_of(span_run)[0]), foreign)
    for name in ("manifest.json", "config.toml", "state.json", "metrics.json", "optimizer.safetensors"):
        (foreign / name).unlink()
    told = predict(foreign, "alpha delta", "--json")
    assert told.rows[0]["text"] == "alpha delta"
    assert "could not be verified" in told.err
    assert "windows of 512 tokens" in told.err


def test_what_is_not_there_is_one_line(predict: Predict, span_run: RunDir, tmp_path: Path) -> None:
    refused(predict("nowhere", "a text"), "no run 'nowhere'", "traind predict")
    refused(predict(tmp_path, "a text"), "neither a run nor a checkpoint")
    refused(predict(span_run.path, "--file", "nowhere.txt"), "nowhere.txt: no such file")
    refused(predict(span_run.path, "a", "--file", "b"), "not both")
    (tmp_path / "bad.jsonl").write_text('{"text": "a"}\n{"body": "b"}\n', encoding="utf-8")
    refused(predict(span_run.path, "--file", "bad.jsonl"), "line 2", '{"text"')
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe")
    refused(predict(span_run.path, "--file", "bad.txt"), "not UTF-8")
    strange = tmp_path / "strange"
    strange.mkdir()
    (strange / "config.json").write_text('{"architectures": ["BertForMaskedLM"]}', encoding="utf-8")
    told = predict(strange, "a text")
    assert told.code == 2
    assert "BertForMaskedLM is none of the kinds" in told.err


def test_a_device_that_is_not_there_is_named(span_run: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(span_run.path), "alpha", "--device", "cuda:77"]) == 2
    assert capsys.readouterr().err.startswith("traind: --device = 'cuda:77'")
    with pytest.raises(SystemExit, match="2"):
        main([str(span_run.path), "alpha", "--device", "gpu"])


def test_a_model_of_a_gpus_precision_is_tried_on_a_cpu_all_the_same() -> None:
    assert place(Train(precision="fp16"), "cpu").autocast is None
    assert place(Train(precision="bf16"), "cpu").autocast is torch.bfloat16


def test_a_lack_of_memory_is_one_line(predict: Predict, span_run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(SpanFinder, "predict", full)
    told = predict(span_run.path, "alpha", "--batch-size", 8)
    assert told.code == 2
    assert "lower --batch-size 8" in told.err


@pytest.mark.slow
def test_a_custom_model_is_left_to_its_own_code(predict: Predict, tmp_path: Path) -> None:
    run = tiny_models.custom_run(tmp_path)
    refused(predict(run.path, "a text"), "custom task", "traind.custom.load_weights")
    shutil.copytree(run.checkpoint(4), tmp_path / "alone")
    refused(predict(tmp_path / "alone", "a text"), "custom task", "traind.custom.load_weights")


# --- the command itself ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_command_line_pipes(label_run: RunDir) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "traind.cli", "predict", label_run.id, "--runs-dir", label_run.path.parent, "--json"],
        input="alpha alpha\nbeta\n",
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["label"] for line in done.stdout.splitlines()] == ["up", "down"]
    assert "loading" not in done.stderr.lower()  # no progress bars of libraries, and nobody who waits


def test_the_command_refuses_as_the_others_do(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "traind.cli", "predict", "nowhere", "text"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("traind: no run 'nowhere'")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_a_person_types_line_by_line_until_ctrl_d(span_run: RunDir) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "traind.predict", str(span_run.path), "--json"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    assert process.stdout is not None
    os.write(ours, b"alpha delta\n")
    first = process.stdout.readline()  # answered before the next one is typed
    assert json.loads(first)["text"] == "alpha delta"
    os.write(ours, b"\n\x04")  # an empty line asks nothing
    rest, _ = process.communicate(timeout=60)
    screen = os.read(ours, 65536).decode()
    assert f"… loading the model of {span_run.path}" in screen
    os.close(ours)
    assert process.returncode == 0
    assert rest == ""
