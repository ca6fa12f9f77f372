"""The identity of the sources of a run: a resumed one goes on from the same data, or not at all."""

from collections.abc import Mapping

from traind.config import Config, ConfigError


def check_unchanged(config: Config, hashes: Mapping[str, str], began_with: Mapping[str, str]) -> None:
    """`hashes` are those of the sources read now, by their key: train, eval, labels. Raises ConfigError for others."""
    places = {
        "train": f"data.train: {config.data.train}",
        "eval": f"data.eval: {config.data.eval or config.data.train}",
        "labels": f"task.labels: {config.task.labels}",
    }
    changed = [key for key in places if key in hashes and began_with.get(key, hashes[key]) != hashes[key]]
    cure = "is not what this run began with; put that back, or start a new run"
    if changed:
        raise ConfigError(*(f"{places[key]}: {cure}" for key in changed))
