"""Settings as TOML: whatever is written reads back the same by a reader that is not ours."""

from __future__ import annotations

import math
import tomllib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xsim.errors import InputError
from xsim.files.toml import toml_text

SCALARS = st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = SCALARS | st.lists(SCALARS, max_size=4)
TABLES = st.recursive(
    st.dictionaries(st.text(), VALUES, max_size=4),
    lambda inner: st.dictionaries(st.text(), VALUES | inner, max_size=4),
    max_leaves=12,
)


@given(TABLES)
def test_tables_read_back(tables: dict[str, Any]) -> None:
    assert tomllib.loads(toml_text(tables)) == tables


def test_what_is_no_plain_number_or_text_reads_back_too() -> None:
    assert math.isnan(tomllib.loads(toml_text({"x": float("nan")}))["x"])
    assert math.copysign(1.0, tomllib.loads(toml_text({"x": -0.0}))["x"]) == -1.0
    assert tomllib.loads(toml_text({"x": np.array([1.5, 2.0]), "n": np.int64(3)})) == {"x": [1.5, 2.0], "n": 3}
    # A file name that is no UTF-8, as Python hands it over.
    assert tomllib.loads(toml_text({"path": "scan\udcff.tif"})) == {"path": "scan?.tif"}


@pytest.mark.parametrize("value", [None, 1j, object()])
def test_what_toml_has_no_word_for_is_refused(value: object) -> None:
    with pytest.raises(InputError, match=f"x: a {type(value).__name__} cannot stand in a TOML file"):
        toml_text({"x": value})
