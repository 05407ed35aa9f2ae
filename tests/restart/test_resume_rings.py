"""Rings that are stopped in the midst of a measurement continue as if nothing had happened."""

import json

import pytest

from hpc_nqs.runs import run_file as checkpoint
from hpc_nqs.runs.computation import DONE, STOPPED

FRUSTRATED = {"kind": "heisenberg", "couplings": [1.0, 0.5]}
RINGS = {"model": FRUSTRATED, "lattice": {"kind": "chain", "lengths": [6]}, "wavefunction": {"kind": "permanent"}}
OVERRIDES = ["thermal.rings=[3,4]", "thermal.n_samples_report=600", "sampling.n_chains=8"]


ELECTRONS = {"model": {"kind": "hubbard", "U": 4.0, "n_up": 2, "n_down": 1}, "wavefunction": {}}


ORBITALS = {"kind": "kanamori", "U": 4.0, "J_hund": 1.0, "n_up": 2, "n_down": 1}


@pytest.mark.parametrize(
    ("model", "length"), [(ELECTRONS["model"], 4), ({"kind": "hubbard", "U": 4.0, "mu": 1.5}, 4), (ORBITALS, 2)],
    ids=["n", "mu", "orbitals"],
)
def test_a_run_of_electrons_on_rings_is_the_same_after_stops(runs, tmp_path, model, length):
    """Momentum distributions, too, and with mu Green functions of the cooled states beside."""
    sections = ELECTRONS | {"model": model, "lattice": {"kind": "chain", "lengths": [length]}}
    overrides = [*OVERRIDES, f"observables.imaginary_time={str('mu' in model).lower()}"]
    settings = runs.settings_of([0.3, 0.6], overrides, **sections)
    whole = tmp_path / "whole.h5"
    assert runs.cool(settings, whole) == DONE
    expected, in_the_midst = runs.contents(whole), 0
    assert [row["links"] for row in expected["table"]["rows"]] == [3, 3]
    assert all(set(row["n_k_up"]) == {"1,0"} for row in expected["table"]["rows"])
    assert all(("spectral_proxy_up" in row) == ("mu" in model) for row in expected["table"]["rows"])
    for n_looks in (4, 9, 14):
        stopped = tmp_path / f"{n_looks}.h5"
        assert runs.cool(settings, stopped, runs.StopAfter(n_looks)) == STOPPED
        in_the_midst += checkpoint.read_state(stopped)["rings"]["measurement"] is not None
        assert runs.cool(settings, stopped, resume=True) == DONE
        runs.assert_bitwise(runs.contents(stopped), expected)
    assert in_the_midst >= 1


def test_a_run_of_a_hafnian_on_rings_is_the_same_after_a_stop(runs, tmp_path):
    """One that loses pairs: its links are measured on a kernel of their own."""
    bonds = [(0, 1, 1, 0, 0), (1, 2, 0, 1, 0), (2, 3, 1, 0, 0), (0, 3, 0, 0, 1), (0, 2, 0, 0, 0.7)]
    model = {"kind": "xyz", "bonds_xyz": bonds} | {f"couplings_{axis}": [0.0] for axis in "xyz"}
    sections = {"model": model, "lattice": {"kind": "chain", "lengths": [4]}, "wavefunction": {}}
    settings = runs.settings_of([0.3, 0.6], OVERRIDES, **sections)
    whole, stopped = tmp_path / "whole.h5", tmp_path / "stopped.h5"
    assert runs.cool(settings, whole) == DONE
    expected = runs.contents(whole)
    assert [row["links"] for row in expected["table"]["rows"]] == [3, 3]
    for n_looks in (6, 12):
        assert runs.cool(settings, stopped, runs.StopAfter(n_looks)) == STOPPED
        assert runs.cool(settings, stopped, resume=True) == DONE
        runs.assert_bitwise(runs.contents(stopped), expected)


