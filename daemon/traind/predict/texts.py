"""Where the texts come from: arguments, a file, a pipe, or a person who types them. Knows no model."""

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TextIO

from traind.config import ConfigError

TABLES = (".csv", ".tsv", ".parquet")
"""Of which a line is more than a text, or none."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts in the order in which they are wanted, one batch at a time."""

    batches: Iterator[list[str]]
    is_typed: bool
    """A person waits after each."""


def find(given: list[str], file: Path | None, batch_size: int) -> Texts:
    """The arguments as they are, else the file, else standard input; there a blank line is no text.

    Waits for the first text of a pipe. Raises ConfigError: both given, a file that is no such, no text at all.
    """
    if given and file is not None:
        raise ConfigError("give texts or --file, not both")
    if given:
        return Texts(_batches(iter(map(clean, given)), batch_size), is_typed=False)
    if file is not None and str(file) != "-":
        return Texts(_batches(_some(iter(_read(file)), f"--file {file}"), batch_size), is_typed=False)
    if file is None and sys.stdin.isatty():
        return Texts(([text] for text in _typed()), is_typed=True)
    return Texts(_batches(_some(_lines(sys.stdin), "standard input"), batch_size), is_typed=False)


def clean(text: str) -> str:
    """The text without lone surrogates, which no tokenizer takes: bytes that were no UTF-8 become �."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def _some(texts: Iterator[str], place: str) -> Iterator[str]:
    """The same; raises ConfigError at once where there is none, before a model is loaded for nothing."""
    try:
        return chain([next(texts)], texts)
    except StopIteration:
        raise ConfigError(f"{place}: no text given; write one a line") from None


def _batches(texts: Iterator[str], size: int) -> Iterator[list[str]]:
    while batch := list(islice(texts, size)):
        yield batch


def _lines(stream: TextIO) -> Iterator[str]:
    for line in stream:
        if line.strip():
            yield clean(line.rstrip("\r\n"))


def _read(path: Path) -> list[str]:
    """All of it at once: a mistake in its last line is told before the first answer."""
    if path.suffix.lower() in TABLES:
        cure = 'give a file of one text a line, or .jsonl with "text"'
        raise ConfigError(f"--file {path}: a {path.suffix} table is no list of texts; {cure}")
    try:
        content = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"--file {path}: no such file") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"--file {path}: not UTF-8 text: {error.reason} at byte {error.start}") from None
    except OSError as error:
        raise ConfigError(f"--file {path}: cannot be read: {error.strerror}") from None
    # str.splitlines would also cut at U+2028 and form feeds, which are characters of a text.
    lines = content.split("\n")
    if path.suffix != ".jsonl":
        return [line.removesuffix("\r") for line in lines if line.strip()]
    return [
        _text_of(line, f"--file {path}: line {number}") for number, line in enumerate(lines, start=1) if line.strip()
    ]


def _text_of(line: str, place: str) -> str:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ConfigError(f"{place}: not valid JSON: {error}") from None
    text = row.get("text") if isinstance(row, dict) else row
    if not isinstance(text, str):
        raise ConfigError(f'{place}: no text; write {{"text": "…"}}')
    return clean(text)


def _typed() -> Iterator[str]:
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 — gives input() its line editing
    print("type a text and Enter; Ctrl-D ends", file=sys.stderr)
    while True:
        if not sys.stdout.isatty():  # what is written there is for a file or a program
            print("> ", end="", file=sys.stderr, flush=True)
        try:
            line = input("> " if sys.stdout.isatty() else "")
        except EOFError:
            print(file=sys.stderr)
            return
        if line.strip():
            yield clean(line)
