"""Secrets in a configuration: config.toml is kept with the run, exported and copied about, so none may be in it."""

import os
from collections.abc import Iterator
from typing import Any

import msgspec

from rundir.secret import leak
from traind.config import Config, ConfigError


def refuse_secrets(config: Config, source: str) -> None:
    """Raises ConfigError that names each key whose text would give something away, and repeats none of it."""
    faults = [
        f"{source}: {key}: holds {found}, which config.toml would keep; leave it out, and let what needs it read the "
        "environment (HF_TOKEN, HTTPS_PROXY, …)"
        for key, text in _texts(msgspec.to_builtins(config))
        if (found := leak(text, os.environ))
    ]
    if faults:
        raise ConfigError(*dict.fromkeys(faults))


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a configuration with its key; the names of free options are texts too."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield key, name
            yield from _texts(inner, f"{key}.{name}" if key else name)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner, key)
