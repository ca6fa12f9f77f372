"""Keys by name: as Textual calls them, as a person writes them into a file, and as they are shown. Pure."""

import string
import unicodedata

_SPELT = {
    "solidus": "slash", "reverse_solidus": "backslash", "commercial_at": "at", "hyphen_minus": "minus",
    "plus_sign": "plus", "low_line": "underscore",
}  # fmt: skip
"""Where Textual's name of a character is not that of Unicode (`textual.keys.KEY_NAME_REPLACEMENTS`)."""


def _named(character: str) -> str:
    """The name of the key that a character is typed with: itself, or in words."""
    if character.isalnum():
        return character
    name = unicodedata.name(character).lower().replace("-", "_").replace(" ", "_")
    return _SPELT.get(name, name)


_CHARACTERS = {_named(character): character for character in string.punctuation}
KEY_NAMES = _CHARACTERS | {
    "escape": "esc", "left": "←", "right": "→", "up": "↑", "down": "↓", "pagedown": "PgDn", "pageup": "PgUp",
}  # fmt: skip
"""How keys are shown whose name is not what stands on them."""

_PLAIN = (
    *string.ascii_letters, *string.digits, *_CHARACTERS, "space", "enter", "escape", "tab", "backspace", "delete",
    "insert", "up", "down", "left", "right", "home", "end", "pageup", "pagedown", *(f"f{i}" for i in range(1, 25)),
)  # fmt: skip
_MODIFIED = (*(f"ctrl+{key}" for key in _PLAIN), *(f"alt+{key}" for key in _PLAIN))
_SHIFTED = tuple(
    f"shift+{key}" for key in ("tab", "up", "down", "left", "right", "home", "end", *(f"f{i}" for i in range(1, 25)))
)
KEYS = frozenset((*_PLAIN, *_MODIFIED, *_SHIFTED))
"""Every key that a terminal can tell apart."""
_SAME = {"ctrl+i": "tab", "ctrl+m": "enter", "esc": "escape", "PgDn": "pagedown", "PgUp": "pageup", " ": "space"}
"""Two names of one key: a terminal sends the same, or both are shown."""


def key_of(text: str) -> str:
    """The name of a key as typed: a character, or a name in any case. Raises ValueError where there is none."""
    if len(text) == 1 and text.isprintable() and text != " ":
        return _named(text)
    name = _SAME.get(text, text)
    modifier, plus, last = name.rpartition("+")
    if plus and len(last) == 1:  # shift and a letter is the capital letter
        name = last.upper() if modifier == "shift" else f"{modifier}+{_named(last)}"
    for spelling in (name, name.lower()):
        if (found := _SAME.get(spelling, spelling)) in KEYS:
            return found
    raise ValueError(text)


def written(key: str) -> str:
    """A key as it is written into a file, without need of a backslash there."""
    character = _CHARACTERS.get(key, "")
    return character if character not in ("", '"', "\\") else key


def shown(key: str) -> str:
    """A key as people know it."""
    modifier, plus, last = key.rpartition("+")
    return modifier + plus + KEY_NAMES.get(last, last)
