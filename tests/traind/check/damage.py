"""Small models on disk, sound and damaged, as somebody might have left them."""

from pathlib import Path

import torch
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from tests.traind.check.ground import PRETRAINED, TEXTS, rows, texts
from traind.tasks.tokenizer import train_tokenizer


def sound_model(directory: Path) -> Path:
    """A configuration that begins with a model of one's own."""
    return _with_model(directory, num_embeddings=None)[0]


def nan_weights(directory: Path) -> tuple[Path, list[str]]:
    """One weight of the head has become NaN, as after a step too large."""
    path, model = _with_model(directory, num_embeddings=None)
    with torch.no_grad():
        model.classifier.weight[0, 0] = torch.nan
    model.save_pretrained(directory / "model")
    return path, []


def few_embeddings(directory: Path) -> tuple[Path, list[str]]:
    """The tokenizer knows more tokens than the model has embeddings."""
    return _with_model(directory, num_embeddings=50)[0], []


def _with_model(directory: Path, num_embeddings: int | None) -> tuple[Path, DistilBertForSequenceClassification]:
    texts(directory)
    tokenizer = train_tokenizer((text for text, _ in rows(240, seed=1)), 300, 512)
    sizes = DistilBertConfig(
        vocab_size=num_embeddings or len(tokenizer),
        dim=32,
        n_layers=1,
        n_heads=2,
        hidden_dim=64,
        pad_token_id=tokenizer.pad_token_id,
        id2label={0: "food", 1: "night", 2: "sea"},
        label2id={"food": 0, "night": 1, "sea": 2},
    )
    torch.manual_seed(0)
    model = DistilBertForSequenceClassification(sizes)
    model.save_pretrained(directory / "model")
    tokenizer.save_pretrained(directory / "model")
    path = directory / "texts.toml"
    path.write_text(
        TEXTS.format(
            train=directory / "train.csv",
            eval=directory / "eval.csv",
            model=PRETRAINED.format(model=directory / "model"),
        ).replace("lr = 2e-3", "lr = 5e-4"),
        encoding="utf-8",
    )
    return path, model
