"""Whether what a language model writes stands in its training text, word for word. Pure; knows no model."""

import re
from collections.abc import Iterable

_WORD = re.compile(r"\w+|[^\w\s]")


class KnownText:
    """The training texts, made ready once to look other texts up in.

    Case and white space do not count, nor does the cut at either end of a text: half a word is found in a whole one.
    Short texts are found without having been learnt by heart: compare texts of a dozen words and more.
    """

    def __init__(self, training: Iterable[str]) -> None:
        self._text = "\n".join(map(_normal, training))

    def has(self, text: str) -> bool | None:
        """Whether a text stands in one of them; None for a text without a word."""
        normal = _normal(text)
        return normal in self._text if normal else None


def _normal(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))
