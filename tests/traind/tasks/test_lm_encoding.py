"""Plain texts as token ids: long ones in parts, without a trace of the cuts."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traind.config import Config, Data, Task
from traind.data.plain_corpus import PlainCorpus, PlainText
from traind.tasks import lm_encoding
from traind.tasks.cache import Prepared
from traind.tasks.lm_encoding import encode_plain
from traind.tasks.lm_tokenizer import train_lm_tokenizer

SETTINGS = Config(task=Task(kind="causal-lm"), data=Data(train="lines.txt"))
LINES = "".join(f"Line {number}, and it's long.\n\n" for number in range(9000))


def encoded(kind: str, train: list[str], beats: list[None], learnt: str = LINES) -> tuple[Prepared, Any]:
    tokenizer = train_lm_tokenizer(kind, [learnt], vocab_size=500, max_length=64, opens=True)  # type: ignore[arg-type]
    documents = [PlainText(text, "here") for text in train]
    corpus = PlainCorpus(documents, [PlainText("Line 1", "there")], {}, {"train": "x"})
    return encode_plain(SETTINGS, corpus, tokenizer, lambda: beats.append(None)), tokenizer


@pytest.mark.parametrize("kind", ["char", "word", "bpe"])
def test_a_long_text_is_cut_at_lines_and_somebody_is_heard_meanwhile(kind: str) -> None:
    beats: list[None] = []
    prepared, tokenizer = encoded(kind, [LINES], beats)
    ids = prepared.train.ids.tolist()
    assert ids[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(ids[:-1]) == tokenizer.decode(tokenizer(LINES)["input_ids"])
    assert len(beats) == len(LINES) // lm_encoding.PIECE_CHARACTERS
    assert prepared.summary["characters"]["train"] == len(LINES)


@given(
    st.lists(st.text(alphabet="Line 1,\n", max_size=12), min_size=1).filter(lambda texts: any(map(str.strip, texts)))
)
def test_each_text_ends_once_and_empty_ones_are_left_out(texts: list[str]) -> None:
    prepared, tokenizer = encoded("char", texts, [], learnt="Line 1,\n")
    given = [text for text in texts if text.strip()]
    ids, offsets = prepared.train.ids.tolist(), prepared.train.offsets.tolist()
    parts = [ids[start:end] for start, end in pairwise(offsets)]
    assert [tokenizer.decode(part[:-1]) for part in parts] == given
    assert all(part[-1] == tokenizer.eos_token_id for part in parts)
    assert ids.count(tokenizer.eos_token_id) == len(given) == prepared.summary["documents"]["train"]


def test_the_name_of_a_special_token_in_a_text_is_text() -> None:
    prepared, tokenizer = encoded("bpe", ["a <eos> b"], [])
    assert prepared.train.ids.tolist().count(tokenizer.eos_token_id) == 1
    assert tokenizer.decode(prepared.train.ids[:-1]) == "a <eos> b"


def test_unknown_tokens_are_counted() -> None:
    prepared, _ = encoded("char", ["Line µ"], [])
    assert prepared.summary["unknown_tokens"] == {"train": 1, "eval": 0}
