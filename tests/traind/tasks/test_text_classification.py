"""The task as the trainer sees it, on real texts, a real tokenizer and a real model."""

import json
import logging
import math
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    GPT2Config,
    RobertaConfig,
)

from rundir.atomic import write_atomic
from rundir.layout import RunDir
from rundir.records import encode
from rundir.status import RunInfo
from traind.config import Config, ConfigError, Data, Model, Task
from traind.data.classes import ClassSet
from traind.tasks import model as models
from traind.tasks.class_tally import ClassResult, ClassTally
from traind.tasks.text_classification import TextClassification
from traind.tasks.weighted_loss import WeightedLoss

MakeTask = Callable[..., TextClassification]


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    """Sixty texts of 2 to 30 words in three moods; every seventh one is empty."""
    rng = random.Random(7)
    path = tmp_path / "reviews.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for index in range(60):
            mood = rng.choice(["bad", "good", "good", "so-so"])
            words = [rng.choice(["the", "Cat", "sat", "on", "a", "mat,", mood]) for _ in range(rng.randint(2, 30))]
            file.write(json.dumps({"text": "" if index % 7 == 0 else " ".join(words), "label": mood}) + "\n")
    return path


def settings(train: Path, *, seed: int = 3, weights: str = "none", max_length: int = 24, **task: object) -> Config:
    return Config(
        seed=seed,
        data=Data(train=str(train), eval_fraction=0.25, max_length=max_length, stride=0),
        task=Task(kind="text-classification", class_weights=weights, **task),  # type: ignore[arg-type]
        model=Model(init="scratch", dim=16, n_layers=1, n_heads=2, hidden_dim=32, vocab_size=128),
    )


@pytest.fixture
def make(tmp_path: Path) -> MakeTask:
    """A task on a run directory of the given name (the same name: the same run again)."""

    def make_one(config: Config, name: str = "run") -> TextClassification:
        run = RunDir(tmp_path / name)
        run.path.mkdir(exist_ok=True)
        return TextClassification(config, run, alive=lambda: None)

    return make_one


def evaluate(task: TextClassification, model: nn.Module, batch_size: int = 4) -> ClassResult:
    tally = task.start_eval()
    model.eval()
    with torch.inference_mode():
        for batch in task.eval_batches(batch_size):
            tally.add(batch, task.forward(model, batch).float())
    return tally.result()


def test_the_same_configuration_gives_the_same_features_and_weights(reviews: Path, make: MakeTask) -> None:
    one, two = make(settings(reviews), "one"), make(settings(reviews), "two")
    assert one.hashes == two.hashes
    for index in range(one.num_train):
        assert np.array_equal(one.train_data[index][0], two.train_data[index][0])
        assert one.train_data[index][1] == two.train_data[index][1]
    first, second = one.build_model().state_dict(), two.build_model().state_dict()
    other = make(settings(reviews, seed=4), "three").build_model().state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not torch.equal(first["classifier.weight"], other["classifier.weight"])


def test_nothing_touches_the_global_random_generator(reviews: Path, make: MakeTask) -> None:
    torch.manual_seed(11)
    before = torch.get_rng_state()
    task = make(settings(reviews))
    evaluate(task, task.build_model())
    task.baseline()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_later_attempt_needs_no_source_file_and_no_weights_file(
    reviews: Path, make: MakeTask, tmp_path: Path
) -> None:
    weights = tmp_path / "weights.json"
    weights.write_text('{"bad": 2, "good": 1, "so-so": 0.5}')
    first = make(settings(reviews, weights=str(weights)))
    batch = first.collate([first.train_data[index] for index in range(8)])
    reviews.unlink()
    weights.unlink()
    again = make(settings(reviews, weights=str(weights)))
    assert (again.summary, again.hashes) == (first.summary, first.hashes)
    assert again.target_weight(batch) == first.target_weight(batch) != 8
    assert json.loads((tmp_path / "run" / "labels.json").read_text()) == ["bad", "good", "so-so"]


