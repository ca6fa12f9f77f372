"""The file that an export becomes: its name, its form by the name's ending, and how it is written."""

import importlib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from rundir.text import plain
from trainwatch.export.picture import page_of, svg_of
from trainwatch.paint import Row

FORMS = {
    "svg": "a picture that can be enlarged",
    "csv": "the data, every value that was recorded of what is seen",
    "png": "a picture",
    "html": "a page with the picture",
}
"""By the ending of the name."""
_PNG_ZOOM = 2.0
_FONT_DIRS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts", "/System/Library/Fonts")


class ExportError(Exception):
    """Why it cannot be exported, and what helps, in a sentence."""


def default_name(subject: str, form: str, now: float) -> str:
    """RUN-20261126-140320.svg: of a run's id without what no file name holds."""
    kept = "".join(c if c.isalnum() or c in "._-" else "-" for c in plain(subject)).strip(".-")[:100]
    return f"{kept or 'trainwatch'}-{time.strftime('%Y%m%d-%H%M%S', time.localtime(now))}.{form}"


def form_of(name: str) -> str:
    """The form that a file's name asks for. Raises ExportError."""
    form = Path(name).suffix.removeprefix(".").casefold()
    if form not in FORMS:
        raise ExportError(f"the name must end in {', '.join('.' + each for each in FORMS)}")
    return form


def check_name(text: str) -> Path:
    """The path behind what was typed. Raises ExportError where nothing can be written there."""
    name = text.strip()
    form_of(name)
    try:
        path = Path(name).expanduser()
    except RuntimeError as error:  # ~somebody
        raise ExportError(f"{name}: {error}") from error
    if not path.parent.is_dir():
        raise ExportError(f"no directory {path.parent}")
    if path.is_dir():
        raise ExportError(f"{path} is a directory")
    if path.suffix.casefold() == ".png":
        _renderer()
    return path


def write_new(path: Path, parts: Iterable[str | bytes], *, overwrite: bool) -> None:
    """Write a file whole, or not at all. Raises OSError; FileExistsError where one is there that may not go."""
    written = path.with_name(f".{path.name}.{os.getpid()}.tmp") if overwrite else path
    with written.open("xb") as file:
        try:
            for part in parts:
                file.write(part.encode("utf-8", "replace") if isinstance(part, str) else part)
            file.flush()
        except BaseException:
            written.unlink(missing_ok=True)
            raise
    if overwrite:
        written.replace(path)


def picture(form: str, rows: list[Row], width: int, title: str, said: str) -> Iterable[str | bytes]:
    """The file's content: rows as a picture. Raises ExportError."""
    svg = svg_of(rows, width, title)
    match form:
        case "svg":
            return [svg]
        case "html":
            return [page_of(svg, title, said)]
        case _:
            return [png_of(svg)]


def png_of(svg: str) -> bytes:
    """Raises ExportError where there is no renderer, or no font for it."""
    renderer = _renderer()
    folders = [folder for each in _FONT_DIRS if (folder := _expanded(each)).is_dir()]
    if not any(path.suffix.casefold() in (".ttf", ".otf", ".ttc") for each in folders for path in each.rglob("*")):
        raise ExportError("a PNG needs a font and this machine has none: install fonts-dejavu-core, or export .svg")
    try:
        return bytes(renderer.svg_to_bytes(svg_string=svg, zoom=_PNG_ZOOM, font_dirs=[str(each) for each in folders]))
    except ValueError as error:
        raise ExportError(f"the PNG could not be drawn ({error}): export .svg") from error


def _expanded(folder: str) -> Path:
    try:
        return Path(folder).expanduser()
    except RuntimeError:
        return Path(folder)


def _renderer() -> ModuleType:
    try:
        return importlib.import_module("resvg_py")
    except ImportError:
        raise ExportError("a PNG needs resvg_py: pip install 'trainwatch[png]', or export .svg") from None
