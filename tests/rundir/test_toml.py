"""What a script's configuration is written as reads back as it was."""

import math
import tomllib
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rundir import toml

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=6)


@given(st.dictionaries(TEXTS, VALUES))
def test_it_reads_back(values: dict[str, Any]) -> None:
    assert tomllib.loads(toml.dump(values)) == values


def test_what_toml_has_not() -> None:
    text = toml.dump({"a": None, "b": [1, None], "path": Path("x/y"), "nan": math.nan, "t": {"u": {"v": 1}}})
    read = tomllib.loads(text)
    assert math.isnan(read.pop("nan"))
    assert read == {"b": [1], "path": "x/y", "t": {"u": {"v": 1}}}
    assert tomllib.loads(toml.dump({"text": "\ud800"})) == {"text": "?"}
