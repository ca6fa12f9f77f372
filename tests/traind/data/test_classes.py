"""Classes and their ids: the order they are derived in, what a file may say, what cannot be classes."""

import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traind.config import ConfigError
from traind.data.classes import ClassSet, derive, read_classes


def test_numbers_come_in_their_order_and_names_in_the_alphabets() -> None:
    assert derive(["10", "9", "-1", "9"], ordinal=False).names == ("-1", "9", "10")
    assert derive(["10", "9", "b", "a"], ordinal=False).names == ("10", "9", "a", "b")


def test_scores_keep_their_number_as_their_id_whether_or_not_each_occurs() -> None:
    assert derive(["5", "0", "3"], ordinal=True).names == ("0", "1", "2", "3", "4", "5")
    for labels in (["0", "x"], ["-1", "2"]):
        with pytest.raises(ValueError, match="is no score; give numbers from 0"):
            derive(labels, ordinal=True)
    with pytest.raises(ValueError, match="'20231105' is no score of few; give 0 to 511 at most"):
        derive(["3", "20231105", "0"], ordinal=True)


_NAMES = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=2, unique=True)


@given(_NAMES, st.randoms())
def test_the_order_depends_on_the_labels_alone(labels: list[str], rng: Random) -> None:
    shuffled = [*labels, labels[0]]
    rng.shuffle(shuffled)
    assert derive(shuffled, ordinal=False) == derive(labels, ordinal=False)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ([], "there is no label"),
        (["only"], "the only label is 'only'.*at least two"),
        (["a", "b", "a"], "stands twice"),
        (["a", "\ud83d"], "lone surrogate"),
    ],
)
def test_what_cannot_be_classes_is_refused(names: list[str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ClassSet(names)


def test_a_label_is_a_name_or_a_number_that_is_an_id() -> None:
    named = ClassSet(["negative", "positive"])
    assert [named.id_of(label) for label in ("positive", "1", "2", "-1", "other")] == [1, 1, None, None, None]
    assert ClassSet(["1", "0"]).id_of("1") == 0  # a name comes before a number


def test_where_a_name_is_a_number_another_number_is_no_id() -> None:
    stars = ClassSet(["1", "2", "3", "4", "5"])
    assert [stars.id_of(label) for label in ("1", "5", "0", "6")] == [0, 4, None, None]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    classes = ClassSet(["ärger", "joy\u2028", "0"])
    classes.write(tmp_path / "labels.json")
    assert read_classes(tmp_path / "labels.json") == classes
    (tmp_path / "config.json").write_text(json.dumps({"id2label": {"1": "b", "0": "a"}}))
    assert read_classes(tmp_path / "config.json").names == ("a", "b")


@pytest.mark.parametrize("content", ["", "7", '["a"]', '["a", "a"]', "[1, 2]", '{"0": "a", "2": "b"}'])
def test_a_wrong_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "labels.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=f"task.labels: {path}: .*;"):
        read_classes(path)
