"""From files to labelled documents. Knows neither torch nor transformers: faults are found before a run is made."""

from traind.data.corpus import Corpus, load_corpus
from traind.data.document import Document, EncodedDocument, Span, TextDocument, TokenDocument
from traind.data.labels import LabelSet

__all__ = [
    "Corpus",
    "Document",
    "EncodedDocument",
    "LabelSet",
    "Span",
    "TextDocument",
    "TokenDocument",
    "load_corpus",
]
