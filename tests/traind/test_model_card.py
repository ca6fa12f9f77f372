"""The model card: whole, of this step, and without a folder of this machine."""

import json
from pathlib import Path

import pytest

from traind import config
from traind.model_card import FILE, write_card

CONFIGS = Path(__file__).parents[2] / "configs"


def written(tmp_path: Path, name: str, *settings: str, metrics: dict[str, float | str] | None = None) -> str:
    (tmp_path / "config.toml").write_bytes(config.dump(config.load(CONFIGS / name, settings)))
    write_card(tmp_path, tmp_path / "config.toml", 1260, 20.0, metrics)
    return (tmp_path / FILE).read_text(encoding="utf-8")


def test_an_adapter(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "labels.json").write_text('["0", "1 | `x`\\n"]', encoding="utf-8")
    text = written(tmp_path, "legal-lora.toml", metrics={"loss": 0.91234, "binary_f1@3": 0.9, "f1": "nan"})
    assert text.startswith("---\nlibrary_name: peft\n")
    assert "step 1,260 (epoch 20)" in text
    for row in ("| loss | 0.9123 |", "| binary_f1@3 | 0.9 |", "| f1 | nan |"):
        assert row in text
    for row in ("| lr | 0.0003 |", "| lora r | 16 |", "| lora targets | q_lin, k_lin, v_lin, out_lin |"):
        assert row in text
    assert "0. `0`\n1. `1 / 'x'`\n" in text
    assert 'AutoPeftModelForSequenceClassification.from_pretrained("THIS DIRECTORY")' in text
    assert "pre-trained on the training texts" in text
    assert "**Data:** `sample:legal`; to evaluate: its own." in text


@pytest.mark.parametrize(
    ("train", "evaluation"),
    [
        ("sample:reviews", "its own."),
        ("sample:text", "held out, 10%."),
        ("hub:org/set@train", "held out, 10%."),
        ("hub:org/set", "its own split for that; where it has none, held out, 10%."),
    ],
)
def test_what_it_was_evaluated_on_is_told_as_it_was(tmp_path: Path, train: str, evaluation: str) -> None:
    text = written(tmp_path, "char-lm.toml", f"data.train={train}")
    assert f"**Data:** `{train}`; to evaluate: {evaluation}" in text


def test_no_folder_of_this_machine_is_told(tmp_path: Path) -> None:
    for name in ("secret.jsonl", "dev.jsonl"):
        (tmp_path / name).touch()
    places = (f"data.train={tmp_path}/secret.jsonl", f"data.eval={tmp_path}/dev.jsonl")
    text = written(tmp_path, "ner-distilbert.toml", *places, f"model.pretrained={tmp_path}")
    assert str(tmp_path.parent) not in text
    assert "`secret.jsonl`; to evaluate: `dev.jsonl`" in text
    assert f"`{tmp_path.name}`" in text
    assert "base_model" not in text


def test_a_base_on_the_hub_is_named_and_sized(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "labels.json").write_text('["a", "b", "c"]', encoding="utf-8")
    text = written(
        tmp_path, "ner-distilbert.toml", "model.pretrained=org/encoder", "lora.r=4", 'lora.targets=["query"]'
    )
    assert 'base_model: "org/encoder"' in text
    assert "num_labels=3" in text
    assert "no longer at the path" not in text


def test_a_step_without_evaluation_and_a_whole_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"id2label": {str(n): f"c{n}" for n in range(12)}}), "utf-8")
    text = written(tmp_path, "sentiment.toml")
    assert "Not evaluated at this step." in text
    assert text.index("9. `c9`") < text.index("10. `c10`")
    assert 'AutoModelForSequenceClassification.from_pretrained("THIS DIRECTORY")' in text
    assert "lora" not in text


@pytest.mark.parametrize("name", ["banking-lm-small.toml", "char-lm.toml"])
def test_a_language_model_has_no_labels(tmp_path: Path, name: str) -> None:
    (tmp_path / "config.json").write_text('{"id2label": {"0": "LABEL_0"}}', encoding="utf-8")
    text = written(tmp_path, name)
    assert "LABEL_0" not in text
    assert "AutoModelForCausalLM" in text


def test_a_custom_model_is_loaded_by_ones_own_code(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('name = "mine"\n[task]\nkind = "custom"\n', encoding="utf-8")
    write_card(tmp_path, tmp_path / "config.toml", 1, 0.5, None)
    assert "load_weights(model" in (tmp_path / FILE).read_text(encoding="utf-8")
