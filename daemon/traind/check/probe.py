"""Whether labels have anything to do with their texts: a bag-of-words classifier, trained and judged in a moment.

Multinomial naive Bayes on the distinct words of a text, uniform prior, Laplace smoothing (McCallum & Nigam 1998),
cross-validated. Knows no corpus: words and class numbers in, one verdict out.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_ROWS = 2000
MAX_WORDS = 60
"""Distinct words of a row that are looked at: the probe stays within a tenth of a second."""
_FOLDS = 5
_Z = 3.0
"""Standard errors over chance that count as a connection: by chance once in seven hundred."""
_WORTH_SEEING = 0.2
"""The rise over chance, as a share of what is above it, that must be visible, else the rows are too few to judge."""
WITHOUT_SPACES = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Characters of Thai, Lao, Burmese, Khmer, Japanese and Chinese, as a regular expression has a set of them."""
_WORD = re.compile(rf"[{WITHOUT_SPACES}]|[^\W{WITHOUT_SPACES}]+")  # scripts without spaces go by character


@dataclass(frozen=True, slots=True)
class Verdict:
    """How well the class is told from the words."""

    recall: float
    """Mean recall over the classes, cross-validated."""
    chance: float
    """What labels independent of the texts give: 1 ÷ classes."""
    standard_error: float

    @property
    def is_connected(self) -> bool:
        return self.recall > self.chance + _Z * self.standard_error

    @property
    def is_telling(self) -> bool:
        """Whether there were rows enough to see a connection worth the name."""
        return _Z * self.standard_error <= _WORTH_SEEING * (1 - self.chance)


def words(text: str) -> list[str]:
    """The distinct words of a text, the first `MAX_WORDS` of them."""
    found = dict.fromkeys(match.group() for match in _WORD.finditer(text[: 20 * MAX_WORDS].casefold()))
    return list(found)[:MAX_WORDS]


def probe(rows: Sequence[Sequence[str]], classes: Sequence[int]) -> Verdict | None:
    """Judge rows of distinct words with a class each; classes count from 0. None where there is nothing to compare.

    With labels independent of the words, the recall of a class is the share q of rows that are put into it, so that
    the mean over K classes is 1/K whatever their sizes, with variance Σ q(1−q)/n ÷ K².
    """
    chosen = np.random.default_rng(0).permutation(len(rows))[:MAX_ROWS]
    of_row = np.array(classes, dtype=np.int64)[chosen]
    present, of_row = np.unique(of_row, return_inverse=True)
    if len(present) < 2:
        return None
    row_index, word_index = _index([rows[row] for row in chosen])
    if not len(word_index):
        return None
    guesses = _cross_validated(row_index, word_index, of_row, len(present))
    num_classes, sizes = len(present), np.bincount(of_row)
    recall = np.bincount(of_row, weights=guesses == of_row) / sizes
    share = np.bincount(guesses, minlength=num_classes) / len(guesses)
    variance = float((share * (1 - share) / sizes).sum()) / num_classes**2
    return Verdict(float(recall.mean()), 1 / num_classes, variance**0.5)


def _index(rows: Sequence[Sequence[str]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and word number of every word that more rows than one have: of the others nothing can be foretold."""
    known: dict[str, int] = {}
    numbers = np.array([known.setdefault(word, len(known)) for row in rows for word in row], dtype=np.int64)
    row_index = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    is_shared = np.bincount(numbers, minlength=1)[numbers] > 1
    return row_index[is_shared], np.unique(numbers[is_shared], return_inverse=True)[1].astype(np.int64)


def _cross_validated(
    row_index: NDArray[np.int64], word_index: NDArray[np.int64], of_row: NDArray[np.int64], num_classes: int
) -> NDArray[np.int64]:
    num_words = int(word_index.max()) + 1
    guesses = np.zeros(len(of_row), dtype=np.int64)
    cell = of_row[row_index] * num_words + word_index
    in_all = np.bincount(cell, minlength=num_classes * num_words)
    for fold in range(_FOLDS):
        held_out = row_index % _FOLDS == fold
        counts = (in_all - np.bincount(cell[held_out], minlength=num_classes * num_words)).reshape(num_classes, -1) + 1
        log_share = np.log(counts / counts.sum(axis=1, keepdims=True))
        scores = np.stack(
            [
                np.bincount(row_index[held_out], weights=of_class[word_index[held_out]], minlength=len(of_row))
                for of_class in log_share
            ],
            axis=1,
        )
        mine = np.arange(len(of_row)) % _FOLDS == fold
        guesses[mine] = scores[mine].argmax(axis=1)
    return guesses
