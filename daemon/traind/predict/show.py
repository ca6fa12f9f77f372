"""Predictions as lines for a person: foreign text made harmless, the terminal's width kept. Pure."""

import math
import textwrap
import unicodedata
from typing import assert_never

from rundir.records import number
from rundir.text import plain
from traind.predict.result import Generated, Labelled, Prediction, Span, Spans

NUM_SHOWN = 5
"""Labels of a classification that are shown, likeliest first."""
BAR_WIDTH = 20
INDENT = "  "
_BESIDE_LABEL = 33
"""Columns of a row of spans that its label leaves: score, start, end, and some of the text."""


def render(prediction: Prediction, index: int, width: int) -> list[str]:
    """`index` counts the texts from 1; no line is wider than `width` columns, but for widths below 40."""
    width = max(width, 40)
    match prediction:
        case Spans():
            return _spans(prediction, index, width)
        case Labelled():
            return _labelled(prediction, index, width)
        case Generated():
            return _generated(prediction, index, width)
        case _:
            assert_never(prediction)


def _spans(prediction: Spans, index: int, width: int) -> list[str]:
    count = len(prediction.spans)
    head = f"{index}: {count} span{'' if count == 1 else 's'}" if count else f"{index}: no span"
    lines = [head, *wrap(_in_context(prediction), width)]
    if not count:
        return lines
    widest = max(len("label"), *(columns(plain(span.label)) for span in prediction.spans))
    label_width = min(widest, width - _BESIDE_LABEL)
    lines.append(f"{INDENT}{'label':{label_width}}  score  start    end  text")
    return lines + [_row(span, label_width, width) for span in prediction.spans]


def _row(span: Span, label_width: int, width: int) -> str:
    label = cut(plain(span.label), label_width)
    row = f"{INDENT}{pad(label, label_width)}  {number(span.score):5.3f}  {span.start:5}  {span.end:5}  "
    return cut(row + one_line(span.text), width)


def _in_context(prediction: Spans) -> str:
    """The text with each span in brackets: `the [worst ever]Loaded_Language of them`."""
    parts, place = [], 0
    for span in prediction.spans:
        parts += [prediction.text[place : span.start], "[", prediction.text[span.start : span.end], f"]({span.label})"]
        place = span.end
    return one_line("".join([*parts, prediction.text[place:]]))


def _labelled(prediction: Labelled, index: int, width: int) -> list[str]:
    lines = [cut(f"{index}: {one_line(prediction.text)}", width)]
    if prediction.truncated:
        lines.append(f"{INDENT}! cut off: longer than the model takes")
    # nan compares with nothing: it goes last. Equal scores stay in the model's order.
    ranked = sorted(prediction.scores.items(), key=lambda item: _or_else(1.0, -number(item[1])))
    label_width = max(columns(plain(label)) for label, _ in ranked[:NUM_SHOWN])
    for label, score in ranked[:NUM_SHOWN]:
        value = number(score)
        bar = "█" * round(_or_else(0.0, value) * BAR_WIDTH)
        lines.append(cut(f"{INDENT}{pad(plain(label), label_width)}  {value:5.3f}  {bar}".rstrip(), width))
    if len(ranked) > NUM_SHOWN:
        lines.append(f"{INDENT}and {len(ranked) - NUM_SHOWN} more")
    return lines


def _or_else(instead: float, value: float) -> float:
    return instead if math.isnan(value) else value


def _generated(prediction: Generated, index: int, width: int) -> list[str]:
    head = cut(f"{index}: {one_line(prediction.prompt)}", width)
    body = [part for line in prediction.text.split("\n") for part in wrap(plain(line), width)]
    note = [f"{INDENT}! word for word in the training text"] if prediction.memorised else []
    return [head, *body, *note]


# --- width ----------------------------------------------------------------------------------------------------------


def columns(text: str) -> int:
    """Columns that a plain text takes: East Asian wide characters two, combining marks none."""
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def pad(text: str, width: int) -> str:
    return text + " " * (width - columns(text))


def cut(text: str, width: int) -> str:
    """The text in at most `width` columns; what is cut off leaves a …"""
    if columns(text) <= width:
        return text
    taken, room = "", width - 1
    for character in text:
        room -= _columns(character)
        if room < 0:
            break
        taken += character
    return taken + "…"


def one_line(text: str) -> str:
    return plain(" ".join(text.split("\n")))


def wrap(text: str, width: int) -> list[str]:
    """Indented lines of at most `width` columns. Breaks between words, inside one only where it is too long."""
    if columns(text) == len(text):
        return textwrap.wrap(text, width, initial_indent=INDENT, subsequent_indent=INDENT) or [INDENT.rstrip()]
    lines, line = [], ""
    for character in text:
        if columns(line) + _columns(character) > width - len(INDENT):
            lines.append(INDENT + line)
            line = ""
        line += character
    return [*lines, INDENT + line] if line or not lines else lines
