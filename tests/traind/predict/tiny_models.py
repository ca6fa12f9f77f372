"""Real tiny runs, one a kind, for trying what they learnt. Made once a session, through the command line."""

import json
import random
from pathlib import Path

from rundir import layout
from rundir.layout import RunDir
from tests.process.tiny_run import Traind
from tests.traind.tasks.custom_task import write_module

_COMMON = """
[model]
init = "scratch"
dim = 32
n_layers = 1
n_heads = 2
hidden_dim = 64
vocab_size = 400
dropout = 0.0
[train]
epochs = {epochs}
batch_size = 8
lr = 5e-3
device = "cpu"
threads = 1
[eval]
every = "epoch"
metric = "loss"
[checkpoint]
every = "epoch"
keep_last = 3
"""

SPANS = """
name = "spans"
[data]
train = "{data}"
max_length = 32
stride = 8
eval_fraction = 0.2
"""

LABELS = """
name = "labels"
[task]
kind = "text-classification"
[data]
train = "{data}"
max_length = 16
stride = 0
eval_fraction = 0.25
"""

WRITTEN = """
name = "written"
[task]
kind = "causal-lm"
[data]
train = "{train}"
eval = "{eval}"
max_length = 16
stride = 0
tokenizer = "word"
"""

_WORDS = "alpha beta gamma delta epsilon zeta eta theta iota kappa".split()  # noqa: SIM905
SENTENCE = " ".join(_WORDS)


def span_run(directory: Path) -> RunDir:
    """One word is a span, another begins one; documents of several windows."""
    rng = random.Random(0)
    with (directory / "spans.jsonl").open("w", encoding="utf-8") as file:
        for _ in range(200):
            words = [rng.choice(_WORDS) for _ in range(rng.randint(8, 40))]
            file.write(json.dumps({"text": " ".join(words), "spans": _spans(words)}) + "\n")
    return _trained(directory, SPANS.format(data=directory / "spans.jsonl") + _COMMON.format(epochs=6))


def _spans(words: list[str]) -> list[dict[str, object]]:
    spans: list[dict[str, object]] = []
    start = 0
    for word, following in zip(words, [*words[1:], ""], strict=True):
        end = start + len(word)
        if word == "delta":
            spans.append({"start": start, "end": end, "label": "A"})
        elif word == "kappa" and following not in ("", "kappa", "delta"):
            spans.append({"start": start, "end": end + 1 + len(following), "label": "B"})
        start = end + 1
    return spans


def word_run(directory: Path) -> RunDir:
    """Tagged words, each of several tokens: only the first of them carries the tag."""
    rng = random.Random(2)
    with (directory / "words.conll").open("w", encoding="utf-8") as file:
        for _ in range(150):
            words = [rng.choice(_WORDS) for _ in range(rng.randint(4, 20))]
            for word, before in zip(words, ["", *words], strict=False):
                tag = "B-A" if word == "delta" else "I-A" if before == "delta" else "O"
                file.write(f"{word} {tag}\n")
            file.write("\n")
    few_tokens = _COMMON.replace("vocab_size = 400", "vocab_size = 64")
    return _trained(directory, SPANS.format(data=directory / "words.conll") + few_tokens.format(epochs=8))


def label_run(directory: Path) -> RunDir:
    """Is there more alpha than beta? Some texts are longer than what the model takes."""
    return _trained(directory, _labels(directory) + _COMMON.format(epochs=5))


def adapter_run(directory: Path) -> RunDir:
    """The same on a frozen body in bf16 that was pre-trained for a moment."""
    common = _COMMON.format(epochs=3).replace('init = "scratch"', 'init = "mlm"\nmlm_epochs = 1.0\ndtype = "bf16"')
    lora = '[lora]\nr = 4\ntargets = ["q_lin", "v_lin"]\n'
    return _trained(directory, _labels(directory) + common + lora)


def _labels(directory: Path) -> str:
    rng = random.Random(1)
    with (directory / "labels.jsonl").open("w", encoding="utf-8") as file:
        for number in range(200):
            length = rng.randint(3, 30 if number % 10 == 0 else 10)
            words = [rng.choice(["alpha", "beta", "gamma", "delta"]) for _ in range(length)]
            label = "up" if words.count("alpha") > words.count("beta") else "down"
            file.write(json.dumps({"text": " ".join(words), "label": label}) + "\n")
    return LABELS.format(data=directory / "labels.jsonl")


def writing_run(directory: Path) -> RunDir:
    """One sentence over and over, learnt by heart; another one to be judged by."""
    (directory / "train.jsonl").write_text(f"{json.dumps({'text': SENTENCE})}\n" * 80, encoding="utf-8")
    (directory / "eval.jsonl").write_text(json.dumps({"text": " ".join(reversed(_WORDS))}) + "\n", encoding="utf-8")
    text = WRITTEN.format(train=directory / "train.jsonl", eval=directory / "eval.jsonl")
    return _trained(directory, text + _COMMON.format(epochs=6))


def custom_run(directory: Path) -> RunDir:
    config = write_module(directory)
    return _trained(directory, config.read_text(encoding="utf-8").replace("epochs = 4", "max_steps = 4"))


def _trained(directory: Path, text: str) -> RunDir:
    config = directory / "config.toml"
    config.write_text(text, encoding="utf-8")
    Traind(directory).ok("start", str(config), "--foreground")
    return RunDir(layout.find_runs(directory / "runs")[0].path)