@pytest.fixture(scope="module")
def whole(runs, tmp_path_factory):
    """Return the settings of a short run on rings, and its file."""
    settings = runs.settings_of([0.3, 0.6], OVERRIDES, **RINGS)
    path = tmp_path_factory.mktemp("rings") / "whole.h5"
    assert runs.cool(settings, path) == DONE
    return settings, path


@pytest.mark.parametrize(
    ("every", "stops", "midst"), [(6, 3, 1), pytest.param(3, 4, 2, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_a_run_on_rings_is_the_same_after_every_stop(runs, whole, tmp_path, every, stops, midst):
    settings, path = whole
    expected = runs.contents(path)
    rows = expected["table"]["rows"]
    assert [row["links"] for row in rows] == [3, 3]
    n_stops, in_the_midst = 0, 0
    for n_looks in range(2, 60, every):
        stopped = tmp_path / f"{n_looks}.h5"
        code = runs.cool(settings, stopped, runs.StopAfter(n_looks))
        if code == DONE:
            break
        assert code == STOPPED
        in_the_midst += checkpoint.read_state(stopped)["rings"]["measurement"] is not None
        assert runs.cool(settings, stopped, resume=True) == DONE
        runs.assert_bitwise(runs.contents(stopped), expected)
        n_stops += 1
    assert n_stops >= stops
    assert in_the_midst >= midst


def test_lower_temperatures_are_added(runs, whole, tmp_path):
    """They are measured from the kernels in the file as far as those reach."""
    settings, path = whole
    longer = runs.settings_of([0.3, 0.6, 0.8], OVERRIDES, **RINGS)
    copy = tmp_path / "longer.h5"
    copy.write_bytes(path.read_bytes())
    assert runs.cool(longer, copy, resume=True) == DONE
    rows = checkpoint.read_table(copy)["rows"]
    assert [row["beta"] for row in rows] == [0.3, 0.6, 0.8]
    measured = ("energy", "energy_error", "specific_heat", "susceptibility", "structure_factor", "kernel_beta")
    for row, before in zip(rows, checkpoint.read_table(path)["rows"], strict=False):
        assert {name: row[name] for name in measured} == {name: before[name] for name in measured}
    assert rows[2]["kernel_beta"] == pytest.approx(2 * 0.8 / rows[2]["links"])
    assert json.loads(checkpoint.read_state(copy)["rings"]["rows"])["first"] == []


@pytest.mark.parametrize(
    ("looks", "least"),
    [(range(3, 60, 3), 2), pytest.param(range(2, 60), 3, marks=pytest.mark.slow)],
    ids=["few", "all"],
)
@pytest.mark.parametrize("betas", [[0.3, 0.8], [0.3, 0.5, 0.6]])
def test_other_temperatures_are_asked_for_in_the_midst_of_a_ring(runs, whole, tmp_path, betas, looks, least):
    """The measurement of T = 1 / 0.6 belongs to no other ring; it goes on where it is still wanted."""
    settings, path = whole
    other = runs.settings_of(betas, OVERRIDES, **RINGS)
    expected = {row["beta"]: row for row in checkpoint.read_table(path)["rows"]}
    n_in_the_midst = 0
    for n_looks in looks:
        stopped = tmp_path / f"{n_looks}.h5"
        if runs.cool(settings, stopped, runs.StopAfter(n_looks)) == DONE:
            break
        rings = checkpoint.read_state(stopped)["rings"]
        begun = rings["measurement"] is not None and rings["measurement"]["beta"] == 0.6
        if not begun and 0.6 not in [row["beta"] for row in json.loads(rings["rows"])["first"]]:
            continue
        n_in_the_midst += 1
        assert runs.cool(other, stopped, resume=True) == DONE
        found = {row["beta"]: row for row in checkpoint.read_table(stopped)["rows"]}
        assert list(found) == betas
        for beta, row in found.items():
            assert row["kernel_beta"] == pytest.approx(2 * beta / row["links"])
            assert row["energy"] == expected.get(beta, row)["energy"]
    assert n_in_the_midst >= least
