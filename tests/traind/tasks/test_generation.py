"""Generated text: a function of weights, prompt and seed; nothing of training's randomness is drawn."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from traind.tasks.generation import generate
from traind.tasks.lm_tokenizer import train_lm_tokenizer

POSITIONS = 12


@pytest.fixture
def tokenizer() -> Any:
    return train_lm_tokenizer("char", ["abcdefgh "], vocab_size=64, max_length=POSITIONS, opens=True)


@pytest.fixture
def model(tokenizer: Any) -> Iterator[GPT2LMHeadModel]:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        config = GPT2Config(
            vocab_size=len(tokenizer), n_embd=16, n_layer=2, n_head=2, n_positions=POSITIONS, initializer_range=0.5,
            bos_token_id=None, eos_token_id=None,
        )  # fmt: skip
        yield GPT2LMHeadModel(config)


def write(model: Any, tokenizer: Any, prompts: list[str], **given: Any) -> list[str]:
    return generate(model, tokenizer, prompts, **{"max_new_tokens": 8, "seed": 3, **given})


def test_the_same_seed_writes_the_same_and_another_something_else(model: Any, tokenizer: Any) -> None:
    never_ends(model, tokenizer)
    first = write(model, tokenizer, ["abc", "abc"])
    assert write(model, tokenizer, ["abc", "abc"]) == first
    assert write(model, tokenizer, ["abc"]) == first[:1], "other prompts do not matter"
    assert first[0] != first[1], "a second look at one prompt is another draw"
    assert write(model, tokenizer, ["abc", "abc"], seed=4) != first


def test_no_random_number_of_training_is_drawn_and_the_mode_is_put_back(model: Any, tokenizer: Any) -> None:
    model.train()
    torch.manual_seed(11)
    before = torch.get_rng_state()
    write(model, tokenizer, ["abc"])
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training
    write(model.eval(), tokenizer, ["abc"])
    assert not model.training


def test_what_the_model_caches_meanwhile_is_of_use_to_training(model: Any, tokenizer: Any) -> None:
    """As tables of positions do that are made at the first call."""
    cached: dict[str, torch.Tensor] = {}

    def scale(_module: object, _args: object, output: torch.Tensor) -> torch.Tensor:
        return output * cached.setdefault("ones", torch.ones(1))

    model.lm_head.register_forward_hook(scale)
    write(model, tokenizer, ["abc"])
    model.train()
    model(input_ids=torch.tensor([[1, 2]]), labels=torch.tensor([[1, 2]])).loss.backward()
    assert model.lm_head.weight.grad is not None


def test_the_likeliest_tokens_are_those_of_whole_passes(model: Any, tokenizer: Any) -> None:
    """The cache of keys and values changes nothing: each token is the best of a pass over all tokens before it."""
    never_ends(model, tokenizer)
    ids = [tokenizer.bos_token_id, *tokenizer("ab")["input_ids"]]
    (text,) = write(model, tokenizer, ["ab"], temperature=0.0)
    assert len(text) == 8
    model.eval()
    for token in tokenizer(text)["input_ids"]:
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([ids])).logits[0, -1]
            logits[[tokenizer.pad_token_id, tokenizer.unk_token_id]] = -torch.inf
        assert int(logits.argmax()) == token
        ids.append(token)


@pytest.mark.parametrize("prompt", ["", "abcdefgh" * 5])
def test_text_beyond_the_models_positions_goes_on(model: Any, tokenizer: Any, prompt: str) -> None:
    never_ends(model, tokenizer)
    (text,) = write(model, tokenizer, [prompt], max_new_tokens=40)
    assert len(text) == 40


def test_padding_and_unknown_tokens_are_never_written(model: Any, tokenizer: Any) -> None:
    never_ends(model, tokenizer)
    model.lm_head = Raised(model.lm_head, [tokenizer.pad_token_id, tokenizer.unk_token_id])
    (text,) = write(model, tokenizer, ["abc"], max_new_tokens=20)
    assert len(text) == 20


def test_the_end_token_ends_the_text(model: Any, tokenizer: Any) -> None:
    model.lm_head = Raised(model.lm_head, [tokenizer.eos_token_id])
    assert write(model, tokenizer, ["abc"]) == [""]


def test_a_model_of_nans_writes_nothing(model: Any, tokenizer: Any) -> None:
    with torch.no_grad():
        model.transformer.ln_f.weight.fill_(torch.nan)
    assert write(model, tokenizer, ["abc", ""]) == ["", ""]


def test_somebody_is_heard_before_each_token(model: Any, tokenizer: Any) -> None:
    class LeavingError(Exception):
        pass

    calls = iter(range(4))

    def alive() -> None:
        if next(calls) == 3:
            raise LeavingError

    never_ends(model, tokenizer)
    model.train()
    with pytest.raises(LeavingError):
        write(model, tokenizer, ["abc"], alive=alive)
    assert model.training


class Raised(torch.nn.Module):
    """A head that finds some tokens likelier than any other, or, with a negative `by`, impossible."""

    def __init__(self, head: Callable[[torch.Tensor], torch.Tensor], tokens: list[int], by: float = 1e4) -> None:
        super().__init__()
        self.head, self.tokens, self.by = head, tokens, by

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        logits = self.head(hidden)
        logits[..., self.tokens] += self.by
        return logits


def never_ends(model: Any, tokenizer: Any) -> None:
    model.lm_head = Raised(model.lm_head, [tokenizer.eos_token_id], by=-1e4)
