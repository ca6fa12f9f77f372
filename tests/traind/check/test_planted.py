"""Faults that ruin hours, planted one at a time, each found under its name with its cure; none where there is none."""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from tests.traind.check import damage
from tests.traind.check.ground import checked, rows, texts, toy, troubles, write_rows
from traind.check.finding import Level

pytestmark = pytest.mark.slow  # forty small models are built and trained for a few steps

Plant = Callable[[Path], tuple[Path, list[str]]]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@dataclass(frozen=True)
class Planted:
    """How a fault is made, and what must be said of it."""

    plant: Plant
    check: str
    level: Level
    said: str
    cure: str


def _texts(*overrides: str) -> Plant:
    return lambda directory: (texts(directory), list(overrides))


def _toy(fault: str, *overrides: str) -> Plant:
    return lambda directory: (toy(directory, fault), list(overrides))


def _shuffled(directory: Path) -> tuple[Path, list[str]]:
    good = rows(400, seed=1)
    labels = [label for _, label in good]
    random.Random(5).shuffle(labels)
    return texts(directory, train=[(text, label) for (text, _), label in zip(good, labels, strict=True)]), []


def _one_class(directory: Path) -> tuple[Path, list[str]]:
    (directory / "labels.json").write_text('["food", "sea", "night"]', encoding="utf-8")
    path = texts(directory, train=[(text, "sea") for text, _ in rows(240, seed=1)])
    return path, [f"task.labels={directory / 'labels.json'}"]


def _eval_of_one_class(directory: Path) -> tuple[Path, list[str]]:
    return texts(directory, evaluation=rows(90, seed=2, topics=["sea"])), []


def _eval_empty(directory: Path) -> tuple[Path, list[str]]:
    return texts(directory, evaluation=[]), []


def _eval_tiny(directory: Path) -> tuple[Path, list[str]]:
    return texts(directory, evaluation=rows(9, seed=2)), []


def _leak(directory: Path) -> tuple[Path, list[str]]:
    return texts(directory, train=rows(240, seed=1), evaluation=[*rows(60, seed=2), *rows(240, seed=1)[:10]]), []


def _eval_is_train(directory: Path) -> tuple[Path, list[str]]:
    path = texts(directory)
    return path, [f"data.eval={directory / 'train.csv'}"]


def _duplicates(directory: Path) -> tuple[Path, list[str]]:
    good = rows(240, seed=1)
    return texts(directory, train=[*good, *good[:60]]), []


def _contradictions(directory: Path) -> tuple[Path, list[str]]:
    good = rows(240, seed=1)
    other = {"food": "sea", "sea": "night", "night": "food"}
    return texts(directory, train=[*good, *((text, other[label]) for text, label in good[:8])]), []


def _empty_texts(directory: Path) -> tuple[Path, list[str]]:
    return texts(
        directory, train=[("  " if index % 10 == 0 else row[0], row[1]) for index, row in enumerate(rows(240, seed=1))]
    ), []


def _imbalance(directory: Path) -> tuple[Path, list[str]]:
    return texts(directory, train=[*rows(250, seed=1, topics=["food", "sea"]), *rows(6, seed=3, topics=["night"])]), []


def _class_weights(directory: Path) -> tuple[Path, list[str]]:
    (directory / "weights.json").write_text("[1.0, 2.0]", encoding="utf-8")
    return texts(directory), [f"task.class_weights={directory / 'weights.json'}"]


def _label_unknown(directory: Path) -> tuple[Path, list[str]]:
    (directory / "labels.json").write_text(json.dumps(["food", "sea"]), encoding="utf-8")
    return texts(directory), [f"task.labels={directory / 'labels.json'}"]


