"""What a test has seen of a fault, handed to the table through the test's report: it comes over worker processes."""

from collections import Counter
from collections.abc import Iterable

import pytest

PROPERTY = "fault"


def record(
    request: pytest.FixtureRequest,
    name: str,
    *,
    times: int = 1,
    lost: int = 0,
    compared: int = 0,
    wrong: int = 0,
    note: Iterable[str] = (),
) -> None:
    """Enter a fault of faults.py: how often it was done, how many runs were lost, how many of those compared differ.

    `note`: words that the table counts, such as the moments of kills.
    """
    entry = {"name": name, "times": times, "lost": lost, "compared": compared, "wrong": wrong}
    request.node.user_properties.append((PROPERTY, entry | {"note": dict(Counter(note))}))
