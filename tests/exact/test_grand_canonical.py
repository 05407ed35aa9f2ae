"""Electrons at fixed mu: free ones, coolings and rings against all levels, what is measured of their numbers."""

import numpy as np
import pytest

from hpc_nqs import tasks
from hpc_nqs.exact import electrons
from hpc_nqs.observables import electron_moments
from hpc_nqs.parallel.team import Team
from hpc_nqs.runs import run_file
from hpc_nqs.settings.parsing import SettingsError, parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.ansatz import build_state

VECTORS = [[0.0, 0.0], [0.5, 0.0], [1.0, 0.0]]
OF_NUMBERS = ("filling", "compressibility", "susceptibility")


def settings_of(model, lengths=(4,), boundary="periodic", **thermal):
    return parse_settings({
        "lattice": {"kind": "chain", "lengths": list(lengths), "boundary": boundary}, "run": {"seed": 1},
        "model": {"kind": "hubbard"} | model, "thermal": {"betas": [1.0]} | thermal,
        "sampling": {"method": "exact_sum"}, "observables": {"structure_factor": VECTORS, "correlations": True},
    })


def rows_of(settings, tmp_path):
    path = str(tmp_path / "run.h5")
    assert tasks.run(settings, Team.serial(), path) == 0
    return run_file.read_table(path)["rows"]


def exact_rows(settings):
    lattice, model = build(settings)
    levels = electrons.diagonalize(model, lattice, VECTORS, correlations=True)
    return electrons.thermal_rows(levels, settings.thermal.report_betas)


def differences(row, right):
    """Yield (name, difference) of everything that both rows have."""
    for name in right.keys() & row.keys():
        if isinstance(right[name], dict):
            yield from ((f"{name} {key}", row[name][key][0] - right[name][key][0]) for key in right[name])
        elif not name.endswith("_error"):
            yield name, row[name] - right[name]


@pytest.mark.parametrize("field", [0.0, 0.3])
def test_free_electrons_are_exact(tmp_path, field):
    """Their seed is the thermal state at any temperature; entropies come from the path, which is none here."""
    model = {"hopping": [1.0, 0.3], "mu": 0.4, "field_z": field}
    settings = settings_of(model, betas=[1.7], beta_0=1.7)
    (row,), (right,) = rows_of(settings, tmp_path), exact_rows(settings)
    assert {*OF_NUMBERS, "n_k_up", "charge_structure_factor"} <= row.keys()
    for name, difference in differences(row, right):
        if name not in ("entropy", "free_energy"):
            assert abs(difference) < 1e-10, name
    assert 1.05 < row["filling"] < 1.15
    assert bool(abs(row["n_k_up"]["1,0"][0] - row["n_k_down"]["1,0"][0]) > 0.01) == bool(field)


@pytest.mark.parametrize(
    ("model", "limits"),
    [
        # largest errors of e, c, s, n, kappa, chi, n_k at beta = 0.5, 1, 2, twice as much as they are
        ({"U": 4.0, "mu": 2.0}, (3e-3, 4e-4, 3.5e-3, 2e-4, 1e-3, 5e-3, 4e-3)),
        ({"U": 8.0, "mu": 1.0}, (2.2e-3, 5e-3, 1.4e-3, 6e-4, 6e-4, 3.2e-3, 4.2e-3)),
    ],
    ids=["half", "doped"],
)
def test_coolings_reach_what_all_levels_say(tmp_path, model, limits):
    settings = settings_of(model, betas=[0.5, 1.0, 2.0])
    rows, wanted = rows_of(settings, tmp_path), exact_rows(settings)
    assert rows[-1]["links"] > 2 == rows[0]["links"]
    names = ("energy", "specific_heat", "entropy", "filling", "compressibility", "susceptibility", "n_k_up")
    for row, right in zip(rows, wanted, strict=True):
        assert "hamiltonian_energy" not in row
        found = dict(differences(row, right))
        for name, limit in zip(names, limits, strict=True):
            assert max(abs(found[key]) for key in found if key.split()[0] == name) < limit, name
        free = row["energy"] - model["mu"] * row["filling"] - row["entropy"] / row["beta"]
        assert row["free_energy"] == pytest.approx(free, abs=1e-12)  # the grand potential


def test_rings_of_three_links_alone_begin_hot_enough(tmp_path):
    """At the highest temperature, too, whose links are hotter than it; a beta_0 below which they lie is refused."""
    settings = settings_of({"U": 4.0, "mu": 1.3}, betas=[0.06, 0.09], rings=[3])
    rows, wanted = rows_of(settings, tmp_path), exact_rows(settings)
    assert [row["links"] for row in rows] == [3, 3]
    for row, right in zip(rows, wanted, strict=True):
        assert row["energy"] == pytest.approx(right["energy"], abs=1e-5)
    with pytest.raises(SettingsError, match=r"beta_0 = 0.05: rings of 3 links .* need hotter states; .* at most 0.02"):
        settings_of({"U": 4.0, "mu": 1.3}, betas=[0.06, 0.09], rings=[3], beta_0=0.05)


def test_what_is_measured_at_infinite_temperature():
    """Of single orbitals: 1/4 of the states each."""
    settings = settings_of({"U": 4.0, "mu": 1.3}, boundary="open")
    model = build(settings)[1]
    means = electron_moments.means(model)
    assert means["hamiltonian_energy"] == pytest.approx(4.0 / 4)
    assert (means["filling"], means["compressibility"], means["susceptibility"]) == (1.0, 0.5, 0.125)
    assert (means["double_occupancy"], means["local_moment"], means["n_k_up"]) == (0.25, 0.375, 0.5)
    assert (means["spectral_proxy_up"], means["local_spectral_proxy_down"]) == (0.5, 0.5)  # times beta
    assert electron_moments.entropy(model) == pytest.approx(8 * np.log(2))


def test_a_step_conserves_what_the_layers_share():
    """Every configuration holds as many electrons of either spin on both layers."""
    settings = settings_of({"U": 4.0, "mu": 1.3})
    state = build_state(settings, *build(settings), seed=1)
    sampler = state.sampler(Team.serial(), 1, 0)
    units = sampler.configurations.reshape(-1, 2, 2, 4) * np.array([1, -1])[:, None, None]
    numbers = (units > 0).sum(axis=3)
    np.testing.assert_array_equal(numbers[:, 0], numbers[:, 1])
    assert len(np.unique(numbers[:, 0], axis=0)) < 25  # spins are exchanged: one of two
    assert np.exp(-sampler.log_density).sum() == pytest.approx(4900)  # C(8, 4)^2
