"""Texts that the model made at an evaluation, under the prompts they were made from. Pure."""

from collections.abc import Sequence

from rundir.records import Sample
from rundir.text import plain
from trainwatch import format as fmt
from trainwatch.paint import Row

_LONGEST = 4000
"""Characters of a text that are shown; a recipe's samples have some hundred."""


def sample_lines(samples: Sequence[Sample], width: int) -> list[Row]:
    """Each prompt, and under it what the model wrote: wrapped, its own line breaks kept."""
    lines: list[Row] = []
    for number, sample in enumerate(samples):
        lines += [[("", "")]] if number else []
        first, *more = _wrapped(sample.prompt, width - 4) or ["(no prompt)"]
        lines += [[(" ❯ ", "point"), (first, "title")], *([("   " + line, "title")] for line in more)]
        lines += [[("   " + line, "value")] for line in _wrapped(sample.text, width - 4)] or [[("   (nothing)", "dim")]]
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    lines = text[:_LONGEST].strip().splitlines()
    return [part for line in lines for part in fmt.wrap(plain(line), max(1, width)) or [""]]
