"""One JSON object as a document: `text` + spans, `tokens` + tags, or `input_ids` + labels. Knows no file format."""

from collections.abc import Sequence
from typing import Any, TypeGuard

from traind.data.document import Document, EncodedDocument, Span, TextDocument, TokenDocument
from traind.data.labels import IGNORED, LabelSet

FORMS = '"text" + "spans", "tokens" + "ner_tags", or "input_ids" + "labels"'


class RecordError(ValueError):
    """What is wrong with a record, and the cure; the reader of the file adds the place."""


def parse_record(record: Any, name: str, labels: LabelSet | None) -> Document:
    """The document in a decoded JSON object. `labels` gives integer tags their names. Raises RecordError."""
    if not isinstance(record, dict):
        raise RecordError(f"is no object; write {FORMS}")
    name = whole(str(record.get("id", name)), '"id"')
    if "input_ids" in record:
        return _encoded(record, name)
    if "tokens" in record:
        return _tokens(record, name, labels)
    if "text" in record:
        return _text(record, name)
    raise RecordError(f"has the keys {', '.join(map(repr, record)) or 'none'}; write {FORMS}")


def _text(record: dict[str, Any], name: str) -> TextDocument:
    text = record["text"]
    if not isinstance(text, str):
        raise RecordError('"text" is no string')
    whole(text, '"text"')
    key = "spans" if "spans" in record else "labels"
    raw = record.get(key)
    if not isinstance(raw, list):
        raise RecordError('has a "text" but no list "spans"; write "spans": [] for a text without any')
    return TextDocument(name, text, tuple(_span(item, len(text), f"{key}[{i}]") for i, item in enumerate(raw)))


def _span(item: Any, length: int, place: str) -> Span:
    if isinstance(item, dict):
        start, end, label = item.get("start"), item.get("end"), item.get("label", item.get("technique"))
    elif isinstance(item, list) and len(item) == 3:
        start, end, label = item
    else:
        start = end = label = None
    if not (_is_int(start) and _is_int(end) and isinstance(label, str) and label):
        raise RecordError(f'{place} is no span; write {{"start": 0, "end": 5, "label": "NAME"}} or [0, 5, "NAME"]')
    if not 0 <= start <= end <= length:
        raise RecordError(f"{place} is [{start}, {end}), outside the text of {length} characters; count from 0")
    return Span(start, end, whole(label, f"the label of {place}"))


def _tokens(record: dict[str, Any], name: str, labels: LabelSet | None) -> TokenDocument:
    tokens = record["tokens"]
    tags = record.get("ner_tags", record.get("tags"))
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise RecordError('"tokens" is no list of strings')
    if not isinstance(tags, list):
        raise RecordError('has "tokens" but no list "ner_tags"')
    if len(tokens) != len(tags):
        raise RecordError(f"has {len(tokens)} tokens and {len(tags)} ner_tags; give one tag for each token")
    for index, token in enumerate(tokens):
        whole(token, f"tokens[{index}]")
    names = tuple(_tag(tag, labels) for tag in tags)
    return TokenDocument(name, tuple(tokens), names, highest_tag_id=max(filter(_is_int, tags), default=0))


def _tag(tag: Any, labels: LabelSet | None) -> str:
    if isinstance(tag, str):
        return check_tag(tag)
    if not _is_int(tag) or tag < 0:
        raise RecordError(f"{tag!r} is no tag; write B-TYPE, I-TYPE, O, or the id of a label")
    if labels is None:
        return numbered(tag)
    if tag >= len(labels):
        raise RecordError(f"the tag {tag} is not among the {len(labels)} labels; correct task.labels")
    name: str = labels.names[tag]
    return name


def check_tag(tag: str) -> str:
    """The tag itself. Raises RecordError when it is no BIO tag."""
    if tag != "O" and not (tag.startswith(("B-", "I-")) and len(tag) > 2):
        raise RecordError(f"the tag {tag!r} is not BIO; write O, B-TYPE or I-TYPE")
    return whole(tag, "a tag")


def whole(text: str, place: str) -> str:
    """The text itself. Raises RecordError where it holds half a surrogate pair: no tokenizer and no file takes that."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = ascii(text[error.start])
        raise RecordError(
            f"{place} has the lone surrogate {half} at character {error.start}; write both halves, or take it out"
        ) from None
    return text


def numbered(label_id: int) -> str:
    """The name of a label that is known by its number only: 1 and 2 are B and I of the first type, and so on."""
    if label_id == 0:
        return "O"
    return f"{'B' if label_id % 2 else 'I'}-type{(label_id + 1) // 2:02d}"


def _encoded(record: dict[str, Any], name: str) -> EncodedDocument:
    input_ids, label_ids = record["input_ids"], record.get("labels")
    if not _are_ints(input_ids) or min(input_ids, default=0) < 0:
        raise RecordError('"input_ids" is no list of token ids')
    if not isinstance(label_ids, list) or not _are_ints(label_ids):
        raise RecordError('has "input_ids" but no list "labels" of label ids')
    if len(input_ids) != len(label_ids):
        raise RecordError(f"has {len(input_ids)} input_ids and {len(label_ids)} labels; give one label for each id")
    bad = [label for label in label_ids if label < 0 and label != IGNORED]
    if bad:
        raise RecordError(f"the label {bad[0]} is negative; only {IGNORED} (not scored) may be")
    return EncodedDocument(name, tuple(input_ids), tuple(label_ids))


def _is_int(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_ints(values: Any) -> bool:
    return isinstance(values, list) and all(map(_is_int, values))


def conll_document(rows: Sequence[tuple[str, str]], name: str, block: int) -> TokenDocument:
    """A sentence of CoNLL columns: (token, tag) of each row. Raises RecordError."""
    tags = tuple(check_tag(tag) for _, tag in rows)
    return TokenDocument(name, tuple(token for token, _ in rows), tags, block=block)
