"""Text from a run on its way to a terminal: nothing in it may style or steer what shows it."""

import re
import unicodedata

_SGR = re.compile(r"\x1b\[[0-9;:]*m")
_MASKED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def plain(text: str) -> str:
    """The text with nothing left that can steer or style a terminal: every such character is a visible stand-in.

    Colour sequences, which only style, vanish; tabs become spaces; C0 controls their control picture (␛, ␀, …);
    other controls, bidirectional and zero-width marks, surrogates and unassigned code points become �.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_visible, _SGR.sub("", text)))


def _visible(character: str) -> str:
    if character.isprintable() and unicodedata.category(character) not in _MASKED_CATEGORIES:
        return character
    code = ord(character)
    if character == "\t":
        return "    "
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    return " " if unicodedata.category(character) == "Zs" else "�"
