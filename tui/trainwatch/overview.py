"""One look at a directory of runs, or several, for scripts: the table as text, picture or JSON. Never writes."""

import time
from pathlib import Path

from rundir.layout import RunNotFoundError
from rundir.records import encode
from trainwatch.export.picture import svg_of
from trainwatch.listing.roster import Roster
from trainwatch.listing.scan import Scanner
from trainwatch.listing.summary import summary_of
from trainwatch.listing.survey import Source, Survey
from trainwatch.paint import Row, text_of
from trainwatch.panes.runs import paint_runs, paint_runs_header

_POLL_S = 1.0
_WAIT_S = 0.05
"""Between two looks while other hosts have not answered yet."""


def survey_of(runs: Path | Survey) -> Survey:
    return runs if isinstance(runs, Survey) else Survey([Source(Scanner(runs), str(runs))])


def read_table(survey: Survey) -> Roster:
    """All runs, each looked at to the end. Raises RunNotFoundError where a place cannot be read or reached."""
    roster, has_come = Roster(has_dates=True), False
    while True:
        is_complete = survey.is_complete
        again = list(roster.entries) if is_complete and not has_come else ()  # what was read before all had come is old
        has_come = is_complete
        batch = survey.poll(again=again, budget_s=_POLL_S)
        roster.apply(batch)
        troubles = survey.troubles(time.time())
        if batch.fault or troubles:
            raise RunNotFoundError(batch.fault or "; ".join(troubles))
        if is_complete and not batch.num_unread and not batch.num_shallow:
            roster.selected = ""  # nobody chooses here
            return roster
        if not is_complete:
            time.sleep(_WAIT_S)


def as_text(survey: Survey, width: int) -> str:
    """The table as the screen shows it, with all its runs."""
    roster = read_table(survey)
    return text_of(_rows(roster, survey.where, width, len(roster.shown) + 2)).rstrip("\n")


def as_svg(survey: Survey, width: int, height: int) -> str:
    """The table as a picture of a size: the first runs, as many as have room."""
    return svg_of(_rows(read_table(survey), survey.where, width, height), width, f"trainwatch: {survey.where}")


def as_json(survey: Survey) -> str:
    """A list of `summary_of` every run, the newest first, those that were put away too."""
    roster = read_table(survey)
    entries = sorted(roster.entries.values(), key=lambda entry: (entry.run.id, entry.place), reverse=True)
    objects = [encode(summary_of(entry, roster.now)).decode().rstrip("\n") for entry in entries]
    return "[" + ",\n ".join(objects) + "]"


def _rows(roster: Roster, where: str, width: int, height: int) -> list[Row]:
    table = paint_runs(roster, width, max(0, height - 1))
    return [*paint_runs_header(roster, where, width), *table][:height]
