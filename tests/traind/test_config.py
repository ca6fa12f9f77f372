"""Configurations: the shipped ones load, and every fault is named with its key."""

import tomllib
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from rundir.alerts import RULES
from traind import config
from traind.config import ConfigError
from traind.config_synonym import SYNONYMS, synonym

REPOSITORY = Path(__file__).parents[2]
GOOD: dict[str, Any] = {"data": {"train": "sample:propaganda"}, "model": {"init": "scratch"}}


@pytest.mark.parametrize("path", sorted((REPOSITORY / "configs").glob("*.toml")), ids=lambda path: path.name)
def test_every_shipped_configuration_loads(path: Path) -> None:
    assert config.load(path).name == path.stem


def test_what_is_dumped_is_read_back() -> None:
    settings = config.check(GOOD, "test")
    assert config.parse(config.dump(settings), "dump") == settings


@pytest.mark.parametrize(
    ("section", "key", "value", "words"),
    [
        ("train", "lr", 0, ["train.lr", "> 0"]),
        ("train", "lr", "high", ["train.lr", "'high'"]),
        ("train", "learning_rate", 1, ["train.learning_rate", "unknown"]),
        ("train", "epoch", 1, ["did you mean train.epochs"]),
        ("train", "device", "gpu", ["train.device = 'gpu': unknown value; it is: auto, cpu, cuda, cuda:N or mps"]),
        ("train", "schedule", "lineer", ["'lineer': unknown value; did you mean linear? one of linear, cosine, const"]),
        ("model", "init", "random", ["model.init = 'random': unknown value; one of scratch, mlm"]),
        ("log", "wandb", True, ["log.wandb = True: Expected `str`, got `bool`; one of off, offline, online"]),
        ("eval", "every", "epoc", ["unknown value; it is: optimizer steps", '"epoch"']),
        ("data", "stride", 126, ["data.stride", "data.max_length"]),
        ("eval", "every", 0, ["eval.every"]),
        ("model", "pretrained", "x", ["either pretrained", "or init"]),
        ("train", "betas", [0.9, 1.0], ["train.betas", "< 1"]),
        ("train", "betas", [-0.1, 0.9], ["train.betas", ">= 0"]),
        ("model", "dtype", "bf16", ["model.dtype", "round to nothing; set lora.r"]),
        ("model", "n_heads", 3, ["model.dim", "multiple"]),
        ("distributed", "nproc", 0, ["distributed.nproc = 0", "from 1"]),
        ("distributed", "nnodes", 2, ["distributed.rdzv_endpoint = ''", "HOST:PORT"]),
        ("distributed", "rdzv_endpoint", "here:29500", ["distributed.rdzv_endpoint", "nnodes > 1; leave it out"]),
        ("distributed", "nproc", "two", ["distributed.nproc", "unknown value", '"auto"']),
    ],
)
def test_a_fault_names_its_key(section: str, key: str, value: object, words: list[str]) -> None:
    raw = {**GOOD, section: {**GOOD.get(section, {}), key: value}}
    with pytest.raises(ConfigError) as caught:
        config.check(raw, "my.toml")
    assert len(caught.value.faults) == 1
    for word in ["my.toml", *words]:
        assert word in caught.value.faults[0]


KINDS: dict[str, dict[str, Any]] = {
    "token-classification": GOOD,
    "text-classification": {**GOOD, "task": {"kind": "text-classification"}},
    "causal-lm": {**GOOD, "task": {"kind": "causal-lm"}, "eval": {"metric": "loss"}},
    "custom": {"task": {"kind": "custom", "factory": "mine:make"}},
}


@pytest.mark.parametrize(
    ("key", "value", "kinds"),
    [
        ("task.labels", "labels.json", {"token-classification", "text-classification"}),
        ("task.class_weights", "inverse", {"token-classification", "text-classification"}),
        ("task.positive_from", 3, {"text-classification"}),
        ("task.prompts", ["Once"], {"causal-lm"}),
        ("task.sample_tokens", 3, {"causal-lm"}),
        ("task.path", "mine", {"custom"}),
        ("task.options", {"width": 3}, {"custom"}),
        ("data.train", "sample:legal", KINDS.keys() - {"custom"}),
        ("data.text", "body", {"text-classification", "causal-lm"}),
        ("data.label", "stars", {"text-classification"}),
        ("data.tokenizer", "char", {"causal-lm"}),
        ("data.max_length", 64, KINDS.keys() - {"custom"}),
        ("data.num_workers", 2, KINDS.keys()),
        ("model.head_dropout", 0.3, {"token-classification", "text-classification"}),
        ("model.dim", 64, KINDS.keys() - {"custom"}),
        ("eval.direction", "lower", {"custom"}),
    ],
)
def test_a_key_without_effect_is_a_fault_and_one_with_effect_is_none(key: str, value: object, kinds: set[str]) -> None:
    section, _, name = key.partition(".")
    for kind, good in KINDS.items():
        raw = {**good, section: {**good.get(section, {}), name: value}}
        if kind in kinds:
            config.check(raw, "my.toml")
            continue
        with pytest.raises(ConfigError) as caught:
            config.check(raw, "my.toml")
        (fault,) = caught.value.faults
        assert fault.startswith(f"my.toml: {key}: ")
        assert fault.endswith("; leave it out")


