"""A screen with a filter: a line that opens over the keys, and that what is shown follows as it is typed."""

from textual.events import Key
from textual.widgets import Input

from trainwatch.layout import Rect
from trainwatch.screens.panes import PaneScreen


class FilterScreen(PaneScreen):
    """Subclasses have an action `filter` that opens the line, and take what is typed."""

    def filtered(self, text: str) -> str:
        """Take a filter. What cannot be understood changes nothing; why is returned, empty where it was taken."""
        raise NotImplementedError

    def filter_closed(self) -> None:
        """The line was closed; the filter stays."""

    def open_filter(self, text: str, placeholder: str, *, of_words: bool = True) -> None:
        """Open the line with the filter as it is; one that is open already, by the palette, is taken for it.

        `of_words`: what is typed next is another word.
        """
        text = f"{text} " if of_words and text and not text.endswith(" ") else text
        for line in self.query("#filter").results(Input):
            line.value, line.placeholder, line.cursor_position = text, placeholder, len(text)
            line.focus()
            return
        place = self.places.get("keys") or self.places.get("status") or Rect(0, 0, self.size.width, 1)
        line = Input(text, compact=True, id="filter", select_on_focus=False, placeholder=placeholder)
        line.styles.offset = (place.x, place.y)
        line.styles.width = place.width
        self.mount(line)
        line.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        fault = self.filtered(event.value)
        event.input.set_class(bool(fault), "fault")
        self.say(fault)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.input.remove()
        self.filter_closed()
        self.repaint()

    def on_key(self, event: Key) -> None:
        """The line is opened here, not by the binding: what is typed right behind its key belongs into it."""
        line = next(iter(self.query("#filter").results(Input)), None)
        if line is None:
            if event.key == self.key_of("filter"):
                self.do("filter")
                event.stop()
        elif event.key == "escape":
            line.remove()
            self.filter_closed()
            event.stop()
        elif event.character is not None and event.is_printable:  # the line itself lets none through
            line.insert_text_at_cursor(event.character)
            event.stop()
