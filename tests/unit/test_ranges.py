"""Temperatures and inverse temperatures as ranges: what they stand for, and what is no range."""

import numpy as np
import pytest

import hpc_nqs
from hpc_nqs.settings.parsing import SettingsError, parse_settings
from hpc_nqs.settings.toml_text import format_value

SYSTEM = {"lattice": {"kind": "chain", "lengths": [4]}, "model": {"kind": "heisenberg"}}


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        (None, (4.0, 3.0, 2.0, 1.0)),
        ("linear", (4.0, 3.0, 2.0, 1.0)),
        ("log", (4.0, 2.51984, 1.5874, 1.0)),
        ("inverse", (4.0, 2.0, 1.33333, 1.0)),
    ],
)
def test_a_range_is_the_list_it_stands_for(scale, expected):
    given = {"from": 1.0, "to": 4, "n": 4} | ({"scale": scale} if scale else {})
    settings = parse_settings(SYSTEM | {"thermal": {"temperatures": given}})
    assert settings.thermal.temperatures == expected
    assert parse_settings(settings.to_dict()).thermal.temperatures == expected
    assert parse_settings(SYSTEM | {"thermal": {"betas": given}}).thermal.betas == expected[::-1]
    override = f"thermal.temperatures={format_value(given)}"
    assert parse_settings(SYSTEM | {"thermal": {}}, [override]).thermal.temperatures == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"from": 1.0, "to": 2.0}, "a range has from, to and n, and may have scale"),
        ({"from": 1.0, "to": 2.0, "n": 3, "step": 1}, "a range has from, to and n, and may have scale"),
        ({"from": 1.0, "to": 0.0, "n": 3}, "to is a number above 0"),
        ({"from": "hot", "to": 1.0, "n": 3}, "from is a number above 0"),
        ({"from": 1.0, "to": 2.0, "n": 1}, "n is an integer from 2 to 10000"),
        ({"from": 1.0, "to": 2.0, "n": 3, "scale": "cubic"}, 'scale is "linear", "log" or "inverse"'),
        ({"from": 1.0, "to": 1.0, "n": 3}, "entry 2 repeats an earlier one"),
        ({"from": 1.0, "to": 1e20, "n": 3}, "entry 2 is wrong"),
    ],
)
def test_what_is_no_range_is_refused(given, message):
    with pytest.raises(SettingsError, match=r"thermal.temperatures = \{from = .*" + message):
        parse_settings(SYSTEM | {"thermal": {"temperatures": given}})


def test_ranges_from_python(tmp_path):
    """Numbers of NumPy in them; as changes of a run, and of a measurement."""
    given = {"from": np.float64(2.0), "to": 1.0, "n": np.int64(2)}
    settings = hpc_nqs.make_input(**SYSTEM, thermal={"temperatures": given})
    assert settings.thermal.temperatures == (2.0, 1.0)
    path = tmp_path / "run.h5"
    hpc_nqs.run(settings, path)
    colder = hpc_nqs.resume(path, {"thermal.temperatures": {"from": 1.0, "to": 0.5, "n": 2}})
    assert colder["T"].tolist() == [2.0, 1.0, 0.5]
    measured = hpc_nqs.measure(path, temperatures={"from": 1.5, "to": 1.0, "n": 2}, output=tmp_path / "other.h5")
    assert measured["T"].tolist() == [1.5, 1.0]
