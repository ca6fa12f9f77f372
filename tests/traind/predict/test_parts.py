"""The parts of `traind predict` that are pure: labels to spans, lines for a person, texts from anywhere."""

import io
import math
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from traind.config import ConfigError
from traind.predict import texts
from traind.predict.result import Generated, Labelled, Span, Spans
from traind.predict.show import columns, render
from traind.predict.spans import Tokens, spans_of
from traind.predict.tally import Tally

NAMES = ["O", "B-X", "I-X", "B-Y", "I-Y"]


def found(text: str, labels: str, *, counts: str = "") -> list[tuple[str, str]]:
    """Spans of the words of a text, one label a word; `counts` has a `-` for those that are not listened to."""
    offsets, start = [], 0
    for word in text.split(" "):
        offsets.append((start, start + len(word)))
        start += len(word) + 1
    ids = [NAMES.index(label) for label in labels.split()]
    listened = [mark != "-" for mark in counts or "+" * len(ids)]
    spans = spans_of(text, Tokens(ids, [0.5] * len(ids), offsets, listened), NAMES)
    assert all(span.text == text[span.start : span.end] for span in spans)
    return [(span.text, span.label) for span in spans]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("O O O O", []),
        ("B-X I-X O O", [("a b", "X")]),
        ("B-X B-X O O", [("a", "X"), ("b", "X")]),
        ("I-X I-X O O", [("a b", "X")]),  # an I- that continues nothing begins a span, as it is counted
        ("B-X I-Y I-Y O", [("a", "X"), ("b c", "Y")]),
        ("O B-Y O I-Y", [("b", "Y"), ("d", "Y")]),
        ("B-X I-X I-X I-X", [("a b c d", "X")]),
    ],
)
def test_labels_join_as_they_are_counted(labels: str, expected: list[tuple[str, str]]) -> None:
    assert found("a b c d", labels) == expected


def test_of_a_word_only_the_first_token_is_listened_to() -> None:
    assert found("a b c d", "B-X O O B-Y", counts="+-+-") == [("a b", "X")]
    assert found("a b c d", "O B-X I-X I-X", counts="+-++") == [("c d", "X")]


def test_white_space_is_no_part_of_a_span_and_never_one() -> None:
    tokens = Tokens([1, 2, 1], [0.25, 0.75, 1.0], [(0, 2), (2, 4), (4, 5)], [True] * 3)
    (span,) = spans_of(" ab  ", tokens, NAMES)
    assert span == Span("ab", "X", 0.5, 1, 3)


def test_a_model_without_bio_names_has_spans_too() -> None:
    tokens = Tokens([1, 1, 0], [1.0] * 3, [(0, 1), (2, 3), (4, 5)], [True] * 3)
    assert [span.text for span in spans_of("a b c", tokens, ["O", "LABEL_1"])] == ["a b"]


# --- lines for a person ----------------------------------------------------------------------------------------------

SPANS = Spans(
    "a\x1b[31m bad\nword 漢字漢字漢字 and more words to fill a line", [Span("bad\nword", "X\x07", 0.5, 7, 15)]
)
SCORES = {"down\x1b[2J": 0.25, "up": 0.75}
LABELLED = Labelled("long " * 100, "up", 0.75, SCORES, truncated=True)


@pytest.mark.parametrize("width", [40, 60, 200])
@pytest.mark.parametrize(
    "prediction",
    [
        SPANS,
        LABELLED,
        Generated("漢" * 80, "word " * 40 + "\n\n\x1b[2Jend", memorised=True),
        Spans("", []),
        Spans("漢" * 99, []),
    ],
)
def test_no_line_is_wider_than_the_terminal_nor_steers_it(prediction: Spans | Labelled | Generated, width: int) -> None:
    lines = render(prediction, 1, width)
    assert all(columns(line) <= width for line in lines), max(lines, key=columns)
    assert not any(character in line for line in lines for character in "\x1b\x07\n")


def test_a_span_is_shown_in_its_place() -> None:
    lines = render(Spans("the worst ever of them", [Span("worst ever", "Loaded", 0.875, 4, 14)]), 3, 80)
    assert lines == [
        "3: 1 span",
        "  the [worst ever](Loaded) of them",
        "  label   score  start    end  text",
        "  Loaded  0.875      4     14  worst ever",
    ]


def test_scores_come_likeliest_first_nan_last_and_only_five() -> None:
    scores = {"a": 0.1, "b": math.nan, "c": 0.5, "d": 0.2, "e": 0.1, "f": 0.05, "g": 0.05}
    lines = render(Labelled("text", "c", 0.5, dict(scores), truncated=False), 1, 80)
    assert lines[0] == "1: text"
    assert [line.split()[0] for line in lines[1:6]] == ["c", "d", "a", "e", "f"]
    assert lines[6] == "  and 2 more"
    alone = render(Labelled("text", "b", "nan", {"b": "nan"}, truncated=False), 1, 80)
    assert alone[1] == "  b    nan"


def test_what_is_written_keeps_its_lines() -> None:
    assert render(Generated("once", "a\nb", memorised=True), 1, 80) == [
        "1: once",
        "  a",
        "  b",
        "  ! word for word in the training text",
    ]
    assert len(render(Generated("once", "a"), 1, 80)) == 2


@given(text=st.text(), width=st.integers(0, 120))
@example(text="a_label_that_is_long", width=40)
def test_nothing_is_too_odd_to_be_shown(text: str, width: int) -> None:
    for prediction in (Spans(text, [Span(text, text, "nan", 0, len(text))]), Generated(text, text)):
        assert all(columns(line) <= max(width, 40) for line in render(prediction, 1, width) if width >= 40)


# --- the end of a session, and its beginning -------------------------------------------------------------------------


def test_a_tally_says_how_fast_and_how_much_by_heart() -> None:
    tally = Tally(spent_s=0.5)
    assert tally.lines() == []
    for memorised in (True, False, None, False):
        tally.add(Generated("", "", memorised))
    assert tally.lines() == [
        "4 texts in 0.50 s: 8.0 a second",
        "1 of 3 (33%) word for word in the training text",
    ]


def test_texts_keep_what_is_text_and_lose_what_no_tokenizer_takes(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffone\x0btwo\u2028\r\n\nlast".encode())
    assert list(texts.find([], path, 1).batches) == [["one\x0btwo\u2028"], ["last"]]
    ((cleaned,),) = texts.find(["a\udcff b"], None, 2).batches
    assert cleaned.replace("\ufffd", "") == "a b"
    texts.clean("\ud800 and \udfff").encode()


@pytest.mark.parametrize("name", ["a.csv", "a.TSV", "a.parquet"])
def test_a_table_is_not_taken_for_lines_of_text(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("text,label\ngood,1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"one text a line, or \.jsonl"):
        texts.find([], path, 5)


def test_no_text_is_told_at_once_but_an_empty_argument_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    for content in ("", "\n \r\n"):
        path.write_text(content, encoding="utf-8")
        monkeypatch.setattr("sys.stdin", io.StringIO(content))
        for file in (path, None):
            with pytest.raises(ConfigError, match="no text given"):
                texts.find([], file, 5)
    assert list(texts.find([""], None, 5).batches) == [[""]]


def test_a_line_of_json_may_be_a_text_or_an_object_with_one(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('"one"\n\n{"text": "two"}\n', encoding="utf-8")
    assert list(texts.find([], path, 5).batches) == [["one", "two"]]
    path.write_text('{"text": 3}\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="line 1: no text"):
        texts.find([], path, 5)
    path.write_text("{\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="line 1: not valid JSON"):
        texts.find([], path, 5)
