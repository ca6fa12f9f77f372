"""A run whose cache was lost or damaged: made again from the very same data and tokenizer, or refused with the cure."""

import shutil
from pathlib import Path

import pytest

from rundir.atomic import write_atomic
from rundir.layout import RunDir
from rundir.records import encode
from rundir.status import RunInfo
from tests.traind.tasks.conftest import Make, settings
from traind.config import Config, ConfigError
from traind.tasks.token_classification import TokenClassification


@pytest.fixture
def begun(texts: Path, make: Make, tmp_path: Path) -> TokenClassification:
    """The first attempt of a run, with the run.json that the supervisor then writes."""
    task = make(settings(texts))
    info = RunInfo(id="run", name="ner", task="token_classification", created_at=0.0, hashes=task.hashes)
    write_atomic(RunDir(tmp_path / "run").run_json, encode(info))
    return task


def cache(tmp_path: Path) -> Path:
    return RunDir(tmp_path / "run").cache


def fault(make: Make, config: Config) -> str:
    with pytest.raises(ConfigError) as caught:
        make(config)
    (line,) = caught.value.faults
    return line


@pytest.mark.parametrize("lost", ["", "data.safetensors", "tokenizer"])
def test_what_was_lost_is_made_again(
    texts: Path, make: Make, tmp_path: Path, begun: TokenClassification, lost: str
) -> None:
    path = cache(tmp_path) / lost
    path.unlink() if path.is_file() else shutil.rmtree(path)
    again = make(settings(texts))
    assert (again.hashes, again.summary) == (begun.hashes, begun.summary)


def test_an_edited_source_is_refused_and_nothing_is_written(
    texts: Path, make: Make, tmp_path: Path, begun: TokenClassification
) -> None:
    before = texts.read_text(encoding="utf-8")
    shutil.rmtree(cache(tmp_path))
    texts.write_text(before + before.splitlines()[0] + "\n", encoding="utf-8")
    line = fault(make, settings(texts))
    assert line == f"data.train: {texts}: is not what this run began with; put that back, or start a new run"
    assert not cache(tmp_path).exists()
    texts.write_text(before, encoding="utf-8")
    assert make(settings(texts)).hashes == begun.hashes


def test_data_are_not_read_with_another_tokenizer_than_they_were_made_with(
    texts: Path, make: Make, tmp_path: Path, begun: TokenClassification
) -> None:
    other = settings(texts)
    other.model.vocab_size = 24
    make(other, "other").tokenizer.save_pretrained(cache(tmp_path) / "tokenizer")
    again = make(settings(texts))
    assert again.build_model().config.vocab_size == begun.build_model().config.vocab_size
    assert again.hashes == begun.hashes


def test_a_tokenizer_that_is_made_otherwise_now_is_refused(
    texts: Path, make: Make, tmp_path: Path, begun: TokenClassification
) -> None:
    shutil.rmtree(cache(tmp_path))
    other = settings(texts)
    other.model.vocab_size = 24
    assert "is not the tokenizer this run began with; put that back, " in fault(make, other)


def test_a_pretrained_tokenizer_that_was_replaced_is_named(texts: Path, make: Make, tmp_path: Path) -> None:
    directory = tmp_path / "pretrained"
    base = make(settings(texts), "base")
    base.build_model().save_pretrained(directory)
    base.tokenizer.save_pretrained(directory)
    config = settings(texts)
    config.model.init, config.model.pretrained = None, str(directory)
    info = RunInfo(id="run", name="ner", task="ner", created_at=0.0, hashes=make(config).hashes)
    write_atomic(RunDir(tmp_path / "run").run_json, encode(info))
    shutil.rmtree(cache(tmp_path))
    other = settings(texts)
    other.model.vocab_size = 24
    make(other, "other").tokenizer.save_pretrained(directory)
    assert fault(make, config).startswith(f"model.pretrained: {directory}: is not the tokenizer this run began with")


def test_a_run_json_that_is_not_ours_is_named_where_it_is_needed(
    texts: Path, make: Make, tmp_path: Path, begun: TokenClassification
) -> None:
    path = RunDir(tmp_path / "run").run_json
    path.write_bytes(b"{")
    assert make(settings(texts)).hashes == begun.hashes
    shutil.rmtree(cache(tmp_path))
    assert fault(make, settings(texts)).startswith(f"{path}: cannot be read: ")
