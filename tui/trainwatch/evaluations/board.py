"""What the page of evaluations shows: which one is chosen, which of its parts, how far each is scrolled. Pure.

Owned by the event loop, which alone changes it.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from rundir.records import EvalRecord
from trainwatch.layout import Layout, Rect
from trainwatch.scores import Scores, values_of


class Part(StrEnum):
    """What of the page keys move; all but the first are of the chosen evaluation."""

    TABLE = "evaluations"
    LABELS = "labels"
    CONFUSION = "confusion"
    SAMPLES = "samples"


@dataclass
class EvalBoard:
    """The state of the page."""

    scores: Scores
    part: Part = Part.TABLE
    """Which one keys move."""
    detail: Part | None = None
    """Which one is shown under the table; None: the first there is."""
    alone: bool = False
    chosen: tuple[int, int, int] | None = None
    """(attempt, step, seq) of the chosen evaluation; None: the newest, whichever that comes to be."""
    top: int = 0
    """First line of the table on screen."""
    scroll: dict[Part, int] = field(default_factory=dict)
    """First line of the other parts on screen."""
    shift: dict[Part, int] = field(default_factory=dict)
    """First metric of the table, first predicted label of the confusions."""

    @property
    def records(self) -> list[EvalRecord]:
        """Newest first."""
        return self.scores.records[::-1]

    @property
    def index(self) -> int:
        """Of the chosen one among `records`."""
        if self.chosen is None:
            return 0
        return next((i for i, record in enumerate(self.records) if _key(record) == self.chosen), 0)

    @property
    def record(self) -> EvalRecord | None:
        records = self.records
        return records[self.index] if records else None

    @property
    def before(self) -> EvalRecord | None:
        """The evaluation before the chosen one."""
        records = self.records
        return records[self.index + 1] if self.index + 1 < len(records) else None

    @property
    def details(self) -> list[Part]:
        """What there is to show of the chosen one."""
        record = self.record
        if record is None:
            return []
        there = {Part.LABELS: record.labels, Part.CONFUSION: record.confusion, Part.SAMPLES: record.samples}
        return [part for part, content in there.items() if content]

    @property
    def shown_detail(self) -> Part | None:
        details = self.details
        return self.detail if self.detail in details else next(iter(details), None)

    @property
    def metrics(self) -> list[str]:
        """Every metric that any of them has."""
        return list(dict.fromkeys(name for record in self.scores.records for name in values_of(record)))

    def move(self, by: int) -> None:
        """Choose another evaluation, further down the table."""
        records = self.records
        if records:
            at = max(0, min(self.index + by, len(records) - 1))
            self.chosen = _key(records[at]) if at else None

    def choose(self, record: EvalRecord) -> None:
        self.chosen = _key(record) if record is not self.scores.latest else None

    def next_part(self, by: int) -> None:
        parts = [Part.TABLE, *self.details]
        self.part = parts[(parts.index(self.part) + by) % len(parts)] if self.part in parts else Part.TABLE
        if self.part is not Part.TABLE:
            self.detail = self.part

    def move_sideways(self, by: int, limit: int) -> None:
        self.shift[self.part] = max(0, min(self.shift.get(self.part, 0) + by, limit))


def _key(record: EvalRecord) -> tuple[int, int, int]:
    return record.attempt, record.step, record.seq


def arrange_evaluations(board: EvalBoard, width: int, height: int) -> Layout:
    """The table above, at most half of the screen; below it what there is of the chosen one."""
    if width < 1 or height < 1:
        return {}
    head = 1 if height >= 8 else 0
    foot = 2 if height >= 14 else (1 if height >= 3 else 0)
    room = height - head - foot
    detail = board.shown_detail
    if board.alone or room < 12 or detail is None:
        table = 0 if board.part is not Part.TABLE and detail is not None else room
    else:
        table = max(6, min(len(board.scores.records) + 4, room // 2))
    places: Layout = {}
    y = 0
    for name, lines in (
        ("header", head), ("body", table), ("detail", room - table), ("status", min(1, foot)), ("keys", foot - 1)
    ):  # fmt: skip
        if lines > 0:
            places[name] = Rect(0, y, width, lines)
            y += lines
    return places
