"""Plain values as TOML text, for scripts' configurations: the standard library only reads it. Pure."""

import json
import math
from collections.abc import Mapping
from typing import Any


def dump(values: Mapping[str, Any]) -> str:
    """A document that `tomllib` reads back as the same values.

    Of other types the text is written; None, which TOML has not, is left out.
    """
    return "".join(_table(values, ())).lstrip("\n")


def _table(values: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    tables = {str(name): value for name, value in values.items() if isinstance(value, Mapping)}
    plain = {str(name): value for name, value in values.items() if str(name) not in tables and value is not None}
    lines = [f"\n[{'.'.join(map(_key, path))}]\n"] if path and (plain or not tables) else []
    lines += [f"{_key(name)} = {_value(value)}\n" for name, value in plain.items()]
    for name, table in tables.items():
        lines += _table(table, (*path, name))
    return lines


def _key(name: str) -> str:
    is_bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if is_bare else _text(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(float(value)) if math.isfinite(value) else ("nan" if math.isnan(value) else f"{value:+}")
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(inner) for inner in value if inner is not None)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_key(str(k))} = {_value(v)}' for k, v in value.items() if v is not None)}}}"
    return _text(str(value))


def _text(text: str) -> str:
    """A basic string: JSON's escapes are TOML's, but for DEL; lone surrogates become "?"."""
    clear = text.encode("utf-8", "replace").decode()
    return json.dumps(clear, ensure_ascii=False).replace("\x7f", "\\u007f")
