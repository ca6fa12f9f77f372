"""A section of a decoded config.toml, which may be of a script or another program, and hold anything."""

from collections.abc import Mapping
from typing import Any


def section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """What stands under a name; empty where that is missing, or is no table."""
    found = config.get(name)
    return found if isinstance(found, Mapping) else {}
