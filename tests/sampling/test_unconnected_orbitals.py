"""Chains of electrons on orbitals that no hops connect: every distribution over them is reached."""

import pytest

from hpc_nqs import api

DISJOINT = {"kind": "custom", "bonds": [[0, 1, 1.0], [2, 3, 1.0]]}


def inputs(hopping, **thermal):
    model = {"kind": "hubbard", "hopping": [hopping], "U": 4.0, "n_up": 2, "n_down": 2}
    sampling = {"method": "metropolis", "n_samples": 4096, "n_chains": 64}
    thermal = {"betas": [0.5], "n_samples_report": 32768} | thermal
    return api.make_input(run={"seed": 1}, lattice=DISJOINT, model=model, sampling=sampling, thermal=thermal)


@pytest.mark.parametrize("rings", [[2], [3]])
def test_two_pairs_of_sites(rings, tmp_path):
    """Double occupancy, which the numbers of electrons on the two pairs decide, within 4.9 errors."""
    settings = inputs(1.0, rings=rings)
    run, exact = api.run(settings, str(tmp_path / "run.h5")), api.diagonalize(settings)
    for name in ("double_occupancy", "local_moment"):
        error = run[f"{name}_error"][0] + 1e-3  # of the state
        assert error < 0.01 and abs(run[name][0] - exact[name][0]) < 4.9 * error


def test_no_hops_at_all(tmp_path):
    """Sites alone: the chains exchange electrons between all of them."""
    settings = inputs(0.0, rings=[2])
    run, exact = api.run(settings, str(tmp_path / "run.h5")), api.diagonalize(settings)
    found, wanted = run["double_occupancy"][0], exact["double_occupancy"][0]
    assert abs(found - wanted) < 4.9 * (run["double_occupancy_error"][0] + 1e-3)
