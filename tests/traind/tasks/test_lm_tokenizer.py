"""The tokenizers of language models: what goes in comes out, also after AutoTokenizer has read them from a disk."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer, GPT2Config

from traind.config import ConfigError
from traind.tasks.lm_tokenizer import END, PAD, SPECIAL_TOKENS, UNKNOWN, train_lm_tokenizer

TEXTS = ["The cat sat.\nThe cat ran — didn't it?", "É'\t  <eos> 東京 🙂", "a top-up, a top-up"]


def make(kind: str, texts: list[str] = TEXTS, vocab_size: int = 400, *, opens: bool = True) -> Any:
    return train_lm_tokenizer(kind, texts, vocab_size=vocab_size, max_length=64, opens=opens)  # type: ignore[arg-type]


def reloaded(tokenizer: Any, directory: Path) -> Any:
    """As a checkpoint has it: beside the configuration of the model."""
    tokenizer.save_pretrained(directory)
    GPT2Config().save_pretrained(directory)
    return AutoTokenizer.from_pretrained(directory)


@pytest.mark.parametrize("kind", ["char", "word", "bpe"])
def test_the_special_tokens_come_first_and_survive_a_disk(tmp_path: Path, kind: str) -> None:
    tokenizer = reloaded(make(kind), tmp_path)
    assert tokenizer.convert_ids_to_tokens([0, 1, 2]) == list(SPECIAL_TOKENS)
    assert (tokenizer.pad_token, tokenizer.unk_token, tokenizer.eos_token) == (PAD, UNKNOWN, END)
    assert tokenizer.bos_token == END
    for text in TEXTS:
        ids = tokenizer(text)["input_ids"]
        assert ids == make(kind)(text)["input_ids"]
        assert not {tokenizer.eos_token_id, tokenizer.pad_token_id} & set(ids), "a name in a text is text"


@given(st.text(alphabet=sorted(set("".join(TEXTS))), max_size=40))
def test_characters_come_back_as_they_were(text: str) -> None:
    ids = CHARACTERS(text)["input_ids"]
    assert len(ids) == len(text)
    assert CHARACTERS.decode(ids) == text


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
def test_byte_pairs_bring_back_any_text(text: str) -> None:
    assert BYTES.decode(BYTES(text)["input_ids"]) == text


def test_a_reloaded_character_tokenizer_brings_texts_back(tmp_path: Path) -> None:
    tokenizer = reloaded(make("char"), tmp_path)
    for text in TEXTS:
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
        assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text


def test_an_unseen_character_is_unknown_and_every_seen_one_is_not() -> None:
    assert CHARACTERS("aβ")["input_ids"][1] == CHARACTERS.unk_token_id
    assert len(CHARACTERS) == len(set("".join(TEXTS))) + len(SPECIAL_TOKENS)


def test_the_most_frequent_words_are_known() -> None:
    tokenizer = make("word", ["b b b a a c", "C, d"], vocab_size=len(SPECIAL_TOKENS) + 3)
    assert tokenizer.convert_ids_to_tokens([3, 4, 5]) == ["b", "a", "c"], "equal counts by the alphabet, `,` is rarer"
    assert len(tokenizer) == 6
    assert tokenizer("a B d")["input_ids"] == [4, 3, tokenizer.unk_token_id]


def test_words_are_joined_as_people_write_them() -> None:
    ids = WORDS("The  cat\ndidn't top-up, it sat.")["input_ids"]
    assert WORDS.decode(ids) == "the cat didn't top-up, it sat."


def test_the_order_of_the_texts_does_not_matter_to_words() -> None:
    assert make("word", TEXTS[::-1]).get_vocab() == make("word").get_vocab()


def test_a_single_text_has_no_beginning_to_be_put_before_a_prompt() -> None:
    assert make("char", opens=False).bos_token is None


def test_too_few_byte_pairs_are_refused_with_the_cure() -> None:
    with pytest.raises(ConfigError, match=r"model\.vocab_size = 100: byte pairs need 259 at least"):
        make("bpe", vocab_size=100)


CHARACTERS, WORDS, BYTES = make("char"), make("word"), make("bpe")
