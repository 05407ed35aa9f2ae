"""Exact averages over rings: of the exact kernel, of any state with two links, and of cooled states below their T."""

import numpy as np
import pytest
import scipy.linalg

from hpc_nqs import tasks
from hpc_nqs.exact import diagonalization as exact
from hpc_nqs.exact.imaginary_time import TimeCorrelations
from hpc_nqs.hamiltonians.matrices import to_sparse
from hpc_nqs.observables.diagonal import build_observables
from hpc_nqs.parallel.team import Team
from hpc_nqs.runs import run_file
from hpc_nqs.sampling.evaluation import evaluate
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.ansatz import build_state
from hpc_nqs.thermal.rings.imaginary_time import rows
from hpc_nqs.thermal.rings.meter import traced_row
from hpc_nqs.thermal.rings.traces import RingTraces

SERIAL = Team.serial()
HEISENBERG = {"kind": "heisenberg"}
SYSTEMS = {
    "ring": ("chain", [6], HEISENBERG, [[1.0], [1 / 3]]),
    "odd_ring": ("chain", [5], HEISENBERG | {"couplings": [1.0, 0.4]}, [[0.4]]),
    "field_z": ("chain", [6], HEISENBERG | {"couplings": [1.0, 0.5], "field_z": 0.6}, [[0.0], [1.0]]),
    "square": ("square", [4, 2], HEISENBERG | {"couplings": [1.0, 0.5]}, [[1.0, 1.0], [1.0, 0.0]]),
    "tfim": ("chain", [5], {"kind": "tfim", "field": 0.7}, [[0.0], [0.4]]),
    "tfim_field_z": ("chain", [4], {"kind": "tfim", "field": 0.7, "field_z": 0.3}, [[0.0], [1.0]]),
}


def settings_of(name, **sections):
    kind, lengths, model, waves = SYSTEMS[name]
    tables = {"run": {"seed": 1}, "lattice": {"kind": kind, "lengths": lengths}, "model": model}
    observables = {"structure_factor": waves, "correlations": True, "imaginary_time": True}
    tables |= {"observables": observables, "thermal": {"temperatures": [1.0]}, "sampling": {"method": "exact_sum"}}
    return parse_settings(tables | sections)


def codes(spins):
    return (spins > 0) @ (1 << np.arange(spins.shape[1]))


