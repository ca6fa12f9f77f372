"""Our scores beside scikit-learn's, on any two labellings."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from traind.tasks.confusion import (
    MATRIX_MAX,
    as_counts,
    counts_of_one_answer,
    flat_counts,
    has_matrix,
    metric_names,
    scores,
    share_of_right,
    table,
)

Labelling = tuple[int, list[int], list[int]]


@st.composite
def labellings(draw: st.DrawFn, min_classes: int = 2) -> Labelling:
    num_classes = draw(st.integers(min_classes, 6))
    label = st.integers(0, num_classes - 1)
    pairs = draw(st.lists(st.tuples(label, label), min_size=1, max_size=60))
    return num_classes, [true for true, _ in pairs], [predicted for _, predicted in pairs]


def matrix_of(labelling: Labelling) -> "np.ndarray[tuple[int, ...], np.dtype[np.int64]]":
    num_classes, true, predicted = labelling
    return as_counts(flat_counts(torch.tensor(predicted), torch.tensor(true), num_classes).tolist(), num_classes)


@given(labellings())
def test_the_matrix_is_scikit_learns(labelling: Labelling) -> None:
    num_classes, true, predicted = labelling
    expected = oracle.confusion_matrix(true, predicted, labels=range(num_classes))
    assert matrix_of(labelling).tolist() == expected.tolist()


@pytest.mark.parametrize("num_classes", [3, MATRIX_MAX + 1])
def test_the_share_of_right_ones_is_on_the_device(num_classes: int) -> None:
    true, predicted = torch.tensor([0, 1, 2, 2]), torch.tensor([0, 2, 2, 2])
    assert share_of_right(flat_counts(predicted, true, num_classes), num_classes).item() == 0.75
    nothing = torch.zeros(0, dtype=torch.int64)
    assert share_of_right(flat_counts(nothing, nothing, num_classes), num_classes).isnan()


@given(labellings(min_classes=3))
def test_scores_of_many_classes_are_scikit_learns(labelling: Labelling) -> None:
    _, true, predicted = labelling
    found = scores(matrix_of(labelling))
    expected = {"accuracy": oracle.accuracy_score(true, predicted)}
    for average in ("macro", "weighted"):
        precision, recall, f1, _ = oracle.precision_recall_fscore_support(
            true, predicted, average=average, zero_division=0.0
        )
        expected |= {f"{average}_precision": precision, f"{average}_recall": recall, f"{average}_f1": f1}
    for name, value in found.items():
        assert value == pytest.approx(expected.get(name, expected.get(f"macro_{name}")), abs=1e-12), name
    assert tuple(found) == metric_names(labelling[0], None)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=40))
def test_scores_of_two_classes_are_those_of_the_positive_one(pairs: list[tuple[int, int]]) -> None:
    true, predicted = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    found = scores(matrix_of((2, true, predicted)))
    precision, recall, f1, _ = oracle.precision_recall_fscore_support(
        true, predicted, average="binary", zero_division=0.0
    )
    expected = {"accuracy": oracle.accuracy_score(true, predicted), "precision": precision, "recall": recall, "f1": f1}
    assert found == pytest.approx(expected, abs=1e-12)
    assert tuple(found) == metric_names(2, None)


@given(labellings(min_classes=3), st.integers(1, 2))
def test_the_binary_question_is_asked_of_the_scores(labelling: Labelling, threshold: int) -> None:
    num_classes, true, predicted = labelling
    found = scores(matrix_of(labelling), threshold)
    yes = [label >= threshold for label in true], [label >= threshold for label in predicted]
    assert found[f"binary_f1@{threshold}"] == pytest.approx(oracle.f1_score(*yes, zero_division=0.0), abs=1e-12)
    assert tuple(found) == metric_names(num_classes, threshold)


@given(labellings())
def test_the_table_is_scikit_learns_by_class(labelling: Labelling) -> None:
    num_classes, true, predicted = labelling
    columns = oracle.precision_recall_fscore_support(true, predicted, labels=range(num_classes), zero_division=0.0)
    rows = table(matrix_of(labelling), [str(index) for index in range(num_classes)])
    for index, row in enumerate(zip(*columns, strict=True)):
        assert list(rows[str(index)].values()) == pytest.approx(list(row), abs=1e-12)


@given(labellings(), labellings())
def test_counts_of_parts_add_up(one: Labelling, two: Labelling) -> None:
    num_classes = max(one[0], two[0])
    parts = [matrix_of((num_classes, *part[1:])) for part in (one, two)]
    whole = matrix_of((num_classes, one[1] + two[1], one[2] + two[2]))
    assert (parts[0] + parts[1]).tolist() == whole.tolist()


def test_of_very_many_classes_the_scores_are_the_same_and_the_counts_are_few() -> None:
    """As many classes as a catalogue has; the oracle is scikit-learn's."""
    rng = np.random.default_rng(3)
    true = rng.integers(0, 3000, 200)
    predicted = np.where(rng.random(200) < 0.5, true, rng.integers(0, 3000, 200))
    flat = flat_counts(torch.from_numpy(predicted), torch.from_numpy(true), 3000)
    assert not has_matrix(3000)
    assert flat.shape == (9000,)
    counts = as_counts(flat.tolist(), 3000)
    found = scores(counts)
    assert tuple(found) == metric_names(3000, None)
    assert found["accuracy"] == oracle.accuracy_score(true, predicted)
    for average in ("macro", "weighted"):
        f1 = oracle.f1_score(true, predicted, average=average, zero_division=0.0)
        assert found[f"{average}_f1"] == pytest.approx(f1, abs=1e-12)
    columns = oracle.precision_recall_fscore_support(true, predicted, labels=range(3000), zero_division=0.0)
    rows = table(counts, [str(index) for index in range(3000)])
    for index in {*true[:5], *predicted[:5]}:
        assert list(rows[str(index)].values()) == pytest.approx([column[index] for column in columns], abs=1e-12)


@pytest.mark.parametrize("num_classes", [4, 600])
def test_one_answer_for_everything_counts_as_if_it_were_given_to_each(num_classes: int) -> None:
    true = torch.tensor([0, 3, 3, 1, num_classes - 1])
    each = flat_counts(torch.full_like(true, 3), true, num_classes)
    support = np.bincount(true.numpy(), minlength=num_classes)
    assert counts_of_one_answer(3, support).tolist() == as_counts(each.tolist(), num_classes).tolist()


@pytest.mark.parametrize("num_classes", [2, 5])
def test_nothing_has_scores_all_the_same(num_classes: int) -> None:
    found = scores(np.zeros((num_classes, num_classes), dtype=np.int64), 1)
    assert math.isnan(found.pop("accuracy"))
    assert set(found.values()) == {0.0}
