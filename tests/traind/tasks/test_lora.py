"""Adapters on a real small model: what is trained, in which dtype, and that peft alone can read what is written."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import AutoPeftModelForSequenceClassification, PeftModel
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
)

from rundir.layout import RunDir
from tests.traind.host_tensors import host_copy
from traind.config import Config, ConfigError, Data, Lora, Model, Task, dump
from traind.model_card import write_card
from traind.tasks import lora
from traind.tasks.causal_lm import CausalLm
from traind.tasks.pretrain import ensure_base
from traind.tasks.text_classification import TextClassification
from traind.tasks.token_classification import TokenClassification

QUIET = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
"""peft's own loading asks transformers by a name on its way out."""
TARGETS = ["q_lin", "k_lin", "v_lin", "out_lin"]
CPU = torch.device("cpu")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "clauses.jsonl"
    rows = [{"text": f"the party shall pay {n} and {m} more", "label": n % 3} for n in range(10) for m in range(4)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def settings(table: Path, *, dtype: str = "fp32", r: int = 4, **model: Any) -> Config:
    sizes = {"init": "mlm", "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32, "vocab_size": 100} | model
    return Config(
        seed=5,
        task=Task(kind="text-classification"),
        data=Data(train=str(table), eval_fraction=0.2, max_length=24),
        model=Model(**sizes, mlm_epochs=1, dtype=dtype),  # type: ignore[arg-type]
        lora=Lora(r=r, alpha=8, dropout=0.1, targets=TARGETS),
    )


Adapted = TextClassification | TokenClassification | CausalLm


def opened(config: Config, run: RunDir) -> TextClassification:
    run.path.mkdir(exist_ok=True)
    task = TextClassification(config, run, alive=lambda: None)
    if config.model.init == "mlm":
        ensure_base(config, run, task, CPU, lambda: None, lambda _: None)
    return task


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return RunDir(tmp_path / "run")


def learnt(task: Adapted, model: nn.Module) -> Tensor:
    """A few steps, then the logits of one batch without dropout."""
    batch = task.collate([task.train_data[index] for index in range(6)])
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.5)
    model.train()
    torch.manual_seed(1)
    for _ in range(3):
        task.loss_sum(task.forward(model, batch), batch).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
    return logits(task, model)


def logits(task: Adapted, model: nn.Module) -> Tensor:
    model.eval()
    with torch.inference_mode():
        return task.forward(model, task.collate([task.train_data[index] for index in range(6)]))


def saved(task: Adapted, model: nn.Module, directory: Path) -> Path:
    directory.mkdir(parents=True)
    task.write_model(model, host_copy(task.weights(model)), directory)
    return directory


def test_adapter_and_head_are_trained_and_nothing_else(table: Path, run: RunDir) -> None:
    task = opened(settings(table), run)
    model = task.build_model()
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    learnt(task, model)
    changed = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    # lora_A moves with lora_B, which begins at zero: less than a float can hold where attention is nearly even.
    assert {name for name in trained if "lora_A" not in name} <= changed <= trained
    assert all("lora_" in name or ".modules_to_save." in name for name in trained)
    assert sum("lora_A" in name for name in trained) == 2 * len(TARGETS)
    assert {name.split(".")[2] for name in trained if "modules_to_save" in name} == {"classifier", "pre_classifier"}


def test_the_same_seed_gives_the_same_adapter(table: Path, tmp_path: Path) -> None:
    one, two = (opened(settings(table), RunDir(tmp_path / name)).build_model() for name in ("one", "two"))
    other = settings(table)
    other.seed = 6
    three = opened(other, RunDir(tmp_path / "three")).build_model()
    first, second, third = (lora.weights(model) for model in (one, two, three))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not any(torch.equal(first[name], third[name]) for name in first if "lora_A" in name)


@QUIET
def test_a_checkpoint_is_what_peft_writes(table: Path, run: RunDir, tmp_path: Path) -> None:
    task = opened(settings(table), run)
    model = task.build_model()
    learnt(task, model)
    ours = saved(task, model, tmp_path / "ours")
    model.save_pretrained(tmp_path / "peft")  # type: ignore[operator]
    a, b = (load_file(path / lora.ADAPTER_WEIGHTS) for path in (ours, tmp_path / "peft"))
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert read(ours / lora.ADAPTER_CONFIG) == read(tmp_path / "peft" / lora.ADAPTER_CONFIG)
    assert not (ours / "model.safetensors").exists()


def read(path: Path) -> Any:
    found = json.loads(path.read_bytes())
    return found | {"target_modules": sorted(found["target_modules"])}


@QUIET
def test_peft_and_transformers_alone_load_a_checkpoint(table: Path, run: RunDir, tmp_path: Path) -> None:
    task = opened(settings(table), run)
    model = task.build_model()
    wanted = learnt(task, model)
    directory = saved(task, model, tmp_path / "ours")
    base = AutoModelForSequenceClassification.from_pretrained(run.base)
    assert base.config.id2label == {0: "0", 1: "1", 2: "2"}
    for loaded in (
        AutoPeftModelForSequenceClassification.from_pretrained(directory),
        PeftModel.from_pretrained(base, directory),
        AutoModelForSequenceClassification.from_pretrained(directory),
    ):
        assert torch.equal(logits(task, loaded), wanted)
    assert len(AutoTokenizer.from_pretrained(directory)) == len(task.tokenizer)


def test_a_moved_run_is_still_whole(table: Path, run: RunDir, tmp_path: Path) -> None:
    task = opened(settings(table), run)
    model = task.build_model()
    wanted = learnt(task, model)
    saved(task, model, run.checkpoint(3))
    moved = RunDir(Path(shutil.move(run.path, tmp_path / "moved")))
    tried = lora.open_adapter(moved.checkpoint(3), AutoModelForSequenceClassification)
    assert torch.equal(logits(task, tried), wanted)
    again = opened(settings(table), moved)
    resumed = again.load_model(moved.checkpoint(3))
    assert torch.equal(logits(again, resumed), wanted)
    named = read(saved(again, resumed, moved.checkpoint(6)) / lora.ADAPTER_CONFIG)["base_model_name_or_path"]
    assert named == str(moved.base)


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_a_resumed_model_is_the_same_to_the_last_bit(table: Path, run: RunDir, tmp_path: Path, dtype: str) -> None:
    task = opened(settings(table, dtype=dtype), run)
    model = task.build_model()
    learnt(task, model)
    again = task.load_model(saved(task, model, tmp_path / "ours"))
    assert [name for name, _ in again.named_parameters()] == [name for name, _ in model.named_parameters()]
    assert torch.equal(learnt(task, again), learnt(task, model))


@pytest.mark.parametrize("r", [0, 4])
def test_a_bf16_body_has_a_head_and_an_adapter_in_fp32(table: Path, run: RunDir, tmp_path: Path, r: int) -> None:
    task = opened(settings(table, dtype="bf16", r=r), run)
    model = task.build_model()
    for name, parameter in model.named_parameters():
        is_wide = "classifier" in name or "lora_" in name
        assert parameter.dtype == (torch.float32 if is_wide else torch.bfloat16), name
    assert learnt(task, model).dtype == torch.float32
    again = task.load_model(saved(task, model, tmp_path / "ours"))
    assert torch.equal(logits(task, again), logits(task, model))
    assert {p.dtype for n, p in again.named_parameters() if "classifier" in n} == {torch.float32}


def test_a_base_from_elsewhere_is_named_and_gets_the_labels(table: Path, run: RunDir, tmp_path: Path) -> None:
    first = opened(settings(table), run)
    shutil.copytree(run.base, tmp_path / "elsewhere")
    config = settings(table, init=None, pretrained=str(tmp_path / "elsewhere"))
    table.write_text(table.read_text(encoding="utf-8").replace('"label": 2', '"label": "x"'), encoding="utf-8")
    task = opened(config, RunDir(tmp_path / "other"))
    model = task.build_model()
    wanted = learnt(task, model)
    directory = saved(task, model, tmp_path / "ours")
    assert read(directory / lora.ADAPTER_CONFIG)["base_model_name_or_path"] == str(tmp_path / "elsewhere")
    assert not (tmp_path / "other" / "base").exists()
    tried: Any = lora.open_adapter(directory, AutoModelForSequenceClassification)
    assert torch.equal(logits(task, tried), wanted)
    assert list(tried.config.id2label.values()) == ["0", "1", "x"]
    assert first.num_classes == task.num_classes


@QUIET
def test_a_base_with_a_head_of_another_size_opens_by_ours_and_by_the_cards_own_lines(
    table: Path, run: RunDir, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    sized = {"id2label": dict(enumerate("abcde")), "vocab_size": 100, "dim": 16, "n_layers": 2, "n_heads": 2}
    first = opened(settings(table), run)
    DistilBertForSequenceClassification(DistilBertConfig(**sized, hidden_dim=32)).save_pretrained(elsewhere)
    first.tokenizer.save_pretrained(elsewhere)
    config = settings(table, init=None, pretrained=str(elsewhere))
    task = opened(config, RunDir(tmp_path / "other"))
    model = task.build_model()
    wanted = learnt(task, model)
    directory = saved(task, model, tmp_path / "ours")
    assert torch.equal(logits(task, lora.open_adapter(directory, AutoModelForSequenceClassification)), wanted)
    (tmp_path / "config.toml").write_bytes(dump(config))
    write_card(directory, tmp_path / "config.toml", 3, 1.0, None)
    snippets = re.findall(r"```python\n(.*?)```", (directory / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(snippets) == 2
    for snippet in snippets:
        names: dict[str, Any] = {}
        exec(snippet.replace("THIS DIRECTORY", str(directory)).replace("BASE", str(elsewhere)), names)  # noqa: S102
        assert torch.equal(logits(task, names["model"]), wanted)


def test_a_wrong_target_is_told_which_there_are(table: Path, run: RunDir) -> None:
    config = settings(table)
    config.lora.targets = ["q_lin", "query"]
    with pytest.raises(ConfigError, match=r"lora.targets: query: not in .*there are k_lin, lin1, lin2, out_lin, q_lin"):
        opened(config, run).build_model()


def test_a_lost_base_is_named(table: Path, run: RunDir, tmp_path: Path) -> None:
    task = opened(settings(table), run)
    directory = saved(task, task.build_model(), tmp_path / "ours")
    shutil.rmtree(run.base)
    with pytest.raises(ConfigError, match="base: is missing"):
        task.load_model(directory)


def test_tokens_are_labelled_with_an_adapter_as_well(tmp_path: Path, run: RunDir) -> None:
    path = tmp_path / "spans.jsonl"
    row = {"text": "the party pays at once", "spans": [[4, 9, "WHO"]]}
    path.write_text((json.dumps(row) + "\n") * 12, encoding="utf-8")
    config = settings(path, dtype="bf16")
    config.task = Task(kind="token-classification")
    config.data.stride = 4
    run.path.mkdir()
    task = TokenClassification(config, run, alive=lambda: None)
    ensure_base(config, run, task, CPU, lambda: None, lambda _: None)
    model = task.build_model()
    learnt(task, model)
    directory = saved(task, model, tmp_path / "ours")
    assert torch.equal(logits(task, task.load_model(directory)), logits(task, model))
    tried: Any = lora.open_adapter(directory, AutoModelForTokenClassification, dtype="bf16")
    assert torch.equal(logits(task, tried), logits(task, model))
    assert list(tried.config.id2label.values()) == ["O", "B-WHO", "I-WHO"]


def test_a_pretrained_language_model_gets_an_adapter(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text("".join(json.dumps({"text": f"line {n} of the text"}) + "\n" for n in range(40)), encoding="utf-8")
    config = settings(path, r=0, init="scratch", vocab_size=300)
    config.task, config.data.stride = Task(kind="causal-lm", prompts=["line"], sample_tokens=3), 4
    first = language_model(config, tmp_path / "first")
    first.write_model(whole := first.build_model(), host_copy(first.weights(whole)), made(tmp_path / "base"))
    config.model = Model(pretrained=str(tmp_path / "base"), dtype="bf16")
    config.lora = Lora(r=2, targets=["c_attn"])
    task = language_model(config, tmp_path / "second")
    model = task.build_model()
    learnt(task, model)
    directory = saved(task, model, tmp_path / "ours")
    assert task.samples(task.load_model(directory)) == task.samples(model)
    tried = lora.open_adapter(directory, AutoModelForCausalLM, dtype="bf16")
    assert torch.equal(logits(task, tried), logits(task, model))


def language_model(config: Config, directory: Path) -> CausalLm:
    return CausalLm(config, RunDir(made(directory)), alive=lambda: None)


def made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def test_a_language_model_keeps_its_output_layer(table: Path) -> None:
    model = GPT2LMHeadModel(GPT2Config(vocab_size=50, n_embd=16, n_layer=1, n_head=2, n_positions=8))
    config = settings(table, dtype="bf16")
    config.lora.targets = ["c_attn"]
    adapted = lora.adapt(model, config, "CAUSAL_LM", "somewhere")
    assert all("lora_" in name for name in lora.weights(adapted))
    assert adapted(input_ids=torch.arange(6)[None]).logits.shape == (1, 6, 50)