def traces_of_exact_kernel(name, kernel_beta):
    """Return the `RingTraces` of e^{-b H / 2} with a factor and a sign of its own for every magnetization."""
    settings = settings_of(name)
    lattice, model = build(settings)
    kernel = scipy.linalg.expm(-0.5 * kernel_beta * to_sparse(model).toarray())

    def log_kernel(spins):
        part = kernel[np.ix_(codes(spins), codes(spins))] * (-1.0) ** codes(spins)[0].bit_count()
        with np.errstate(divide="ignore"):
            return np.log(part.astype(np.complex128)) + 900.0

    observables = build_observables(settings, lattice, model)
    traces = RingTraces(model, observables, SERIAL, log_kernel, flips=model.spin_flip_symmetric)
    return settings, lattice, model, observables, traces


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("n_links", [2, 3, 4, 5])
def test_rings_of_the_exact_kernel_are_exact(name, n_links):
    kernel_beta = 0.6
    settings, lattice, model, observables, traces = traces_of_exact_kernel(name, kernel_beta)
    n, beta = model.n_sites, 0.5 * n_links * kernel_beta
    found = traces.averages(n_links)
    waves = settings.observables.structure_factor
    (expected,) = exact.thermal_rows(exact.diagonalize(model, lattice, waves, True), [beta])
    assert found["ln_trace"] - 900.0 * n_links == pytest.approx(n * expected["ln_z"], abs=1e-9)
    assert found["energy"] / n == pytest.approx(expected["energy"], abs=1e-11)
    for variance in ("variance", "variance_opposite"):
        assert beta**2 * found[variance] / n == pytest.approx(expected["specific_heat"], abs=1e-10), variance
    m, m_squared, *others = found["observables"]
    if "susceptibility" in expected:
        assert beta * (m_squared - m**2) / n == pytest.approx(expected["susceptibility"], abs=1e-11)
    assert (abs(m) > 0.1) == bool(model.site_field.any())
    for value, (quantity, key) in zip(others, observables.names[2:], strict=True):
        if quantity != "neighbour_correlation":
            assert value == pytest.approx(expected[quantity][key][0], abs=1e-11), (quantity, key)
    taus = 0.5 * kernel_beta * np.arange(n_links // 2 + 1)
    in_time = TimeCorrelations(model, lattice, waves).correlations(beta, taus)
    for number in range(-1, len(waves)):
        columns = observables.layers.columns(n_links, number)
        np.testing.assert_allclose(found["layers"][columns], in_time[:, number], atol=1e-11)
    if observables.layers.subtracts_means:
        means = found["layers"][observables.layers.mean_columns(n_links, 0)]
        np.testing.assert_allclose(means, [m / np.sqrt(n), 0], atol=1e-11)  # q = 0 stands first


def random_state(settings):
    state = build_state(settings, *build(settings), 1)
    noise = np.random.default_rng(3).standard_normal(state.wavefunction.n_params)
    state.wavefunction.params = state.wavefunction.params + 0.1 * noise
    return state


@pytest.mark.parametrize("name", SYSTEMS)
def test_rings_of_two_links_are_the_sums_over_configurations(name):
    settings = settings_of(name, wavefunction={"parameters": "real"})
    state, beta = random_state(settings), 0.7
    n, observables = state.model.n_sites, build_observables(settings, state.lattice, state.model)
    sampler = state.sampler(SERIAL, 1, 1)
    samples = sampler.sample(None, state.system, 1, 1, 0.0)
    evaluation = evaluate(samples, state.wavefunction, state.system, SERIAL)
    row = state.meter(observables, sampler, SERIAL).report([(samples, evaluation)], beta)
    found = RingTraces.of_state(state, observables, SERIAL).averages(2)
    assert found["energy"] / n == pytest.approx(row["energy"], abs=1e-10)
    variance = "variance_opposite" if state.between_layers else "variance"
    assert found[variance] / n == pytest.approx(row["energy_variance"], abs=1e-10)
    assert found["variance"] > found["variance_opposite"]  # away from a function of H alone
    assert found["average_sign"] == pytest.approx(1.0, abs=1e-12)

    def of_z(quantity):  # from Sz alone, where there is more
        return row.get(quantity + "_z", row[quantity])

    for value, (quantity, key) in zip(found["observables"], observables.names, strict=True):
        if quantity == "magnetization":
            assert value / n == pytest.approx(row["magnetization"], abs=1e-10)
        elif key:
            assert value == pytest.approx(of_z(quantity)[key][0], abs=1e-10), (quantity, key)
    for number, key in enumerate(observables.phases):
        for k, column in enumerate(observables.layers.columns(2, number)):
            assert found["layers"][column] == pytest.approx(of_z("time_correlation")[f"{key},{k}"][0], abs=1e-10)
    if "components" in found:  # what the sums average, traces have as an error
        traced = traced_row(found, observables, state.model, 2, beta)
        for quantity in ("structure_factor", "neighbour_correlation", "correlation", "time_correlation"):
            assert quantity + "_z" in row
            for key, (value, _) in row[quantity].items():
                apart = abs(value - of_z(quantity)[key][0])
                assert traced[f"{quantity}_systematic"][key] == pytest.approx(apart, abs=1e-9), (quantity, key)
    assert ("components" in found) == (name in ("ring", "odd_ring", "square"))
    in_time = rows(lambda function: (function(found["layers"][None])[0], 0.0), observables.layers, 2, beta)
    for key, (value, _) in in_time["static_susceptibility"].items():
        assert value == pytest.approx(of_z("static_susceptibility")[key][0], abs=1e-9)
    for k, column in enumerate(observables.layers.columns(2, -1)):
        assert found["layers"][column] == pytest.approx(of_z("local_time_correlation")[str(k)][0], abs=1e-10)


@pytest.mark.parametrize(
    ("kind", "lengths", "model"),
    [("chain", [8], HEISENBERG), ("square", [4, 2], HEISENBERG | {"couplings": [1.0, 0.5]})],
)
def test_rings_of_a_cooled_state_reach_colder(kind, lengths, model, tmp_path):
    """From b = 1: T = 0.5 and 0.25; chi of the networks cooled there is off by three to five times as much."""
    tables = {"run": {"seed": 1}, "lattice": {"kind": kind, "lengths": lengths}, "model": model}
    cooled = {}
    for betas in ([1.0], [2.0, 4.0]):
        thermal = {"betas": betas, "rings": [2]}
        settings = parse_settings(tables | {"thermal": thermal, "sampling": {"method": "exact_sum"}})
        path = tmp_path / f"run_{betas[0]:g}.h5"
        assert tasks.run(settings, SERIAL, str(path)) == 0
        cooled |= {row["beta"]: row for row in run_file.read_table(path)["rows"]}
    params = run_file.read_state(tmp_path / "run_1.h5")["params"]
    state = build_state(settings, *build(settings), 1)
    state.wavefunction.params = params
    traces = RingTraces.of_state(state, build_observables(settings, state.lattice, state.model), SERIAL)
    levels = exact.diagonalize(build(settings)[1], state.lattice)
    of_rings = of_network = 0.0
    for n_links in (4, 8):
        beta = 0.5 * n_links
        (expected,), found = exact.thermal_rows(levels, [beta]), traces.averages(n_links)
        m, m_squared = found["observables"][:2]
        assert found["energy"] / 8 == pytest.approx(expected["energy"], abs=3e-4)
        assert beta**2 * found["variance_opposite"] / 8 == pytest.approx(expected["specific_heat"], abs=2e-3)
        assert beta**2 * found["variance"] / 8 == pytest.approx(expected["specific_heat"], abs=3e-3)
        of_rings += abs(beta * (m_squared - m**2) / 8 - expected["susceptibility"])
        of_network += abs(cooled[beta]["susceptibility"] - expected["susceptibility"])
    assert of_rings < 0.4 * of_network


def test_limits_are_named():
    settings = settings_of("ring")
    lattice, model = build(settings)
    observables = build_observables(settings, lattice, model)
    with pytest.raises(ValueError, match="1 links: a ring has at least 2"):
        RingTraces.of_state(random_state(settings), observables, SERIAL).averages(1)
    large = parse_settings(
        {"lattice": {"kind": "chain", "lengths": [13]}, "model": {"kind": "tfim"}, "thermal": {"temperatures": [1.0]}}
    )
    lattice, model = build(large)
    with pytest.raises(ValueError, match="8192 configurations of a layer with one magnetization; at most 4096"):
        RingTraces(model, build_observables(large, lattice, model), SERIAL, lambda spins: pytest.fail("not reached"))