PLANTED = {
    "lr 0": Planted(_texts("train.lr=0"), "configuration", Level.FAULT, "train.lr", "peak learning rate"),
    "lr too high": Planted(_texts("train.lr=0.5"), "learning rate", Level.WARN, "0.5", "lower train.lr"),
    "lr lost in rounding": Planted(_toy("", "train.lr=1e-13"), "update", Level.FAULT, "as they are", "raise train.lr"),
    "shuffled labels": Planted(_shuffled, "labels fit texts", Level.WARN, "unrelated", "shuffled"),
    "all one class": Planted(_one_class, "labels", Level.FAULT, "nothing to tell apart", "data.label"),
    "custom data of one class": Planted(_toy("one class"), "labels", Level.FAULT, "nothing to tell", "other labels"),
    "eval of one class": Planted(_eval_of_one_class, "eval set", Level.FAULT, "always scores 100%", "mix the rows"),
    "eval empty": Planted(_eval_empty, "data", Level.FAULT, "eval.csv", "leave the key out"),
    "custom eval empty": Planted(_toy("eval empty"), "task", Level.FAULT, "eval_data", ""),
    "eval tiny": Planted(_eval_tiny, "eval set", Level.WARN, "±17 points", "larger data.eval"),
    "leak": Planted(_leak, "leakage", Level.WARN, "10 of 70", "take them out"),
    "eval is train": Planted(_eval_is_train, "leakage", Level.FAULT, "100%", "take them out"),
    "duplicate rows": Planted(_duplicates, "duplicates", Level.WARN, "60 of 300", "keep one of each"),
    "contradictory labels": Planted(_contradictions, "contradictions", Level.WARN, "8 train texts", "which label is"),
    "empty texts": Planted(_empty_texts, "empty texts", Level.WARN, "24 of 240", "data.text"),
    "imbalance": Planted(_imbalance, "balance", Level.WARN, "times the rows", "class_weights"),
    "label not in the set": Planted(_label_unknown, "data", Level.FAULT, "'night'", "task.labels"),
    "class weights of wrong length": Planted(_class_weights, "task", Level.FAULT, "2 weights for 3", "one a label"),
    "weights of a custom loss": Planted(_toy("class weights"), "class weights", Level.FAULT, "weight", "one weight"),
    "truncated texts": Planted(_texts("data.max_length=8"), "truncation", Level.WARN, "cut", "raise data.max_length"),
    "warm-up longer than the run": Planted(
        _texts("train.warmup_steps=500"), "warm-up", Level.FAULT, "500 of 45", "lower train.warmup_steps"
    ),
    "no eval before the end": Planted(_texts("eval.every=1000"), "evaluations", Level.WARN, "beyond", "eval.every"),
    "no such metric": Planted(_texts("eval.metric=beauty"), "task", Level.FAULT, "beauty", "accuracy"),
    "disk too small": Planted(
        _texts("checkpoint.every=1", "train.max_steps=1000000000", "checkpoint.keep_last=1000000000"),
        "disk",
        Level.FAULT,
        "are free",
        "keep_last",
    ),
    "NaN in weights": Planted(damage.nan_weights, "weights", Level.FAULT, "classifier.weight", "earlier checkpoint"),
    "tokenizer of another model": Planted(damage.few_embeddings, "token ids", Level.FAULT, "out of range", "tokenizer"),
    "frozen weights": Planted(_toy("frozen"), "task", Level.FAULT, "any parameter", "requires_grad"),
    "frozen body": Planted(_toy("frozen body"), "parameters", Level.WARN, "body.weight", "requires_grad"),
    "wrong num_labels, too few": Planted(_toy("small head"), "label ids", Level.FAULT, "out of bounds", "num_labels"),
    "wrong num_labels, too many": Planted(_toy("large head"), "label ids", Level.WARN, "4 labels", "4 outputs"),
    "label off by one": Planted(_toy("off by one"), "label ids", Level.FAULT, "out of bounds", "subtract 1"),
    "a label that is not scored": Planted(
        _toy("own ignored label"), "label ids", Level.WARN, "-1 to 3", "ignore_index=-1"
    ),
    "a negative label that is scored": Planted(
        _toy("forgotten ignored label"), "label ids", Level.FAULT, "-1 is out of bounds", "count from 0"
    ),
    "double softmax": Planted(_toy("double softmax"), "softmax", Level.FAULT, "probabilities", "return logits"),
    "dead layer": Planted(_toy("dead layer"), "gradients", Level.FAULT, "zero at", "dead activation"),
    "cut off": Planted(_toy("cut off"), "gradients", Level.FAULT, "absent at", ".detach()"),
    "no loss": Planted(_toy("no loss"), "gradients", Level.FAULT, "zero at", "the loss"),
    "NaN in the inputs": Planted(_toy("NaN inputs"), "outputs", Level.FAULT, "not all finite", "NaN"),
    "a head too sure": Planted(_toy("sure head"), "starting loss", Level.WARN, "surer", "small weights"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found_with_its_cure(tmp_path: Path, name: str) -> None:
    planted = PLANTED[name]
    path, overrides = planted.plant(tmp_path)
    findings = troubles(checked(path, overrides, tmp_path / "work"))
    hits = [finding for finding in findings if finding.check == planted.check]
    assert hits, findings
    assert hits[0].level is planted.level, hits
    assert planted.said in hits[0].text
    assert planted.cure in hits[0].cure
    assert hits[0].cure or planted.cure == ""


def test_a_label_of_ones_own_that_is_not_scored_ends_no_check(tmp_path: Path) -> None:
    findings = checked(toy(tmp_path, "own ignored label"), [], tmp_path / "work")
    assert [(f.check, f.level) for f in troubles(findings)] == [("label ids", Level.WARN)]
    assert {"learns one batch", "disk"} <= {f.check for f in findings}


@pytest.mark.parametrize("make", [texts, toy, damage.sound_model])
def test_good_ground_is_left_alone(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    findings = checked(make(tmp_path), [], tmp_path / "work")
    assert troubles(findings) == []
    assert {"steps", "gradients", "update", "learns one batch", "memory", "disk"} <= {f.check for f in findings}


def test_a_file_of_rows_that_are_all_the_same_is_still_read(tmp_path: Path) -> None:
    path = texts(tmp_path)
    write_rows(tmp_path / "train.csv", rows(1, seed=1, topics=["sea"]) * 50)
    assert {"labels", "duplicates"} <= {f.check for f in troubles(checked(path, [], tmp_path / "work"))}
