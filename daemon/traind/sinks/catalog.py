"""Which sinks there are, which of them a configuration asks for, and what they need. Imports none of their packages."""

import importlib.util
from enum import StrEnum

from traind.config import Log


class SinkName(StrEnum):
    """The key of a sink in [log], and the name of its directory in the run."""

    CSV = "csv"
    TENSORBOARD = "tensorboard"
    WANDB = "wandb"


NO_ROOM = 28
"""Exit status of a sink that found the disk full: it is started again, as often as it takes."""

_PACKAGES = {SinkName.TENSORBOARD: "tensorboard", SinkName.WANDB: "wandb"}


def wanted(log: Log) -> list[SinkName]:
    """The sinks that are switched on."""
    is_on = {SinkName.CSV: log.csv, SinkName.TENSORBOARD: log.tensorboard, SinkName.WANDB: log.wandb != "off"}
    return [name for name in SinkName if is_on[name]]


def faults(log: Log) -> list[str]:
    """What keeps a sink that is switched on from working here, with the cure; empty when nothing does."""
    return [
        f"log.{name}: the package {package} is not installed; pip install 'trainwatch[sinks]', or leave log.{name} off"
        for name in wanted(log)
        if (package := _PACKAGES.get(name)) is not None and importlib.util.find_spec(package) is None
    ]