def test_texts_are_cut_at_their_end_and_that_is_counted(reviews: Path, make: MakeTask) -> None:
    long, short = make(settings(reviews, max_length=512), "long"), make(settings(reviews, max_length=10), "short")
    assert long.summary["truncated"] == {"train": 0, "eval": 0}
    lengths = [len(long.train_data[index][0]) for index in range(long.num_train)]
    assert short.summary["truncated"]["train"] == sum(length > 10 for length in lengths) > 0
    whole, cut = long.train_data[int(np.argmax(lengths))][0], short.train_data[int(np.argmax(lengths))][0]
    assert cut.tolist() == [*whole[:9].tolist(), whole[-1]]  # [CLS], eight tokens, [SEP]
    assert "cut short at data.max_length = 10" in short.describe()
    assert "cut short" not in long.describe()
    assert "9 with empty text" in long.describe()
    assert "are those of" not in long.describe()  # of three classes


def test_of_two_classes_the_one_that_the_scores_are_about_is_named(tmp_path: Path, make: MakeTask) -> None:
    path = tmp_path / "two.csv"
    path.write_text("text,label\n" + "so bad,down\nso good,up\n" * 8, encoding="utf-8")
    said = make(settings(path)).describe()
    assert '2 classes; precision, recall and f1 are those of "up"' in said
    assert said.endswith("; text from 'text', label from 'label'")


def test_a_batch_is_padded_to_its_longest_text(reviews: Path, make: MakeTask) -> None:
    task = make(settings(reviews))
    lengths = [len(task.train_data[index][0]) for index in range(task.num_train)]
    short, long = int(np.argmin(lengths)), int(np.argmax(lengths))
    batch = task.collate([task.train_data[short], task.train_data[long]])
    assert {tensor.dtype for tensor in batch.values()} == {torch.int64}
    assert batch["input_ids"].shape == batch["attention_mask"].shape == (2, lengths[long])
    assert batch["labels"].tolist() == [task.train_data[short][1], task.train_data[long][1]]
    assert set(batch["input_ids"][0, lengths[short] :].tolist()) == {task.collate.pad_token_id}
    assert batch["attention_mask"].sum(dim=1).tolist() == [lengths[short], lengths[long]]


def test_an_empty_text_without_special_tokens_is_one_padding_token(reviews: Path, make: MakeTask) -> None:
    collate = make(settings(reviews)).collate
    batch = collate([(np.zeros(0, dtype=np.int64), 1)])
    assert batch["input_ids"].tolist() == [[collate.pad_token_id]]
    assert batch["attention_mask"].tolist() == [[1]]


@pytest.mark.parametrize("weights", ["none", "inverse"])
def test_the_loss_is_a_sum_that_any_split_of_the_batch_adds_up_to(reviews: Path, make: MakeTask, weights: str) -> None:
    task = make(settings(reviews, weights=weights))
    batch = task.collate([task.train_data[index] for index in range(6)])
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    parts = [{"labels": batch["labels"][rows]} for rows in (slice(0, 2), slice(2, 6))]
    whole = task.loss_sum(logits, batch)
    assert torch.isclose(whole, task.loss_sum(logits[:2], parts[0]) + task.loss_sum(logits[2:], parts[1]), rtol=1e-6)
    assert task.target_weight(batch) == pytest.approx(sum(map(task.target_weight, parts)))
    counts = torch.tensor(list(task.summary["train_labels"].values()), dtype=torch.float64)
    expected = torch.nn.functional.cross_entropy(
        logits.double(),
        batch["labels"],
        weight=None if weights == "none" else 1 / counts,  # a mean does not see the scale of the weights
    )
    assert float(whole) / task.target_weight(batch) == pytest.approx(float(expected), rel=1e-5)
    assert task.loss_sum(logits.bfloat16(), batch).dtype == torch.float32


def test_evaluation_does_not_depend_on_batching_and_agrees_with_its_confusion(reviews: Path, make: MakeTask) -> None:
    task = make(settings(reviews))
    model = task.build_model()
    one, many = evaluate(task, model, 1), evaluate(task, model, 64)
    assert (one.metrics, one.confusion) == (many.metrics, many.confusion)
    assert one.loss == pytest.approx(many.loss, rel=1e-5)
    assert tuple(one.metrics) == task.metric_names
    assert list(one.labels) == ["bad", "good", "so-so"]
    assert [sum(row) for row in one.confusion] == [row["support"] for row in one.labels.values()]
    assert one.metrics["accuracy"] == sum(one.confusion[i][i] for i in range(3)) / 15


