"""The mask that spares the host a wait means what the library's own means."""

from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoModelForTokenClassification

from traind.tasks.model import FULL_ATTENTION, takes_whole_mask, whole_mask

TINY = {
    "vocab_size": 40,
    "pad_token_id": 1,
    "hidden_size": 16,
    "embedding_size": 16,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "intermediate_size": 32,
}
TINY_DISTILBERT = {"vocab_size": 40, "dim": 16, "n_heads": 2, "n_layers": 2, "hidden_dim": 32}


def tiny(kind: str, auto: Any = AutoModelForTokenClassification) -> Any:
    torch.manual_seed(0)
    sizes = TINY_DISTILBERT if kind == "distilbert" else TINY
    return auto.from_config(AutoConfig.for_model(kind, num_labels=3, **sizes)).eval()


def padded() -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    ids = torch.randint(2, 40, (3, 9))
    mask = torch.arange(9)[None, :] < torch.tensor([9, 5, 2])[:, None]
    return ids.masked_fill(~mask, 1), mask.long()


@pytest.mark.parametrize("kind", sorted(FULL_ATTENTION))
@pytest.mark.parametrize("auto", [AutoModelForTokenClassification, AutoModelForSequenceClassification])
def test_the_whole_mask_gives_what_the_library_gives(kind: str, auto: Any) -> None:
    model = tiny(kind, auto)
    assert takes_whole_mask(model)
    ids, mask = padded()
    for seen in (mask, torch.ones_like(mask)):
        theirs = model(input_ids=ids, attention_mask=seen).logits
        ours = model(input_ids=ids, attention_mask=whole_mask(seen)).logits
        kept = seen.bool() if ours.ndim == 3 else slice(None)  # what stands at padding is nobody's business
        torch.testing.assert_close(ours[kept], theirs[kept])


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft's own
def test_an_adapter_is_seen_through_and_other_attention_is_left_alone() -> None:
    adapted = get_peft_model(tiny("distilbert"), LoraConfig(target_modules=["q_lin"]))
    assert takes_whole_mask(adapted)
    assert not takes_whole_mask(torch.nn.Linear(1, 1))
    eager = tiny("bert")
    eager.set_attn_implementation("eager")
    assert not takes_whole_mask(eager)
