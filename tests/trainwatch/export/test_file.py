"""Names and files of exports."""

import time
from pathlib import Path

import pytest

from trainwatch.export.file import ExportError, check_name, default_name, form_of, picture, png_of, write_new
from trainwatch.export.picture import svg_of

ROWS = [[("loss 0.5", "title")]]


def test_a_name_holds_the_run_and_the_time() -> None:
    at = time.mktime((2026, 11, 26, 14, 3, 20, 0, 0, -1))
    assert default_name("20261121-ner", "svg", at) == "20261121-ner-20261126-140320.svg"


@pytest.mark.parametrize("subject", ["../../etc/passwd", "a/b", "\x1b]0;x\x07", "..", "", "a" * 500, "-rf"])
def test_no_subject_leads_elsewhere(subject: str) -> None:
    name = default_name(subject, "svg", 0.0)
    assert Path(name).name == name
    assert not name.startswith((".", "-"))
    assert name.isprintable()
    assert len(name) < 140


@pytest.mark.parametrize("name", ["x", "x.txt", "", ".svg/", "x.svg.gz"])
def test_a_form_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ExportError, match=r"must end in \.svg"):
        form_of(name)


def test_a_place_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(ExportError, match="no directory"):
        check_name(str(tmp_path / "no" / "x.svg"))
    with pytest.raises(ExportError, match="is a directory"):
        check_name(str(tmp_path / "folder.svg"))
    with pytest.raises(ExportError, match="nobody-of-that-name"):
        check_name("~nobody-of-that-name/x.svg")
    assert check_name(f" {tmp_path}/X.SVG ") == tmp_path / "X.SVG"


def test_a_file_is_never_overwritten_unasked(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    write_new(path, ["a", b"b"], overwrite=False)
    assert path.read_text() == "ab"
    with pytest.raises(FileExistsError):
        write_new(path, ["c"], overwrite=False)
    assert path.read_text() == "ab"
    write_new(path, ["c"], overwrite=True)
    assert path.read_text() == "c"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_cannot_be_written_whole_is_not_there(tmp_path: Path, overwrite: bool) -> None:
    path = tmp_path / "x.csv"

    def parts() -> object:
        yield "a"
        raise OSError(28, "no space left")

    with pytest.raises(OSError, match="no space"):
        write_new(path, parts(), overwrite=overwrite)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_without_the_renderer_one_sentence_names_the_cure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "resvg_py", None)
    with pytest.raises(ExportError, match=r"pip install 'trainwatch\[png\]'"):
        check_name(str(tmp_path / "x.png"))
    with pytest.raises(ExportError, match=r"or export \.svg"):
        list(picture("png", ROWS, 10, "t", "s"))


def test_a_png_is_one(tmp_path: Path) -> None:
    pytest.importorskip("resvg_py", reason="the extra png")
    png = png_of(svg_of([[("⣿⣿ loss", "title")]], 10, "t"))
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(png) > 500
