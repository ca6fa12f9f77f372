"""docs/alerts.md is what the rules are: every rule, its severity, its thresholds, its causes, fixes and order."""

import re
from pathlib import Path

import pytest

from rundir.alerts import MARKS, RULES
from rundir.alerts.advice import ADVICE
from rundir.orders import SETTABLE, Verb

TEXT = (Path(__file__).parents[3] / "docs/alerts.md").read_text(encoding="utf-8")


def table(head: str) -> dict[str, list[str]]:
    """The rows of the table that begins with these columns, by rule."""
    lines = TEXT[TEXT.index(head) :].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    found: dict[str, list[str]] = {}
    for row in rows:
        if len(row) < 2:
            break
        found[row[0].strip("`")] = row[1:]
    return found


SEEN = table("| rule | gravest | sees |")
ADVISED = table("| rule | likely causes |")


def test_every_rule_has_its_row_in_order() -> None:
    assert list(SEEN) == list(RULES)
    assert list(ADVISED) == [name for name in RULES if name not in MARKS]
    assert ADVISED.keys() == ADVICE.keys()


@pytest.mark.parametrize("name", RULES)
def test_severity_and_defaults(name: str) -> None:
    rule, (gravest, _, formula, defaults, source) = RULES[name], SEEN[name]
    assert gravest == rule.gravest
    stated = dict(pair.rsplit(" ", 1) for pair in defaults.split(", ")) if defaults != "–" else {}
    assert {key: float(value) for key, value in stated.items()} == pytest.approx(dict(rule.limits))
    assert set(re.findall(r"`(\w+)`", formula)) == set(rule.limits)
    assert source


@pytest.mark.parametrize("name", ADVICE)
def test_causes_fixes_and_order(name: str) -> None:
    advice, (causes, fixes, order) = ADVICE[name], ADVISED[name]
    assert causes == "; ".join(cause.text for cause in advice.causes)
    assert fixes == "; ".join(advice.fixes)
    if advice.order is None:
        assert order == "–"
        return
    args = advice.order.get("args", {})
    assert order.startswith(f"`{Verb(advice.order['verb'])}")
    assert all(f"{key}=" in order for key in args)
    if advice.order["verb"] == Verb.SET:
        assert args.keys() <= {*SETTABLE, "replan"}


def test_causes_with_fixes_of_their_own() -> None:
    stated = table("| cause | fixes | order |")
    own = {cause.text: cause for advice in ADVICE.values() for cause in advice.causes if cause.fixes}
    assert stated.keys() == own.keys()
    for text, (fixes, order) in stated.items():
        assert fixes == "; ".join(own[text].fixes)
        args = (own[text].order or {}).get("args", {})
        assert order == (f"`rollback lr_factor={args['lr_factor']}`" if args else "–")
