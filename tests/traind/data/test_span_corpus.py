"""Every format in, labelled documents out; every mistake named with file, line and cure."""

import json
from pathlib import Path
from typing import Any

import pytest

from traind.config import Config, ConfigError, Data, Model, Task, load
from traind.data import EncodedDocument, LabelSet, Span, SpanCorpus, TextDocument, TokenDocument, load_corpus
from traind.data.overlap import CUT


def config(train: Path | str, *, labels: Path | None = None, pretrained: str | None = None, **data: Any) -> Config:
    return Config(
        data=Data(train=str(train), **{k: str(v) if isinstance(v, Path) else v for k, v in data.items()}),
        task=Task(labels=str(labels) if labels else None),
        model=Model(pretrained=pretrained) if pretrained else Model(init="scratch"),
    )


def write(path: Path, *records: Any) -> Path:
    if path.suffix == ".json":
        path.write_text(json.dumps(list(records)), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), encoding="utf-8")
    return path


def faults(settings: Config) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load_corpus(settings)
    return caught.value.faults


TEXTS = [{"text": f"we doubt {i}", "spans": [{"start": 3, "end": 8, "label": "Doubt"}]} for i in range(10)]


def test_texts_with_spans_as_objects_and_as_lists(tmp_path: Path) -> None:
    records = [{"id": 7, "text": "a\u2028bc", "spans": [[2, 4, "X"]]}, {"text": "d", "spans": []}, *TEXTS]
    path = write(tmp_path / "t.jsonl", *records)
    corpus = load_corpus(config(path, eval=path))
    assert corpus.train[0] == TextDocument("7", "a\u2028bc", (Span(2, 4, "X"),))
    assert corpus.labels == LabelSet.of_types(["Doubt", "X"])
    assert corpus.train == corpus.eval
    assert set(corpus.hashes) == {"train", "eval"}


def test_the_json_list_with_techniques(tmp_path: Path) -> None:
    record = {
        "id": "9",
        "text": "THERE",
        "labels": [{"start": 0, "end": 5, "technique": "Smears", "text_fragment": ""}],
    }
    path = write(tmp_path / "t.json", record)
    assert load_corpus(config(path, eval=path)).train == [TextDocument("9", "THERE", (Span(0, 5, "Smears"),))]


def test_words_with_tags_by_name_and_by_number(tmp_path: Path) -> None:
    named = write(tmp_path / "a.jsonl", {"tokens": ["to", "New", "York"], "ner_tags": ["O", "B-LOC", "I-LOC"]})
    numbered = write(tmp_path / "b.jsonl", {"tokens": ["to", "New", "York"], "ner_tags": [0, 1, 2]})
    labels = tmp_path / "labels.json"
    LabelSet.of_types(["LOC"]).write(labels)
    by_name = load_corpus(config(named, eval=named)).train[0]
    by_number = load_corpus(config(numbered, eval=numbered, labels=labels)).train[0]
    assert isinstance(by_name, TokenDocument)
    assert isinstance(by_number, TokenDocument)
    assert by_name.tags == by_number.tags == ("O", "B-LOC", "I-LOC")
    assert load_corpus(config(numbered, eval=numbered)).labels.names == ("O", "B-type01", "I-type01")


def test_conll_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.conll"
    path.write_text("-DOCSTART- -X- O\n\nEU NNP B-ORG\nrejects VBZ O\n\n\nPeter NNP B-PER\n", encoding="utf-8")
    corpus = load_corpus(config(path, eval=path))
    assert [d.tokens for d in corpus.train if isinstance(d, TokenDocument)] == [("EU", "rejects"), ("Peter",)]
    assert corpus.labels.types == ("ORG", "PER")


def test_white_space_within_a_token_stays(tmp_path: Path) -> None:
    path = tmp_path / "t.conll"
    path.write_text("10\u00a0000  NN  O\n\u00a0 SP O\n \u00a0\nNew York\tNN\tB-LOC\r\n", encoding="utf-8", newline="")
    corpus = load_corpus(config(path, eval=path))
    sentences = [(d.tokens, d.tags) for d in corpus.train if isinstance(d, TokenDocument)]
    assert sentences == [(("10\u00a0000", "\u00a0"), ("O", "O")), (("New York",), ("B-LOC",))]


@pytest.mark.parametrize("tags", [[0, 3, 4], [0, 3], [0, 22, 200, 1]])
def test_tags_by_number_with_a_gap_mean_the_same_once_their_labels_are_frozen(tmp_path: Path, tags: list[int]) -> None:
    record = {"tokens": ["a"] * len(tags), "ner_tags": tags}
    path = write(tmp_path / "t.jsonl", record, {"tokens": ["b"], "ner_tags": ["B-Alone"]})
    first = load_corpus(config(path, eval=path))
    again = load_corpus(config(path, eval=path), first.labels)
    assert again.train == first.train
    assert isinstance(first.train[0], TokenDocument)
    assert [first.labels.ids[tag] for tag in first.train[0].tags] == tags
    assert first.labels.types[-1] == "Alone"