def test_perfect_logits_score_one_and_nan_ones_count_as_an_answer(reviews: Path, make: MakeTask) -> None:
    task = make(settings(reviews))
    perfect, broken = task.start_eval(), task.start_eval()
    for batch in task.eval_batches(4):
        perfect.add(batch, torch.nn.functional.one_hot(batch["labels"], 3).float() * 50)
        broken.add(batch, torch.full((len(batch["labels"]), 3), math.nan))
    assert set(perfect.result().metrics.values()) == {1.0}
    assert perfect.result().loss < 1e-6
    assert math.isnan(broken.result().loss)
    assert 0 <= broken.result().metrics["f1"] < 1
    with pytest.raises(ValueError, match="0 of 15 texts"):
        task.start_eval().result()


def test_train_metrics_add_up_to_those_of_an_evaluation(reviews: Path, make: MakeTask) -> None:
    task = make(settings(reviews))
    model = task.build_model().eval()
    counts = torch.zeros(9, dtype=torch.int64)
    with torch.inference_mode():
        for batch in task.eval_batches(4):
            counts += task.count(task.forward(model, batch), batch)
    assert task.train_metrics(counts.tolist()) == evaluate(task, model).metrics


def test_the_baseline_is_the_most_frequent_class(reviews: Path, make: MakeTask) -> None:
    task = make(settings(reviews))
    name, scores = task.baseline()
    assert name == "always good, the most frequent class"
    assert tuple(scores) == task.metric_names
    share = sum(batch["labels"].eq(1).sum().item() for batch in task.eval_batches(1)) / 15
    assert scores["accuracy"] == pytest.approx(share)
    assert scores["recall"] == pytest.approx(1 / 3)  # one class of three is found, the others never


def test_scores_have_the_metric_of_their_threshold(reviews: Path, make: MakeTask) -> None:
    moods = {"bad": 0, "so-so": 1, "good": 4}
    records = [json.loads(line) for line in reviews.read_text(encoding="utf-8").splitlines()]
    reviews.write_text("\n".join(json.dumps(record | {"label": moods[record["label"]]}) for record in records))
    task = make(settings(reviews, positive_from=3))
    assert task.num_classes == 5
    assert "binary_f1@3" in task.metric_names
    assert set(task.baseline()[1]) == set(task.metric_names)


def test_a_rare_high_score_is_held_against_always_saying_so(reviews: Path, make: MakeTask) -> None:
    """The majority class is below the threshold and scores 0 there: that would flatter any model."""
    moods = {"good": 0, "so-so": 1, "bad": 4}
    records = [json.loads(line) for line in reviews.read_text(encoding="utf-8").splitlines()]
    reviews.write_text("\n".join(json.dumps(record | {"label": moods[record["label"]]}) for record in records))
    task = make(settings(reviews, positive_from=3))
    name, scores = task.baseline()
    assert name == "always 0, the most frequent class; for binary_f1@3 always 3"
    share = sum(batch["labels"].ge(3).sum().item() for batch in task.eval_batches(1)) / 15
    assert scores["binary_f1@3"] == pytest.approx(2 * share / (1 + share))


def test_a_checkpoint_opens_with_plain_from_pretrained(reviews: Path, make: MakeTask, tmp_path: Path) -> None:
    task = make(settings(reviews))
    model = task.build_model().eval()
    task.write_model(model, task.weights(model), tmp_path / "checkpoint")
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "checkpoint")
    assert loaded.config.id2label == {0: "bad", 1: "good", 2: "so-so"}
    assert loaded.config.label2id == {"bad": 0, "good": 1, "so-so": 2}
    encoded = AutoTokenizer.from_pretrained(tmp_path / "checkpoint")("the cat sat", return_tensors="pt")
    with torch.inference_mode():
        ours = task.forward(model, encoded)
        theirs = loaded(input_ids=encoded["input_ids"], attention_mask=encoded["attention_mask"]).logits
    # Tensors mapped from a file lie otherwise in memory, and some CPUs' kernels round otherwise for it.
    torch.testing.assert_close(ours, theirs)
    plain = loaded.state_dict()
    assert plain.keys() == model.state_dict().keys()
    assert all(torch.equal(plain[key], value) for key, value in model.state_dict().items())
    again = task.load_model(tmp_path / "checkpoint").state_dict()
    assert all(torch.equal(again[key], value) for key, value in model.state_dict().items())


