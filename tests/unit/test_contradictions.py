"""Options that exclude each other or need each other, and methods that have options of their own."""

import pytest

from hpc_nqs.settings.parsing import parse_settings, read_tables
from tests.unit.test_settings import MINIMAL, changed, problems_of


def test_more_chains_than_samples():
    (problem,) = problems_of(changed(("sampling", "n_samples", 10), ("sampling", "n_chains", 11)))
    assert problem == "sampling.n_chains = 11: more chains than sampling.n_samples; allowed is 1 to 10"


def test_options_of_the_analytic_method():
    given = {"method": "analytic", "dtau": [0.1, 0.2, 0.05], "trotter_order": 1, "entropy": False, "sign_floor": 0.2}
    changes = [("thermal", name, value) for name, value in given.items()]
    settings = parse_settings(changed(*changes, ("sampling", "method", "cluster")))
    assert settings.thermal.dtau == (0.2, 0.1, 0.05)
    written = settings.to_dict()["thermal"]
    assert {name: written[name] for name in given} == given | {"dtau": [0.2, 0.1, 0.05]}
    assert "clock" not in written
    assert parse_settings(read_tables(settings.to_toml())) == settings


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("thermal", "dtau", [0.1, 0.1]),
        ("thermal", "dtau", [0.0]),
        ("thermal", "dtau", []),
        ("thermal", "trotter_order", 3),
        ("thermal", "sign_floor", 1.5),
        ("thermal", "beta_0", 0.01),
        ("thermal", "clock", "time"),
        ("sampling", "method", "gibbs"),  # heisenberg: single units would not be ergodic
        ("sampling", "method", "metropolis"),
        ("sampling", "method", "exact_sum"),
    ],
)
def test_a_wrong_value_of_the_analytic_method_is_named(section, key, value):
    (problem,) = problems_of(changed(("thermal", "method", "analytic"), (section, key, value)))
    assert problem.startswith(f"{section}.{key} = ")


def test_block_gibbs_is_for_the_analytic_tfim():
    changes = [("thermal", "method", "analytic"), ("sampling", "method", "gibbs")]
    assert parse_settings(changed(*changes) | {"model": {"kind": "tfim"}}).sampling.method == "gibbs"


def test_a_tfim_without_any_coupling():
    (problem,) = problems_of(MINIMAL | {"model": {"kind": "tfim", "coupling": 0, "field": 0}})
    assert problem == "model.coupling = 0.0: coupling or field must differ from zero"


def test_spin_flip_in_a_field():
    (problem,) = problems_of(changed(("wavefunction", "symmetries", ["spin_flip"]), ("model", "field_z", 0.1)))
    assert '"spin_flip" is broken by model.field_z = 0.1' in problem


def test_ground_states_have_no_ancilla_spins():
    changes = (
        ("run", "task", "ground_state"),
        ("wavefunction", "bond_features", True),
        ("wavefunction", "symmetries", ["layer_exchange"]),
    )
    bonds, layers = problems_of(changed(*changes))
    assert "wavefunction.bond_features = true: a ground state has no ancilla spins" in bonds
    assert "a ground state has one layer" in layers


def test_tables_over_clusters_are_for_thermal_states_and_their_size_for_tables():
    (problem,) = problems_of(changed(("run", "task", "ground_state"), ("wavefunction", "kind", "clusters")))
    text = 'wavefunction.kind = "clusters": for thermal states only; allowed are "auto", "rbm" and "pair_rbm"'
    assert problem == text
    (problem,) = problems_of(changed(("wavefunction", "kind", "rbm"), ("wavefunction", "cluster_size", 4)))
    kinds = '"clusters", "permanent", "hafnian" or "determinant"; allowed is "auto"'
    assert problem == f"wavefunction.cluster_size = 4: only with wavefunction.kind = {kinds}"
    for kind in ("clusters", "permanent"):
        tables = parse_settings(changed(("wavefunction", "kind", kind), ("wavefunction", "cluster_size", 4)))
        assert tables.wavefunction.cluster_size == 4


def test_the_radius_of_exchanges_is_for_permanents():
    (problem,) = problems_of(changed(("wavefunction", "kind", "clusters"), ("wavefunction", "exchange_radius", 1)))
    text = 'wavefunction.exchange_radius = 1: only with wavefunction.kind = "permanent"; allowed is "auto"'
    assert problem == text
    settings = parse_settings(changed(("wavefunction", "kind", "permanent"), ("wavefunction", "exchange_radius", 1)))
    assert settings.wavefunction.exchange_radius == 1


def test_correlations_against_distance_are_for_thermal_runs():
    (problem,) = problems_of(changed(("run", "task", "ground_state"), ("observables", "correlations", True)))
    assert problem == "observables.correlations = true: only measured in thermal runs; allowed is false"


def test_samplers_of_the_analytic_method_are_not_for_ground_states():
    changes = (("run", "task", "ground_state"), ("thermal", "method", "analytic"), ("sampling", "method", "cluster"))
    (problem,) = problems_of(changed(*changes))
    assert problem.startswith('sampling.method = "cluster": with run.task = "ground_state" allowed is "auto"')


def test_a_list_of_sectors_replaces_one_sector():
    changes = (
        ("run", "task", "ground_state"),
        ("ground_state", "sectors", [[0, 1], [1, 2]]),
        ("ground_state", "momentum", [1]),
    )
    first, second = problems_of(changed(*changes))
    assert "ground_state.momentum = [1]: ground_state.sectors is given too" in first
    assert "the last number of a sector is its spin parity, 1 or -1" in second


@pytest.mark.parametrize(
    ("section", "key", "value", "what"),
    [
        ("reconfiguration", "solver", "cg", '"dense" is allowed'),
        ("reconfiguration", "regularization", "diag_shift", '"soft_cut" is allowed'),
        ("wavefunction", "symmetries", ["translation"], '"layer_exchange"'),
    ],
)
def test_what_several_slices_need(section, key, value, what):
    (problem,) = problems_of(changed(("wavefunction", "slices", 2), (section, key, value)))
    assert problem.startswith(f"{section}.{key} = ") and what in problem
    parse_settings(changed(("wavefunction", "slices", 1), (section, key, value)))


@pytest.mark.parametrize(
    ("section", "key", "value", "what"),
    [
        ("wavefunction", "alpha", 4.0, "the hidden units are those of the Trotter network"),
        ("wavefunction", "bond_features", True, "deep Boltzmann machines have none"),
        ("reconfiguration", "solver", "cg", 'with sampled deep units only "auto" or "dense" is allowed'),
        ("run", "task", "ground_state", "deep units are for thermal states"),
    ],
)
def test_what_deep_units_cannot_follow(section, key, value, what):
    (problem,) = problems_of(changed(("wavefunction", "kind", "dbm"), (section, key, value)))
    assert what in problem
    parse_settings(changed(("wavefunction", "kind", "dbm"), ("wavefunction", "slices", 6)))
