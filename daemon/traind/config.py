"""The configuration: one TOML file, one struct a section, every fault named with its key and cure.

A field's description is its help, its error hint and its line in the reference page. Knows neither torch nor files
other than the TOML itself.
"""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import msgspec
import tomli_w
from msgspec import Meta

from traind import config_near
from traind.config_alerts import Alerts
from traind.config_fault import cross_faults
from traind.config_notify import Notify

COMPUTED_WEIGHTS = ("none", "inverse", "sqrt-inverse")
"""Class weights that are no file."""


class ConfigError(Exception):
    """A user's mistake in a configuration or its data. Each fault names the file, the key and the cure."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class Task(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """[task]: what is learnt."""

    kind: Annotated[
        Literal["token-classification", "text-classification", "causal-lm", "custom"],
        Meta(description="the kind of model to train"),
    ] = "token-classification"
    labels: Annotated[
        str | None,
        Meta(description="a labels.json with the label names in order, `O` first for spans; else they are derived"),
    ] = None
    class_weights: Annotated[
        str,
        Meta(
            min_length=1,
            description="none; inverse or sqrt-inverse: by label frequency in the training data, scaled to mean 1; "
            "or a .safetensors, .json or .pt file with one weight a label",
        ),
    ] = "none"
    positive_from: Annotated[
        int | None,
        Meta(description="labels are ordinal scores: `binary_f1@N` measures the question whether a score is ≥ N"),
    ] = None
    prompts: Annotated[
        list[str], Meta(description="causal-lm: texts that are continued at every evaluation, to be looked at")
    ] = []
    sample_tokens: Annotated[int, Meta(ge=1, description="causal-lm: tokens of each such continuation")] = 40
    factory: Annotated[
        str | None, Meta(description="custom: `package.module:function` that returns model, data, loss and metrics")
    ] = None
    path: Annotated[
        str | None,
        Meta(
            description="custom: the folder `factory` is imported from; absent: that of the configuration, else the "
            "working directory"
        ),
    ] = None
    options: Annotated[dict[str, Any], Meta(description="custom: handed to `factory` as they are")] = {}


class Data(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """[data]: what it is learnt from."""

    train: Annotated[
        str, Meta(description="a sample such as sample:propaganda, or a file of the formats that the task reads")
    ] = ""
    eval: Annotated[
        str | None, Meta(description="a file of the same formats; without it `eval_fraction` is split off")
    ] = None
    eval_fraction: Annotated[
        float,
        Meta(
            gt=0,
            lt=1,
            description="share that is held out when there is no eval file: of the documents, of a single text its end",
        ),
    ] = 0.1
    text: Annotated[
        str | None, Meta(description="the column or key of the text in a table; absent: text, sentence, … by name")
    ] = None
    label: Annotated[
        str | None, Meta(description="the column or key of the label in a table; absent: label, category, … by name")
    ] = None
    tokenizer: Annotated[
        Literal["bpe", "word", "char"], Meta(description="what the tokenizer of a scratch model cuts texts into")
    ] = "bpe"
    max_length: Annotated[int, Meta(ge=8, description="tokens a window, special tokens included")] = 128
    stride: Annotated[int, Meta(ge=0, description="tokens that neighbouring windows of a long text share")] = 32
    num_workers: Annotated[int, Meta(ge=0, le=64, description="loader processes; 0 loads in the trainer")] = 0


class Model(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """[model]: what learns."""

    pretrained: Annotated[str | None, Meta(description="a model name on the hub, or a checkpoint directory")] = None
    init: Annotated[
        Literal["scratch", "mlm"] | None,
        Meta(
            description='"scratch": random weights of the sizes below, tokenizer trained on the data; '
            '"mlm": the same, then pre-trained on the training texts by guessing masked words'
        ),
    ] = None
    mlm_epochs: Annotated[float, Meta(gt=0, description="passes over the training texts for init = mlm")] = 3.0
    mlm_lr: Annotated[float, Meta(gt=0, description="peak learning rate of that pre-training")] = 1e-3
    dim: Annotated[int, Meta(ge=8, description="hidden size (scratch)")] = 128
    n_layers: Annotated[int, Meta(ge=1, description="transformer layers (scratch)")] = 2
    n_heads: Annotated[int, Meta(ge=1, description="attention heads (scratch)")] = 4
    hidden_dim: Annotated[int, Meta(ge=8, description="feed-forward size (scratch)")] = 512
    vocab_size: Annotated[
        int, Meta(ge=64, description="tokens of the trained tokenizer at most (scratch); char has as many as there are")
    ] = 4000
    dropout: Annotated[
        Annotated[float, Meta(ge=0, lt=1)] | None,
        Meta(description="hidden and attention dropout; absent: the model's own"),
    ] = None
    head_dropout: Annotated[
        Annotated[float, Meta(ge=0, lt=1)] | None, Meta(description="dropout before the classifier")
    ] = None
    dtype: Annotated[
        Literal["fp32", "bf16"],
        Meta(
            description="of the frozen body's weights, with [lora]; the head, where it has weights of its own, stays "
            "fp32 and casts what it is given"
        ),
    ] = "fp32"


class Lora(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """[lora]: adapters of low rank instead of all weights (Hu et al. 2021), through peft."""

    r: Annotated[int, Meta(ge=0, description="rank; 0: no adapter, every weight is trained")] = 0
    alpha: Annotated[float, Meta(gt=0, description="the adapter's output is scaled by alpha / r")] = 16.0
    dropout: Annotated[float, Meta(ge=0, lt=1, description="dropout before the adapter")] = 0.0
    targets: Annotated[
        list[str], Meta(description="names of the modules that get one, e.g. q_lin, k_lin, v_lin, out_lin")
    ] = []


class Train(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """[train]: how it learns."""

    epochs: Annotated[float, Meta(gt=0, description="passes over the training data")] = 3.0
    max_steps: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="optimizer steps; overrides epochs")] = (
        None
    )
    batch_size: Annotated[int, Meta(ge=1, description="examples (windows, texts) a micro-batch")] = 16
    accumulation: Annotated[int, Meta(ge=1, description="micro-batches an optimizer step")] = 1
    lr: Annotated[float, Meta(gt=0, description="peak learning rate")] = 5e-5
    optimizer: Annotated[Literal["adamw", "sgd"], Meta(description="of torch; AdamW fused where it exists")] = "adamw"
    momentum: Annotated[float, Meta(ge=0, lt=1, description="of sgd")] = 0.9
    weight_decay: Annotated[float, Meta(ge=0, description="decay of weights; not of biases and norms")] = 0.01
    betas: Annotated[
        tuple[Annotated[float, Meta(ge=0, lt=1)], Annotated[float, Meta(ge=0, lt=1)]], Meta(description="AdamW betas")
    ] = (0.9, 0.999)
    eps: Annotated[float, Meta(gt=0, description="AdamW epsilon")] = 1e-8
    schedule: Annotated[
        Literal["linear", "cosine", "constant"], Meta(description="learning rate after the warm-up")
    ] = "linear"
    min_lr: Annotated[float, Meta(ge=0, description="learning rate at the end of a cosine")] = 0.0
    warmup_ratio: Annotated[float, Meta(ge=0, lt=1, description="share of all steps with rising learning rate")] = 0.1
    warmup_steps: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="the same in steps; overrides warmup_ratio")
    ] = None
    gradient_checkpointing: Annotated[
        bool, Meta(description="compute activations twice instead of keeping them: less memory, a third more time")
    ] = False
    clip_norm: Annotated[
        float, Meta(ge=0, description="global gradient norm above which it is scaled down; 0: never")
    ] = 1.0
    device: Annotated[
        str,
        Meta(
            pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$",
            description="auto, cpu, cuda, cuda:N or mps; never a silent fallback",
        ),
    ] = "auto"
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16"],
        Meta(description="auto: bf16 where the GPU has it, else fp16 with a loss scaler; fp32 on the CPU"),
    ] = "auto"
    threads: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="CPU threads of torch; absent: torch's own choice, then kept"),
    ] = None
    deterministic: Annotated[
        bool, Meta(description="deterministic algorithms; needed for an exact resume on a GPU")
    ] = False


class Eval(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """[eval]: how it is judged."""

    every: Annotated[int | Literal["epoch"], Meta(description='optimizer steps between evaluations, or "epoch"')] = (
        "epoch"
    )
    batch_size: Annotated[int, Meta(ge=1, description="examples an evaluation batch")] = 32
    metric: Annotated[str, Meta(description="what chooses the best checkpoint: f1, precision, recall, … or loss")] = (
        "f1"
    )
    direction: Annotated[
        Literal["higher", "lower"] | None,
        Meta(description="custom: which `metric` is the better; absent: by name, lower of losses and known errors"),
    ] = None
    patience: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="end the run after so many evaluations without a new best; absent: never"),
    ] = None


class Checkpoint(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """[checkpoint]: what is kept."""

    every: Annotated[int | Literal["epoch"], Meta(description='optimizer steps between checkpoints, or "epoch"')] = (
        "epoch"
    )
    keep_last: Annotated[int, Meta(ge=1, description="newest ones kept beside the best and those asked for")] = 2


class Log(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """[log]: what is written down."""

    every: Annotated[int, Meta(ge=1, description="optimizer steps between step records")] = 1
    causes_every: Annotated[
        int,
        Meta(
            ge=0,
            description="optimizer steps between looks at what alert rules need besides loss and gradient norm: size "
            "of the update, unchanged tensors, gradients of the first and the last layer, dead ReLU units; 0: never",
        ),
    ] = 20
    system_every_s: Annotated[float, Meta(gt=0, description="seconds between samples of GPU and host")] = 2.0
    csv: Annotated[bool, Meta(description="also steps, evals, epochs and labels as CSV, in the run's csv/")] = False
    tensorboard: Annotated[bool, Meta(description="also TensorBoard event files, in the run's tensorboard/")] = False
    wandb: Annotated[
        Literal["off", "offline", "online"],
        Meta(description="also W&B; offline: files in the run's wandb/ alone, for `wandb sync`, without an account"),
    ] = "off"
    wandb_project: Annotated[str, Meta(min_length=1, description="of W&B")] = "trainwatch"


class Distributed(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """[distributed]: several processes that train one model."""

    nproc: Annotated[
        int | Literal["auto"],
        Meta(
            description='processes, each on a GPU of its own or all on the CPU; "auto": one a visible GPU. They share '
            "the examples of every step: batch_size × accumulation stays what a step learns from"
        ),
    ] = 1
    nnodes: Annotated[
        int,
        Meta(ge=1, description="hosts that share the run's directory, each with nproc processes; see `traind join`"),
    ] = 1
    rdzv_endpoint: Annotated[
        str, Meta(description="HOST:PORT of the host that starts the run, as the others reach it (nnodes > 1)")
    ] = ""


class Policy(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """[policy]: what the supervisor does by itself."""

    max_restarts: Annotated[
        int, Meta(ge=0, description="restarts within `restart_window_s` before the run is failed")
    ] = 3
    restart_window_s: Annotated[float, Meta(gt=0, description="see max_restarts")] = 600.0
    grace_s: Annotated[float, Meta(gt=0, description="seconds a trainer is given to checkpoint and leave")] = 60.0
    on_nonfinite: Annotated[
        Literal["skip", "rollback", "pause", "stop"],
        Meta(
            description="a loss or gradient norm that is not finite: its update is never made; skip goes on, rollback "
            "goes back to the last checkpoint with a lower learning rate and leaves the batches out, pause holds, "
            "stop checkpoints and fails the run"
        ),
    ] = "skip"
    on_spike: Annotated[
        Literal["ignore", "skip", "rollback"],
        Meta(description="a loss or gradient norm far above its last 128 steps; skip and rollback as in on_nonfinite"),
    ] = "ignore"
    spike_z: Annotated[
        float, Meta(gt=0, description="how far that is: robust standard deviations above the median")
    ] = 10.0
    max_skips: Annotated[int, Meta(ge=1, description="updates skipped in a row before skip becomes rollback")] = 8
    max_rollbacks: Annotated[
        int,
        Meta(ge=0, description="rollbacks by this policy before the run is paused instead, for a person to look at"),
    ] = 3
    rollback_lr_factor: Annotated[
        float, Meta(gt=0, le=1, description="what such a rollback multiplies the peak learning rate by")
    ] = 0.5
    on_alert: Annotated[
        dict[str, Literal["checkpoint", "pause", "park", "stop", "rollback"]],
        Meta(
            description='orders bound to alert rules, e.g. [policy.on_alert] overfitting = "stop"; given once an alert '
            "is a warning or worse; rollback goes back to before its onset, as often as max_rollbacks, with "
            "rollback_lr_factor"
        ),
    ] = {}
    stall_s: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="a step, evaluation or save without progress for so long is a stall; absent: learnt"),
    ] = None
    on_stall: Annotated[
        Literal["alert", "restart"],
        Meta(description="after the stacks of all threads are written: an alert alone, or end the trainer and restart"),
    ] = "alert"


class Config(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A whole configuration."""

    data: Data = msgspec.field(default_factory=Data)
    name: Annotated[str, Meta(min_length=1, max_length=80, description="goes into the run's directory name")] = "run"
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1, description="of weights, order, dropout and splits")] = 42
    task: Task = msgspec.field(default_factory=Task)
    model: Model = msgspec.field(default_factory=Model)
    lora: Lora = msgspec.field(default_factory=Lora)
    train: Train = msgspec.field(default_factory=Train)
    eval: Eval = msgspec.field(default_factory=Eval)
    checkpoint: Checkpoint = msgspec.field(default_factory=Checkpoint)
    log: Log = msgspec.field(default_factory=Log)
    distributed: Distributed = msgspec.field(default_factory=Distributed)
    policy: Policy = msgspec.field(default_factory=Policy)
    alerts: Alerts = msgspec.field(default_factory=Alerts)
    notify: Notify = msgspec.field(default_factory=Notify)


