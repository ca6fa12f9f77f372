"""A language model as a run: what its records hold, and that a kill changes neither a number nor a sample."""

import math
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from rundir.layout import RunDir
from rundir.records import LifecycleEvent, StepRecord
from tests.process.language_run import evals_of, language_trace, write_config
from tests.process.tiny_run import Traind, disturbed_once, events_of, metrics_of

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """The run when nobody touches it."""
    directory = tmp_path_factory.mktemp("language")
    traind = Traind(directory)
    run = traind.start(write_config(directory))
    traind.finish(run)
    return run


@pytest.mark.slow
@pytest.mark.soak
def test_a_killed_language_model_comes_back_with_the_same_numbers_and_texts(
    traind: Traind, tmp_path: Path, undisturbed: RunDir
) -> None:
    run = traind.start(write_config(tmp_path))
    disturbed_once(run)
    traind.finish(run)
    assert language_trace(run) == language_trace(undisturbed)


def test_a_language_model_learns_and_shows_what_it_writes(undisturbed: RunDir) -> None:
    run = undisturbed
    said = {event.what: event for event in events_of(run) if isinstance(event, LifecycleEvent)}
    assert "texts with" in (said["data"].message or "")
    starting, baseline = said["starting_loss"].detail, said["baseline"].detail
    assert starting is not None
    assert baseline is not None
    assert starting["loss"] == pytest.approx(starting["ln_classes"], rel=0.05)
    evals = evals_of(run)
    assert evals[-1].loss < baseline["loss"] < starting["loss"]
    assert evals[-1].metrics is not None
    assert evals[-1].metrics["perplexity"] == pytest.approx(math.exp(float(evals[-1].loss)))
    for record in evals:
        assert record.samples is not None
        assert [sample.prompt for sample in record.samples] == ["I lost my", ""]
    assert evals[0].samples != evals[-1].samples
    assert (said["report"].message or "").startswith("best loss")
    steps = [record for record in metrics_of(run) if isinstance(record, StepRecord)]
    assert steps[-1].lr == pytest.approx(4e-4, rel=0.1), "a cosine ends at min_lr"
    best = run.checkpoints / "best"
    model, tokenizer = AutoModelForCausalLM.from_pretrained(best), AutoTokenizer.from_pretrained(best)
    assert model.lm_head.weight is model.transformer.wte.weight
    assert tokenizer.decode(tokenizer("where is my card?")["input_ids"]) == "where is my card?"


TINY = (
    "model.dim=32",
    "model.hidden_dim=64",
    "model.n_layers=1",
    "train.max_steps=4",
    "train.warmup_steps=1",
    "eval.every=2",
    "eval.batch_size=64",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["banking-lm", "banking-lm-small", "char-lm"])
def test_a_bundled_recipe_runs_to_its_end_on_its_sample(traind: Traind, name: str) -> None:
    run = traind.start(CONFIGS / f"{name}.toml", *TINY, "train.device=cpu", "train.threads=1", "task.sample_tokens=4")
    traind.finish(run)
    assert [record.step for record in evals_of(run)] == [2, 4]
    assert (run.checkpoints / "best" / "model.safetensors").is_file()
