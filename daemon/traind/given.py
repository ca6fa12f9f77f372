"""Which keys of a configuration are not left at their default. Pure."""

from collections.abc import Iterator
from typing import Any

import msgspec

from traind.config import Config


def given(config: Config) -> list[str]:
    """Dotted paths, in the order of config.toml; of a table that has no fields of its own, each of its keys."""
    return list(_given(config, ""))


def _given(part: msgspec.Struct, prefix: str) -> Iterator[str]:
    for field in msgspec.structs.fields(part):
        value, path = getattr(part, field.name), f"{prefix}{field.encode_name}"
        if isinstance(value, msgspec.Struct):
            yield from _given(value, f"{path}.")
        elif value is not None and (field.required or value != _default_of(field)):
            yield from _keys(value, path)


def _default_of(field: Any) -> Any:
    return field.default_factory() if field.default is msgspec.NODEFAULT else field.default


def _keys(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _keys(inner, f"{path}.{key}")
    else:
        yield path
