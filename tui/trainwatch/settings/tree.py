"""The settings of one run, or of two, as lines of a tree: tables that open and close, and keys with their values. Pure.

What is configured comes first, in the order of config.toml; then, as one more table, where and by what it was run.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from rundir.layout import RunDir
from rundir.status import RunInfo, Status
from trainwatch.comparison.difference import config_facts, environment_facts
from trainwatch.listing.entry import Entry

ENVIRONMENT = "environment"
"""The table that is no part of the configuration."""


class Origin(StrEnum):
    """Where a value comes from, as far as the run says."""

    UNKNOWN = ""
    DEFAULT = "default"
    GIVEN = "given"
    COMMAND = "--set"


@dataclass(frozen=True, slots=True)
class Settings:
    """What is known of one run's settings."""

    facts: Mapping[str, str]
    """Every key by its dotted path, and its value as written."""
    given: frozenset[str] = frozenset()
    """Keys that are not at their default; empty where nobody noted it."""
    commanded: frozenset[str] = frozenset()
    """Keys that the command line set."""

    def origin(self, path: str) -> Origin:
        if path.startswith(f"{ENVIRONMENT}."):
            return Origin.UNKNOWN
        if path in self.commanded:
            return Origin.COMMAND
        if not self.given:
            return Origin.UNKNOWN
        return Origin.GIVEN if path in self.given else Origin.DEFAULT


def settings_of(
    run: RunDir,
    config: Mapping[str, object],
    info: RunInfo | None,
    status: Status | None,
    gpus: Sequence[str] = (),
) -> Settings:
    """Of a run, by what its small files say."""
    environment = environment_facts(Entry(run, info=info, status=status), gpus)
    if info is not None and info.argv:
        environment["command"] = shlex.join(info.argv)
    facts = config_facts(config) | {f"{ENVIRONMENT}.{name}": value for name, value in environment.items()}
    given = frozenset(info.given) if info is not None else frozenset()
    return Settings(facts, given, frozenset(_commanded(info.argv if info is not None else [])))


def _commanded(argv: Sequence[str]) -> Iterator[str]:
    """The keys of `--set KEY=VALUE`, however it is spelled."""
    for word, following in zip(argv, [*argv[1:], ""], strict=False):
        if word == "--set" and "=" in following:
            yield following.partition("=")[0].strip()
        elif word.startswith("--set="):
            yield word.removeprefix("--set=").partition("=")[0].strip()


@dataclass(frozen=True, slots=True)
class TreeLine:
    """A table, or a key with its value in each run."""

    path: str
    depth: int
    name: str
    values: tuple[str | None, ...] = ()
    """Of a key; None where a run has none."""
    num_keys: int = 0
    """Of a table: those in it that are shown."""
    num_differing: int = 0
    is_open: bool = True

    @property
    def is_table(self) -> bool:
        return not self.values

    @property
    def differs(self) -> bool:
        return len(set(self.values)) > 1


@dataclass
class SettingsTree:
    """What of the settings is shown, and which line is chosen. Owned by the event loop."""

    runs: list[Settings]
    closed: set[str] = field(default_factory=set)
    text: str = ""
    """Words that a line has to hold, in its path or a value; -word: must not."""
    only_differing: bool = True
    """Of two runs."""
    chosen: str = ""
    top: int = 0

    @property
    def is_comparison(self) -> bool:
        return len(self.runs) > 1

    def lines(self) -> list[TreeLine]:
        """In order. A filter opens what it finds."""
        return list(self._table("", 0, self._keys()))

    def _keys(self) -> dict[str, tuple[str | None, ...]]:
        """The keys that are shown, tables aside."""
        paths = list(dict.fromkeys(path for run in self.runs for path in run.facts))
        # A run that has keys which the first one lacks has them at its own places: tables hold together all the same.
        keys = {path: tuple(run.facts.get(path) for run in self.runs) for path in paths}
        if self.is_comparison and self.only_differing:
            keys = {path: values for path, values in keys.items() if len(set(values)) > 1}
        words = self.text.lower().split()
        return {path: values for path, values in keys.items() if _passes(path, values, words)}

    def _table(self, prefix: str, depth: int, keys: Mapping[str, tuple[str | None, ...]]) -> Iterator[TreeLine]:
        tables: dict[str, dict[str, tuple[str | None, ...]]] = {}
        for path, values in keys.items():
            name, dot, _ = path.removeprefix(prefix).partition(".")
            if dot:
                tables.setdefault(name, {})[path] = values
            else:
                yield TreeLine(path, depth, name, values)
        for name, inner in sorted(tables.items(), key=lambda item: item[0] == ENVIRONMENT):
            path = f"{prefix}{name}"
            is_open = path not in self.closed or bool(self.text.strip())
            differing = sum(len(set(values)) > 1 for values in inner.values())
            yield TreeLine(path, depth, name, (), len(inner), differing, is_open)
            if is_open:
                yield from self._table(f"{path}.", depth + 1, inner)

    def index(self, lines: Sequence[TreeLine]) -> int:
        return next((i for i, line in enumerate(lines) if line.path == self.chosen), 0)

    def move(self, by: int) -> None:
        lines = self.lines()
        if lines:
            self.chosen = lines[max(0, min(self.index(lines) + by, len(lines) - 1))].path

    def search(self, text: str) -> None:
        """Narrow the tree; the first key that passes is chosen, unless another one that passes is."""
        self.text = text
        keys = [line.path for line in self.lines() if not line.is_table]
        if text.strip() and keys and self.chosen not in keys:
            self.chosen = keys[0]

    def toggle(self) -> None:
        """Open or close the chosen table, or the one that holds the chosen key."""
        lines = self.lines()
        if not lines:
            return
        line = lines[self.index(lines)]
        path = line.path if line.is_table else line.path.rpartition(".")[0]
        if path:
            self.closed ^= {path}
            self.chosen = path if path in self.closed else line.path

    def close_all(self) -> None:
        """Every table, the chosen line's own being chosen then."""
        self.closed = {line.path for line in SettingsTree(self.runs, only_differing=False).lines() if line.is_table}
        self.chosen = self.chosen.partition(".")[0]

    def open_all(self) -> None:
        self.closed = set()


def _passes(path: str, values: tuple[str | None, ...], words: Sequence[str]) -> bool:
    text = " ".join([path, *(value for value in values if value is not None)]).lower()
    return all(word[1:] not in text if word[:1] == "-" and word[1:] else word in text for word in words)
