"""Entity counting against seqeval, on any labels, any gaps and any batch shape."""

import warnings

import torch
from hypothesis import given
from hypothesis import strategies as st

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # seqeval imports what setuptools has deprecated
    from seqeval.metrics import accuracy_score, classification_report

from traind.tasks.entity import batch_counts, compare, scores

NAMES = ("O", "B-x", "I-x", "B-y", "I-y", "B-z", "I-z")
LABEL = st.integers(0, len(NAMES) - 1)
SEQUENCES = st.lists(st.lists(st.tuples(LABEL, LABEL, st.booleans()), max_size=12), min_size=1, max_size=5)


def padded(sequences: list[list[tuple[int, int, bool]]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Predictions and labels of [sequences, tokens]; what is not scored is −100 with a prediction all the same."""
    width = max(1, *(len(sequence) for sequence in sequences))
    predicted = torch.full((len(sequences), width), 3)
    labels = torch.full((len(sequences), width), -100)
    for row, sequence in enumerate(sequences):
        for column, (guess, true, scored) in enumerate(sequence):
            predicted[row, column] = guess
            labels[row, column] = true if scored else -100
    return predicted, labels


@given(SEQUENCES)
def test_counts_are_those_of_seqeval(sequences: list[list[tuple[int, int, bool]]]) -> None:
    guess = [[NAMES[g] for g, _, scored in sequence if scored] for sequence in sequences]
    true = [[NAMES[t] for _, t, scored in sequence if scored] for sequence in sequences]
    correct, tokens, right, num_predicted, num_true = batch_counts(*padded(sequences)).tolist()
    assert tokens == sum(map(len, true))
    assert correct == (round(accuracy_score(true, guess) * tokens) if tokens else 0)
    ours = scores(right, num_predicted, num_true)
    if num_predicted + num_true == 0:
        assert set(ours.values()) == {0.0}
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = classification_report(true, guess, output_dict=True, zero_division=0)
    assert num_true == report["micro avg"]["support"]
    assert abs(ours["precision"] - report["micro avg"]["precision"]) < 1e-9
    assert abs(ours["recall"] - report["micro avg"]["recall"]) < 1e-9
    assert abs(ours["f1"] - report["micro avg"]["f1-score"]) < 1e-9


@given(SEQUENCES)
def test_counts_add_up_over_any_batching(sequences: list[list[tuple[int, int, bool]]]) -> None:
    whole = batch_counts(*padded(sequences))
    assert torch.equal(whole, torch.stack([batch_counts(*padded([one])) for one in sequences]).sum(0))


def test_an_entity_that_is_cut_at_a_gap_goes_on_behind_it() -> None:
    labels = torch.tensor([[1, -100, 2, 0]])
    assert batch_counts(torch.tensor([[1, 0, 2, 0]]), labels).tolist() == [3, 3, 1, 1, 1]
    assert batch_counts(torch.tensor([[1, 2, 0, 0]]), labels).tolist() == [2, 3, 0, 1, 1]


def test_nothing_at_all_is_no_entity() -> None:
    nothing = torch.zeros(0, dtype=torch.int64)
    marks = compare(nothing, nothing, nothing.bool(), nothing)
    assert marks.right.sum() == marks.true.sum() == marks.predicted.sum() == 0
