"""How docs/protocol.md names the types of the code, and how its tables are read."""

import re
from collections.abc import Iterator
from enum import StrEnum
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from rundir.records import NonFinite, Number

_SIMPLE = {float: "float", int: "int", str: "string", bool: "bool", Any: "any"}


def type_name(annotation: Any) -> str:
    """The protocol's name for a type; None is how code says that the key may be missing, and has no name."""
    if annotation == Number:
        return "number"
    if annotation in _SIMPLE:
        return _SIMPLE[annotation]
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        rest = [arg for arg in inner if arg is not type(None)]
        if set(rest) == {float, NonFinite}:
            return "number"
        return " or ".join(type_name(arg) for arg in rest)
    if origin is dict:
        return "object" if inner[1] is Any else f"map of {type_name(inner[1])}"
    if origin is list:
        return f"list of {type_name(inner[0])}"
    if origin is Literal:
        return ", ".join(inner)
    if issubclass(annotation, StrEnum):
        return ", ".join(annotation)
    return str(annotation.__name__)


def fields(struct: type[msgspec.Struct], *, without: type[msgspec.Struct] | None = None) -> list[tuple[str, str, bool]]:
    """Name, type and whether it must be there, of a struct's fields that `without` does not have alike."""
    common = {(f.name, f.required) for f in msgspec.structs.fields(without)} if without else set()
    return [
        (f.encode_name, type_name(f.type), f.required)
        for f in msgspec.structs.fields(struct)
        if (f.name, f.required) not in common
    ]


def tables(text: str) -> Iterator[tuple[str, list[list[str]]]]:
    """Every table of a Markdown text: the heading above it and its rows, header row and rule left out."""
    heading = ""
    rows: list[list[str]] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            heading = line.lstrip("# ").strip()
        if line.startswith("|"):
            rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif rows:
            yield heading, rows[2:]
            rows = []


def bare(cell: str) -> str:
    """A cell without its code marks."""
    return cell.replace("`", "")
