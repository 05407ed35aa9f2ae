"""Tables of exact results of electrons as commands print them."""

import pytest

import hpc_nqs
from hpc_nqs.exact.electron_observables import ElectronObservables
from hpc_nqs.hamiltonians import Kanamori
from hpc_nqs.lattices import lattice as lattices
from hpc_nqs.reports.text import csv_text, table_text
from hpc_nqs.symmetry.site_permutations import site_symmetries
from tests.exact.test_electrons import STORED

INPUT = {
    "lattice": {"kind": "chain", "lengths": [4]},
    "model": {"kind": "hubbard", "U": 4.0, "mu": 1.0},
    "thermal": {"temperatures": [1.0, 0.5]},
    "observables": {"structure_factor": [[0.5], [1.0]], "correlations": True},
}


def test_tables_of_electrons():
    run = hpc_nqs.diagonalize(hpc_nqs.make_input(**INPUT))
    assert run.table["n_sites"] == 4
    assert run["filling"].shape == (2,) and run["n_k_up"].shape == (2, 2)
    assert {"n_k_down", "charge_structure_factor", "charge_correlation", "qx", "distance"} <= set(run.names)
    heading = csv_text(run.table).splitlines()[0]
    for name in ("filling", "local_moment", "double_occupancy", "compressibility", "n_k_up(0.5,0)"):
        assert name in heading
    text = table_text(run.table)
    assert text.startswith("Hubbard, t1 = 1, U = 4, mu = 1 on chain 4, 4 sites\nexact diagonalization, 2 rows")
    for word in ("kappa", "double", "<S^2>", "N(1,0)", "n_up(0.5,0)"):
        assert word in text


def test_sectors_of_electrons():
    ground = {"run": {"task": "ground_state"}, "observables": {}, "thermal": {}}
    run = hpc_nqs.diagonalize(hpc_nqs.make_input(**INPUT | ground))
    rows = run.table["rows"]
    assert [row["grand_potential"] for row in rows] == sorted(row["grand_potential"] for row in rows)
    for row in rows:
        filling = (row["n_up"] + row["n_down"]) / 4
        assert row["energy"] - 1.0 * filling == pytest.approx(row["grand_potential"], abs=1e-12)
    canonical = {"model": {"kind": "hubbard", "U": 4.0, "n_up": 2, "n_down": 2}}
    rows = hpc_nqs.diagonalize(hpc_nqs.make_input(**INPUT | ground | canonical)).table["rows"]
    assert rows[0]["energy"] == pytest.approx(STORED["hubbard_ring4_u4_n22"]["ground_state_energy_per_site"], abs=1e-9)
    assert rows[0] == {"n_up": 2, "n_down": 2, "momentum": [2], "spin_parity": 1} | {
        "energy": rows[0]["energy"], "dimension": rows[0]["dimension"], "gap": 0.0
    }


def test_too_large_a_system_is_one_sentence():
    large = INPUT | {"lattice": {"kind": "chain", "lengths": [12]}}
    with pytest.raises(hpc_nqs.SettingsError, match="^no exact results: 24 spin-orbitals: all levels are found for up"):
        hpc_nqs.diagonalize(hpc_nqs.make_input(**large))


def test_orbits_of_sites_and_pairs():
    open_chain = lattices.build("chain", [3], "open")
    model = Kanamori.build(open_chain, U=4.0, mu=1.0)
    seen = ElectronObservables(model, open_chain, site_symmetries(open_chain, model))
    assert seen.site_orbit.tolist() == [0, 1, 0]
    assert len(set(seen.pair_orbit.ravel().tolist())) == seen.n_pair_orbits == 4
    assert seen.pair_orbit[0, 1] == seen.pair_orbit[2, 1] == seen.pair_orbit[1, 0] != seen.pair_orbit[0, 2]
