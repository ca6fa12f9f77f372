"""What the table shows: all entries, the filter and order in which they stand, what is chosen and what is marked.

Owned by the event loop, which alone changes it. Pure: no file, no clock, no screen.
"""

from dataclasses import dataclass, field

from trainwatch.listing.column import BY_NAME, COLUMNS, Column, need_of, needs_of, placed, with_dates
from trainwatch.listing.entry import Entry
from trainwatch.listing.query import Query, QueryError, flattened, parse
from trainwatch.listing.scan import Batch

NUM_COLOURS = 8
"""Of Okabe and Ito's palette (2008), told apart with any kind of colour vision; more runs than that share them."""


@dataclass(slots=True)
class Marks:
    """Which runs are marked for comparison, in order, and the colour of each, which it keeps while the program runs."""

    chosen: list[str] = field(default_factory=list)
    _colours: dict[str, int] = field(default_factory=dict)

    def toggle(self, run_id: str) -> None:
        if run_id in self.chosen:
            self.chosen.remove(run_id)
            return
        self.chosen.append(run_id)
        self.colour(run_id)

    def colour(self, run_id: str) -> int:
        """The run's own; a new one gets the colour that fewest of the marked ones have."""
        if run_id not in self._colours:
            taken = [self._colours[each] for each in self.chosen if each in self._colours]
            self._colours[run_id] = min(range(NUM_COLOURS), key=lambda colour: (taken.count(colour), colour))
        return self._colours[run_id]

    def style(self, run_id: str) -> str:
        return f"run{self.colour(run_id)}"

    def forget(self, run_id: str) -> None:
        if run_id in self.chosen:
            self.chosen.remove(run_id)


