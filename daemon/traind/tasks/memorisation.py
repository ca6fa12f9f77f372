"""How much of what a language model writes stands in its training text, word for word. Pure; knows no model."""

import math
import re
from collections.abc import Iterable, Sequence

_WORD = re.compile(r"\w+|[^\w\s]")


def share_memorised(texts: Sequence[str], training: Iterable[str]) -> float:
    """The share of texts that stand in one of the training texts; nan without a text that has a word.

    Case and white space do not count, nor does the cut at either end of a text: half a word is found in a whole one.
    Short texts are found without having been learnt by heart: compare texts of a dozen words and more.
    """
    known = "\n".join(map(_normal, training))
    words = [normal for normal in map(_normal, texts) if normal]
    return sum(normal in known for normal in words) / len(words) if words else math.nan


def _normal(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))
