"""What a configuration's [data] and [task] mean, by kind of task. Knows neither torch nor a tokenizer."""

from collections.abc import Mapping
from typing import Any, Protocol

from traind.config import Config
from traind.data.survey import Survey


class AnyCorpus(Protocol):
    """What the corpora of all kinds have in common."""

    @property
    def labels(self) -> Any:
        """Names by id, with a `write(path)`; None for a task without labels."""
        ...

    @property
    def hashes(self) -> Mapping[str, str]:
        """SHA-256 of each source, by its key: train, eval, labels."""
        ...

    def survey(self) -> Survey: ...


def load_corpus(config: Config, labels: Any = None, began_with: Mapping[str, str] | None = None) -> AnyCorpus:
    """Read, check and split the data of a configuration of any kind but `custom`, whose data is its own.

    `labels` freezes the mapping (those of a resumed run); `began_with` are the hashes of a resumed run: a source that
    has another is refused. Raises ConfigError, each fault with file, key or line, and cure.
    """
    from traind.data.plain_corpus import load_plain
    from traind.data.span_corpus import load_spans
    from traind.data.text_corpus import load_texts

    match config.task.kind:
        case "token-classification":
            return load_spans(config, labels, began_with)
        case "text-classification":
            return load_texts(config, labels, began_with)
        case "causal-lm":
            return load_plain(config, began_with)
        case _:
            raise NotImplementedError(config.task.kind)