class Roster:
    """The entries of a directory of runs. `revision` grows with all that changes the picture."""

    def __init__(self, marks: Marks | None = None, *, has_dates: bool = False, chosen: str = "") -> None:
        """`has_dates`: names keep their dates however little room there is, as they are to be read by scripts;
        `chosen`: the run that is chosen at first, once it is there."""
        self._has_dates = has_dates
        self.entries: dict[str, Entry] = {}
        self.marks = marks if marks is not None else Marks()
        self.query = Query()
        self.sort = BY_NAME["run"]
        self.descending = True
        self.selected = ""
        """Id of the chosen run; empty while none is shown."""
        self.top = 0
        """Index in `shown` of the first row on screen."""
        self.now = 0.0
        self.fault = ""
        self.num_unread = 0
        self.num_shallow = 0
        self.has_listed = False
        self.revision = 0
        self._shown: list[Entry] = []
        self._need_of: dict[str, tuple[int, ...]] = {}
        self._needs = needs_of(())
        self._is_chosen = False
        """Whether anybody has chosen a run."""
        self._before_filter = chosen
        """The run that was chosen when a filter began to be typed, or to begin with; empty once another was."""
        self._query_before = Query()
        """What was filtered by when it began."""

    def apply(self, batch: Batch) -> None:
        """Take a batch in."""
        self.now, self.fault = batch.now, batch.fault
        if batch.fault:
            self.revision += 1
            return
        self.num_unread, self.num_shallow = batch.num_unread, batch.num_shallow
        if not self.has_listed and not self._is_chosen:
            self.selected = ""  # the first row, whichever is read first
        self.has_listed = self.has_listed or not batch.num_unread
        for run_id in batch.gone:
            self.entries.pop(run_id, None)
            self._need_of.pop(run_id, None)
            self.marks.forget(run_id)
        for entry in batch.entries:
            self.entries[entry.id] = entry
            self._need_of[entry.id] = need_of(entry)
        self._needs = needs_of(self._need_of.values())
        self.rearrange()

    def ask(self, query: Query) -> None:
        self.query = query
        self.rearrange()

    def begin_filter(self) -> None:
        """A filter begins to be typed: the run that is chosen now is chosen whenever it passes."""
        self._before_filter = self._before_filter or self.selected
        self._query_before = self.query

    def ask_typed(self, text: str) -> str:
        """Take what is typed since `begin_filter`. One that is wrong leaves the table as it was then, not as what stood
        there before its last letter left it; why it is wrong, empty where it was taken."""
        try:
            self.ask(parse(text, self._names))
        except QueryError as fault:
            self.ask(self._query_before)
            return str(fault)
        return ""

    def _names(self) -> set[str]:
        """What the runs have that can be asked for, as a filter has it: keys of configurations, metrics."""
        keys = {f"cfg.{key}" for entry in self.entries.values() for key, _ in flattened(entry.config or {})}
        return keys | {f"best.{metric}" for entry in self.entries.values() for metric in entry.figures.best}

    def end_filter(self) -> None:
        """It is typed: what is chosen now stays chosen, where anything is."""
        if self.selected:
            self._before_filter = ""

    def columns(self, width: int) -> list[tuple[Column, int, int]]:
        """The columns that have room in a width, with where each begins and how wide it is."""
        needs = with_dates(self._needs) if self._has_dates else self._needs
        return placed(width, needs, has_places=self.has_places)

    @property
    def num_put_away(self) -> int:
        """Archived runs that would pass the filter, but are left out as it does not ask for them."""
        if self.query.asks_archived:
            return 0
        return sum(e.remarks.archived and self.query.holds(e, self.now) for e in self.entries.values())

    def sort_by(self, name: str) -> None:
        """By a column in the order in which it is looked at first; by the same one again, the other way round."""
        column = BY_NAME[name]
        self.descending = not self.descending if column is self.sort else column.descending
        self.sort = column
        self.rearrange()

    def rearrange(self) -> None:
        """Filter and sort anew. The chosen run stays chosen; where it is not shown, its neighbour is."""
        index = self.index
        found = [entry for entry in self.entries.values() if self.query.matches(entry, self.now)]
        found.sort(key=lambda entry: (entry.run.id, entry.place), reverse=True)
        keyed = [(self.sort.key(entry, self.now), entry) for entry in found]
        known = [(key, entry) for key, entry in keyed if key is not None]
        known.sort(key=lambda pair: pair[0], reverse=self.descending)
        self._shown = [entry for _, entry in known] + [entry for key, entry in keyed if key is None]
        ids = {entry.id for entry in self._shown}
        if self._before_filter in ids:
            self.selected = self._before_filter
        if self.selected not in ids:
            self.selected = self._shown[min(index, len(self._shown) - 1)].id if self._shown else ""
        self.revision += 1

    @property
    def has_places(self) -> bool:
        """Whether the runs lie in several places."""
        return any(entry.place for entry in self.entries.values())

    @property
    def shown(self) -> list[Entry]:
        """What passes the filter, in order."""
        return self._shown

    @property
    def index(self) -> int:
        """Of the chosen run among those shown; 0 where there is none."""
        return next((i for i, entry in enumerate(self._shown) if entry.id == self.selected), 0)

    @property
    def chosen(self) -> Entry | None:
        return self.entries.get(self.selected) if self._shown else None

    def move(self, rows: int) -> None:
        """Choose the run so many rows further down."""
        if self._shown:
            self._before_filter, self._is_chosen = "", True
            self.selected = self._shown[max(0, min(self.index + rows, len(self._shown) - 1))].id
            self.revision += 1

    def choose(self, row: int) -> bool:
        """Choose by place on screen, from 0. Whether there is a run."""
        if not 0 <= self.top + row < len(self._shown):
            return False
        self._before_filter, self._is_chosen = "", True
        self.selected = self._shown[self.top + row].id
        self.revision += 1
        return True

    def sort_beside(self, steps: int) -> None:
        """Sort by the column so many places beside the present one, whether it has room on screen or not."""
        self.sort_by(COLUMNS[(COLUMNS.index(self.sort) + steps) % len(COLUMNS)].name)

    def on_screen(self, rows: int) -> list[Entry]:
        """The entries of so many rows; scrolled so far that the chosen one is among them."""
        index = self.index
        self.top = max(0, min(self.top, index, len(self._shown) - rows))
        self.top = max(self.top, index - rows + 1)
        return self._shown[self.top : self.top + rows]

    def entries_of_marked(self) -> list[Entry]:
        """The marked runs in the order in which they were marked."""
        return [self.entries[run_id] for run_id in self.marks.chosen if run_id in self.entries]