def test_token_ids_need_the_pretrained_model_they_were_made_with(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", {"input_ids": [101, 5, 102], "labels": [-100, 1, -100]})
    assert load_corpus(config(path, eval=path, pretrained="x")).train == [
        EncodedDocument("t.jsonl:1", (101, 5, 102), (-100, 1, -100))
    ]
    assert "set model.pretrained" in faults(config(path, eval=path))[0]


def test_the_sample_has_29_labels_and_loses_nothing() -> None:
    corpus = load_corpus(config("sample:propaganda"))
    assert (len(corpus.labels), corpus.labels.names[0], corpus.notes) == (29, "O", {})


def test_frozen_labels_win_over_derived_ones(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", *TEXTS)
    frozen = LabelSet.of_types(["Zeal", "Doubt"])
    assert load_corpus(config(path), frozen).labels == frozen


def test_a_source_that_is_not_what_the_run_began_with_is_named(tmp_path: Path) -> None:
    train, evaluation = write(tmp_path / "t.jsonl", *TEXTS), write(tmp_path / "e.jsonl", *TEXTS)
    settings = config(train, eval=evaluation)
    first = load_corpus(settings)
    assert load_corpus(settings, first.labels, first.hashes) == first
    write(evaluation, *TEXTS, {"text": "more", "spans": [[0, 4, "Unheard"]]})
    with pytest.raises(ConfigError) as caught:
        load_corpus(settings, first.labels, first.hashes)
    cure = "is not what this run began with; put that back, or start a new run"
    assert caught.value.faults == (f"data.eval: {evaluation}: {cure}",)


def split(path: Path, seed: int, fraction: float) -> tuple[set[str], SpanCorpus]:
    settings = config(path, eval_fraction=fraction)
    settings.seed = seed
    corpus = load_corpus(settings)
    return {document.id for document in corpus.eval}, corpus


def test_the_split_is_by_document_seeded_and_holds_out_at_least_one(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", *TEXTS)
    held_out, corpus = split(path, 1, 0.3)
    assert len(held_out) == 3
    assert not held_out & {document.id for document in corpus.train}
    assert split(path, 1, 0.3)[0] == held_out
    assert any(split(path, seed, 0.3)[0] != held_out for seed in range(2, 6))
    assert len(split(path, 1, 0.001)[0]) == 1
    assert len(split(path, 1, 0.999)[0]) == 9


def sources(documents: list[Any], size: int) -> set[int]:
    return {int(document.tokens[0]) // size for document in documents}


def test_sentences_of_one_conll_document_are_not_parted_by_the_split(tmp_path: Path) -> None:
    path = tmp_path / "t.conll"
    sentences = [f"{n} B-X\n\n" for n in range(40)]
    marked = ["-DOCSTART- -X- O\n\n" + "".join(sentences[n : n + 4]) for n in range(0, 40, 4)]
    path.write_text("".join(marked), encoding="utf-8")
    for seed in range(3):
        _, corpus = split(path, seed, 0.3)
        assert len(sources(corpus.eval, 4)) == 3
        assert len(corpus.eval) == 12
        assert not sources(corpus.eval, 4) & sources(corpus.train, 4)


def test_a_conll_file_of_one_document_is_split_by_sentence(tmp_path: Path) -> None:
    plain, marked = tmp_path / "a.conll", tmp_path / "b.conll"
    sentences = "".join(f"{n} B-X\n\n" for n in range(40))
    plain.write_text(sentences, encoding="utf-8")
    marked.write_text("-DOCSTART- O\n\n" + sentences, encoding="utf-8")
    held_out, also = split(plain, 1, 0.3)[1].eval, split(marked, 1, 0.3)[1].eval
    assert len(held_out) == 12
    assert sources(list(held_out), 1) == sources(list(also), 1)


def test_overlaps_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", {"text": "one two three", "spans": [[0, 13, "A"], [4, 7, "B"]]})
    assert load_corpus(config(path, eval=path)).notes == {CUT: 2}  # once in each of the two sets


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ("{", "not JSON"),
        ("[]", "is no object"),
        ("{}", "write"),
        ('{"text": 3, "spans": []}', "no string"),
        ('{"text": "a"}', '"spans": []'),
        ('{"text": "abc", "spans": [[1, 4, "X"]]}', "outside the text of 3"),
        ('{"text": "abc", "spans": [[2, 1, "X"]]}', "outside"),
        ('{"text": "abc", "spans": [[true, 2, "X"]]}', "is no span"),
        ('{"text": "abc", "spans": [{"start": 0, "end": 2}]}', "is no span"),
        ('{"tokens": ["a"], "ner_tags": []}', "1 tokens and 0 ner_tags"),
        ('{"tokens": ["a"], "ner_tags": ["PER"]}', "not BIO"),
        ('{"tokens": ["a"], "ner_tags": [-1]}', "is no tag"),
        ('{"tokens": [1], "ner_tags": ["O"]}', "list of strings"),
        (r'{"text": "ab\ud800", "spans": []}', r"\ud800' at character 2; write both halves"),
        (r'{"text": "abc", "spans": [[0, 1, "\udc00"]]}', "the label of spans[0] has the lone surrogate"),
        (r'{"tokens": ["a", "\ud800"], "ner_tags": ["O", "O"]}', "tokens[1] has the lone surrogate"),
        (r'{"tokens": ["a"], "ner_tags": ["B-\ud800"]}', "a tag has the lone surrogate"),
        (r'{"id": "\ud800", "text": "a", "spans": []}', '"id" has the lone surrogate'),
        ('{"input_ids": [1, 2], "labels": [0]}', "2 input_ids and 1 labels"),
        ('{"input_ids": [1], "labels": [-5]}', "negative"),
        ('{"input_ids": [-1], "labels": [0]}', "token ids"),
    ],
)
def test_a_bad_line_is_named_with_its_number(tmp_path: Path, record: str, says: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"text": "ok", "spans": []}\n\n' + record + "\n", encoding="utf-8")
    (fault,) = faults(config(path))
    assert fault.startswith(f"data.train: {path}:3: ")
    assert says in fault


def test_every_bad_line_is_named_up_to_ten(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text("nonsense\n" * 14, encoding="utf-8")
    found = faults(config(path))
    assert [f":{n}: " in fault for n, fault in enumerate(found[:10], start=1)] == [True] * 10
    assert found[10] == "data.train: and 4 more faults of this kind"


def test_a_bad_conll_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.bio"
    path.write_text("a O\n\nb O\nc X-PER\n\nlonely\n", encoding="utf-8")
    first, second = faults(config(path))
    assert f"{path}:4: the tag 'X-PER' is not BIO" in first
    assert f"{path}:6: 'lonely' is one column" in second


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("t.jsonl", "", "has no document"),
        ("t.json", "[]", "has no document"),
        ("t.json", "{}", "is no list"),
        ("t.json", "[1,\n", ":2: not JSON"),
        ("t.csv", "a,b", "unknown format '.csv'"),
        ("t.jsonl", '{"text": "a", "spans": []}', "none can be held out"),
        ("t.jsonl", '{"text": "a", "spans": []}\n' * 2, "nothing to learn"),
        ("t.jsonl", '{"text": "a", "spans": []}\n{"tokens": ["a"], "ner_tags": ["B-X"]}', "are mixed"),
    ],
)
def test_a_useless_file_is_refused(tmp_path: Path, name: str, content: str, says: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    (fault,) = faults(config(path))
    assert fault.startswith("data")
    assert says in fault


def test_missing_files_and_unknown_samples(tmp_path: Path) -> None:
    assert "no such file" in faults(config(tmp_path / "none.jsonl"))[0]
    assert "no such sample" in faults(config("sample:nothing"))[0]
    binary = tmp_path / "t.jsonl"
    binary.write_bytes(b'{"text": "\xff"}')
    assert "not UTF-8 at byte 10" in faults(config(binary))[0]


def test_an_empty_eval_file_is_refused(tmp_path: Path) -> None:
    train = write(tmp_path / "t.jsonl", *TEXTS)
    assert "data.eval" in faults(config(train, eval=write(tmp_path / "e.jsonl")))[0]


def test_labels_outside_the_given_ones_are_named_once_each(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", *TEXTS)
    ids = write(tmp_path / "i.jsonl", {"input_ids": [1, 2], "labels": [2, 3]})
    labels = tmp_path / "labels.json"
    LabelSet.of_types(["Smears"]).write(labels)
    (fault,) = faults(config(path, eval=ids.with_name("t.jsonl"), labels=labels))[:1]
    assert "t.jsonl:1: the label 'Doubt' is not in the given labels" in fault
    assert "the label 3 is beyond the 3 labels" in faults(config(ids, eval=ids, labels=labels, pretrained="x"))[0]


@pytest.mark.parametrize("name", ["ner.toml", "ner-distilbert.toml"])
def test_the_configurations_we_ship_load_with_their_data(name: str) -> None:
    shipped = load(Path(__file__).parents[3] / "configs" / name)
    corpus = load_corpus(shipped)
    assert len(corpus.labels) == 29
    assert len(corpus.train) > len(corpus.eval) > 0
