"""Numbers, sizes, times as people read them; odd values have words too."""

import math

import pytest

from traind import words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (math.nan, "nan"), (-math.inf, "-inf"), (0.0, "0"), (-0.0, "0"), (3.0, "3"), (0.98391, "0.9839"),
        (12345.6, "12,346"), (1234567.0, "1.235e6"), (5e-324, "4.941e-324"), (2e-5, "2e-5"), (-0.25, "-0.25"),
    ],
)  # fmt: skip
def test_numbers_have_four_digits(value: float | None, text: str) -> None:
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.25, "0.25 s"),
        (12.9, "12 s"),
        (200, "3 min 20 s"),
        (14_700, "4 h 05 min"),
        (183_600, "2 d 03 h"),
        (math.nan, "–"),
    ],
)
def test_durations_have_two_units(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


def test_instants_beyond_the_calendar_stay_numbers() -> None:
    assert words.instant(1_800_000_000.0) == "2027-01-15 08:00:00 UTC"
    assert words.instant(1e300) == "1e300"
    assert words.instant(math.nan) == "nan"
