"""Good ground to plant faults in: small configurations and data without any, and what a check finds there."""

import csv
import os
import random
import shutil
from collections.abc import Sequence
from pathlib import Path

from rundir.layout import RunDir
from traind import config
from traind.check.data import examine_data
from traind.check.finding import Finding, Level, of_mistake
from traind.check.inspection import Inspection
from traind.check.report import Reporter, read_line
from traind.config import ConfigError
from traind.data import load_corpus

Row = tuple[str, str]

MODEL = """
[model]
init = "scratch"
dim = 32
n_layers = 1
n_heads = 2
hidden_dim = 64
vocab_size = 400
"""
PRETRAINED = """
[model]
pretrained = "{model}"
"""
TEXTS = """
name = "ground"
[task]
kind = "text-classification"
[data]
train = "{train}"
eval = "{eval}"
max_length = 32
stride = 0
[train]
epochs = 3
batch_size = 16
lr = 2e-3
device = "cpu"
threads = 1
[eval]
metric = "accuracy"
{model}
"""
CUSTOM = """
name = "toy"
[task]
kind = "custom"
factory = "toy:make"
path = "{path}"
options = {{ fault = "{fault}" }}
[train]
epochs = 5
batch_size = 16
lr = 3e-3
device = "cpu"
threads = 1
[eval]
metric = "accuracy"
"""

_TOPICS = {
    "food": "soup bread apple salt kitchen oven sweet spoon dinner taste".split(),  # noqa: SIM905
    "sea": "wave ship harbour salt sail storm island fish anchor tide".split(),  # noqa: SIM905
    "night": "moon star dark sleep lamp owl dream quiet shadow late".split(),  # noqa: SIM905
}
_FILLERS = "the a of and with near it was there one more old new small great".split()  # noqa: SIM905


def rows(count: int, *, seed: int, topics: Sequence[str] = tuple(_TOPICS)) -> list[Row]:
    """Texts of 8 to 16 words, and which of three topics each is about."""
    draw = random.Random(seed)
    found = []
    for index in range(count):
        topic = topics[index % len(topics)]
        words = [draw.choice(_TOPICS[topic] if draw.random() < 0.4 else _FILLERS) for _ in range(draw.randint(8, 16))]
        found.append((f"{' '.join(words)} {seed}-{index}", topic))
    draw.shuffle(found)
    return found


def write_rows(path: Path, of: Sequence[Row]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows(of)
    return path


def texts(directory: Path, train: Sequence[Row] | None = None, evaluation: Sequence[Row] | None = None) -> Path:
    """A text classification; its rows are good ones where none are given."""
    of_train = write_rows(directory / "train.csv", rows(240, seed=1) if train is None else train)
    of_eval = write_rows(directory / "eval.csv", rows(90, seed=2) if evaluation is None else evaluation)
    path = directory / "texts.toml"
    path.write_text(TEXTS.format(train=of_train, eval=of_eval, model=MODEL), encoding="utf-8")
    return path


def toy(directory: Path, fault: str = "") -> Path:
    """A custom task with a fault of `toy.py`, or none."""
    path = directory / "toy.toml"
    path.write_text(CUSTOM.format(path=Path(__file__).parent, fault=fault), encoding="utf-8")
    return path


def checked(path: Path, overrides: Sequence[str], workplace: Path, *, free_bytes: int | None = None) -> list[Finding]:
    """What `traind check` finds, in this process: the same rules in the same order."""
    try:
        settings = config.load(path, overrides)
    except ConfigError as error:
        return [of_mistake("configuration", mistake) for mistake in error.faults]
    found: list[Finding] = []
    if settings.task.kind != "custom":
        try:
            found += examine_data(settings, load_corpus(settings).survey())
        except ConfigError as error:
            return [of_mistake("data", mistake) for mistake in error.faults]
    workplace.mkdir(exist_ok=True)
    free_bytes = shutil.disk_usage(workplace).free if free_bytes is None else free_bytes
    report = workplace / "report.jsonl"
    fd = os.open(report, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        Inspection(settings, RunDir(workplace), Reporter(fd), free_bytes=free_bytes).make()
    finally:
        os.close(fd)
    told = (read_line(line).finding for line in report.read_bytes().splitlines())
    return [*found, *(finding for finding in told if finding is not None)]


def troubles(findings: Sequence[Finding]) -> list[Finding]:
    """All that is not well."""
    return [finding for finding in findings if finding.level is not Level.OK]
