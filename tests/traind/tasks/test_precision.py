"""A body in bf16: which modules count as the head, over the architectures that recipes may name."""

import pytest
import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    BertConfig,
    GPT2Config,
    PreTrainedConfig,
    RobertaConfig,
)

from traind.tasks.precision import cast_input, heads_of, lower_body

SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
BERT = BertConfig(vocab_size=50, pad_token_id=0, **SMALL)
ROBERTA = RobertaConfig(vocab_size=50, pad_token_id=0, **SMALL)
GPT2 = GPT2Config(
    vocab_size=50, n_embd=16, n_layer=1, n_head=2, pad_token_id=0, bos_token_id=1, eos_token_id=1, num_labels=3
)


@pytest.mark.parametrize(
    ("config", "auto", "heads"),
    [
        (BERT, AutoModelForSequenceClassification, {"classifier"}),
        (ROBERTA, AutoModelForSequenceClassification, {"classifier"}),
        (ROBERTA, AutoModelForTokenClassification, {"classifier"}),
        (GPT2, AutoModelForSequenceClassification, {"score"}),
        (GPT2, AutoModelForCausalLM, set()),  # its output layer is the table of embeddings
    ],
)
def test_heads_stay_wide_and_get_what_they_can_take(config: PreTrainedConfig, auto: type, heads: set[str]) -> None:
    model: nn.Module = auto.from_config(config)  # type: ignore[attr-defined]
    assert set(heads_of(model)) == heads
    lower_body(model)
    wide = {name for name, parameter in model.named_parameters() if parameter.dtype == torch.float32}
    assert {name.split(".")[0] for name in wide} == heads
    logits = model(input_ids=torch.arange(2, 12).view(2, 5), attention_mask=torch.ones(2, 5, dtype=torch.long)).logits
    assert logits.dtype == (torch.float32 if heads else torch.bfloat16)


def test_only_what_is_floating_is_cast() -> None:
    head = nn.Linear(2, 2)
    ids, wide = torch.tensor([1]), torch.ones(2, dtype=torch.bfloat16)
    args, kwargs = cast_input(head, (wide, ids, None), {"x": wide})
    assert [args[0].dtype, args[1].dtype, args[2], kwargs["x"].dtype] == [
        torch.float32,
        torch.int64,
        None,
        torch.float32,
    ]
