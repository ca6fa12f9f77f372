"""`remarks.json`: what people say of a run, tags and a note, and whether they have put it away. Never the run's own.

Guarantees: the file is replaced atomically, so that it is always whole; of two that write at once the later holds.
Neither supervisor nor trainer reads it.
"""

from pathlib import Path

import msgspec
from msgspec import field

from rundir import FORMAT
from rundir.atomic import write_atomic
from rundir.records import encode
from rundir.regular import read_regular

MAX_NOTE_LENGTH = 2000
MAX_TAG_LENGTH = 40


def _this_format() -> int:
    return FORMAT


class Remarks(msgspec.Struct, omit_defaults=True, kw_only=True, frozen=True):
    """The content of remarks.json."""

    format: int = field(default_factory=_this_format)
    """Of the directory. Always written."""
    tags: list[str] = []
    note: str = ""
    archived: bool = False
    """Put away: not listed unless asked for."""


def read_remarks(path: Path) -> Remarks:
    """The remarks in a file; empty ones when it is missing. Raises msgspec.DecodeError when it is not ours."""
    try:
        return msgspec.json.decode(read_regular(path), type=Remarks)
    except FileNotFoundError:
        return Remarks()
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from error


def write_remarks(path: Path, remarks: Remarks) -> None:
    """Replace the file. Raises OSError where the directory cannot be written, the old file then untouched."""
    write_atomic(path, encode(remarks), durable=False)


def parse_tags(text: str) -> list[str]:
    """Tags as typed, apart by blanks or commas, each once. Raises ValueError with a reason in words."""
    tags = list(dict.fromkeys(text.replace(",", " ").split()))
    for tag in tags:
        if len(tag) > MAX_TAG_LENGTH:
            raise ValueError(f"{tag[:20]}…: a tag has at most {MAX_TAG_LENGTH} characters")
        if not tag.isprintable():
            raise ValueError("a tag is made of printable characters")
    return tags
