"""What goes wrong on the way to a pretrained model, as one line with the cure. Knows no model and no tokenizer."""

import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from huggingface_hub import constants
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

from rundir.secret import redact
from traind.config import ConfigError

_PATIENCE_S = 10.0


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn the errors of loading `model.pretrained = name` into a ConfigError."""
    _check_directory(name)
    try:
        yield
    except (OSError, ValueError, ImportError, HfHubHTTPError) as error:
        raise ConfigError(f"model.pretrained: {name}: {_reason(name, error)}") from error


def is_local(name: str) -> bool:
    """Whether a model is to be taken from the disk: a directory, or a hub that does not answer at the first call.

    The loading functions would ask an unreachable hub five times for every file, most of a minute each.
    """
    return Path(name).is_dir() or constants.HF_HUB_OFFLINE or not _hub_answers()


def from_where(name: str) -> dict[str, Any]:
    """What `from_pretrained` of a model is told, so that it asks no hub that does not answer, and runs no code of the
    model's own: left unsaid, the library asks at the terminal whether it may.

    With peft installed, transformers looks for an adapter beside a model, and asks the hub for that by itself.
    """
    local = {"local_files_only": is_local(name)}
    return {**local, "adapter_kwargs": dict(local), "trust_remote_code": False}


@cache
def _hub_answers() -> bool:
    """Asked by the standard library, which knows proxies: the hub client's HTTP library changes with its version."""
    request = urllib.request.Request(constants.ENDPOINT, method="HEAD")  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE_S):  # noqa: S310
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _check_directory(name: str) -> None:
    path = Path(name)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ConfigError(f"model.pretrained: {name}: no config.json there; give a directory of save_pretrained")
    elif path.is_file() or path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise ConfigError(f"model.pretrained: {name}: no such directory; correct the path, or give a name on the hub")


def _reason(name: str, error: BaseException) -> str:
    causes = list(_chain(error))
    if "trust_remote_code" in str(error):
        return "it brings code of its own, which traind does not run; take a model that transformers itself knows"
    if Path(name).is_dir():
        return f"cannot be loaded: {_first_line(error)}; give a whole directory of save_pretrained"
    if any(isinstance(cause, GatedRepoError) for cause in causes):
        return "the model is gated; accept its terms on huggingface.co, then set HF_TOKEN"
    if any(isinstance(cause, RepositoryNotFoundError) for cause in causes):
        return "no such model on the hub; correct the name, or set HF_TOKEN if it is private"
    text = " ".join(str(cause) for cause in causes)
    if any(word in text for word in ("couldn't connect", "offline", "onnection", "outgoing traffic", "resolve")):
        return "the hub cannot be reached and the model is not cached; download it elsewhere and give its directory"
    return f"cannot be loaded: {_first_line(error)}; give another name or a directory"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _first_line(error: BaseException) -> str:
    lines = redact(str(error), os.environ).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
