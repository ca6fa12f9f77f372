"""The questions: confirm an order, type a value, read the help. Each returns the answer and does nothing itself."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from trainwatch.actions import Action
from trainwatch.keyname import shown

NARROW = 60
"""A help below this width has no column for the labels."""
_LEGEND = """● evaluation   × not finite   ┊ a later attempt went on from here
◆ checkpoint   ▲ alert, where it set in   ▸ order   ✎ note
■ beside a run's state: marked for comparison, in the colour that it has there
An order is shown as pending until the run has answered it."""


class Confirm(ModalScreen[bool]):
    """A second press of the key, or y, means yes; anything else on the list means no."""

    def __init__(self, question: str, key: str, detail: str = "") -> None:
        """`detail`: what it comes to, in full, under the question."""
        super().__init__()
        self._question = question
        self._key = key
        self._detail = detail
        for yes in {"y", key} - {""}:
            self._bindings.bind(yes, "answer(True)", show=False)
        for no in {"n", "escape", "q"} - {key}:
            self._bindings.bind(no, "answer(False)", show=False)

    def compose(self) -> ComposeResult:
        again = f"{shown(self._key)} or y" if self._key not in ("", "y") else "y"
        with Vertical(classes="dialog"):
            yield Static(self._question, markup=False, classes="question")
            if self._detail:
                yield Static(self._detail, markup=False)
            yield Static(f"{again}: yes     n or esc: no", markup=False, classes="hint")

    def action_answer(self, answer: bool) -> None:
        self.dismiss(answer)


class Prompt(ModalScreen[str | None]):
    """One line of text. `check` raises ValueError with the reason why it will not do."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", show=False)]

    def __init__(self, question: str, hint: str, check: Callable[[str], object], value: str = "") -> None:
        super().__init__()
        self._question = question
        self._hint = hint
        self._check = check
        self._value = value

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(self._question, markup=False, classes="question")
            yield Input(self._value, compact=True, select_on_focus=True)
            yield Static(self._hint, markup=False, classes="hint")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        try:
            self._check(event.value)
        except ValueError as fault:
            hint = self.query_one(".hint", Static)
            hint.update(str(fault))
            hint.add_class("fault")
            return
        self.dismiss(event.value)

    def action_cancel(self) -> None:
        self.dismiss(None)


class Help(ModalScreen[None]):
    """What every key does, from the table."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", show=False),
    ]

    def __init__(self, actions: Sequence[Action], more: Sequence[tuple[str, str, str]]) -> None:
        """A screen's table of actions, and what is in none: key, label, help."""
        super().__init__()
        for key in {a.key for a in actions if a.name in ("help", "quit") and a.key}:
            self._bindings.bind(key, "dismiss", show=False)
        self._rows = [(shown(a.key) or "palette", a.label, a.help) for a in actions]
        self._rows += [("", "", ""), *more]

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog wide"):
            yield Static("keys", markup=False, classes="question")
            yield Static(_key_table(self._rows, is_narrow=self.app.size.width < NARROW))
            yield Static(f"\n{_LEGEND}", markup=False)


class Report(ModalScreen[None]):
    """A table to be read: name and text, below a title."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", show=False),
        Binding("r", "dismiss", show=False),
        Binding("q", "dismiss", show=False),
    ]

    def __init__(self, title: str, rows: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._title = title
        self._rows = rows

    def compose(self) -> ComposeResult:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column()
        for row in self._rows:
            table.add_row(*map(Text, row))
        with VerticalScroll(classes="dialog wide"):
            yield Static(self._title, markup=False, classes="question")
            yield Static(table)


def _key_table(rows: list[tuple[str, str, str]], *, is_narrow: bool) -> Table:
    """What a key does wraps within its own column; a narrow screen has no column for the label."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(justify="right", no_wrap=True)
    if not is_narrow:
        table.add_column(no_wrap=True)
    table.add_column()
    for key, label, text in rows:
        cells = (key, f"{label}: {text}" if label else "") if is_narrow else (key, label, text)
        table.add_row(*map(Text, cells))
    return table
