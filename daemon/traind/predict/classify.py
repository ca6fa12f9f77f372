"""The label of each text, with every label's probability. What is longer than the model takes is cut off, and said."""

from collections.abc import Sequence

import numpy as np
import torch

from rundir.records import Number
from traind.data.text_corpus import LabelledText
from traind.predict.model import Ready
from traind.predict.result import Labelled, readable
from traind.tasks.text_features import TextCollator, TextDataset, encode_texts, ordered_batches
from traind.tasks.tokenizer import bare


class Classifier:
    """Text classification, the texts cut and padded as at evaluation."""

    def __init__(self, ready: Ready, *, batch_size: int) -> None:
        self._ready = ready
        self._core = bare(ready.tokenizer)
        self._names = ready.labels
        self._collate = TextCollator(ready.pad_token_id)
        self._batch_size = batch_size

    def predict(self, texts: Sequence[str]) -> list[Labelled]:
        ready = self._ready
        encoded = encode_texts([LabelledText(text, 0, "") for text in texts], self._core, alive=lambda: None)
        data = TextDataset(encoded, ready.capacity, ready.prefix, ready.suffix)
        rows: list[list[float]] = []
        for batch in ordered_batches(data, self._collate, self._batch_size):
            rows += ready.logits(batch).softmax(dim=-1).cpu().tolist()
        is_truncated = np.diff(encoded.offsets) > ready.capacity
        return [
            self._labelled(text, row, truncated=bool(truncated))
            for text, row, truncated in zip(texts, rows, is_truncated, strict=True)
        ]

    def _labelled(self, text: str, row: list[float], *, truncated: bool) -> Labelled:
        # As torch's argmax has it at training's evaluations: of equal ones the first, and nan before all.
        best = int(torch.tensor(row).argmax())
        scores: dict[str, Number] = {name: readable(score) for name, score in zip(self._names, row, strict=True)}
        return Labelled(text, self._names[best], scores[self._names[best]], scores, truncated)
