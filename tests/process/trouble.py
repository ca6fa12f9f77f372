"""A task that trains well until a file appears beside it: then its model does what the test says, once or for ever."""

from dataclasses import dataclass
from pathlib import Path

from rundir.layout import RunDir
from rundir.records import AlertEvent, LifecycleEvent
from tests.process.tiny_run import Traind, events_of
from tests.traind.tasks.custom_task import write_module

LONG = (
    "task.options.num_train=240",
    "train.epochs=4000",
    "eval.every=100000",
    "checkpoint.every=1000",
    "train.lr=1e-4",
)
"""Hours, unless it is ended."""

_PLACES = {"forward": "    def forward(self, points):\n", "collate": "    def collate(self, examples):\n"}


@dataclass(frozen=True)
class Trouble:
    """The configuration, and the switch."""

    config: Path
    switch: Path

    def make(self) -> None:
        self.switch.touch()

    def end(self) -> None:
        self.switch.unlink()


def trouble(directory: Path, statement: str, *, once: bool = True, inside: str = "forward") -> Trouble:
    """`statement` runs in the model's forward pass, or where a loader worker makes a batch (`inside="collate"`), when
    the switch is there; `once` takes it away first.
    """
    switch = directory / "trouble"
    lines = [
        "import ctypes, os, pathlib, signal, sys, time",
        f"switch = pathlib.Path({str(switch)!r})",
        "if switch.exists():",
        *(["    switch.unlink()"] if once else []),
        f"    {statement}",
    ]
    body = "".join(f"        {line}\n" for line in lines)
    return Trouble(write_module(directory, (_PLACES[inside], _PLACES[inside] + body)), switch)


def lifecycle(run: RunDir, what: str) -> list[LifecycleEvent]:
    return [event for event in events_of(run) if isinstance(event, LifecycleEvent) and event.what == what]


def alerts(run: RunDir, rule: str) -> list[str]:
    """Each change of an alert, in order."""
    return [event.change for event in events_of(run) if isinstance(event, AlertEvent) and event.rule == rule]


def long_run(traind: Traind, config: Path, *settings: str) -> RunDir:
    return traind.start(config, *LONG, *settings)
