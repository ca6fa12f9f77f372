"""The recipes of spans and classes as they are shipped, cut to a few steps: to their end, reported, and tried.

Those of language models are in `test_language_model`, the one of your own in `test_custom`.
"""

import json
from pathlib import Path

import pytest

from rundir.records import EvalRecord, LifecycleEvent
from rundir.status import State
from tests.process.tiny_run import Traind, events_of, metrics_of, scores_of, status_of

CONFIGS = Path(__file__).parents[2] / "configs"
TINY = ("model.dim=16", "model.n_layers=1", "model.n_heads=2", "model.hidden_dim=16", "train.max_steps=4")
CUT = ("eval.every=2", "eval.batch_size=128", "checkpoint.every=2", "train.threads=1", "train.device=cpu")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "settings", "files"),
    [
        ("ner", (), {"model.safetensors", "tokenizer.json", "README.md", "metrics.json"}),
        ("sentiment", (), {"model.safetensors", "tokenizer.json", "README.md", "metrics.json"}),
        (
            "legal-lora",
            ("model.mlm_epochs=0.1", "train.accumulation=2"),
            {"adapter_model.safetensors", "adapter_config.json", "tokenizer.json", "README.md", "metrics.json"},
        ),
    ],
)
def test_a_shipped_recipe_runs_to_its_end(
    traind: Traind, recipe: str, settings: tuple[str, ...], files: set[str]
) -> None:
    run = traind.start(CONFIGS / f"{recipe}.toml", *TINY, *CUT, *settings)
    traind.finish(run)
    assert status_of(run).state is State.DONE
    evals = [record for record in metrics_of(run) if isinstance(record, EvalRecord)]
    assert [record.step for record in evals] == [2, 4]
    said = {event.what: event for event in events_of(run) if isinstance(event, LifecycleEvent)}
    best = [record for record in evals if record.best][-1]
    assert (said["report"].detail or {})["metrics"] == scores_of(best)
    assert set(scores_of(best)) <= set((said["report"].detail or {})["baseline"])
    assert files <= {path.name for path in (run.checkpoints / "best").iterdir()}
    answered = traind.ok("predict", str(run.path), "Nobody in his right mind would sign this!", "--json")
    assert len([json.loads(line) for line in answered.splitlines()]) == 1
