"""What differs between runs: configuration and environment, each key with the value of every run. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from rundir.control import Verb
from trainwatch.listing.entry import Entry
from trainwatch.listing.query import flattened
from trainwatch.store import OrderView

Difference: TypeAlias = tuple[str, list[str | None]]
"""A key, and its value in each run; None where a run has none."""


def differing(facts: Sequence[Mapping[str, str]]) -> list[Difference]:
    """The keys of which not all have the same value, in the order in which they first come."""
    keys = list(dict.fromkeys(key for each in facts for key in each))
    rows = [(key, [each.get(key) for each in facts]) for key in keys]
    return [row for row in rows if len(set(row[1])) > 1]


def config_facts(config: Mapping[str, Any]) -> dict[str, str]:
    """Every key of a configuration by its dotted path, as TOML would write the value."""
    return {key: _written(value) for key, value in flattened(config)}


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.12g}"
    return str(value)


def order_facts(orders: Iterable[OrderView]) -> dict[str, str]:
    """What was set by order while the run went on, and where it went back: the last of each, with its step."""
    facts = {}
    for order in orders:
        outcome = order.outcome
        if outcome is None or outcome.result != "applied" or order.verb not in (Verb.SET, Verb.ROLLBACK):
            continue
        for name, value in (outcome.args or order.args).items():
            if order.verb == Verb.SET or name == "step":
                at = f" @ {outcome.step:,}" if outcome.step is not None else ""
                facts[f"{order.verb} {name}"] = f"{_written(value)}{at}"
    return facts


def environment_facts(entry: Entry, gpus: Sequence[str] = ()) -> dict[str, str]:
    """Where and by what a run was made: commit, machine, devices, versions, data."""
    return {name: value for name, value in _environment(entry, gpus) if value}


def _environment(entry: Entry, gpus: Sequence[str]) -> Iterator[tuple[str, str]]:
    info, status = entry.info, entry.status
    if info is not None:
        commit = (info.git_commit or "")[:12]
        yield "git", commit + (" + changes" if commit and info.git_dirty else "")
    yield "host", entry.host
    yield "device", (status.device or "") if status is not None else ""
    yield "gpu", ", ".join(gpus)
    if info is None:
        return
    yield "user", info.user
    yield "seed", str(info.seed) if info.seed is not None else ""
    yield "threads", str(info.threads) if info.threads is not None else ""
    yield "cpu", info.cpu_capability or ""
    yield from info.versions.items()
    yield from ((f"data {name}", digest[:12]) for name, digest in info.hashes.items())