def test_a_pretrained_encoder_gets_a_new_head_which_is_explained_once(
    reviews: Path, make: MakeTask, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    base = make(settings(reviews))
    directory = tmp_path / "pretrained"
    model = base.build_model()
    base.write_model(model, base.weights(model), directory)
    config = settings(reviews)
    records = [json.loads(line) for line in reviews.read_text(encoding="utf-8").splitlines()]
    reviews.write_text("\n".join(json.dumps(r | {"label": int(r["label"] == "good")}) for r in records))
    config.model.init, config.model.pretrained, config.model.head_dropout = None, str(directory), 0.4
    task = make(config, "fine")
    with caplog.at_level(logging.WARNING):
        one = task.build_model()
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith(f"{directory}: its classifier is new, starts at random and is learnt in this run")
    two = task.build_model()
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))
    old = model.state_dict()
    kept = [key for key, value in one.state_dict().items() if key in old and torch.equal(value, old[key])]
    assert len(kept) == len(old) - 2  # all but the classifier, which has two classes now
    assert one.config.id2label == {0: "0", 1: "1"}  # type: ignore[union-attr]
    assert one.dropout.p == 0.4  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("architecture", "is_there"),
    [
        (RobertaConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=2), True),
        (GPT2Config(vocab_size=64, n_embd=16, n_layer=1, n_head=2), False),
    ],
)
def test_the_dropout_of_the_head_is_set_wherever_it_stands_or_refused(
    architecture: Any, is_there: bool, tmp_path: Path
) -> None:
    AutoModel.from_config(architecture).save_pretrained(tmp_path / "pretrained")
    config = settings(tmp_path / "unread.jsonl")
    config.model.init, config.model.pretrained = None, str(tmp_path / "pretrained")
    config.model.dropout, config.model.head_dropout = 0.0, 0.4

    def build() -> nn.Module:
        labels = ClassSet(["bad", "good"])
        return models.build(config, labels, models.SEQUENCE, RunDir(tmp_path), num_tokens=64, pad_token_id=0)

    if not is_there:
        with pytest.raises(ConfigError, match=r"model\.head_dropout = 0\.4: GPT2\w+ has no dropout before .*; leave"):
            build()
        return
    rates = {name: module.p for name, module in build().named_modules() if isinstance(module, nn.Dropout)}
    assert rates.pop("classifier.dropout") == 0.4
    assert set(rates.values()) == {0.0}


def test_very_many_classes_are_scored_without_a_matrix() -> None:
    names = [f"c{index}" for index in range(600)]
    tally = ClassTally(4, names, None, WeightedLoss(None))
    labels = torch.tensor([0, 599, 7, 7])
    for rows in (slice(0, 3), slice(3, 4)):
        tally.add({"labels": labels[rows]}, torch.eye(600)[[0, 599, 7, 8]][rows])
    result = tally.result()
    assert result.confusion is None
    assert result.metrics["accuracy"] == 0.75
    assert result.shares == pytest.approx(
        {"prediction_top_share": 0.25, "prediction_entropy": math.log(4) / math.log(600), "label_top_share": 0.5}
    )
    assert result.labels["c7"] == {"precision": 1.0, "recall": 0.5, "f1": 2 / 3, "support": 2.0}
    assert list(result.labels) == names


def test_texts_without_any_token_are_refused(make: MakeTask, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text('{"text": "", "label": 0}\n{"text": "", "label": 1}\n{"text": "", "label": 1}')
    with pytest.raises(ConfigError, match="no text has a token"):
        make(settings(empty))


def test_weights_that_are_not_those_the_run_began_with_are_refused(
    reviews: Path, make: MakeTask, tmp_path: Path
) -> None:
    weights = tmp_path / "weights.json"
    weights.write_text("[2, 1, 0.5]")
    config = settings(reviews, weights=str(weights))
    run = RunDir(tmp_path / "run")
    info = RunInfo(id="run", name="x", task="text-classification", created_at=0.0, hashes=make(config).hashes)
    write_atomic(run.run_json, encode(info))
    weights.write_text("[2, 1, 0.75]")
    assert make(config).hashes == info.hashes  # from the copy
    shutil.rmtree(run.cache)
    with pytest.raises(ConfigError, match=f"task.class_weights: {weights}: is not what this run began with"):
        make(config)


def test_orders_are_heard_while_tokenising(tmp_path: Path) -> None:
    texts = tmp_path / "many.csv"
    texts.write_text("text,label\n" + "good,1\nbad,0\n" * 600, encoding="utf-8")
    calls: list[None] = []
    TextClassification(settings(texts), RunDir(tmp_path), alive=lambda: calls.append(None))
    assert len(calls) >= 1200 // 256
