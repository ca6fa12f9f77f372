"""Asks for a file's name and form, and writes into it what was seen when it was asked for."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from rundir.size import size
from trainwatch.export.file import FORMS, ExportError, check_name, default_name, form_of, picture, write_new
from trainwatch.export.sheet import Table
from trainwatch.paint import Row
from trainwatch.screens.ask import Confirm
from trainwatch.screens.panes import PaneScreen


@dataclass(frozen=True)
class Seen:
    """What a screen showed."""

    rows: list[Row]
    width: int
    data: Table | None
    title: str
    said: str
    """Under the picture on a page."""

    def parts(self, form: str) -> Iterable[str | bytes]:
        """A file's content. Raises ExportError."""
        if form != "csv":
            return picture(form, self.rows, self.width, self.title, self.said)
        if self.data is None:
            raise ExportError("there are no charts and no table here to be exported as data; a picture can be")
        return self.data.lines()


class ExportPrompt(ModalScreen[str | None]):
    """A name; its ending is the form, which tab changes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", show=False),
        Binding("tab", "next_form", show=False, priority=True),
    ]

    def __init__(self, name: str) -> None:
        super().__init__()
        self._file_name = name

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static("export what is seen to", markup=False, classes="question")
            yield Input(self._file_name, compact=True, select_on_focus=False)
            yield Static(_hint(self._file_name), markup=False, classes="hint")

    def on_input_changed(self, event: Input.Changed) -> None:
        self._tell(_hint(event.value))

    def action_next_form(self) -> None:
        line = self.query_one(Input)
        path = Path(line.value.strip() or self._file_name)
        forms = list(FORMS)
        form = path.suffix.removeprefix(".").casefold()
        following = forms[(forms.index(form) + 1) % len(forms)] if form in forms else forms[0]
        line.value = str(path.with_suffix(f".{following}") if form in forms else f"{path}.{following}")
        line.cursor_position = len(line.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        try:
            check_name(event.value)
        except ExportError as fault:
            self._tell(str(fault), is_fault=True)
            return
        self.dismiss(event.value)

    def _tell(self, text: str, *, is_fault: bool = False) -> None:
        hint = self.query_one(".hint", Static)
        hint.update(text)
        hint.set_class(is_fault, "fault")


def _hint(name: str) -> str:
    form = Path(name.strip()).suffix.removeprefix(".").casefold()
    said = f".{form}: {FORMS[form]}" if form in FORMS else "the ending says what: " + " ".join(f".{f}" for f in FORMS)
    return f"{said}; tab: another form"


def ask_export(screen: PaneScreen) -> None:
    """Ask where to, and write there. An existing file is replaced only after a second question.

    Not for a browser: who looks through one has no business with the files of this machine.
    """
    if screen.app.is_web:
        screen.say("not from a browser: the file would lie on the other machine; there  trainwatch RUN --svg FILE")
        return
    now = time.time()
    written_at = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(now))
    title = f"trainwatch: {screen.subject}"
    seen = Seen(screen.picture(), screen.size.width, screen.data(), title, f"{screen.subject}, {written_at}")
    screen.app.push_screen(ExportPrompt(default_name(screen.subject, "svg", now)), partial(_named, screen, seen))


def _named(screen: PaneScreen, seen: Seen, name: str | None) -> None:
    if name is None:
        return
    path = check_name(name)
    if not path.exists():
        _begin(screen, seen, path, overwrite=False)
        return
    question = f"{path} is there already. Replace it?"
    screen.app.push_screen(Confirm(question, ""), lambda yes: _answered(screen, seen, path, is_yes=bool(yes)))


def _answered(screen: PaneScreen, seen: Seen, path: Path, *, is_yes: bool) -> None:
    if is_yes:
        _begin(screen, seen, path, overwrite=True)
    else:
        screen.say("not exported")


def _begin(screen: PaneScreen, seen: Seen, path: Path, *, overwrite: bool) -> None:
    screen.say(f"writing {path} …")
    screen.run_worker(_export(screen, seen, path, overwrite=overwrite), name="export", exit_on_error=True)


async def _export(screen: PaneScreen, seen: Seen, path: Path, *, overwrite: bool) -> None:
    try:
        num_bytes = await asyncio.to_thread(_write, seen, path, overwrite=overwrite)
        screen.say(f"exported: {path}, {size(num_bytes)}")
    except ExportError as fault:
        screen.say(f"not exported: {fault}")
    except FileExistsError:
        screen.say(f"not exported: {path} has come to be there meanwhile")
    except OSError as error:
        screen.say(f"{path} was not written: {error.strerror or error}")


def _write(seen: Seen, path: Path, *, overwrite: bool) -> int:
    write_new(path, seen.parts(form_of(path.name)), overwrite=overwrite)
    return path.stat().st_size
