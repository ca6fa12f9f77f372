"""Bytes have a form that a person reads, whatever their number; never 1.02e+03 of anything."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rundir.size import size


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [
        (0, "0 B"),
        (1000, "1000 B"),
        (1023.7, "1 KiB"),
        (1536, "1.5 KiB"),
        (999.4 * 2**10, "999 KiB"),
        (1000 * 2**10, "0.977 MiB"),
        (1023.9 * 2**20, "1 GiB"),
        (-3.21 * 2**30, "-3.21 GiB"),
        (2**41, "2 TiB"),
        (1.5 * 2**50, "1.5 PiB"),
        (None, "–"),
        (math.nan, "–"),
        (-math.inf, "–"),
        (10**400, "–"),
    ],
)
def test_sizes_are_binary(num_bytes: float | None, text: str) -> None:
    assert size(num_bytes) == text


@given(st.integers(0, 2**69))
def test_no_size_is_long_or_in_scientific_form(num_bytes: int) -> None:
    assert re.fullmatch(r"\d{1,4} B|\d{1,3}(\.\d{1,3})? [KMGTPE]iB", size(num_bytes))
