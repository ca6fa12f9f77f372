"""What every test may use: a run directory, and waiting for real processes without sleeping blindly."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings

from rundir import layout
from rundir.layout import RunDir

pytest_plugins = ["tests.soak.table"]

T = TypeVar("T")

# The shared machines are slow and uneven: a deadline for one example would measure them, not us.
settings.register_profile(
    "default", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.register_profile("thorough", parent=settings.get_profile("default"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def eventually(predicate: Callable[[], T], deadline_s: float = 30.0) -> T:
    """The first truthy answer of `predicate`, asked again and again; fails with the last one at the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        answer = predicate()
        if answer:
            return answer
        if time.monotonic() > end:
            pytest.fail(f"not within {deadline_s} s; the last answer was {answer!r}")
        time.sleep(0.01)


@pytest.fixture(name="eventually")
def eventually_fixture() -> Callable[..., object]:
    """`eventually` for tests that would rather not import it."""
    return eventually


@pytest.fixture
def run_dir(tmp_path: Path) -> RunDir:
    """A fresh, empty run directory under tmp_path/runs."""
    return layout.create(tmp_path / "runs", "test", 1_700_000_000.0)
