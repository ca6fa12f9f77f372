"""The table of faults tells what the tests saw, and every test that it names exists."""

from pathlib import Path

import pytest

from tests.soak import table
from tests.soak.faults import FAULTS, KILLED

TESTS = Path(__file__).parents[1]
KILLS = FAULTS[0].tests[0]
STOPPED = "soak/test_stopped.py::test_whoever_is_stopped_goes_on[trainer]"


def report(test: str, outcome: str, *entries: dict[str, object]) -> pytest.TestReport:
    made = pytest.TestReport(f"tests/{test}", ("", 0, ""), {}, outcome, None, "call")  # type: ignore[arg-type]
    made.user_properties = [("fault", entry) for entry in entries]
    return made


def entry(name: str, **counts: int) -> dict[str, object]:
    return {"name": name, "times": 1, "lost": 0, "compared": 0, "wrong": 0, "note": {}} | counts


def cells(reports: list[pytest.TestReport], name: str) -> tuple[str, ...]:
    (row,) = [row for row in table.rows(reports, table.ALL) if row.fault.name == name]
    return row.cells[1:]


def test_a_test_that_says_nothing_did_its_fault_once() -> None:
    name = "SIGSTOP of trainer or supervisor"
    assert cells([report(STOPPED, "passed"), report(STOPPED, "passed")], name) == ("2", "2", "2", "")
    assert cells([report(STOPPED, "failed")], name) == ("1", "0", "0", "")
    assert cells([report(STOPPED, "skipped")], name) == ("0", "0", "–", "skipped here")
    assert cells([], name) == ("0", "0", "–", "no test of it was run")


def test_a_test_of_many_kills_tells_each() -> None:
    trainer, worker = KILLED["trainer"], KILLED["worker"]
    reports = [
        report(KILLS, "passed", entry(trainer, times=4, compared=4) | {"note": {"save": 3, "eval": 1}}),
        report(KILLS, "failed", entry(trainer, times=2, compared=2, wrong=2), entry(worker, lost=1)),
    ]
    assert cells(reports, trainer) == ("6", "6", "4", "save 3, eval 1")
    assert cells(reports, worker) == ("1", "0", "–", "")
    assert cells(reports, KILLED["supervisor"])[0] == "0"
    rows = table.rows([*reports, report(STOPPED, "passed")], table.ALL)
    assert table.summary(rows) == "1 faults, 7 kills: 1 lost, 2 wrong"


def test_what_takes_long_belongs_to_the_soak_alone() -> None:
    fault = FAULTS[0]
    assert table.belongs(fault, f"tests/{fault.tests[0]}[00-tokens]", table.QUICK)
    assert not table.belongs(fault, f"tests/{fault.more[0]}_x", table.QUICK)
    assert table.belongs(fault, f"tests/{fault.more[0]}_x", table.ALL)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_tests_of_a_fault_exist(fault: table.Fault) -> None:
    for test in (*fault.tests, *fault.more):
        path, _, name = test.partition("::")
        assert f"def {name}" in (TESTS / path).read_text(encoding="utf-8"), test
