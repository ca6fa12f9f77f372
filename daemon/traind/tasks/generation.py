"""Text written by a causal language model, token by token. Draws from generators of its own, never from torch's."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

TEMPERATURE = 0.8
"""Livelier than the likeliest token each time, which repeats itself, and soberer than the model's own odds."""


def generate(
    model: nn.Module,
    tokenizer: Any,
    prompts: Sequence[str],
    *,
    max_new_tokens: int,
    seed: int,
    temperature: float = TEMPERATURE,
    alive: Callable[[], None] = lambda: None,
) -> list[str]:
    """What the model writes after each prompt, without the prompt, up to the end of the text or `max_new_tokens`.

    A pure function of weights, prompt, its place in the list, and seed, on one machine; temperature 0 takes the
    likeliest token. A tokenizer with a beginning-of-text token has it put before the prompt. Padding and unknown tokens
    are never written; logits that are not finite end the text. Calls `alive` before each token. The model is in its
    own mode again afterwards; the global random generators are not drawn from.
    """
    was_training = model.training
    model.train(mode=False)
    try:
        # What a model caches meanwhile must be of use to training: no inference mode.
        with torch.no_grad():
            return [
                _continue(model, tokenizer, prompt, max_new_tokens, _sampler(seed, index, temperature), alive)
                for index, prompt in enumerate(prompts)
            ]
    finally:
        model.train(mode=was_training)


Sampler = Callable[[Tensor], int]


def _sampler(seed: int, index: int, temperature: float) -> Sampler:
    """Draws on the CPU, so that the choice does not hang on the device's generator."""
    if temperature <= 0:
        return lambda logits: int(logits.argmax())
    generator = torch.Generator()
    generator.manual_seed(int(np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0]) >> 1)
    return lambda logits: int(torch.multinomial((logits / temperature).softmax(dim=-1), 1, generator=generator))


def _continue(
    model: nn.Module, tokenizer: Any, prompt: str, max_new_tokens: int, sample: Sampler, alive: Callable[[], None]
) -> str:
    ids = _opened(tokenizer, prompt)
    given = len(ids)
    device = next(model.parameters()).device
    limit = _num_positions(model)
    never = _never_written(tokenizer)
    cache: Any = None
    fed = ids[-limit:]
    num_cached = 0
    for _ in range(max_new_tokens):
        alive()
        output: Any = model(input_ids=torch.tensor([fed], device=device), past_key_values=cache, use_cache=True)
        logits = output.logits[0, -1].float().cpu()
        if not torch.isfinite(logits).all():
            break
        logits[never] = -torch.inf
        token = sample(logits)
        if token == tokenizer.eos_token_id:
            break
        ids.append(token)
        num_cached += len(fed)
        cache, fed = output.past_key_values, [token]
        if num_cached >= limit:
            # The positions are used up: go on from the newer half of them.
            cache, fed, num_cached = None, ids[-max(limit // 2, 1) :], 0
    text: str = tokenizer.decode(ids[given:], skip_special_tokens=True)
    return text


def _opened(tokenizer: Any, prompt: str) -> list[int]:
    ids: list[int] = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    if tokenizer.bos_token_id is not None:
        return [tokenizer.bos_token_id, *ids]
    return ids or [tokenizer.eos_token_id]


def _num_positions(model: nn.Module) -> int:
    config: Any = model.config
    return int(getattr(config, "max_position_embeddings", None) or 1024)


def _never_written(tokenizer: Any) -> list[int]:
    known = {tokenizer.pad_token_id, tokenizer.unk_token_id} - {None, tokenizer.eos_token_id}
    return sorted(known)
