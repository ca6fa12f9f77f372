"""Which module trains which `task.kind`. Imports the one that is asked for, no other."""

from collections.abc import Callable

from rundir.layout import RunDir
from traind.config import Config
from traind.task import Task


def open_task(config: Config, run: RunDir, alive: Callable[[], None], *, most_texts: int | None = None) -> Task:
    """The task of a run. Raises ConfigError for a user's mistake; what `alive` raises passes.

    With `most_texts` it has a part of its data, to be looked at; a custom one always has its own.
    """
    match config.task.kind:
        case "token-classification":
            from traind.tasks.token_classification import TokenClassification

            return TokenClassification(config, run, alive=alive, most_texts=most_texts)
        case "custom":
            from traind.tasks.custom import CustomTask

            return CustomTask(config, run, alive=alive)
        case "text-classification":
            from traind.tasks.text_classification import TextClassification

            return TextClassification(config, run, alive=alive, most_texts=most_texts)
        case "causal-lm":
            from traind.tasks.causal_lm import CausalLm

            return CausalLm(config, run, alive=alive, most_texts=most_texts)
        case _:
            raise NotImplementedError(config.task.kind)
