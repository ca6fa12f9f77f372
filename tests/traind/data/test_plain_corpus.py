"""Plain texts from files, tables and samples: what is read, how it is split, and every fault with file and cure."""

import csv
import json
from pathlib import Path

import pytest

from traind.config import Config, ConfigError, Data, Task
from traind.data import load_corpus
from traind.data.corpus import AnyCorpus
from traind.data.plain_corpus import PlainCorpus, load_plain


def settings(train: Path | str, evaluation: Path | str | None = None, **data: object) -> Config:
    given = {"train": str(train), "eval": None if evaluation is None else str(evaluation), **data}
    return Config(data=Data(**given), task=Task(kind="causal-lm"))  # type: ignore[arg-type]


def load(train: Path | str, evaluation: Path | str | None = None, **data: object) -> PlainCorpus:
    return load_plain(settings(train, evaluation, **data), None)


def texts(corpus: AnyCorpus) -> tuple[list[str], list[str]]:
    survey = corpus.survey()
    return list(survey.train.texts), list(survey.eval.texts)


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.txt"
    path.write_text("0123456789" * 20, encoding="utf-8")
    return path


def test_the_end_of_a_text_is_held_out(book: Path) -> None:
    corpus = load_corpus(settings(book, eval_fraction=0.25))
    assert texts(corpus) == (["0123456789" * 15], ["0123456789" * 5])
    assert corpus.labels is None
    assert corpus.survey().labels == ()
    assert corpus.survey().train.targets == [None]
    assert corpus.survey().eval.places == [f"{book} from character 151"]


def test_a_given_eval_text_leaves_the_training_text_whole(book: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.md"
    other.write_text("another text", encoding="utf-8")
    corpus = load(book, other)
    assert texts(corpus) == ([book.read_text(encoding="utf-8")], ["another text"])
    assert set(corpus.hashes) == {"train", "eval"}


def write_csv(path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["id", "Text"], *([str(row), f"text, {row}"] for row in range(10))])


def write_tsv(path: Path) -> None:
    path.write_text("".join(f"text, {row}\t{row % 2}\n" for row in range(10)), encoding="utf-8")


def write_jsonl(path: Path) -> None:
    path.write_text("".join(json.dumps({"text": f"text, {row}"}) + "\n" for row in range(10)), encoding="utf-8")


def write_parquet(path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table({"n": range(10), "text": [f"text, {row}" for row in range(10)]}), path)


WRITERS = {"csv": write_csv, "tsv": write_tsv, "jsonl": write_jsonl, "parquet": write_parquet}


@pytest.mark.parametrize("suffix", WRITERS)
def test_each_row_of_a_table_is_a_text(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rows.{suffix}"
    WRITERS[suffix](path)
    train, evaluation = texts(load(path, eval_fraction=0.2))
    assert sorted([*train, *evaluation]) == [f"text, {row}" for row in range(10)]
    assert len(evaluation) == 2


def test_the_column_of_the_text_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "no", "other": "yes"}\n{"text": "no", "other": "yes, too"}\n', encoding="utf-8")
    train, evaluation = texts(load(path, text="other"))
    assert sorted([*train, *evaluation]) == ["yes", "yes, too"]


def test_empty_texts_are_told_of(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "one"}\n{"text": " "}\n{"text": "two"}\n', encoding="utf-8")
    assert load(path, path).notes == {"empty text": 2}


def test_the_samples_have_both_sets() -> None:
    train, evaluation = texts(load("sample:banking"))
    assert len(train) == 2400
    assert not set(train) & set(evaluation)
    (play,), (tail,) = texts(load("sample:text"))
    assert play.startswith("ACT 1")
    assert len(tail) / len(play + tail) == pytest.approx(0.1, abs=1e-4)


def fault(config: Config, began_with: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_plain(config, began_with)
    (line,) = caught.value.faults
    return line


def test_faults_name_key_file_and_cure(tmp_path: Path) -> None:
    missing, blank, tiny, odd, wide, latin = (
        tmp_path / name for name in ("missing.txt", "blank.txt", "tiny.txt", "odd.xyz", "wide.csv", "latin.txt")
    )
    blank.write_text(" \n", encoding="utf-8")
    tiny.write_text("a", encoding="utf-8")
    odd.write_text("a", encoding="utf-8")
    wide.write_text("a,b,c\n1,2,3\n", encoding="utf-8")
    latin.write_bytes(b"caf\xe9")
    assert fault(settings(missing)) == f"data.train: {missing}: no such file; correct the path, or take sample:text"
    assert fault(settings(tiny)) == f"data.train: {tiny}: is too short to hold out a part; give data.eval"
    assert fault(settings(tiny, blank)) == f"data.eval: {blank}: has no text; give some"
    assert fault(settings(odd)).startswith(f"data.train: {odd}: unknown format '.xyz'; give one of .txt, .md, .csv")
    assert "set data.text to one of these if they are names, else to one of '1', '2', '3'" in fault(settings(wide))
    assert fault(settings(latin)) == f"data.train: {latin}: not UTF-8 at byte 3; convert it"
    assert "there are sample:banking, sample:text" in fault(settings("sample:reviews"))


def test_another_text_than_the_run_began_with_is_refused(book: Path) -> None:
    began_with = load(book).hashes
    load_plain(settings(book), began_with)
    book.write_text("changed " * 20, encoding="utf-8")
    assert "is not what this run began with" in fault(settings(book), began_with)
