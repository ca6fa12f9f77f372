"""The tokenizers of language models from scratch: characters, words, or byte pairs. Knows no window and no model.

Each is a PreTrainedTokenizerFast that `AutoTokenizer` reads back, with `<pad>`, `<unk>` and `<eos>` as its first
tokens, and takes these names for plain text where they stand in one.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Literal

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from traind.config import ConfigError

PAD, UNKNOWN, END = "<pad>", "<unk>", "<eos>"
SPECIAL_TOKENS = (PAD, UNKNOWN, END)

_WORD = r"\w+(?:['’\-]\w+)*|[^\w\s]"
_NUM_BYTES = 256


def train_lm_tokenizer(
    kind: Literal["bpe", "word", "char"], texts: Iterable[str], *, vocab_size: int, max_length: int, opens: bool
) -> PreTrainedTokenizerFast:
    """The tokenizer of some texts; the same texts give the same one. `vocab_size` counts the special tokens.

    `char` has every character of the texts, however many, and `bpe` every byte: both give back any text they know
    unchanged. `word` keeps the most frequent words in lower case, and a single space between them; punctuation is
    a word of its own. `opens` says that a text follows `<eos>`, which is then the beginning-of-text token as well.
    Raises ConfigError for a `vocab_size` that does not hold the bytes.
    """
    make = {"char": _char, "word": _word, "bpe": _bpe}[kind]
    wrap: Any = PreTrainedTokenizerFast
    wrapped: PreTrainedTokenizerFast = wrap(
        tokenizer_object=make(texts, vocab_size),
        model_max_length=max_length,
        pad_token=PAD,
        unk_token=UNKNOWN,
        eos_token=END,
        **({"bos_token": END} if opens else {}),
        clean_up_tokenization_spaces=False,
        split_special_tokens=True,
    )
    return wrapped


def _char(texts: Iterable[str], vocab_size: int) -> Tokenizer:  # noqa: ARG001
    characters = sorted(set().union(*texts))
    tokenizer = Tokenizer(models.WordLevel(_ids(characters), unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


def _word(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(_ids([]), unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_WORD), "removed", invert=True)
    # With no "##" among the words, all that this decoder does is to join them and draw punctuation close.
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    counts: Counter[str] = Counter()
    for text in texts:
        normal = tokenizer.normalizer.normalize_str(text)
        counts.update(word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal))
    # Equal counts in the order of the alphabet: that of first sight would hang on the order of the documents.
    by_frequency = sorted(counts, key=lambda word: (-counts[word], word))
    tokenizer.model = models.WordLevel(_ids(by_frequency[: vocab_size - len(SPECIAL_TOKENS)]), unk_token=UNKNOWN)
    return tokenizer


def _bpe(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    least = _NUM_BYTES + len(SPECIAL_TOKENS)
    if vocab_size < least:
        raise ConfigError(
            f"model.vocab_size = {vocab_size}: byte pairs need {least} at least, one token a byte; raise it, "
            'or take data.tokenizer = "char"'
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
        min_frequency=2,
        max_token_length=20,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _ids(words: Iterable[str]) -> dict[str, int]:
    return {word: index for index, word in enumerate((*SPECIAL_TOKENS, *words))}
