"""Rings of a cooled kernel: the path of kernels, sampled means against exact traces, and whole runs.

Sampled tests have fixed seeds and compare within 5 standard errors: a false-alarm rate below 1e-5 each had the seed
been drawn.
"""

import numpy as np
import pytest

from hpc_nqs import tasks
from hpc_nqs.exact import diagonalization as exact
from hpc_nqs.observables.diagonal import build_observables
from hpc_nqs.parallel.team import Team
from hpc_nqs.runs import run_file
from hpc_nqs.runs.computation import FAILED
from hpc_nqs.settings.parsing import SettingsError, parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.ansatz import build_state
from hpc_nqs.thermal.evolution import AdaptiveEvolution, PathEnds
from hpc_nqs.thermal.permanent_state import PermanentEvolution
from hpc_nqs.thermal.rings.kernel_path import KernelPath
from hpc_nqs.thermal.rings.measurement import RingMeasurement
from hpc_nqs.thermal.rings.meter import traced_row
from hpc_nqs.thermal.rings.policy import Policy
from hpc_nqs.thermal.rings.traces import RingTraces

SERIAL = Team.serial()
HEISENBERG = {"kind": "heisenberg", "couplings": [1.0, 0.5]}


def settings_of(n_sites, thermal, **sections):
    """Return the settings of a frustrated ring."""
    lattice = {"kind": "chain", "lengths": [n_sites]}
    observables = {"structure_factor": [[1, 0]], "imaginary_time": True}
    tables = {"run": {"seed": 3}, "lattice": lattice, "model": HEISENBERG, "observables": observables}
    return parse_settings(tables | {"thermal": thermal} | sections)


def test_the_path_is_cubic_between_its_points():
    def curve(beta):
        return np.array([beta**3 - beta, 2 * beta**2 + 1])

    def slope(beta):
        return np.array([3 * beta**2 - 1, 4 * beta])

    path = KernelPath()
    for beta in (0.1, 0.3, 0.4, 0.9):
        path.add(beta, curve(beta), slope(beta))
    for beta in (0.1, 0.17, 0.35, 0.88, 0.9):
        np.testing.assert_allclose(path.at(beta), curve(beta), rtol=1e-13)
    path.add(0.35, curve(0.35), slope(0.35))  # after a step back
    assert path.coldest == 0.35
    assert not path.holds(0.4)
    with pytest.raises(ValueError, match="the path holds"):
        path.at(0.5)
    copy = KernelPath()
    copy.restore(path.arrays())
    np.testing.assert_array_equal(copy.at(0.2), path.at(0.2))


@pytest.mark.parametrize("n_links", [2, 3, 4, 5])
def test_sampled_rings_agree_with_traces(n_links):
    """Every mean, the fluctuations of H and correlations in time: a product of energies on one link is off by 10 %."""
    settings = settings_of(6, {"betas": [1.0], "beta_0": 1.0})
    state = build_state(settings, *build(settings), seed=1)
    observables = build_observables(settings, state.lattice, state.model)
    beta = 0.5 * n_links
    traced = RingTraces.of_state(state, observables, SERIAL).averages(n_links)
    expected = traced_row(traced, observables, state.model, n_links, beta)
    ring = RingMeasurement(state, observables, SERIAL, 5, 64, beta, n_links, -0.3, 4096, 16384, 0.0)
    while not ring.is_finished():
        ring.advance()
    row = ring.row()
    for name in ("energy", "energy_variance", "susceptibility", "average_sign", "magnetization"):
        error = row[f"{name}_error"]
        assert abs(row[name] - expected.get(name, 0.0)) < 5 * error + 1e-12, name
    for name in ("structure_factor", "time_correlation", "local_time_correlation"):
        for key, (value, error) in row[name].items():
            assert abs(value - expected[name][key][0]) < 5 * error + 1e-9, (name, key)
    assert row["links"] == n_links
    assert row["kernel_beta"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("n_links", "filling"),
    [
        (2, {"n_up": 2, "n_down": 1}), (3, {"n_up": 2, "n_down": 1}), (4, {"n_up": 2, "n_down": 1}), (2, {"mu": 1.2}),
        (3, {"mu": 1.2, "field_z": 0.5}), (3, {"kind": "kanamori", "J_hund": 1.0, "n_up": 2, "n_down": 1}),
    ],
)
def test_sampled_rings_of_electrons_agree_with_traces(n_links, filling):
    """Kernels with signs in the order of the orbitals, and hops with the signs that electrons keep in their rows."""
    model = {"kind": "hubbard", "U": 4.0} | filling
    chain = {"kind": "chain", "lengths": [2 if "kind" in filling else 4]}
    tables = {"lattice": chain, "model": model, "thermal": {"betas": [1.0], "beta_0": 0.8}}
    vectors = [[0.0, 0.0], [1.0, 0.0]] if "kind" in filling else [[0.0, 0.0], [0.5, 0.0], [1.0, 0.0]]
    settings = parse_settings(tables | {"observables": {"structure_factor": vectors, "correlations": True}})
    state = build_state(settings, *build(settings), seed=1)
    state.wavefunction.params += 0.02 * np.random.default_rng(1).standard_normal(state.wavefunction.n_params)
    observables, beta = state.observables(settings), 0.4 * n_links
    traced = RingTraces.of_state(state, observables, SERIAL).averages(n_links)
    expected = traced_row(traced, observables, state.model, n_links, beta)
    ring = RingMeasurement(state, observables, SERIAL, 5, 64, beta, n_links, 0.0, 4096, 16384, 0.0)
    assert ring.chains.averages.stride > 1
    while not ring.is_finished():
        ring.advance()
    row = ring.row()
    names = ("energy", "energy_variance", "average_sign", "double_occupancy", "local_moment")
    of_numbers = ("filling", "compressibility", "susceptibility", "hamiltonian_energy") if "mu" in filling else ()
    for name in (*names, *of_numbers):
        assert abs(row[name] - expected[name]) < 5 * row[f"{name}_error"] + 1e-12, name
    for name in ("structure_factor", "charge_structure_factor", "correlation", "charge_correlation"):
        for key, (value, error) in row[name].items():
            assert abs(value - expected[name][key][0]) < 5 * error + 1e-9, (name, key)
    for name in ("n_k_up", "n_k_down"):
        for key, (value, error) in row[name].items():
            assert 0 < error < 0.02
            assert abs(value - expected[name][key][0]) < 5 * error, (name, key)


