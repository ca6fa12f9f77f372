"""A command line as a finding may show it: one short line without secrets, since findings are pasted into issues."""

import re
from collections.abc import Sequence

from traind.words import one_line

_LENGTH = 70
_HIDDEN = "…"
_NAME = r"[\w.-]*(?:token(?!iz)|key|password|passwd|secret)[\w.-]*"
_OPTION = re.compile(rf"--?{_NAME}", re.IGNORECASE)
_ASSIGNED = re.compile(rf"(-*{_NAME}\s*[=:]).+", re.IGNORECASE | re.DOTALL)
_WITHIN = re.compile(rf"(--?{_NAME}\s+|{_NAME}[\"']?\s*[=:]\s*)\S+", re.IGNORECASE)
"""In an argument that is a program of its own: `sh -c '…'`, `python -c '…'`."""


def shown(command: Sequence[str]) -> str:
    """The beginning of a command line. What follows a name that speaks of a token, key, password or secret is hidden:
    `--token=…`, `--api-key …`, `WANDB_API_KEY=…`."""
    words, is_hidden = [], False
    for argument in command:
        if is_hidden:
            words.append(_HIDDEN)
            is_hidden = False
        elif assigned := _ASSIGNED.fullmatch(argument):
            words.append(assigned[1] + _HIDDEN)
        else:
            words.append(_WITHIN.sub(rf"\1{_HIDDEN}", argument))
            is_hidden = _OPTION.fullmatch(argument) is not None
    return one_line(" ".join(words))[:_LENGTH] or "unnamed"
