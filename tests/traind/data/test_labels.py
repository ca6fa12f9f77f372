"""Label sets: what is accepted, what is refused, and that the mapping survives the file."""

import json
from pathlib import Path

import pytest

from traind.config import ConfigError
from traind.data.labels import LabelSet, read_labels


def test_the_mapping_survives_the_file(tmp_path: Path) -> None:
    labels = LabelSet.of_types(["Doubt", "Flag-Waving", "é, ü"])
    labels.write(tmp_path / "labels.json")
    assert read_labels(tmp_path / "labels.json") == labels
    assert labels.names[:3] == ("O", "B-Doubt", "I-Doubt")
    assert (labels.begin("Flag-Waving"), labels.inside("Flag-Waving")) == (3, 4)


def test_the_id2label_of_a_model_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"id2label": {"1": "B-X", "0": "O", "2": "I-X"}}))
    assert read_labels(path).names == ("O", "B-X", "I-X")


@pytest.mark.parametrize(
    ("names", "cure"),
    [
        ([], 'put "O" first'),
        (["B-X", "I-X", "O"], 'put "O" first'),
        (["O", "X"], "write B-X and I-X"),
        (["O", "B-X"], "needs both B-X and I-X"),
        (["O", "B-X", "I-X", "I-X"], "twice"),
        (["O", "B-X", "B-Y", "I-X", "I-Y"], "right after its B-"),
        (["O", "B-\ud800", "I-\ud800"], "write both halves"),
    ],
)
def test_names_that_are_no_bio_labels_are_refused_with_the_cure(tmp_path: Path, names: list[str], cure: str) -> None:
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(names))
    with pytest.raises(ConfigError, match=r"task\.labels: .*labels\.json") as caught:
        read_labels(path)
    assert cure in str(caught.value)


@pytest.mark.parametrize("text", ["", "3", '["O", 1]', '{"id2label": {"0": "O", "2": "B-X"}}', "\xff"])
def test_a_file_that_holds_no_names_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "labels.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ConfigError, match=r"task\.labels"):
        read_labels(path)
