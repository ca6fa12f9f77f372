"""The rule for overlapping spans, on cases one can draw and on any spans at all."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from traind.data.document import Span
from traind.data.overlap import COVERED, CUT, DUPLICATE, EMPTY, resolve

TEXT = "aaa bbb ccc ddd eee"


def test_a_nested_span_survives_and_the_outer_keeps_its_longest_part() -> None:
    kept, fates = resolve(TEXT, [Span(0, 19, "outer"), Span(4, 7, "inner")])
    assert kept == (Span(4, 7, "inner"), Span(8, 19, "outer"))
    assert fates == {CUT: 1}


def test_of_two_labels_on_the_same_characters_the_first_of_the_alphabet_stays() -> None:
    kept, fates = resolve(TEXT, [Span(0, 3, "z"), Span(0, 3, "a")])
    assert kept == (Span(0, 3, "a"),)
    assert fates == {COVERED: 1}


def test_the_same_span_twice_and_blank_spans_are_counted() -> None:
    kept, fates = resolve(TEXT, [Span(0, 3, "a"), Span(0, 4, "a"), Span(3, 4, "b"), Span(5, 5, "b")])
    assert kept == (Span(0, 3, "a"),)
    assert fates == {DUPLICATE: 1, EMPTY: 2}


def test_adjacent_spans_stay_whole() -> None:
    kept, fates = resolve(TEXT, [Span(0, 7, "a"), Span(7, 11, "a")])
    assert kept == (Span(0, 7, "a"), Span(8, 11, "a"))
    assert not fates


@given(
    st.text("ab \n", max_size=30).flatmap(
        lambda text: st.tuples(
            st.just(text),
            st.lists(
                st.tuples(st.integers(0, len(text)), st.integers(0, len(text)), st.sampled_from("xyz")).map(
                    lambda t: Span(min(t[:2]), max(t[:2]), t[2])
                ),
                max_size=8,
            ),
        )
    )
)
def test_what_stays_never_overlaps_lies_in_an_original_and_everything_is_accounted_for(
    case: tuple[str, list[Span]],
) -> None:
    text, spans = case
    kept, fates = resolve(text, spans)
    assert all(a.end <= b.start for a, b in pairwise(kept))
    for span in kept:
        assert text[span.start : span.end].strip() == text[span.start : span.end] != ""
        assert any(o.label == span.label and o.start <= span.start and span.end <= o.end for o in spans)
    assert len(kept) + fates[COVERED] + fates[DUPLICATE] + fates[EMPTY] == len(spans)
    assert resolve(text, spans[::-1]) == (kept, fates)
