"""`--faults`: run the tests of faults.py alone, and end with the table of faults and what became of the runs."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.soak import faults
from tests.soak.faults import FAULTS, Fault
from tests.soak.ledger import PROPERTY

QUICK, ALL = "quick", "all"
NUM_KILLS = {None: 10, QUICK: 30, ALL: 100}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults", "what runs survive")
    group.addoption("--faults", choices=(QUICK, ALL), help="run the tests of faults only, and print their table")
    group.addoption("--kills", type=int, help="how many random kills; more with --faults")
    group.addoption("--seed", type=int, default=4, help="of the random kills")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--kills") is None:
        config.option.kills = NUM_KILLS[config.getoption("--faults")]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen = config.getoption("--faults")
    if chosen is None:
        return
    kept = [item for item in items if any(belongs(fault, item.nodeid, chosen) for fault in FAULTS)]
    if chosen == ALL:
        kept += [item for item in items if item.get_closest_marker("soak") is not None and item not in kept]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def belongs(fault: Fault, test_id: str, chosen: str) -> bool:
    """Whether a test does this fault, in this choice of them."""
    begins = fault.tests + (fault.more if chosen == ALL else ())
    return test_id.removeprefix("tests/").startswith(begins)


@dataclass
class Row:
    """All that was seen of one fault."""

    fault: Fault
    times: int = 0
    lost: int = 0
    """Runs that neither ended as they should nor went on."""
    compared: int = 0
    wrong: int = 0
    """Of those compared: where a number differed."""
    skipped: int = 0
    note: Counter[str] = field(default_factory=Counter)

    def add(self, report: pytest.TestReport) -> None:
        """Take in one test. One that says nothing of itself did the fault once."""
        entries = [value for name, value in report.user_properties if name == PROPERTY]
        told = [entry for entry in entries if entry["name"] == self.fault.name]
        if report.skipped:
            self.skipped += 1
        elif not entries:
            self._add(times=1, lost=int(report.failed), compared=int(self.fault.compares), wrong=0, note={})
        for entry in told:
            self._add(**{name: value for name, value in entry.items() if name != "name"})

    def _add(self, *, times: int, lost: int, compared: int, wrong: int, note: dict[str, int]) -> None:
        self.times, self.lost = self.times + times, self.lost + lost
        self.compared, self.wrong = self.compared + compared, self.wrong + wrong
        self.note.update(note)

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        equal = f"{self.compared - self.wrong - min(self.lost, self.compared)}" if self.compared else "–"
        note = ", ".join(f"{word} {n}" for word, n in self.note.most_common())
        if not self.times:
            note = "skipped here" if self.skipped else "no test of it was run"
        return self.fault.name, f"{self.times}", f"{self.times - self.lost}", equal, note


def rows(reports: list[pytest.TestReport], chosen: str) -> list[Row]:
    """One for each fault, in order, from the reports of tests. A test that failed outside its call counts as well."""
    table = [Row(fault) for fault in FAULTS]
    for report in reports:
        for row in table:
            if belongs(row.fault, report.nodeid, chosen):
                row.add(report)
    return table


def summary(table: list[Row]) -> str:
    """The last line."""
    kills = sum(row.times for row in table if row.fault.name in _KILLS)
    done = sum(row.times for row in table) - kills
    lost, wrong = sum(row.lost for row in table), sum(row.wrong for row in table)
    return f"{done} faults, {kills} kills: {lost} lost, {wrong} wrong"


_KILLS = set(faults.KILLED.values())


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    chosen = config.getoption("--faults")
    if chosen is None or config.option.collectonly:
        return
    told = [report for name in ("passed", "failed", "error", "skipped") for report in terminalreporter.getreports(name)]
    table = rows([report for report in told if report.when == "call" or not report.passed], chosen)
    terminalreporter.section("faults")
    head = ("fault", "times", "survived", "numbers equal", "note")
    lines = [head, *(row.cells for row in table)]
    widths = [max(len(line[i]) for line in lines) for i in range(4)]
    for line in lines:
        name, *numbers, note = line
        cells = [name.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=True))]
        terminalreporter.write_line("  ".join([*cells, note]).rstrip())
    terminalreporter.write_line(f"{summary(table)} (seed {config.getoption('--seed')})")