def test_a_run_goes_over_to_rings_and_is_right(tmp_path):
    """Ten sites, exact sums down to T = 0.2: e to 5e-4, c to 5e-3, chi to 1.5e-3 (1 %)."""
    settings = settings_of(10, {"temperatures": [1.0, 0.5, 0.3, 0.2]})
    assert tasks.run(settings, SERIAL, str(tmp_path / "run.h5")) == 0
    rows = run_file.read_table(tmp_path / "run.h5")["rows"]
    lattice, model = build(settings)
    wanted = exact.thermal_rows(exact.diagonalize(model, lattice), [row["beta"] for row in rows])
    assert rows[-1]["links"] > rows[0]["links"] == 2
    for row, right in zip(rows, wanted, strict=True):
        assert abs(row["energy"] - right["energy"]) < 5e-4
        assert abs(row["specific_heat"] - right["specific_heat"]) < 5e-3
        assert abs(row["susceptibility"] - right["susceptibility"]) < 1.5e-3
        assert abs(row["entropy"] - right["entropy"]) < 2e-3
        for name in ("energy", "specific_heat", "susceptibility", "entropy"):
            total = row[f"{name}_systematic"] + row.get(f"{name}_error", 0.0)
            assert abs(row[name] - right[name]) < 4 * total + 1e-6, (name, row["temperature"])


def test_the_policy_takes_the_fewest_links_of_good_kernels():
    policy = Policy(tuple(range(2, 9)), 0.05, False)
    assert policy.crossing([0.5, 1.0, 1.1], [0.01, 0.015, 0.018]) is None
    crossing = policy.crossing([0.5, 1.0, 1.1, 1.2], [0.01, 0.019, 0.022, 0.03])
    assert crossing == 1.1
    assert policy.choose(2.0, None) == 2
    assert policy.choose(2.0, crossing) == 4
    policy.signs |= {(4.0, 8): 0.01, (4.0, 7): 0.02, (4.0, 6): 0.03, (4.0, 5): 0.2}
    assert policy.choose(4.0, crossing) == 5
    policy.signs |= {(4.0, 5): 0.04, (4.0, 4): 0.01, (4.0, 3): 0.0}
    assert policy.choose(4.0, crossing) == 2
    nodes = policy.nodes(2.0, 1.1)
    ratios = np.divide([*nodes, 2.0], [1.1, *nodes])
    np.testing.assert_allclose(ratios, ratios[0])
    assert 1 < ratios[0] <= 1.26
    assert Policy((2,), 0.05, False).choose(3.0, 1.0) == 2


def test_kernels_may_be_limited_in_temperature_and_residual():
    betas, residuals = [0.5, 1.0, 1.1, 1.2], [0.001, 0.002, 0.004, 0.005]
    assert Policy((2, 3), 0.05, True).crossing(betas, residuals) is None
    assert Policy((2, 3), 0.05, True, limit=0.003).crossing(betas, residuals) == 1.2
    assert Policy((2, 3), 0.05, True, coldest=1.05).crossing(betas, residuals) == 1.05
    assert Policy((2, 3), 0.05, True, coldest=1.05).crossing(betas[:2], residuals[:2]) is None