@pytest.mark.parametrize(("device", "cure"), [("cuda:1", "CUDA_VISIBLE_DEVICES"), ("mps", "leave it out")])
def test_several_processes_need_several_devices(device: str, cure: str) -> None:
    raw = {**GOOD, "distributed": {"nproc": 2}, "train": {"device": device}}
    with pytest.raises(ConfigError, match=r"distributed\.nproc = 2.*" + cure):
        config.check(raw, "my.toml")
    config.check({**raw, "distributed": {"nproc": "auto"}}, "my.toml")


def test_the_loss_goes_one_way_alone() -> None:
    raw = {**KINDS["custom"], "eval": {"metric": "loss", "direction": "higher"}}
    with pytest.raises(ConfigError, match=r"eval\.direction: of the loss the lower is the better"):
        config.check(raw, "my.toml")


def test_all_faults_come_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        config.check({**GOOD, "train": {"lr": -1, "epochs": 0}, "seed": -1, "nonsense": 1}, "my.toml")
    assert len(caught.value.faults) == 4


def test_overrides_set_nested_keys(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('[data]\ntrain = "sample:propaganda"\n[model]\ninit = "scratch"\n', encoding="utf-8")
    settings = config.load(path, ["train.lr=1e-4", "name=mine", "eval.every=epoch"])
    assert (settings.train.lr, settings.name, settings.eval.every) == (1e-4, "mine", "epoch")
    with pytest.raises(ConfigError, match="KEY=VALUE"):
        config.load(path, ["train.lr"])


def test_every_key_is_described() -> None:
    import msgspec

    for name, section in {"": config.Config, **config.SECTIONS}.items():
        for field in msgspec.structs.fields(section):
            if field.name not in config.SECTIONS:
                assert config.describe(section, field.name), f"{name}.{field.name}"


@pytest.mark.parametrize(
    ("key", "cure"),
    [("lr", "did you mean train.lr?"), ("patience", "did you mean eval.patience?"), ("sead", "did you mean seed?")],
)
def test_a_key_outside_its_section_is_told_where_it_belongs(key: str, cure: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.check({"data": {"train": "x.jsonl"}, "model": {"init": "scratch"}, key: 1}, "a.toml")
    assert any(fault.startswith(f"a.toml: {key}: unknown key; {cure}") for fault in caught.value.faults)


@pytest.mark.parametrize(
    ("section", "key", "cure"),
    [
        ("train", "learning_rate", "did you mean train.lr?"),
        ("train", "Per-Device-Train-Batch-Size", "did you mean train.batch_size?"),
        ("train", "bf16", 'did you mean train.precision = "bf16"?'),
        ("checkpoint", "save_total_limit", "did you mean checkpoint.keep_last?"),
        ("train", "lerning_rate", "known: epochs, max_steps"),  # and no alert rule that is a little like it
    ],
)
def test_a_key_as_other_trainers_call_it_is_known(section: str, key: str, cure: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.check({section: {key: 1}}, "a.toml")
    assert any(fault.startswith(f"a.toml: {section}.{key}: unknown key; {cure}") for fault in caught.value.faults)


@pytest.mark.parametrize("name", SYNONYMS)
def test_every_synonym_leads_to_a_key_and_is_none_itself(name: str) -> None:
    target = SYNONYMS[name].split(" (")[0]
    keys = {*config.Config.__struct_fields__} - config.SECTIONS.keys()
    for section_name, section in config.SECTIONS.items():
        keys |= {f"{section_name}.{key}" for key in section.__struct_fields__}
    assert target.split(" = ")[0] in keys
    assert name not in {key.split(".")[-1] for key in keys}, "it would never be looked up"
    assert synonym(name.upper().replace("_", "-")) == SYNONYMS[name]
    if " = " in target:  # the value is one that the key takes
        raw: dict[str, Any] = {"data": {"train": "x.jsonl"}, "model": {"init": "scratch"}}
        key, _, value = target.partition(" = ")
        raw.setdefault(key.split(".")[0], {})[key.split(".")[1]] = tomllib.loads(f"value = {value}")["value"]
        config.check(raw, "a.toml")


def test_class_weights_that_are_neither_a_word_nor_a_file_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('[data]\ntrain = "x.jsonl"\n[model]\ninit = "scratch"\n[task]\nclass_weights = "inversed"\n')
    with pytest.raises(ConfigError, match=r"class_weights = 'inversed': no such file; did you mean inverse\?"):
        config.load(path)


def test_every_alert_rule_has_its_switch_with_its_own_words() -> None:
    hints = get_type_hints(config.Alerts, include_extras=True)
    assert [name.replace("_", "-") for name in config.Alerts().switches()] == list(RULES)
    assert all(config.Alerts().switches().values())
    for name, rule in RULES.items():
        assert hints[name.replace("-", "_")].__metadata__[0].description == rule.title


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"divergense": {"lost": 0.3}}, "divergense: no alert rule of that name; did you mean divergence?"),
        ({"divergence": {"lots": 0.3}}, "divergence.lots: no threshold of that rule; there are lost, "),
        ({"divergence": 0.3}, "Expected `object`, got `float`"),
    ],
)
def test_a_wrong_threshold_of_an_alert_is_named_with_its_cure(given: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.check({**GOOD, "alerts": {"limits": given}}, "test")
    assert "alerts.limits" in str(caught.value)
    assert fault in str(caught.value)


def test_thresholds_of_alerts_are_read_back() -> None:
    alerts = {"plateau": False, "limits": {"loss-spike": {"noise": 20}}}
    settings = config.check({**GOOD, "alerts": alerts}, "test")
    assert (settings.alerts.plateau, settings.alerts.limits) == (False, {"loss-spike": {"noise": 20.0}})
    assert config.parse(config.dump(settings), "dump") == settings
