"""A labelled document in the three forms in which it may come. Plain values; knows no file and no tokenizer."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start` to `end` (exclusive, counted in Unicode code points) carry `label`."""

    start: int
    end: int
    label: str


@dataclass(frozen=True, slots=True)
class TextDocument:
    """A text with spans; of a loaded corpus they are in order, not empty, and none overlaps another."""

    id: str
    text: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class TokenDocument:
    """Words with one BIO tag each."""

    id: str
    tokens: tuple[str, ...]
    tags: tuple[str, ...]
    highest_tag_id: int = 0
    """Of the tags that came as numbers: a label set must reach so far, whether or not each number occurs."""
    block: int = 0
    """Sentences of one source document have the same; a file that tells of no documents has 0 throughout."""


@dataclass(frozen=True, slots=True)
class EncodedDocument:
    """Token ids of the pretrained model's own tokenizer with one label id each; −100 is not scored."""

    id: str
    input_ids: tuple[int, ...]
    label_ids: tuple[int, ...]


Document: TypeAlias = TextDocument | TokenDocument | EncodedDocument
