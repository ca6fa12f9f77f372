"""The task as the trainer sees it: real texts, a real tokenizer, a real model with tied weights."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer

from rundir.layout import RunDir
from tests.traind.host_tensors import host_copy
from traind.config import Config, ConfigError, Data, Model, Task
from traind.data.labels import IGNORED
from traind.samples.banking import question
from traind.tasks.causal_lm import CausalLm
from traind.tasks.lm_tally import LmResult, LmTally, scores, unigram_scores

Make = Callable[..., CausalLm]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"text": question(1, index)}) + "\n" for index in range(60)), encoding="utf-8")
    return path


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.txt"
    path.write_text("\n".join(question(2, index % 20) for index in range(80)), encoding="utf-8")
    return path


def settings(train: Path, *, seed: int = 3, max_length: int = 24, stride: int = 6, **data: Any) -> Config:
    return Config(
        seed=seed,
        data=Data(train=str(train), eval_fraction=0.25, max_length=max_length, stride=stride, **data),
        task=Task(kind="causal-lm", prompts=["I lost", ""], sample_tokens=6),
        model=Model(init="scratch", dim=16, n_layers=2, n_heads=2, hidden_dim=32, vocab_size=300, dropout=0.2),
    )


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make_one(config: Config, name: str = "run") -> CausalLm:
        run = RunDir(tmp_path / name)
        run.path.mkdir(exist_ok=True)
        return CausalLm(config, run, alive=lambda: None)

    return make_one


def evaluate(task: CausalLm, model: torch.nn.Module, batch_size: int = 4) -> LmResult:
    tally = task.start_eval()
    model.eval()
    with torch.inference_mode():
        for batch in task.eval_batches(batch_size):
            tally.add(batch, task.forward(model, batch))
    return tally.result()


def test_the_same_configuration_gives_the_same_windows_and_weights(rows: Path, make: Make) -> None:
    config = settings(rows, tokenizer="word")
    one, two = make(config, "one"), make(config, "two")
    assert (one.hashes, one.summary) == (two.hashes, two.summary)
    for index in range(one.num_train):
        for a, b in zip(one.train_data[index], two.train_data[index], strict=True):
            assert np.array_equal(a, b)
    first, second = one.build_model().state_dict(), two.build_model().state_dict()
    other = make(settings(rows, seed=4, tokenizer="word"), "three").build_model().state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not torch.equal(first["transformer.wte.weight"], other["transformer.wte.weight"])


def test_nothing_touches_the_global_random_generator(rows: Path, make: Make) -> None:
    torch.manual_seed(11)
    before = torch.get_rng_state()
    task = make(settings(rows, tokenizer="word"))
    model = task.build_model()
    evaluate(task, model)
    task.samples(model)
    task.baseline()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_later_attempt_needs_no_source_file(rows: Path, make: Make) -> None:
    first = make(settings(rows, tokenizer="word"))
    rows.unlink()
    again = make(settings(rows, tokenizer="word"))
    assert (again.summary, again.hashes) == (first.summary, first.hashes)
    assert again.baseline() == first.baseline()


@pytest.mark.parametrize("kind", ["word", "char", "bpe"])
def test_texts_are_packed_end_to_end(rows: Path, make: Make, kind: str) -> None:
    task = make(settings(rows, tokenizer=kind, stride=0))
    tokenizer = task._tokenizer
    stream = np.concatenate([task.train_data[index][1] for index in range(task.num_train)])
    assert (stream == tokenizer.eos_token_id).sum() == task.summary["documents"]["train"] == 45
    assert task.train_data[0][0][0] == tokenizer.eos_token_id, "the first text, too, follows the end of one"
    given = {json.loads(line)["text"] for line in rows.read_text(encoding="utf-8").splitlines()}
    texts = tokenizer.decode(stream).split("<eos>")[:-1]
    normal = {" ".join(text.lower().split()) for text in given} if kind == "word" else given
    assert {text.strip() for text in texts} <= normal


def test_the_loss_is_the_models_own(book: Path, make: Make) -> None:
    """transformers shifts the labels itself; ours are shifted already."""
    task = make(settings(book, tokenizer="char"))
    model = task.build_model().eval()
    inputs, labels = task.train_data[0]
    batch = task.collate([(inputs, labels)])
    with torch.inference_mode():
        ours = task.loss_sum(task.forward(model, batch), batch) / task.target_weight(batch)
        whole = torch.from_numpy(np.append(inputs, labels[-1]))[None]
        theirs = model(input_ids=whole[:, : len(inputs)], labels=whole[:, : len(inputs)]).loss
        last = functional.cross_entropy(model(input_ids=whole[:, :-1]).logits[0, -1:], whole[0, -1:])
    # Theirs has no target for the last input.
    assert float(ours) * len(labels) == pytest.approx(float(theirs) * (len(labels) - 1) + float(last), rel=1e-5)


def test_padding_changes_neither_loss_nor_counts(book: Path, make: Make) -> None:
    task = make(settings(book, tokenizer="char"))
    model = task.build_model().eval()
    long, short = task.train_data[0], tuple(part[:9] for part in task.train_data[1])
    with torch.inference_mode():
        alone = [task.collate([one]) for one in (long, short)]
        together = task.collate([long, short])
        sums = [task.loss_sum(task.forward(model, batch), batch) for batch in (*alone, together)]
        counts = [task.count(task.forward(model, batch), batch) for batch in (*alone, together)]
    assert (together["attention_mask"] == 0).any()
    assert float(sums[2]) == pytest.approx(float(sums[0] + sums[1]), rel=1e-5)
    assert torch.equal(counts[2], counts[0] + counts[1])
    assert task.target_weight(together) == len(long[1]) + len(short[1]) == int(counts[2][1])


def test_batches_do_not_change_an_evaluation_and_every_token_is_in_it(rows: Path, make: Make) -> None:
    task = make(settings(rows, tokenizer="word"))
    model = task.build_model()
    one, many = evaluate(task, model, 1), evaluate(task, model, 16)
    assert one.loss == pytest.approx(many.loss, rel=1e-5)
    targets = sum(int((batch["labels"] != IGNORED).sum()) for batch in task.eval_batches(4))
    assert targets == task.summary["tokens"]["eval"]
    assert one.loss == pytest.approx(math.log(task.num_classes), rel=0.05), "a new model knows nothing"
    assert one.metrics["perplexity"] == pytest.approx(math.exp(one.loss))
    assert set(one.metrics) == set(task.metric_names)


def test_bits_a_character_are_the_loss_of_a_character_model_in_bits(book: Path, make: Make) -> None:
    task = make(settings(book, tokenizer="char"))
    result = evaluate(task, task.build_model())
    assert result.metrics["bits_per_char"] == pytest.approx(result.loss / math.log(2))
    _, baseline = task.baseline()
    assert baseline["bits_per_char"] == pytest.approx(baseline["loss"] / math.log(2))


def test_the_baseline_guesses_by_frequency() -> None:
    train, evaluation = np.array([0, 0, 0, 1]), np.array([0, 1, 2])
    found = unigram_scores(train, evaluation, num_tokens=3, num_characters=6)
    nats = -(math.log(4 / 7) + math.log(2 / 7) + math.log(1 / 7))
    assert found["loss"] == pytest.approx(nats / 3)
    assert found["perplexity"] == pytest.approx(math.exp(nats / 3))
    assert found["bits_per_char"] == pytest.approx(nats / math.log(2) / 6)
    assert found["token_accuracy"] == pytest.approx(1 / 3)


def test_scores_of_nothing_and_of_too_much_are_numbers() -> None:
    empty = LmTally(0).result()
    assert math.isnan(empty.loss)
    assert all(math.isnan(value) for value in empty.metrics.values())
    assert scores(1e6, 0, 1, 1)["perplexity"] == math.inf
    assert math.isnan(scores(math.nan, 0, 1, 1)["perplexity"])


def test_tied_weights_are_written_once_and_loaded_by_plain_from_pretrained(
    rows: Path, make: Make, tmp_path: Path
) -> None:
    task = make(settings(rows, tokenizer="word"))
    model: Any = task.build_model()
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    model.save_pretrained(theirs)
    ours.mkdir()
    task.write_model(model, host_copy(task.weights(model)), ours)
    keys = [set(safe_open(directory / "model.safetensors", "pt").keys()) for directory in (ours, theirs)]
    assert keys[0] == keys[1]
    assert "lm_head.weight" not in keys[0]
    assert (ours / "config.json").read_bytes() == (theirs / "config.json").read_bytes()
    for loaded in (AutoModelForCausalLM.from_pretrained(ours), task.load_model(ours)):
        assert loaded.lm_head.weight is loaded.transformer.wte.weight
        state = loaded.state_dict()
        assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
        assert loaded.config.attn_pdrop == loaded.config.resid_pdrop == loaded.config.embd_pdrop == 0.2, (
            "not the library's own 0.1"
        )
    tokenizer = AutoTokenizer.from_pretrained(ours)
    assert tokenizer("Where is my card?")["input_ids"] == task._tokenizer("Where is my card?")["input_ids"]


def test_samples_are_a_function_of_the_weights(rows: Path, make: Make) -> None:
    task = make(settings(rows, tokenizer="word"))
    model = task.build_model()
    first = task.samples(model)
    assert [sample.prompt for sample in first] == ["I lost", ""]
    assert task.samples(model) == first
    other = make(settings(rows, seed=8, tokenizer="word"), "other")
    assert other.samples(other.build_model()) != first


def test_a_pretrained_model_goes_on_with_its_own_tokenizer(rows: Path, make: Make, tmp_path: Path) -> None:
    task = make(settings(rows, tokenizer="word"))
    model = task.build_model()
    saved = tmp_path / "saved"
    saved.mkdir()
    task.write_model(model, host_copy(task.weights(model)), saved)
    config = settings(rows)
    config.model = Model(pretrained=str(saved), dropout=0.3)
    again = make(config, "again")
    loaded: Any = again.build_model()
    assert again.summary == task.summary
    assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in model.state_dict().items())
    assert loaded.config.resid_pdrop == 0.3
    config.data.max_length = 25
    with pytest.raises(ConfigError, match="takes 24 tokens at most"):
        make(config, "longer")


def test_a_pretrained_model_without_an_end_is_refused(rows: Path, make: Make, tmp_path: Path) -> None:
    task = make(settings(rows, tokenizer="word"))
    saved = tmp_path / "saved"
    saved.mkdir()
    model = task.build_model()
    task._tokenizer.eos_token = None
    task.write_model(model, host_copy(task.weights(model)), saved)
    config = settings(rows)
    config.model = Model(pretrained=str(saved))
    with pytest.raises(ConfigError, match="no end-of-text token"):
        make(config, "again")


def test_what_is_read_is_said_in_a_line(rows: Path, book: Path, make: Make) -> None:
    task = make(settings(rows, tokenizer="word", max_length=32))
    assert task.describe().startswith("45 texts with ")
    assert "unknown" in task.describe()
    assert task.describe().endswith("; text from 'text'")
    one = make(settings(book, tokenizer="char"), "book")
    assert one.describe().startswith("1 text with ")
    assert "unknown" not in one.describe()
