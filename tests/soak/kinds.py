"""The kinds of tiny runs that are killed, and what of each must not differ from an undisturbed one."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.process import faulty_task, language_run, text_run, tiny_run
from tests.soak.trap import Victim

SPRINTS = ("policy.restart_window_s=0.01", "policy.max_restarts=5")
"""Each crash is the first in its window: no run waits long for its next trainer, nor is given up."""


@dataclass(frozen=True)
class Kind:
    """A configuration, and who can be killed where in its runs."""

    name: str
    write_config: Callable[[Path], Path]
    settings: tuple[str, ...] = ()
    victims: tuple[Victim, ...] = ("trainer", "supervisor", "worker")
    skips: tuple[str, ...] = ()
    sets: bool = False
    """Whether its orders change the numbers: then the same orders at the same steps must give the same."""


KINDS = (
    Kind("tokens", tiny_run.write_config),
    Kind("language", language_run.write_config),
    Kind("tokens-set", tiny_run.write_config, ("train.epochs=6",), skips=("rollback",), sets=True),
    Kind("texts", text_run.write_config, ("train.epochs=6",)),
    Kind(
        "bad-numbers",
        faulty_task.write_faulty,
        ("task.options.nan=[17]", "task.options.outlier=[3]", "policy.on_spike=skip", "train.epochs=10"),
        victims=("trainer", "supervisor"),
    ),
    Kind(
        "retreats",
        faulty_task.write_faulty,
        ("task.options.nan=[17]", "policy.on_nonfinite=rollback", "policy.max_rollbacks=99", "train.epochs=10"),
        victims=("trainer", "supervisor"),
        skips=("rollback",),  # one more by order would be another course
    ),
)

RANKS = Kind("ranks", tiny_run.write_config, ("distributed.nproc=2", "train.epochs=6"), victims=("rank",))
"""Its trainers are started by `torch.distributed.run`, which no fork replaces: seconds each, and traps lie in none."""
