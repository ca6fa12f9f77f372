"""Guessing masked words: what is masked, that it is learnt, and that base/ is there whole or not at all."""

import json
import random
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification, AutoTokenizer

from rundir.layout import RunDir
from traind.config import Config, Data, Model, Task
from traind.tasks.pretrain import BATCH_SIZE, Pretrained, ensure_base, mask
from traind.tasks.text_classification import TextClassification

CPU = torch.device("cpu")


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    (tmp_path / "run").mkdir()
    return RunDir(tmp_path / "run")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    rng = random.Random(1)
    order = "monday tuesday wednesday thursday friday".split()  # noqa: SIM905
    path = tmp_path / "texts.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for n in range(160):
            start = rng.randrange(5)
            words = " ".join(order[(start + i) % 5] for i in range(rng.randint(5, 12)))
            file.write(json.dumps({"text": words, "label": n % 2}) + "\n")
    return Config(
        seed=3,
        task=Task(kind="text-classification"),
        data=Data(train=str(path), eval_fraction=0.2, max_length=24),
        model=Model(
            init="mlm", dim=32, n_layers=1, n_heads=2, hidden_dim=64, vocab_size=100, mlm_epochs=20, mlm_lr=5e-3
        ),
    )


def made(config: Config, run: RunDir) -> tuple[TextClassification, Pretrained | None]:
    task = TextClassification(config, run, alive=lambda: None)
    return task, ensure_base(config, run, task, CPU, lambda: None, lambda _: None)


def test_shares_of_what_is_masked() -> None:
    tokenizer = FakeVocabulary()
    ids = torch.randint(2, 1000, (200, 100), generator=torch.Generator().manual_seed(1))
    ids[:, 0] = 0
    torch.manual_seed(2)
    inputs, targets = mask(ids, tokenizer)
    chosen = targets != -100
    assert not chosen[:, 0].any()
    assert torch.equal(targets[chosen], ids[chosen])
    assert torch.equal(inputs[~chosen], ids[~chosen])
    assert chosen[:, 1:].double().mean() == pytest.approx(0.15, abs=0.01)
    assert (inputs[chosen] == 1).double().mean() == pytest.approx(0.8, abs=0.02)
    assert (inputs[chosen] == ids[chosen]).double().mean() == pytest.approx(0.1, abs=0.02)


class FakeVocabulary:
    """As much of a tokenizer as masking looks at."""

    all_special_ids = (0, 1)
    mask_token_id = 1

    def __len__(self) -> int:
        return 1000


def test_words_are_learnt_and_the_body_is_what_the_classifier_stands_on(config: Config, run: RunDir) -> None:
    task, done = made(config, run)
    assert done is not None
    assert done.steps == 20 * 128 // BATCH_SIZE
    assert done.last_loss < 0.5 * done.first_loss
    base = AutoModelForMaskedLM.from_pretrained(run.base).base_model.state_dict()
    body = task.build_model().base_model.state_dict()  # type: ignore[union-attr]
    assert all(torch.equal(base[name], body[name]) for name in base)  # type: ignore[index]


def test_others_can_load_the_base(config: Config, run: RunDir) -> None:
    task, _ = made(config, run)
    assert AutoModelForSequenceClassification.from_pretrained(run.base).config.num_labels == 2
    assert len(AutoTokenizer.from_pretrained(run.base)) == len(task.tokenizer)


def test_the_same_configuration_gives_the_same_base_and_it_is_made_once(config: Config, tmp_path: Path) -> None:
    config.model.mlm_epochs = 1
    files = []
    for name in ("one", "two"):
        run = RunDir(tmp_path / name)
        run.path.mkdir()
        made(config, run)
        files.append((run.base / "model.safetensors").read_bytes())
        assert made(config, run)[1] is None
    assert files[0] == files[1]


def test_left_in_the_middle_there_is_no_base_and_the_next_one_is_no_other(config: Config, tmp_path: Path) -> None:
    config.model.mlm_epochs = 1
    whole, broken = RunDir(tmp_path / "whole"), RunDir(tmp_path / "broken")
    for run in (whole, broken):
        run.path.mkdir()
    made(config, whole)
    task = TextClassification(config, broken, alive=lambda: None)
    calls = iter(range(2))
    with pytest.raises(StopIteration):
        ensure_base(config, broken, task, CPU, lambda: next(calls) and None, lambda _: None)
    assert not broken.base.exists()
    (broken.path / ".writing-base").mkdir()  # as a writer that was killed leaves it
    (broken.path / ".writing-base" / "config.json").write_text("{", encoding="utf-8")
    made(config, broken)
    assert (whole.base / "model.safetensors").read_bytes() == (broken.base / "model.safetensors").read_bytes()
    assert json.loads((broken.base / "config.json").read_bytes())["dim"] == 32


def test_the_global_random_generator_stays_as_it_was(config: Config, run: RunDir) -> None:
    config.model.mlm_epochs = 1
    torch.manual_seed(11)
    before = torch.get_rng_state()
    made(config, run)
    assert torch.equal(torch.get_rng_state(), before)
