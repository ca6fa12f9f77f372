"""The task as the trainer sees it, on real texts, a real tokenizer and a real model."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

from rundir.layout import RunDir
from tests.traind.tasks.conftest import Make, settings
from traind.config import ConfigError
from traind.tasks.tally import EvalResult
from traind.tasks.token_classification import TokenClassification


def evaluate(task: TokenClassification, model: torch.nn.Module, batch_size: int = 4) -> EvalResult:
    tally = task.start_eval()
    model.eval()
    with torch.inference_mode():
        for batch in task.eval_batches(batch_size):
            tally.add(batch, model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits)
    return tally.result()


def test_the_same_configuration_gives_the_same_features_and_weights(texts: Path, make: Make) -> None:
    one, two = make(settings(texts), "one"), make(settings(texts), "two")
    other = make(settings(texts, seed=4), "three").build_model().state_dict()
    assert one.hashes == two.hashes
    for index in range(one.num_train):
        for a, b in zip(one.train_data[index], two.train_data[index], strict=True):
            assert np.array_equal(a, b)
    first, second = one.build_model().state_dict(), two.build_model().state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not torch.equal(first["classifier.weight"], other["classifier.weight"])


def test_nothing_touches_the_global_random_generator(texts: Path, make: Make) -> None:
    torch.manual_seed(11)
    before = torch.get_rng_state()
    task = make(settings(texts))
    evaluate(task, task.build_model())
    task.baseline()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_later_attempt_needs_no_source_file(texts: Path, make: Make, tmp_path: Path) -> None:
    first = make(settings(texts))
    frozen = (tmp_path / "run" / "labels.json").read_bytes()
    texts.unlink()
    again = make(settings(texts))
    assert again.summary == first.summary
    assert again.hashes == first.hashes
    assert all(
        np.array_equal(a, b)
        for i in range(first.num_train)
        for a, b in zip(first.train_data[i], again.train_data[i], strict=True)
    )
    assert (tmp_path / "run" / "labels.json").read_bytes() == frozen


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_a_damaged_or_foreign_cache_is_made_anew(texts: Path, make: Make, tmp_path: Path, damage: bytes | None) -> None:
    first = make(settings(texts))
    cache = tmp_path / "run" / "cache" / "data.safetensors"
    if damage is None:
        changed = make(settings(texts, seed=99))
        assert changed.summary["tokens"] != first.summary["tokens"]
        return
    cache.write_bytes(damage)
    assert make(settings(texts)).summary == first.summary


def test_orders_are_heard_while_tokenising(tmp_path: Path) -> None:
    texts = tmp_path / "many.jsonl"
    texts.write_text('{"text": "foul play", "spans": [[0, 4, "X"]]}\n' * 300, encoding="utf-8")
    calls: list[None] = []
    TokenClassification(settings(texts), RunDir(tmp_path), alive=lambda: calls.append(None))
    assert len(calls) >= 300 // 64


def test_a_batch_is_padded_with_the_pad_token_no_attention_and_no_label(texts: Path, make: Make) -> None:
    task = make(settings(texts))
    lengths = [len(task.train_data[index][0]) for index in range(task.num_train)]
    short, long = int(np.argmin(lengths)), int(np.argmax(lengths))
    batch = task.collate([task.train_data[short], task.train_data[long]])
    assert {tensor.dtype for tensor in batch.values()} == {torch.int64}
    assert batch["input_ids"].shape == (2, lengths[long])
    padding = slice(lengths[short], None)
    assert set(batch["input_ids"][0, padding].tolist()) == {task.collate.pad_token_id}
    assert set(batch["attention_mask"][0, padding].tolist()) == {0}
    assert set(batch["labels"][0, padding].tolist()) == {-100}
    assert int(batch["attention_mask"][0].sum()) == lengths[short]
    assert batch["labels"][0, 0] == -100  # [CLS]


def test_the_labels_that_are_given_have_a_spread(texts: Path, make: Make) -> None:
    """A model that marks everything as the same label has collapsed, whatever else it scores."""
    task = make(settings(texts))
    tally = task.start_eval()
    for batch in task.eval_batches(4):
        tally.add(batch, torch.eye(5)[torch.ones_like(batch["labels"])])
    shares = tally.result().shares
    assert (shares["prediction_top_share"], shares["prediction_entropy"]) == (1.0, 0.0)
    assert 0.5 < shares["label_top_share"] < 1.0
    counts = task.count(torch.eye(5)[batch["labels"].clamp(min=0)], batch)
    assert task.accuracy(counts).item() == 1.0


def test_the_loss_is_a_sum_that_any_split_of_the_batch_adds_up_to(texts: Path, make: Make) -> None:
    task = make(settings(texts, weights="inverse"))
    batch = task.collate([task.train_data[index] for index in range(6)])
    logits = torch.randn(*batch["labels"].shape, 5, generator=torch.Generator().manual_seed(0))
    labels = batch["labels"]
    whole = task.loss_sum(logits, {"labels": labels})
    parts = sum(task.loss_sum(logits[i : i + 2], {"labels": labels[i : i + 2]}) for i in (0, 2, 4))
    assert torch.isclose(whole, torch.as_tensor(parts), rtol=1e-6)
    expected = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), weight=task._loss.class_weights
    )
    assert torch.isclose(whole / task.target_weight({"labels": labels}), expected, rtol=1e-5)
    assert task.loss_sum(logits.bfloat16(), {"labels": labels}).dtype == torch.float32
    assert task.target_weight({"labels": torch.full((2, 3), -100)}) == 0.0


def test_class_weights_have_mean_one_and_favour_the_rare(texts: Path, make: Make) -> None:
    plain, root, inverse = (
        make(settings(texts, weights=w), w)._loss.class_weights for w in ("none", "sqrt-inverse", "inverse")
    )
    assert plain is None
    assert root is not None
    assert inverse is not None
    assert torch.isclose(root.mean(), torch.tensor(1.0))
    assert inverse[0] < root[0] < 1 < root[1:].max() < inverse[1:].max()


def test_class_weights_come_from_a_file_by_the_names_of_the_labels(texts: Path, make: Make, tmp_path: Path) -> None:
    weights = tmp_path / "weights.json"
    weights.write_text('{"O": 0.1, "B-vile": 3, "I-vile": 4, "B-foul": 1, "I-foul": 2}')
    task = make(settings(texts, weights=str(weights)))
    labels = torch.tensor([[0, 1, 2, 3, 4, -100]])
    assert task.target_weight({"labels": labels}) == pytest.approx(10.1)
    weights.write_text("[1, 2, 3]")
    with pytest.raises(ConfigError, match="has 3 weights for 5 labels; give one a label"):
        make(settings(texts, weights=str(weights)), "other")


def test_evaluation_scores_whole_documents_and_does_not_depend_on_batching(texts: Path, make: Make) -> None:
    task = make(settings(texts))
    model = task.build_model()
    one, many = evaluate(task, model, 1), evaluate(task, model, 64)
    assert one.metrics == many.metrics
    assert math.isclose(one.loss, many.loss, rel_tol=1e-5)
    assert set(one.metrics) == set(task.metric_names)
    assert sum(row["support"] for row in one.labels.values()) == task.summary["spans"]["eval"]
    assert task.summary["windows"]["eval"] > task.summary["documents"]["eval"]


def test_perfect_logits_score_one_however_the_texts_are_cut(texts: Path, make: Make) -> None:
    task = make(settings(texts))
    tally = task.start_eval()
    for batch in task.eval_batches(3):
        tally.add(batch, torch.nn.functional.one_hot(batch["labels"].clamp(min=0), 5).float() * 50)
    result = tally.result()
    assert result.metrics == {"token_accuracy": 1.0, "precision": 1.0, "recall": 1.0, "f1": 1.0}
    assert result.loss < 1e-6


def test_nan_logits_give_a_nan_loss_and_metrics_all_the_same(texts: Path, make: Make) -> None:
    task = make(settings(texts))
    tally = task.start_eval()
    for batch in task.eval_batches(8):
        tally.add(batch, torch.full((*batch["labels"].shape, 5), math.nan))
        assert task.count(torch.full((*batch["labels"].shape, 5), math.nan), batch).sum() > 0
    result = tally.result()
    assert math.isnan(result.loss)
    assert 0 <= result.metrics["f1"] <= 1


def test_an_evaluation_that_missed_windows_is_no_result(texts: Path, make: Make) -> None:
    tally = make(settings(texts)).start_eval()
    with pytest.raises(ValueError, match="0 of"):
        tally.result()


def test_the_lexicon_knows_what_training_marks(texts: Path, make: Make) -> None:
    baseline = make(settings(texts)).baseline()[1]
    assert baseline["f1"] == 1.0  # here the same words are always a span


def test_train_metrics_come_from_summed_counts(texts: Path, make: Make) -> None:
    task = make(settings(texts))
    assert task.train_metrics([9, 10, 1, 2, 4])["token_accuracy"] == 0.9
    assert task.train_metrics([9, 10, 1, 2, 4])["precision"] == 0.5
    assert set(task.train_metrics([0, 0, 0, 0, 0]).values()) == {0.0}


def test_a_checkpoint_opens_with_plain_from_pretrained(texts: Path, make: Make, tmp_path: Path) -> None:
    task = make(settings(texts))
    model = task.build_model()
    model.save_pretrained(tmp_path / "checkpoint")
    task.tokenizer.save_pretrained(tmp_path / "checkpoint")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "checkpoint")
    loaded = AutoModelForTokenClassification.from_pretrained(tmp_path / "checkpoint")
    assert loaded.config.id2label == {0: "O", 1: "B-foul", 2: "I-foul", 3: "B-vile", 4: "I-vile"}
    first_words = json.loads(texts.read_text(encoding="utf-8").splitlines()[0])["text"]
    encoded = tokenizer(first_words)
    assert tokenizer.decode(encoded["input_ids"], skip_special_tokens=True).split() == first_words.lower().split()
    assert encoded["input_ids"][0] == tokenizer.cls_token_id
    again = task.load_model(tmp_path / "checkpoint").state_dict()
    assert all(torch.equal(again[key], value) for key, value in model.state_dict().items())


def test_words_are_labelled_at_their_first_token_only(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "words.jsonl"
    record = {"tokens": ["Zanzibar", "fell", "quickly"], "ner_tags": ["B-LOC", "O", "O"]}
    path.write_text((json.dumps(record) + "\n") * 4, encoding="utf-8")
    config = settings(path)
    config.model.vocab_size = 24  # too few for whole words
    task = make(config)
    ids, labels = task.train_data[0]
    assert len(ids) > 5
    assert labels[labels >= 0].tolist() == [1, 0, 0]
    assert task.baseline()[1]["f1"] == 1.0


def test_ids_of_a_foreign_tokenizer_are_refused_and_own_ones_get_their_frame_once(
    texts: Path, make: Make, tmp_path: Path
) -> None:
    base = make(settings(texts))
    directory = tmp_path / "pretrained"
    base.build_model().save_pretrained(directory)
    base.tokenizer.save_pretrained(directory)
    ids, labels = base.train_data[0]
    path = tmp_path / "ids.jsonl"
    padded = {"input_ids": [*ids.tolist(), 0, 0], "labels": [*labels.tolist(), -100, -100]}
    path.write_text((json.dumps(padded) + "\n") * 2, encoding="utf-8")
    config = settings(path)
    config.model.init, config.model.pretrained = None, str(directory)
    task = make(config, "ids")
    assert np.array_equal(task.train_data[0][0], ids)
    assert np.array_equal(task.train_data[0][1], labels)
    path.write_text(json.dumps({"input_ids": [9999], "labels": [1]}) + "\n" + path.read_text(), encoding="utf-8")
    with pytest.raises(ConfigError, match="9999 is beyond"):
        make(config, "foreign")


def test_a_pretrained_encoder_gets_a_new_head_and_is_a_function_of_the_seed(
    texts: Path, make: Make, tmp_path: Path
) -> None:
    base = make(settings(texts))
    directory = tmp_path / "pretrained"
    base.build_model().distilbert.save_pretrained(directory)
    base.tokenizer.save_pretrained(directory)
    config = settings(texts)
    config.model.init, config.model.pretrained = None, str(directory)
    config.model.dropout, config.model.head_dropout = 0.3, 0.4
    task = make(config, "fine")
    one, two = task.build_model(), task.build_model()
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))
    assert one.config.id2label[1] == "B-foul"
    assert (one.config.dropout, one.config.attention_dropout, one.dropout.p) == (0.3, 0.3, 0.4)


def test_mistakes_in_pretrained_are_one_line_with_the_cure(texts: Path, make: Make, tmp_path: Path) -> None:
    config = settings(texts)
    config.model.init = None
    (tmp_path / "bare").mkdir()
    for name, says in ((tmp_path / "bare", "no config.json"), (tmp_path / "none", "no such directory")):
        config.model.pretrained = str(name)
        with pytest.raises(ConfigError, match=says) as caught:
            make(config, name.name + "-run")
        assert len(caught.value.faults) == 1
        assert "\n" not in caught.value.faults[0]


def test_windows_longer_than_the_pretrained_model_are_refused(texts: Path, make: Make, tmp_path: Path) -> None:
    base = make(settings(texts))
    base.build_model().save_pretrained(tmp_path / "pretrained")
    base.tokenizer.save_pretrained(tmp_path / "pretrained")
    config = settings(texts, max_length=600)
    config.model.init, config.model.pretrained = None, str(tmp_path / "pretrained")
    with pytest.raises(ConfigError, match=r"data\.max_length = 600.*512"):
        make(config, "long")
