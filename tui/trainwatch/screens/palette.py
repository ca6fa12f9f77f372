"""The command palette, but that no key ends the program."""

import contextlib

from textual.command import CommandPalette


class Palette(CommandPalette):
    """Textual's own."""

    def _action_command_list(self, action: str) -> None:
        # A page up or down before the list was laid out asks for lines that are not there yet (Textual 8.2).
        with contextlib.suppress(KeyError, IndexError):
            super()._action_command_list(action)
