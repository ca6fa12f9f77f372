"""Which of the three answers a model's kind calls for, and what of the run, where it is at hand, helps with that."""

import argparse
from collections.abc import Sequence
from typing import Protocol, assert_never

from traind.data.labels import IGNORED
from traind.predict.choose import Chosen
from traind.predict.classify import Classifier
from traind.predict.model import Kind, Ready
from traind.predict.result import Prediction
from traind.predict.spans import SpanFinder
from traind.predict.write import Writer, training_text
from traind.tasks.cache import cache_key, read_cache


class Predictor(Protocol):
    """What a kind of model does with texts: one prediction each, in their order."""

    def predict(self, texts: Sequence[str], /) -> Sequence[Prediction]: ...


def predictor(ready: Ready, chosen: Chosen, args: argparse.Namespace) -> tuple[Predictor, list[str]]:
    """And notes for a person."""
    match ready.kind:
        case Kind.SPANS:
            first_of_word = args.words or _learnt_words(ready, chosen)
            return SpanFinder(ready, first_of_word=first_of_word, batch_size=args.batch_size), []
        case Kind.LABELS:
            return Classifier(ready, batch_size=args.batch_size), []
        case Kind.TEXT:
            known = training_text(chosen.run, ready.settings, ready)
            writer = Writer(
                ready,
                max_tokens=args.max_tokens,
                temperature=args.temperature,
                seed=args.seed,
                known=None if known is None else known.has,
            )
            note = "the training text is not at hand (no run around the model, or no cache in it): not looked up there"
            return writer, [note] if known is None else []
        case _:
            assert_never(ready.kind)


def _learnt_words(ready: Ready, chosen: Chosen) -> bool:
    """Whether the run's data has tokens that are not scored: then its labels are those of words."""
    if chosen.run is None or ready.settings is None:
        return False
    data = read_cache(chosen.run.cache, cache_key(ready.settings))
    return data is not None and bool((data.train.labels == IGNORED).any())
