"""From `task.factory` to the user's object: importing the module, calling the function, naming what is missing."""

import copy
import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from traind.config import Config, ConfigError
from traind.custom import MEMBERS, Custom

_CURE = "see the docstring of traind.custom.Custom"
_MISSING = object()


def make(config: Config) -> tuple[Custom, nn.Module]:
    """What the factory returns, each member there and of its kind, and its model. Raises ConfigError; the user's own
    errors pass.

    `model` is read this once: it may be a property that makes a new one, and draws random numbers, each time.
    """
    name = _function_name(config)
    function = getattr(_module(config), name, None)
    what = f"task.factory = {config.task.factory!r}"
    if not callable(function):
        raise ConfigError(f"{what}: {source_file(config)} has no function {name}; define it, or correct the name")
    try:
        inspect.signature(function).bind({}, 0)
    except TypeError as error:
        raise ConfigError(f"{what}: cannot be called as {name}(options, seed): {error}; {_CURE}") from None
    made: Any = function(copy.deepcopy(config.task.options), config.seed)
    model: Any = getattr(made, "model", _MISSING)
    missing = ["model"] if model is _MISSING else []
    missing += [member for member in MEMBERS if member != "model" and not hasattr(made, member)]
    if missing:
        raise ConfigError(f"{what}: returned {_a(made)} without {', '.join(missing)}; {_CURE}")
    if not isinstance(model, nn.Module):
        raise ConfigError(f"{what}: model is {_a(model)}; it must be a torch.nn.Module")
    for member in ("collate", "loss", "metrics"):
        if not callable(getattr(made, member)):
            raise ConfigError(f"{what}: {member} is {_a(getattr(made, member))}; it must be a function; {_CURE}")
    for member in ("train_data", "eval_data"):
        _check_data(what, member, getattr(made, member))
    return made, model


def source_file(config: Config) -> Path | None:
    """The file that the module came from; None for what has none. Call it after `make`."""
    found = getattr(_module(config), "__file__", None)
    return None if found is None else Path(found)


def _function_name(config: Config) -> str:
    return (config.task.factory or "").partition(":")[2]


def _module(config: Config) -> ModuleType:
    name = (config.task.factory or "").partition(":")[0]
    what = f"task.factory = {config.task.factory!r}"
    if config.task.path is not None and config.task.path not in sys.path:
        sys.path.insert(0, config.task.path)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise ConfigError(
                f"{what}: there is no module {error.name} in {config.task.path or 'what is installed'}; correct the "
                "name, or set task.path to the folder it is in"
            ) from None
        raise ConfigError(f"{what}: its module needs {error.name}, which is not installed; install it") from None
    except SyntaxError as error:
        raise ConfigError(f"{what}: {error.filename}:{error.lineno}: {error.msg}; correct it") from None


def _check_data(what: str, member: str, data: Any) -> None:
    if not (hasattr(data, "__len__") and hasattr(data, "__getitem__")):
        raise ConfigError(f"{what}: {member} is {_a(data)}; it must have a length and items, as a list or a Dataset")
    if not len(data):
        raise ConfigError(f"{what}: {member} is empty; give it examples")


def _a(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
