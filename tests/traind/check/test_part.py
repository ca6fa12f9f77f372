"""Of much data a part is tokenised, and the plan is still that of the whole."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from tests.process import language_run, tiny_run
from tests.traind.check.ground import checked, texts
from traind.check import inspection
from traind.check.finding import Level


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _examples(path: Path, workplace: Path) -> tuple[str, int]:
    """What is said of the data, and the training examples of the plan."""
    findings = checked(path, [], workplace)
    assert not [finding for finding in findings if finding.level is Level.FAULT]
    rows = {finding.check: finding.text for finding in findings}
    assert "disk" in rows
    found = re.search(r"an epoch of ([\d,]+) examples", rows["steps"])
    assert found
    return rows["data"], int(found[1].replace(",", ""))


@pytest.mark.parametrize(
    ("make", "most", "tolerance"),
    [(texts, 60, 0.0), (tiny_run.write_config, 75, 0.1), (language_run.write_config, 10, 0.1)],
    ids=["classes", "spans", "language"],
)
def test_the_plan_counts_what_is_not_tokenised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], Path], most: int, tolerance: float
) -> None:
    path = make(tmp_path)
    data, whole = _examples(path, tmp_path / "whole")
    assert "looked at" not in data
    monkeypatch.setattr(inspection, "MOST_TEXTS", most)
    data, estimated = _examples(path, tmp_path / "part")
    assert "of the train and " in data
    assert estimated == pytest.approx(whole, rel=tolerance)
