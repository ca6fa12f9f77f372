"""What every source of other programs' numbers does, and how it says that it cannot."""

from dataclasses import dataclass
from typing import Protocol

from trainwatch.foreign.points import Points


class ForeignError(Exception):
    """A path that cannot be shown; the text says why and what could."""


@dataclass(frozen=True, slots=True)
class Polled:
    """What one look at a source has found, beside the points."""

    progress: float = 1.0
    """Share of what is there that has been read."""
    fault: str = ""
    """Why it cannot be read on; what was read before stays."""


class Source(Protocol):
    """Owns its read positions. Used by one thread at a time."""

    kind: str
    """What it is called on screen."""
    planned_steps: int | None

    def poll(self, points: Points) -> Polled:
        """Read a bounded part of what is new. Raises OSError; may be called again."""
        ...
