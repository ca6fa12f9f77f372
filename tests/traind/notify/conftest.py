"""Where messages go in these tests, and what they say."""

from collections.abc import Iterator
from typing import Any

import pytest

from rundir.records import Severity
from tests.traind.notify.receiver import Receiver, receiving
from traind.notify.notice import Notice


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


def notice(title: str = "run: done", **fields: Any) -> Notice:
    given: dict[str, Any] = {"kind": "alert", "severity": Severity.WARNING, "text": "text", "run": "run"}
    given |= {"directory": "/runs/run", "host": "node", "at": 1.0}
    return Notice(title=title, **{**given, **fields})
