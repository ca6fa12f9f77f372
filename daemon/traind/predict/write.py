"""Text written by a language model after each given one, and whether it stands word for word in its training text."""

from collections.abc import Callable, Iterator, Sequence

from rundir.layout import RunDir
from traind.config import Config
from traind.predict.model import Ready
from traind.predict.result import Generated
from traind.tasks.cache import cache_key, read_cache
from traind.tasks.generation import generate
from traind.tasks.memorisation import KnownText
from traind.tasks.window import EncodedSet


class Writer:
    """Causal language modelling. The i-th text of a session is drawn with seed + i, however the texts are batched."""

    def __init__(
        self,
        ready: Ready,
        *,
        max_tokens: int,
        temperature: float,
        seed: int,
        known: Callable[[str], bool | None] | None,
    ) -> None:
        """`known` says whether a text stands in the training text; None where that is not at hand."""
        self._ready = ready
        self._max_tokens, self._temperature, self._seed = max_tokens, temperature, seed
        self._known = known

    def predict(self, texts: Sequence[str]) -> list[Generated]:
        results = []
        for prompt in texts:
            with self._ready.precision():
                (text,) = generate(
                    self._ready.model,
                    self._ready.tokenizer,
                    [prompt],
                    max_new_tokens=self._max_tokens,
                    seed=self._seed,
                    temperature=self._temperature,
                )
            self._seed += 1
            results.append(Generated(prompt, text, None if self._known is None else self._known(text)))
        return results


def training_text(run: RunDir | None, settings: Config | None, ready: Ready) -> KnownText | None:
    """What the run's cache holds of its training text; None where there is none."""
    if run is None or settings is None:
        return None
    data = read_cache(run.cache, cache_key(settings))
    return None if data is None else KnownText(_documents(data.train, ready))


def _documents(encoded: EncodedSet, ready: Ready) -> Iterator[str]:
    for start, end in zip(encoded.offsets[:-1].tolist(), encoded.offsets[1:].tolist(), strict=True):
        yield str(ready.tokenizer.decode(encoded.ids[start:end].tolist(), skip_special_tokens=True))