SECTIONS: dict[str, type[msgspec.Struct]] = {
    f.name: f.type
    for f in msgspec.structs.fields(Config)
    if isinstance(f.type, type) and issubclass(f.type, msgspec.Struct)
}


def load(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read a TOML file, apply `section.key=value` overrides, check it all, make its paths absolute.

    Relative data and model paths are taken from the configuration's own directory when they exist there, else from
    the working directory. Raises ConfigError with every fault found.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; give the path of a configuration, e.g. configs/ner.toml") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    for override in overrides:
        _apply_override(raw, override)
    config = anchor(check(raw, str(path)), path.parent)
    weights = config.task.class_weights
    if weights not in COMPUTED_WEIGHTS and not Path(weights).is_file():
        cure = config_near.value_cure(weights, COMPUTED_WEIGHTS)
        raise ConfigError(
            f"{path}: task.class_weights = {weights!r}: no such file; {cure}, or a file with one weight a label"
        )
    return config


def _apply_override(raw: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {override}: write it as KEY=VALUE, e.g. --set train.lr=1e-5")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *sections, last = key.strip().split(".")
    place = raw
    for section in sections:
        place = place.setdefault(section, {})
        if not isinstance(place, dict):
            raise ConfigError(f"--set {override}: {section} is no section")
    place[last] = value


def check(raw: dict[str, Any], source: str) -> Config:
    """Turn plain values into a Config. Raises ConfigError naming every key at fault in `source`."""
    faults: list[str] = []
    for key, value in raw.items():
        if key in SECTIONS:
            if isinstance(value, dict):
                faults += _section_faults(SECTIONS[key], value, source, f"{key}.")
            else:
                faults.append(f"{source}: {key}: is a section; write [{key}]")
    faults += _section_faults(Config, {k: v for k, v in raw.items() if k not in SECTIONS}, source, "")
    if faults:
        raise ConfigError(*faults)
    config = msgspec.convert(raw, Config)
    faults += cross_faults(config, source)
    if faults:
        raise ConfigError(*faults)
    return config


def _section_faults(section: type[msgspec.Struct], raw: dict[str, Any], source: str, prefix: str) -> list[str]:
    hints = get_type_hints(section, include_extras=True)
    required = {f.name for f in msgspec.structs.fields(section) if f.required and f.name not in SECTIONS}
    faults = [f"{source}: {prefix}{name}: missing; {describe(section, name)}" for name in sorted(required - raw.keys())]
    for name, value in raw.items():
        if name not in hints:
            cure = config_near.key_cure(name, prefix.rstrip("."), _known_keys(prefix))
            faults.append(f"{source}: {prefix}{name}: unknown key; {cure}")
            continue
        try:
            msgspec.convert(value, hints[name])
        except msgspec.ValidationError as error:
            choices, words = config_near.choices_of(hints[name]), str(error)
            if "regex" in words or words.startswith("Invalid enum value"):
                words = "unknown value"
            cure = config_near.value_cure(value, choices) if choices else f"it is: {describe(section, name)}"
            faults.append(f"{source}: {prefix}{name} = {value!r}: {words}; {cure}")
    return faults


def _known_keys(prefix: str) -> dict[str, list[str]]:
    """The keys of every section; a section is one of those at the top only where the unknown one stands there too."""
    top = [name for name in Config.__struct_fields__ if not prefix or name not in SECTIONS]
    return {"": top} | {name: list(section.__struct_fields__) for name, section in SECTIONS.items()}


def describe(section: type[msgspec.Struct], name: str) -> str:
    """The documentation of one key."""
    for part in getattr(get_type_hints(section, include_extras=True)[name], "__metadata__", ()):
        if isinstance(part, Meta) and part.description:
            return part.description
    return ""


def anchor(config: Config, base: Path) -> Config:
    """The same configuration with the paths of files that exist made absolute."""

    def absolute(value: str | None) -> str | None:
        if not value or value.startswith(("sample:", "hub:")):
            return value
        for candidate in (base / value, Path(value)):
            if candidate.exists():
                return str(candidate.resolve())
        return value

    config.data.train = absolute(config.data.train) or ""
    config.data.eval = absolute(config.data.eval)
    config.task.labels = absolute(config.task.labels)
    if config.task.class_weights not in COMPUTED_WEIGHTS:
        config.task.class_weights = absolute(config.task.class_weights) or "none"
    config.model.pretrained = absolute(config.model.pretrained)
    if config.notify.urls_file is not None:
        config.notify.urls_file = absolute(str(Path(config.notify.urls_file).expanduser()))
    if config.task.kind == "custom":
        config.task.path = absolute(config.task.path) or _import_folder(config.task, base)
    return config


def _import_folder(task: Task, base: Path) -> str | None:
    """Where the factory's module stands, so that a resume from anywhere finds it; None for an installed one."""
    top = (task.factory or "").partition(":")[0].partition(".")[0]
    for folder in (base, Path()):
        if (folder / f"{top}.py").is_file() or (folder / top).is_dir():
            return str(folder.resolve())
    return None


def dump(config: Config) -> bytes:
    """The resolved configuration as TOML, defaults included; absent values have no line."""
    return tomli_w.dumps(_without_none(msgspec.to_builtins(config))).encode()


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    return list(value) if isinstance(value, tuple) else value


def parse(data: bytes, source: str) -> Config:
    """A configuration written by `dump`. Raises ConfigError."""
    try:
        return check(tomllib.loads(data.decode()), source)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source}: not valid TOML: {error}") from None
