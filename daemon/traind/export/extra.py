"""Libraries that only an export needs: imported when one is asked for, their absence named with the cure."""

import importlib
from types import ModuleType


class MissingLibraryError(Exception):
    """A library is not installed; the text says how to get it."""


def need(module: str, purpose: str) -> ModuleType:
    """The module. Raises MissingLibraryError when its distribution is not installed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        library = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != library:
            raise  # the library is there and broken: its own words say more
        raise MissingLibraryError(
            f"{purpose} needs {library}, which is not installed; pip install 'trainwatch[export]'"
        ) from None
