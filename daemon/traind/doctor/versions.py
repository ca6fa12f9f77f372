"""Which Python and which libraries there are, read from their metadata: none is imported."""

import importlib.metadata
import platform
from collections.abc import Callable, Iterator

from traind.check.finding import Finding, fault, ok, warn

_LIBRARIES = ("torch", "transformers", "tokenizers", "safetensors", "huggingface-hub", "numpy")
_OPTIONAL = ("peft", "datasets", "tensorboard", "wandb", "plotly", "pyarrow")
_INSTALL = "pip install 'trainwatch[train]'"


def version(name: str) -> str | None:
    """The installed version of a distribution; None where there is none."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def examine_versions(python: str, version_of: Callable[[str], str | None]) -> Iterator[Finding]:
    """Python, and what training needs."""
    yield ok("Python", python)
    found = {name: version_of(name) for name in _LIBRARIES}
    missing = [name for name, number in found.items() if number is None]
    text = ", ".join(f"{name} {number}" for name, number in found.items() if number is not None)
    if missing:
        yield fault("libraries", f"{text or 'none'}; missing: {', '.join(missing)}", _INSTALL)
    elif int((found["transformers"] or "0").partition(".")[0]) != 5:
        yield warn("libraries", f"{text}: written for transformers 5", _INSTALL)
    else:
        yield ok("libraries", text)
    others = {name: version_of(name) for name in _OPTIONAL}
    there = ", ".join(f"{name} {number}" for name, number in others.items() if number is not None)
    absent = ", ".join(name for name, number in others.items() if number is None)
    yield ok("optional", (there or "none") + (f"; not installed: {absent}" if absent else ""))


def look_at_versions() -> Iterator[Finding]:
    """The same of this interpreter."""
    yield from examine_versions(f"{platform.python_version()} on {platform.platform(terse=True)}", version)
