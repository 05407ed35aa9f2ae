"""TOML text: what is written is read back exactly."""

import tomllib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hpc_nqs.settings.toml_text import format_tables, format_value


@given(
    value=st.recursive(
        st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=5),
        max_leaves=10,
    )
)
@example(value='\x00\x1f\x7f"\\\ud7ff𝄞')
@example(value=[1e16, 5e-324, -0.0, 1e300])
def test_toml_text_round_trip(value):
    for wrap in (False, True):
        back = tomllib.loads(f"value = {format_value(value, wrap)}")["value"]
        assert repr(back) == repr(value)


def test_values_without_toml_form():
    with pytest.raises(TypeError):
        format_value({1, 2})


def test_inline_tables():
    value = {"from": 2.0, "b c": [1, "x"], 'd"': {"e": True}}
    assert tomllib.loads(f"value = {format_value(value)}")["value"] == value


def test_a_long_array_is_spread_over_lines():
    values = [k / 7 for k in range(40)]
    text = format_tables({"thermal": {"temperatures": values}, "empty": {}})
    assert max(map(len, text.splitlines())) < 40
    assert tomllib.loads(text) == {"thermal": {"temperatures": values}, "empty": {}}