def test_no_kernel_lies_beyond_the_end_of_the_path():
    """A path that ends crosses there; signs that are too low do not ask for colder kernels, nor do second rings."""
    policy = Policy(tuple(range(2, 9)), 0.05, False)
    assert policy.crossing([0.3, 0.4], [0.001, 0.002]) is None
    policy.end = 0.5
    assert policy.crossing([0.3, 0.4], [0.001, 0.002]) == 0.5
    assert policy.choose(1.0, 0.5) == 4
    assert policy.other(1.0, 4, 0.5) == [5]
    policy.signs[1.0, 4] = 0.01
    assert policy.choose(1.0, 0.5) == 2  # the cooled state, which ends the run
    free = Policy(tuple(range(2, 9)), 0.05, False, signs=policy.signs)
    assert free.choose(1.0, 0.5) == 3
    assert free.other(1.0, 4, 0.5) == [3, 5]


def test_a_path_that_ends_goes_on_in_rings(tmp_path, monkeypatch, capsys):
    """Colder temperatures come from rings, within 5 errors of the exact ones."""

    def advance(evolution, samples, evaluation, first, target):
        if evolution.beta > 0.45:
            raise PathEnds("17 pairs", "Stop at higher temperatures.")
        return AdaptiveEvolution.advance(evolution, samples, evaluation, first, target)

    monkeypatch.setattr(PermanentEvolution, "advance", advance)
    sections = {"sampling": {"n_samples": 512}, "observables": {"structure_factor": [[1, 0]]}}
    settings = settings_of(10, {"temperatures": [1.0]}, **sections)
    path = str(tmp_path / "run.h5")
    assert tasks.run(settings, SERIAL, path) == 0
    assert "17 pairs; colder temperatures come from rings of states until there" in capsys.readouterr().err
    (row,) = run_file.read_table(path)["rows"]
    end = run_file.read_state(path)["beta"]
    assert row["links"] > 2
    assert row["kernel_beta"] <= end < 0.6
    lattice, model = build(settings)
    (right,) = exact.thermal_rows(exact.diagonalize(model, lattice), [1.0])
    for name in ("energy", "specific_heat", "susceptibility"):
        error = np.hypot(row[f"{name}_error"], row[f"{name}_systematic"])
        assert abs(row[name] - right[name]) < 5 * error, name
    colder = settings_of(10, {"temperatures": [1.0, 0.9]}, **sections)
    assert tasks.run(colder, SERIAL, path, resume_from=path) == 0
    assert "colder temperatures come from rings" not in capsys.readouterr().err  # the file knows
    settings = settings_of(10, {"temperatures": [1.0], "rings": [2]}, **sections)
    assert tasks.run(settings, SERIAL, str(tmp_path / "cooled.h5")) == FAILED
    assert "Stop at higher temperatures" in capsys.readouterr().err


def test_rings_can_be_asked_for_and_refused(tmp_path):
    """Rings of two links alone are the cooled network; where there are none the input is refused."""
    settings = settings_of(6, {"temperatures": [1.0, 0.25], "rings": [2]}, sampling={"method": "exact_sum"})
    assert tasks.run(settings, SERIAL, str(tmp_path / "run.h5")) == 0
    rows = run_file.read_table(tmp_path / "run.h5")["rows"]
    assert all("average_sign" not in row for row in rows)
    settings = settings_of(6, {"temperatures": [1.0], "rings": [3]}, wavefunction={"kind": "pair_rbm"})
    with pytest.raises(SettingsError, match=r"thermal.rings = \[3\]"):
        build_state(settings, *build(settings), seed=1)


def test_a_cooled_state_may_be_colder_than_a_ring(tmp_path):
    """Rings first, then the network itself further down: rows stand in the order of temperature, entropies fall."""
    sections = {"sampling": {"method": "exact_sum"}}
    path = str(tmp_path / "run.h5")
    settings = settings_of(6, {"temperatures": [1.0, 0.4], "rings": "auto"}, **sections)
    assert tasks.run(settings, SERIAL, path) == 0
    settings = settings_of(6, {"temperatures": [1.0, 0.5, 0.4, 0.3], "rings": [2]}, **sections)
    with pytest.raises(SettingsError, match="continues to lower temperatures only"):
        tasks.run(settings, SERIAL, path, resume_from=path)
    settings = settings_of(6, {"temperatures": [1.0, 0.4, 0.3], "rings": [2]}, **sections)
    assert tasks.run(settings, SERIAL, path, resume_from=path) == 0
    settings = settings_of(6, {"temperatures": [1.0, 0.4, 0.3, 0.25], "rings": [8, 9]}, **sections)
    assert tasks.run(settings, SERIAL, path, resume_from=path) == 0
    rows = run_file.read_table(path)["rows"]
    assert [row["temperature"] for row in rows] == [1.0, 0.4, 0.3, 0.25]
    assert [row["links"] > 2 for row in rows] == [False, True, False, True]
    assert np.all(np.diff([row["entropy"] for row in rows]) < 0)
    assert np.all(np.diff([row["energy"] for row in rows]) < 0)
