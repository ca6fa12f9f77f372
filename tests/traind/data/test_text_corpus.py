"""From a configuration to texts with a class each: samples, files, splits, frozen labels, and the hub."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import datasets
import pytest

from traind.config import Config, ConfigError, Data, Model, Task
from traind.data.classes import ClassSet
from traind.data.text_corpus import EMPTY, TextCorpus, load_texts


def settings(train: Path | str, **changes: object) -> Config:
    task = {name: changes.pop(name) for name in ("labels", "positive_from") if name in changes}
    return Config(
        data=Data(train=str(train), **changes),  # type: ignore[arg-type]
        task=Task(kind="text-classification", **task),  # type: ignore[arg-type]
        model=Model(init="scratch"),
    )


def load(config: Config, labels: ClassSet | None = None, began_with: dict[str, str] | None = None) -> TextCorpus:
    return load_texts(config, labels, began_with)


def table(path: Path, rows: "list[tuple[str, int | str]]") -> Path:
    path.write_text("\n".join(json.dumps({"text": text, "label": label}) for text, label in rows), encoding="utf-8")
    return path


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    return table(
        tmp_path / "scores.jsonl", [(f"text {index}", index % 4 if index % 4 != 2 else 5) for index in range(40)]
    )


def test_the_reviews_bring_their_eval_set_and_their_names() -> None:
    corpus = load(settings("sample:reviews"))
    assert corpus.labels.names == ("negative", "positive")
    assert (len(corpus.train), len(corpus.eval)) == (4000, 400)
    survey = corpus.survey()
    assert survey.labels == corpus.labels.names
    assert survey.train.texts[0] == corpus.train[0].text
    assert survey.train.targets[0] == corpus.labels.names[corpus.train[0].label]
    assert survey.eval.places[-1] == "sample:reviews eval 400"
    assert not set(survey.train.texts) & set(survey.eval.texts)


def test_a_part_is_held_out_by_the_seed_and_nothing_is_lost(scores: Path) -> None:
    one, two = load(settings(scores, eval_fraction=0.25)), load(settings(scores, eval_fraction=0.25))
    assert one == two
    assert (len(one.train), len(one.eval)) == (30, 10)
    assert Counter(text.text for text in one.train + one.eval) == Counter(f"text {index}" for index in range(40))
    other = settings(scores, eval_fraction=0.25)
    other.seed = 7
    assert load(other).eval != one.eval


def test_labels_are_derived_from_both_sets_and_scores_keep_their_numbers(scores: Path, tmp_path: Path) -> None:
    evaluation = table(tmp_path / "eval.jsonl", [("x", 9)])
    assert load(settings(scores, eval=str(evaluation))).labels.names == ("0", "1", "3", "5", "9")
    ordinal = load(settings(scores, positive_from=3))
    assert ordinal.labels.names == ("0", "1", "2", "3", "4", "5")
    assert {text.label for text in ordinal.train + ordinal.eval} == {0, 1, 3, 5}


def test_frozen_labels_win_over_given_ones_and_those_over_the_sources(tmp_path: Path) -> None:
    path = table(tmp_path / "t.jsonl", [("x", 0), ("y", 1), ("z", "positive")])
    given = tmp_path / "labels.json"
    given.write_text('["negative", "positive"]')
    corpus = load(settings(path, labels=str(given)))
    assert sorted((text.text, text.label) for text in corpus.train + corpus.eval) == [("x", 0), ("y", 1), ("z", 1)]
    frozen = ClassSet(["positive", "negative", "neither"])
    assert load(settings(path, labels=str(given)), frozen).labels is frozen
    with pytest.raises(ConfigError, match="is not what this run began with"):
        load(settings(path, labels=str(given)), None, corpus.hashes | {"labels": "other"})


def test_more_named_classes_than_there_can_be_scores_have_no_threshold(tmp_path: Path) -> None:
    path = table(tmp_path / "t.jsonl", [("x", 0), ("y", 1)])
    with pytest.raises(ConfigError, match=r"task\.positive_from = 3: there are 600 classes, and 512 ordinal scores at"):
        load(settings(path, positive_from=3), ClassSet(map(str, range(600))))


def test_a_label_that_is_not_in_the_set_is_told_once_with_its_place(tmp_path: Path) -> None:
    path = table(tmp_path / "t.jsonl", [("x", "a"), ("y", "b"), ("z", "odd"), ("z", "odd")])
    with pytest.raises(ConfigError) as caught:
        load(settings(path, eval=str(path)), ClassSet(["a", "b"]))
    (fault,) = caught.value.faults
    assert fault == (
        f"data.train: {path}:3: the label 'odd' is not among the 2 labels; add it to task.labels, or correct the row"
    )


@pytest.mark.parametrize(
    ("rows", "changes", "says"),
    [
        ([], {}, "data.train: .*: has no row; give at least one"),
        ([("x", "a")], {}, "has one document, none can be held out; give data.eval"),
        ([("x", "a"), ("y", "a")], {}, "the only label is 'a': nothing can be learnt"),
        ([("x", "a"), ("y", "b")], {"positive_from": 1}, "t.jsonl:1: the label 'a' is no score"),
        ([("x", 0), ("y", 20231105)], {"positive_from": 1}, "t.jsonl:2: the label '20231105' is no score of few"),
        ([("x", 0), ("y", 1)], {"positive_from": 2}, "task.positive_from = 2: leaves one side empty; .* from 1 to 1"),
    ],
)
def test_data_that_cannot_be_learnt_from_is_refused(
    tmp_path: Path, rows: "list[tuple[str, int | str]]", changes: dict[str, int], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        load(settings(table(tmp_path / "t.jsonl", rows), **changes))


def test_other_mistakes_of_names() -> None:
    with pytest.raises(ConfigError, match="sample:books: no such sample; there are sample:reviews, sample:legal"):
        load(settings("sample:books"))


def test_an_empty_eval_file_is_refused_and_a_changed_source_is(scores: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_text("text,label\n")
    with pytest.raises(ConfigError, match=r"data\.eval: .*: has no row"):
        load(settings(scores, eval=str(empty)))
    hashes = load(settings(scores)).hashes
    table(scores, [("new", 0), ("newer", 1)])
    with pytest.raises(ConfigError, match=f"data.train: {scores}: is not what this run began with"):
        load(settings(scores), None, hashes)


def test_other_columns_of_the_eval_set_are_told(tmp_path: Path) -> None:
    train, evaluation = tmp_path / "train.csv", tmp_path / "eval.csv"
    train.write_text("sentence,label\ngood,1\nbad,0\n")
    evaluation.write_text("text;label\npoor;0\n")
    of_train = "text from 'sentence', label from 'label'"
    assert load(settings(train)).columns == load(settings(train, eval=str(train))).columns == of_train
    of_eval = "text from 'text', label from 'label' (separated by ;)"
    assert load(settings(train, eval=str(evaluation))).columns == f"{of_train}, of the eval set {of_eval}"
    assert load(settings("sample:reviews")).columns == ""


def test_empty_texts_are_counted_and_kept(tmp_path: Path) -> None:
    corpus = load(settings(table(tmp_path / "t.jsonl", [("", 0), ("  ", 1), ("x", 0), ("y", 1)])))
    assert corpus.notes == {EMPTY: 2}
    assert len(corpus.train) + len(corpus.eval) == 4


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dataset that `datasets` loads from a directory; its cache is a temporary one."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    directory = tmp_path / "reviews"
    directory.mkdir()
    table(directory / "train.jsonl", [("good", "pos"), ("bad", "neg"), ("fine", "pos")])
    table(directory / "test.jsonl", [("poor", "neg"), ("great", "pos")])
    return directory


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the library leaves its lock files open
def test_a_dataset_of_the_hub_brings_its_own_eval_split(hub: Path) -> None:
    corpus = load(settings(f"hub:{hub}"))
    assert [(text.text, text.label) for text in corpus.train] == [("good", 1), ("bad", 0), ("fine", 1)]
    assert [(text.text, text.label) for text in corpus.eval] == [("poor", 0), ("great", 1)]
    assert corpus.eval[1].place == f"hub:{hub}@test row 2"
    assert corpus.columns == "text from 'text', label from 'label'"
    assert corpus.hashes == load(settings(f"hub:{hub}")).hashes
    split = load(settings(f"hub:{hub}@train", eval=f"hub:{hub}@test"))
    assert (split.train, split.eval) == (corpus.train, corpus.eval)
    with pytest.raises(ConfigError, match=r"has no split 'dev'; write hub:.*@ and one of train, test"):
        load(settings(f"hub:{hub}@dev"))


def test_a_hub_that_cannot_be_reached_is_one_sentence_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    with pytest.raises(ConfigError) as caught:
        load(settings("hub:nobody/nothing"))
    (fault,) = caught.value.faults
    assert fault.startswith("data.train: hub:nobody/nothing: the hub cannot be reached and the dataset is not cached;")


@pytest.mark.parametrize(("package", "source"), [("pyarrow", "{}/t.parquet"), ("datasets", "hub:some/name")])
def test_a_package_that_is_not_installed_is_named_with_the_cure(tmp_path: Path, package: str, source: str) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    program = f"""
import sys
sys.modules[{package!r}] = None  # an import of it fails, as if it were not there
from traind.config import Config, ConfigError, Data, Task
from traind.data.text_corpus import load_texts
config = Config(data=Data(train={source.format(tmp_path)!r}), task=Task(kind="text-classification"))
try:
    load_texts(config, None, None)
except ConfigError as error:
    print(error)
print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (
        f"needs {'pyarrow' if package == 'pyarrow' else 'the package datasets'}; pip install {package}" in done.stdout
    )
    assert done.stdout.splitlines()[-1] == "False"
