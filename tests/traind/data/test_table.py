"""Tables of texts in every format: columns found by name or by what is in them, faults with file and line."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pyarrow import parquet

from traind.config import ConfigError
from traind.data.columns import Columns
from traind.data.table import Row, read_table

ANY = Columns(None, None)


def rows_of(path: Path, wanted: Columns = ANY) -> list[tuple[str, str]]:
    return [(row.text, row.label) for row in read_table(path, "data.train", wanted).rows]


def written(tmp_path: Path, name: str, content: str) -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode())
    return path


def faults_of(path: Path, wanted: Columns = ANY) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read_table(path, "data.train", wanted)
    return caught.value.faults


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "text,label\ngood,1\n\nbad,0\n"),
        ("a.csv", '\ufeffLabel,Review\r\n1,good\r\n"0","bad"\r\n'),
        ("a.csv", "id,sentence,category\n7,good,1\n8,bad,0"),
        ("a.csv", "stars,words\n1,good\n0,bad\n"),  # one name is known, so the other column is the text
        ("a.csv", "good,1\nbad,0\n"),
        ("a.tsv", "good\t1\r\nbad\t0\r\n"),
        ("a.tsv", "label\tsentence\n1.0\tgood\n0.0\tbad\n"),
        ("a.jsonl", '{"label": true, "text": "good"}\n\n{"text": "bad", "label": 0.0, "more": []}'),
    ],
)
def test_one_table_in_many_spellings(tmp_path: Path, name: str, content: str) -> None:
    assert rows_of(written(tmp_path, name, content)) == [("good", "1"), ("bad", "0")]


def test_parquet_is_read_with_its_categories_and_its_nulls(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    labels = pa.array(["x", "y", "x"]).dictionary_encode()
    parquet.write_table(pa.table({"text": ["one", "two", ""], "label": labels, "other": [1, 2, 3]}), path)
    assert rows_of(path) == [("one", "x"), ("two", "y"), ("", "x")]
    parquet.write_table(pa.table({"text": ["one", None], "label": [1, None]}), path)
    (fault,) = faults_of(path)
    assert fault == f"data.train: {path}: row 2: 'text' is empty, no text; write a string"
    path.write_bytes(b"PAR1")
    assert faults_of(path)[0].startswith(f"data.train: {path}: not Parquet: ")


def test_without_a_header_the_label_is_what_repeats(tmp_path: Path) -> None:
    path = written(tmp_path, "a.tsv", "x\tone\nx\ttwo\ny\tthree\n")
    assert rows_of(path) == [("one", "x"), ("two", "x"), ("three", "y")]
    assert read_table(path, "data.train", ANY).rows[2] == Row("three", "y", f"{path}:3")
    assert rows_of(path, Columns("1", "2"))[0] == ("x", "one")


def test_the_columns_of_the_configuration_come_first(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "text,title,label,stars\nlong,short,a,5\n")
    assert rows_of(path) == [("long", "a")]
    assert rows_of(path, Columns("title", "stars")) == [("short", "5")]
    (fault,) = faults_of(path, Columns("body", None))
    assert fault == f"data.text = 'body': {path}: its columns are 'text', 'title', 'label', 'stars'; name one of them"


@pytest.mark.parametrize(
    "content",
    [
        "tweet_text,polarity\nso good,1\nso bad,0\n",
        "Tweet Text,Polarity\nso good,1\nso bad,1.0\nnot so bad,0\n",
        "tweet_text,polarity\nso good,pos\nso bad,neg\nquite good,pos\n",
    ],
)
def test_unusual_names_are_not_learnt_as_a_text_and_a_class(tmp_path: Path, content: str) -> None:
    path = written(tmp_path, "a.csv", content)
    text, label = content.partition("\n")[0].split(",")
    (fault,) = faults_of(path)
    assert fault == (
        f"data.train: {path}:1: may be the names of the columns, or a first row; set data.text = {text!r} and "
        f"data.label = {label!r} if they are names, else data.text = '1' and data.label = '2'"
    )
    assert rows_of(path, Columns(text, label))[0][0] == "so good"
    assert rows_of(path, Columns("1", "2"))[0] == (text, label)


TICKETS = "id,message,topic\n7,my card is gone,card\n8,where is my money,transfer\n9,it was stolen,card\n"
NAMES = "'id', 'message', 'topic'"


@pytest.mark.parametrize(
    ("text", "label", "says"),
    [
        ("mesage", None, f"data.text = 'mesage': {{}}: its columns are {NAMES}; did you mean 'message'?"),
        ("mesage", "topic", f"data.text = 'mesage': {{}}: its columns are {NAMES}; did you mean 'message'?"),
        ("Message", "topik", f"data.text = 'Message': {{}}: its columns are {NAMES}; did you mean 'message'?"),
        ("message", "group", f"data.label = 'group': {{}}: its columns are {NAMES}; name one of them"),
        ("message", None, f"data.train: {{}}: its columns are {NAMES}; name that of the label in data.label"),
        (
            "phrase",
            None,
            f"data.text = 'phrase': {{}}:1: is not among {NAMES}; name one of them, or, if that is a first row and no "
            "names, one of '1', '2', '3'",
        ),
        (
            None,
            None,
            f"data.train: {{}}:1: may be the names of the columns, or a first row: {NAMES}; set data.text and "
            "data.label to one of these each if they are names, else to one of '1', '2', '3'",
        ),
    ],
)
def test_a_wrong_name_does_not_hide_the_header(tmp_path: Path, text: str | None, label: str | None, says: str) -> None:
    path = written(tmp_path, "a.csv", TICKETS)
    assert faults_of(path, Columns(text, label)) == (says.format(path),)
    assert rows_of(path, Columns("message", "topic"))[0] == ("my card is gone", "card")


def test_a_wrong_name_of_two_columns_does_not_hide_the_header_either(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "message,topic\nmy card is gone,card\nwhere is my money,card\n")
    (fault,) = faults_of(path, Columns("mesage", None))
    assert fault.endswith(": its columns are 'message', 'topic'; did you mean 'message'?")
    (fault,) = faults_of(path, Columns("phrase", None))
    assert "no header" not in fault
    assert f"{path}:1: is not among 'message', 'topic'; name one of them, or, if " in fault


def test_numbers_given_as_names_are_positions_unless_the_header_is_of_numbers(tmp_path: Path) -> None:
    assert rows_of(written(tmp_path, "a.csv", "good,1\nbad,0\n"), Columns("1", None))[0] == ("good", "1")
    assert rows_of(written(tmp_path, "b.csv", "2,1\na,good\nb,bad\n"), Columns("1", "2"))[0] == ("good", "a")
    (fault,) = faults_of(written(tmp_path, "c.csv", TICKETS), Columns("2", None))
    assert "(no header): its columns are '1', '2', '3'; name that of the label" in fault
    assert "(no header)" in faults_of(written(tmp_path, "d.csv", "x,1,2\ny,3,4\n"), Columns("body", None))[0]


def test_the_name_of_a_single_column_of_texts_is_not_learnt(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "q\nwhere is my card\nwhat does it cost\n")
    (fault,) = faults_of(path, Columns(None, None, is_labelled=False))
    assert fault.endswith("set data.text = 'q' if they are names, else data.text = '1'")
    assert rows_of(path, Columns("q", None, is_labelled=False))[0] == ("where is my card", "")
    assert rows_of(path, Columns("1", None, is_labelled=False))[0] == ("q", "")
    two = written(tmp_path, "b.csv", "phrase,kind\nso good,1\nso bad,1\n")
    (fault,) = faults_of(two, Columns(None, None, is_labelled=False))
    assert fault.endswith("set data.text = 'phrase' if they are names, else data.text = '1'")


@pytest.mark.parametrize("content", ["Help\nwhere is it\nThanks\nwhat\n", "where is it\nwhat\n", "one\n"])
def test_a_column_of_texts_without_a_name_is_taken_whole(tmp_path: Path, content: str) -> None:
    path = written(tmp_path, "a.csv", content)
    assert [text for text, _ in rows_of(path, Columns(None, None, is_labelled=False))] == content.splitlines()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "id,sentence,category\n7,good,1\n", "text from 'sentence', label from 'category'"),
        ("a.csv", "stars,words\n1,good\n", "text from 'words', label from 'stars'"),
        ("a.tsv", "x\tone\nx\ttwo\ny\tthree\n", "text from '2', label from '1' (no header)"),
        ("a.csv", "text;label\ngood;1\n", "text from 'text', label from 'label' (separated by ;)"),
        ("a.csv", "good;1\nbad;0\n", "text from '1', label from '2' (no header, separated by ;)"),
        ("a.jsonl", '{"n": 3, "tweet": "x", "target": 1}', "text from 'tweet', label from 'target'"),
        ("a.csv", "", ""),
    ],
)
def test_which_columns_were_taken_is_told(tmp_path: Path, name: str, content: str, says: str) -> None:
    assert read_table(written(tmp_path, name, content), "data.train", ANY).columns == says


def test_the_columns_of_parquet_and_of_texts_alone_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"body": ["one"], "stars": [1]}), path)
    assert read_table(path, "data.train", ANY).columns == "text from 'body', label from 'stars'"
    only_text = Columns(None, None, is_labelled=False)
    assert read_table(path, "data.train", only_text).columns == "text from 'body'"


@pytest.mark.parametrize(
    "content",
    [
        "text;label\ngood, really;1\nbad;0\n",
        "Label;Review\r\n1;good, really\r\n0;bad\r\n",
        'id;sentence;category\n7;"good, really";1\n8;bad;0',
        '"good, really";1\nbad;0\n',
    ],
)
def test_a_csv_of_semicolons_is_read_as_one(tmp_path: Path, content: str) -> None:
    assert rows_of(written(tmp_path, "a.csv", content)) == [("good, really", "1"), ("bad", "0")]


def test_semicolons_that_part_nothing_are_text(tmp_path: Path) -> None:
    texts = Columns(None, None, is_labelled=False)
    lines = "I came; I saw\nhe left; she stayed\n"
    assert [text for text, _ in rows_of(written(tmp_path, "a.csv", lines), texts)] == lines.splitlines()
    assert rows_of(written(tmp_path, "b.csv", "text,label\nI came; I saw,1\n")) == [("I came; I saw", "1")]
    assert "its columns are '1'" in faults_of(written(tmp_path, "c.csv", "one; two\nthree\n"))[0]
    (fault,) = faults_of(written(tmp_path, "d.csv", "text;label\ngood;1\nbad; worse;0\n"))
    assert fault.endswith(":3: has 3 columns, the first row has 2; put a text that holds the separator in quotes")
    (fault,) = faults_of(written(tmp_path, "e.csv", "body;kind;stars;title\na;b;c;d\n"), Columns("words", None))
    assert fault.endswith("its columns are 'body', 'kind', 'stars', 'title'; name one of them")


def test_columns_that_cannot_be_told_are_asked_for(tmp_path: Path) -> None:
    (fault,) = faults_of(written(tmp_path, "a.csv", "text,a,b\nx,1,2\n"))
    assert fault.endswith("its columns are 'text', 'a', 'b'; name that of the label in data.label")
    (fault,) = faults_of(written(tmp_path, "b.csv", "x,1,2\ny,3,4\n"))
    assert "(no header): its columns are '1', '2', '3'; name that of the text in data.text" in fault
    assert rows_of(tmp_path / "b.csv", Columns("1", "3")) == [("x", "2"), ("y", "4")]


def test_quotes_commas_and_newlines_in_a_csv_text(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", 'text,label\n"a, ""b""\n\u2028c",1\nlast,0\n')
    table = read_table(path, "data.train", ANY)
    assert [row.text for row in table.rows] == ['a, "b"\n\u2028c', "last"]
    assert [row.place for row in table.rows] == [f"{path}:2", f"{path}:4"]


def test_quotes_in_a_tsv_are_taken_off_only_where_they_quote(tmp_path: Path) -> None:
    path = written(tmp_path, "a.tsv", 'text\tlabel\n"he said ""no"""\t0\n"open\t1\n"one" and "two"\t1\n')
    assert [text for text, _ in rows_of(path)] == ['he said "no"', '"open', '"one" and "two"']


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "text,label\ngood,1\nbad\n", ":3: has 1 columns, the first row has 2; put a text"),
        ("a.csv", 'text,label\ngood,1\n"bad,0\n', ":3: not CSV: "),
        ("a.csv", "text,label\ngood,\n", ":2: 'label' is empty, no label; write a name or a whole number"),
        ("a.jsonl", '{"text": "x", "label": 1}\n{"text": 3, "label": 1}', ":2: 'text' is 3, no text; write a string"),
        ("a.jsonl", '{"text": "x", "label": 1.5}', ":1: 'label' is 1.5, no label"),
        ("a.jsonl", '{"text": "x", "label": NaN}', ":1: 'label' is nan, no label"),
        ("a.jsonl", '{"text": "x", "label": [1]}', ":1: 'label' is [1], no label"),
        ("a.jsonl", '{"text": "x"}', "its columns are 'text'; name that of the label in data.label"),
        ("a.jsonl", '{"text": "\\ud83d", "label": 1}', ":1: 'text' has the lone surrogate"),
        ("a.jsonl", "[1]", ":1: is no object; write"),
        ("a.jsonl", "{", ":1: not JSON: "),
        ("a.xml", "<a/>", "unknown format '.xml'; give one of .csv, .tsv, .jsonl, .parquet, sample:reviews"),
    ],
)
def test_a_fault_has_its_place_and_its_cure(tmp_path: Path, name: str, content: str, says: str) -> None:
    path = written(tmp_path, name, content)
    faults = faults_of(path)
    assert len(faults) == 1
    assert faults[0].startswith(f"data.train: {path}")
    assert says in faults[0]


def test_many_faults_are_shown_ten_at_most(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "text,label\n" + "x,\n" * 25)
    faults = faults_of(path)
    assert len(faults) == 11
    assert faults[-1] == "data.train: and 15 more faults of this kind"


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    assert "no such file; correct the path" in faults_of(tmp_path / "none.csv")[0]
    assert "not UTF-8 at byte 2" in faults_of(written_bytes(tmp_path / "a.tsv", b"a\t\xff"))[0]
    assert read_table(written(tmp_path, "e.csv", ""), "data.train", ANY).rows == []


def written_bytes(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=20)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(st.tuples(_TEXT, st.integers(-3, 30)), min_size=1, max_size=8))
def test_what_the_standard_library_writes_is_read_back(tmp_path: Path, pairs: list[tuple[str, int]]) -> None:
    expected = [(text, str(label)) for text, label in pairs]
    path = tmp_path / "x.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *pairs])
    assert rows_of(path) == expected
    lines = [json.dumps({"text": text, "label": label}, ensure_ascii=False) for text, label in pairs]
    assert rows_of(written(tmp_path, "x.jsonl", "\n".join(lines))) == expected
