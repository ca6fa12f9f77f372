"""Several directories of runs as one: here, on other hosts, or both. Used by one thread at a time."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from trainwatch.listing.scan import Batch

if TYPE_CHECKING:
    from trainwatch.remote.mirror import Mirror


class Follower(Protocol):
    """Follows runs, or what others wrote. Used by one thread at a time."""

    def poll(self, *, wanted: Sequence[str] = (), again: Collection[str] = (), budget_s: float = 0.2) -> Batch:
        """As `Scanner.poll`."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """One of the directories, or the runs that were named one by one."""

    scanner: Follower
    name: str
    """As it was asked for."""
    mirror: "Mirror | None" = None
    """What brings its runs here; None of a directory that is here."""


class Survey:
    """Polls its sources as `Scanner` does one."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = sources

    def poll(self, *, wanted: Sequence[str] = (), again: Collection[str] = (), budget_s: float = 0.2) -> Batch:
        """What all of them found. One that cannot be read spoils the others only where there is no other."""
        share_s = budget_s / len(self.sources)
        batches = [source.scanner.poll(wanted=wanted, again=again, budget_s=share_s) for source in self.sources]
        if len(batches) == 1:
            return batches[0]
        return Batch(
            max(batch.now for batch in batches),
            tuple(entry for batch in batches for entry in batch.entries),
            tuple(gone for batch in batches for gone in batch.gone),
            sum(batch.num_unread for batch in batches),
            sum(batch.num_shallow for batch in batches),
            fault="; ".join(batch.fault for batch in batches) if all(batch.fault for batch in batches) else "",
        )

    @property
    def where(self) -> str:
        return "  ".join(source.name for source in self.sources)

    def troubles(self, now: float) -> list[str]:
        """What connections are lost, in words."""
        mirrors = [source.mirror for source in self.sources if source.mirror is not None]
        return [words for mirror in mirrors if (words := mirror.trouble(now))]

    @property
    def is_complete(self) -> bool:
        """Whether every run was looked at once, where it is."""
        return all(source.mirror is None or source.mirror.contact.is_complete for source in self.sources)

    def show(self, *, is_shown: bool) -> None:
        """Whether anybody looks: what comes from other hosts is not fetched for nobody."""
        for source in self.sources:
            if source.mirror is not None:
                source.mirror.wants_table = is_shown
