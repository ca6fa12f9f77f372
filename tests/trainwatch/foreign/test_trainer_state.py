"""The state of Hugging Face's Trainer in the viewer, read again when it changes."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.trainwatch.foreign.logs import Viewed
from trainwatch.foreign.find import open_source
from trainwatch.foreign.source import ForeignError


def state(steps: int) -> dict[str, Any]:
    history: list[dict[str, Any]] = []
    for step in range(1, steps + 1):
        history.append({"step": step, "epoch": step / 10, "loss": 1 / step, "grad_norm": 2.0, "learning_rate": 0.1})
        if step % 2 == 0:
            times = {"eval_runtime": 1.0, "eval_samples_per_second": 3.0}
            history.append({"step": step, "epoch": step / 10, "eval_loss": 2 / step, "eval_f1": 0.5, **times})
    return {"log_history": history, "max_steps": 10, "global_step": steps}


def test_checkpoints_are_followed(tmp_path: Path) -> None:
    for number in (2, 4):
        (tmp_path / f"checkpoint-{number}").mkdir()
    (tmp_path / "checkpoint-2" / "trainer_state.json").write_text(json.dumps(state(2)))
    viewed = Viewed(tmp_path)
    assert viewed.column("loss") == {1: 1.0, 2: 0.5}
    assert (viewed.column("lr"), viewed.column("grad_norm")) == ({1: 0.1, 2: 0.1}, {1: 2.0, 2: 2.0})
    assert viewed.store.total_steps == 10
    (tmp_path / "checkpoint-4" / "trainer_state.json").write_text(json.dumps(state(4))[:-9])  # half written
    viewed.look()
    assert viewed.column("loss") == {1: 1.0, 2: 0.5}
    assert "no JSON" in viewed.store.status_fault
    (tmp_path / "checkpoint-4" / "trainer_state.json").write_text(json.dumps(state(4)))
    viewed.look()
    assert set(viewed.column("loss")) == {1, 2, 3, 4}
    assert viewed.evals == [(2, 1.0, {"f1": 0.5}), (4, 0.5, {"f1": 0.5})]
    assert not viewed.store.status_fault


def test_the_file_alone_is_a_source(tmp_path: Path) -> None:
    path = tmp_path / "trainer_state.json"
    path.write_text(json.dumps(state(3)))
    assert set(Viewed(path).column("loss")) == {1, 2, 3}


@pytest.mark.parametrize(
    ("text", "reason"),
    [("{", "no JSON"), ("[]", "no state of a Trainer"), ('{"log_history": 3}', "no state of a Trainer")],
)
def test_what_is_no_state_is_said(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "trainer_state.json"
    path.write_text(text)
    with pytest.raises(ForeignError, match=reason):
        open_source(path)


@pytest.mark.parametrize(
    "entry", [3, None, {}, {"step": "x", "loss": 1.0}, {"step": True, "loss": 1.0}, {"step": 10**400, "loss": 10**400}]
)
def test_odd_entries_are_passed_over(tmp_path: Path, entry: Any) -> None:
    path = tmp_path / "trainer_state.json"
    path.write_text(json.dumps({"log_history": [entry, {"step": 5, "loss": 0.5}]}))
    assert Viewed(path).column("loss") == {5: 0.5}
