"""From files to labelled documents. Knows neither torch nor transformers: faults are found before a run is made."""

from traind.data.corpus import AnyCorpus, load_corpus
from traind.data.document import Document, EncodedDocument, Span, TextDocument, TokenDocument
from traind.data.labels import LabelSet
from traind.data.span_corpus import SpanCorpus

__all__ = [
    "AnyCorpus",
    "Document",
    "EncodedDocument",
    "LabelSet",
    "Span",
    "SpanCorpus",
    "TextDocument",
    "TokenDocument",
    "load_corpus",
]
