"""Operators of spins: exact results against dense matrices, estimators against sums over all configurations."""

import functools
import itertools

import numpy as np
import pytest
from scipy.linalg import expm

from hpc_nqs.exact.table import thermal_rows
from hpc_nqs.ground_state.ansatz import build_spin_ansatz, sectors_of
from hpc_nqs.ground_state.meter import LevelMeter
from hpc_nqs.hamiltonians.matrices import spins_of, to_sparse
from hpc_nqs.observables.diagonal import build_observables
from hpc_nqs.observables.local_estimators import LocalEstimators
from hpc_nqs.observables.plaquettes import bonds_by_kind, pairs_of, triangles_by_kind
from hpc_nqs.observables.spin_operators import energy_terms
from hpc_nqs.observables.structure_factors import build_correlations
from hpc_nqs.parallel.team import Team
from hpc_nqs.sampling.enumeration import Enumeration
from hpc_nqs.sampling.evaluation import evaluate
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.ansatz import build_state
from hpc_nqs.thermal.rings.traces import RingTraces
from hpc_nqs.wavefunctions.wavefunction import log_psi

SERIAL = Team.serial()
# in the basis (down, up): bit i of a state is set where spin i is up
SPIN = {"x": np.array([[0, 1], [1, 0]]) / 2, "y": np.array([[0, 1j], [-1j, 0]]) / 2, "z": np.diag([-0.5, 0.5])}
OWN = [
    {"name": "mixed", "terms": [{"sites": [0, 1], "ops": "+-", "coefficient": 1.5}, {"sites": [2, 0, 3], "ops": "zxx"},
                                {"sites": [4], "ops": "z", "coefficient": -0.5}]},
    {"name": "four", "terms": [{"sites": [0, 1, 2, 4], "ops": "xxyy"}, {"sites": [0, 1, 2, 4], "ops": "zzzz"}]},
]
ASKED = {"correlation_vectors": True, "moments": True, "energy_terms": True, "dimers": True, "operators": OWN}
CHAIN = {"kind": "chain", "lengths": [6]}
MODELS = {
    "plain": (CHAIN, {"kind": "heisenberg"}),
    "frustrated": (CHAIN, {"kind": "heisenberg", "couplings": [1.0, 0.5]}),
    "field": (CHAIN, {"kind": "heisenberg", "anisotropy": 0.7, "field_z": 0.6}),
    "directions": ({"kind": "square", "box": [[2, 1], [-1, 2]]},
                   {"kind": "heisenberg", "couplings": [1.0], "cell_bonds": [[1, 1, 0, 0, 0.4]]}),
    "tfim": (CHAIN, {"kind": "tfim", "field": 0.8, "field_z": 0.3}),
    "negative_field": (CHAIN, {"kind": "tfim", "field": -0.8}),
    "dm": (CHAIN, {"kind": "xyz", "couplings_y": [0.3], "field_z": 0.2,
                   "bonds_xyz": [[0, 1, 0.0, 0.4, 0.0, -0.4, 0.0, 0.0, 0.0, 0.0, 0.0]]}),
}


def settings_of(name, asked=ASKED, **sections):
    lattice, model = MODELS[name]
    return parse_settings({"lattice": lattice, "model": model, "thermal": {"temperatures": [0.8]}, "observables": asked}
                          | sections)


@functools.cache
def one(letter, site, n):
    """Return a spin operator of one site, (2^n, 2^n)."""
    if letter in "+-":
        return one("x", site, n) + (1j if letter == "+" else -1j) * one("y", site, n)
    return np.kron(np.kron(np.eye(2 ** (n - 1 - site)), SPIN[letter]), np.eye(2**site))


def dot(i, j, n):
    return sum(one(a, i, n) @ one(a, j, n) for a in "xyz")


def chirality(sites, n):
    i, j, k = sites
    signs = {"xyz": 1, "yzx": 1, "zxy": 1, "xzy": -1, "zyx": -1, "yxz": -1}
    return sum(s * one(a, i, n) @ one(b, j, n) @ one(c, k, n) for (a, b, c), s in signs.items())


def own(operator, n):
    total = 0
    for term in operator["terms"]:
        parts = [one(a, i, n) for a, i in zip(term["ops"], term["sites"], strict=True)]
        total = total + term.get("coefficient", 1.0) * functools.reduce(np.matmul, parts)
    return (total + total.conj().T) / 2


def wanted_operators(settings, lattice, n):
    """Return {(name, key): dense matrices and how their means are put together} of an input."""
    found, asked = {}, settings.observables
    if asked.dimers:
        kinds = bonds_by_kind(lattice, build(settings)[1])
        singles = [np.mean([dot(*bond, n) for bond in kind], axis=0) for kind in kinds]
        for pair in pairs_of(lattice, kinds):
            both = dot(*pair.first, n) @ dot(*pair.second, n)
            matrices = (both + both.conj().T) / 2, *(singles[kind] for kind in pair.kinds)
            found["dimer_correlation", pair.key] = matrices, lambda a, b, c: a - b * c
    if asked.chirality:
        kinds = triangles_by_kind(lattice, build(settings)[1])
        for pair in pairs_of(lattice, kinds):
            both = chirality(pair.first, n) @ chirality(pair.second, n)
            found["chirality_correlation", pair.key] = ((both + both.conj().T) / 2,), lambda a: a
        triangles = [sites for kind in kinds for sites in kind]
        total = sum(chirality(sites, n) for sites in triangles)
        found["chirality_structure_factor", "0,0"] = (total @ total / len(triangles),), lambda a: a
    for operator in OWN if asked.operators else ():
        found["operators", operator["name"]] = (own(operator, n),), lambda a: a
    return found


@pytest.mark.parametrize("name", MODELS)
def test_exact_results_are_those_of_dense_matrices(name):
    settings = settings_of(name)
    lattice, model = build(settings)
    n, hamiltonian = model.n_sites, to_sparse(model).toarray()
    rho = expm(-hamiltonian / 0.8)
    rho /= np.trace(rho)

    def mean(matrix):
        return np.trace(rho @ matrix).real

    (row,) = thermal_rows(settings, [1 / 0.8])[1]
    for (quantity, key), (matrices, function) in wanted_operators(settings, lattice, n).items():
        assert row[quantity][key][0] == pytest.approx(function(*map(mean, matrices)), abs=1e-11), (quantity, key)
    assert sum(value for value, _ in row["energy_terms"].values()) == pytest.approx(row["energy"], abs=1e-12)
    m = sum(one("z", i, n) for i in range(n)) / n
    assert row["order_parameter_squared"]["0,0"][0] == pytest.approx(mean(m @ m), abs=1e-12)
    fourth = mean(np.linalg.matrix_power(m, 4))
    assert row["binder_ratio"]["0,0"][0] == pytest.approx(1 - fourth / (3 * mean(m @ m) ** 2), abs=1e-12)
    if name in ("tfim", "negative_field", "dm"):
        assert row["magnetization_x"] == pytest.approx(mean(sum(one("x", i, n) for i in range(n))) / n, abs=1e-12)
    if name in ("tfim", "field", "dm"):
        assert row["magnetization"] == pytest.approx(mean(m), abs=1e-12)
    pairs = [(i, j) for i, j in itertools.combinations(range(n), 2)
             if np.allclose(np.abs(lattice.displacement(i, j)), [1, 0])]
    products = [mean(one("z", i, n) @ one("z", j, n)) for i, j in pairs]
    if lattice.kind == "chain":
        assert row["correlation_vector"]["1,0"][0] == pytest.approx(np.mean(products), abs=1e-12)


def test_chirality_of_triangles():
    """Up and down triangles of seven sites; <chi^2> = 3/32 - sum S_i.S_j / 8 of a triangle."""
    asked = {"chirality": True, "correlations": True}
    triangular = {"kind": "triangular", "box": [[2, 1], [-1, 3]]}
    settings = parse_settings({"lattice": triangular, "model": {"kind": "heisenberg"},
                               "thermal": {"temperatures": [0.8]}, "observables": asked})
    lattice, model = build(settings)
    n = model.n_sites
    rho = expm(-to_sparse(model).toarray() / 0.8)
    rho /= np.trace(rho)
    (row,) = thermal_rows(settings, [1 / 0.8])[1]
    for (quantity, key), ((matrix,), _) in wanted_operators(settings, lattice, n).items():
        assert row[quantity][key][0] == pytest.approx(np.trace(rho @ matrix).real, abs=1e-11), (quantity, key)
    same = row["chirality_correlation"]["0,0,0,0"][0]
    assert same == pytest.approx(3 / 32 - 9 * row["correlation"]["1"][0] / 8, abs=1e-12)


def test_terms_of_the_energy_have_the_letters_of_the_input():
    settings = settings_of("directions")
    lattice, model = build(settings)
    found = energy_terms(lattice, "heisenberg", settings.model.keywords())
    assert list(found) == ["J1", "J(1,1)"]
    assert set(energy_terms(lattice, "heisenberg", settings_of("field").model.keywords())) == {"J1", "h"}


# ---- estimators on states without any symmetry between the components ----------------------------------------------

STATES = {
    "clusters": ("plain", {"kind": "clusters"}),
    "permanent": ("frustrated", {"kind": "permanent"}),
    "permanent_in_field": ("field", {"kind": "permanent"}),
    "rbm": ("frustrated", {"kind": "rbm", "alpha": 1.0, "bond_features": True}),
    "complex_rbm": ("field", {"kind": "rbm", "alpha": 1.0, "parameters": "complex", "symmetries": ["translation"]}),
    "pair_rbm": ("frustrated", {"kind": "pair_rbm", "alpha": 1.0}),
    "tfim": ("tfim", {"kind": "clusters"}),
    "tfim_rbm": ("tfim", {"kind": "rbm", "alpha": 1.0, "symmetries": ["translation"]}),
    "rotated": ("negative_field", {"kind": "clusters"}),
}


class Random:
    """A state with random parameters and Psi as a matrix between the layers, in the basis of the input."""

    def __init__(self, name, asked=ASKED):
        system, network = STATES[name]
        asked = asked | {"structure_factor": [[1.0]]}
        self.settings = settings_of(system, asked, wavefunction=network, sampling={"method": "exact_sum"})
        self.lattice, self.model = build(self.settings)
        self.state = build_state(self.settings, self.lattice, self.model, seed=1)
        wavefunction, rng = self.state.wavefunction, np.random.default_rng(7)
        noise = 0.2 * rng.standard_normal(wavefunction.n_params)
        if wavefunction.is_complex:
            noise = noise + 0.2j * rng.standard_normal(wavefunction.n_params)
        wavefunction.params = wavefunction.params + noise
        n = self.n = self.model.n_sites
        visible = spins_of(np.arange(4**n), 2 * n)
        if self.model.conserves_sz:
            visible = visible[visible.sum(axis=1) == 0]
        visible = np.ascontiguousarray(visible)
        psi = np.exp(log_psi(wavefunction, self.state.system.moves, visible))
        sublattice = self.state.model.sublattice
        if sublattice is not None:
            psi = psi * np.prod(np.where((visible > 0) & (np.tile(sublattice, 2) < 0), -1, 1), axis=1)
        second = visible[:, n:] * (-1 if self.state.system.opposite_pairs else 1)
        self.phi = np.zeros((2**n, 2**n), dtype=complex)
        codes = [(part > 0) @ (1 << np.arange(n)) for part in (visible[:, :n], second)]
        self.phi[codes[0], codes[1]] = psi
        if sublattice is not None and self.state.system.opposite_pairs:  # of -s in place of s
            odd = int(np.sum(sublattice < 0))
            self.phi *= (-1) ** odd
        self.observables = self.state.observables(self.settings)

    def mean(self, matrix):
        """Return <O>, a mean over the layers that are alike."""
        norm = np.vdot(self.phi, self.phi).real
        first = np.vdot(self.phi, matrix @ self.phi).real / norm
        if not self.state.layers_equivalent:
            return first
        return (first + np.vdot(self.phi.T, matrix @ self.phi.T).real / norm) / 2


@pytest.mark.parametrize("name", STATES)
def test_estimators_are_means_of_dense_operators(name):
    """The Meter sums over one configuration of every orbit where the state has symmetries."""
    random = Random(name)
    system, n = random.state.system, random.n
    sampler = random.state.sampler(SERIAL, 1, 1)
    meter = random.state.meter(random.observables, sampler, SERIAL)
    samples = sampler.sample(None, system, 1, 1, 1.0)
    evaluation = evaluate(samples, random.state.wavefunction, system, SERIAL)
    row = meter.report([(samples, evaluation)], 1.0)
    for (quantity, key), (matrices, function) in wanted_operators(random.settings, random.lattice, n).items():
        matrices = [_thermal_part(matrix, random) for matrix in matrices]
        values = function(*map(random.mean, matrices))
        assert row[quantity][key][0] == pytest.approx(values, abs=1e-10), (quantity, key)
    terms = sum(value for value, _ in row["energy_terms"].values())
    alike = random.state.layers_equivalent  # else operators are those of the first layer, e is the mean of both
    assert terms == pytest.approx(row["energy"] + (0 if alike else row["layer_energy_difference"] / 2), abs=1e-10)
    m = sum(one("z", i, n) for i in range(n)) / n
    staggered = sum((-1) ** i * one("z", i, n) for i in range(n)) / n
    for key, order in (("0,0", m), ("1,0", staggered)):
        fourth = random.mean(np.linalg.matrix_power(order, 4))
        assert row["order_parameter_fourth"][key][0] == pytest.approx(fourth, abs=1e-11)


def _thermal_part(matrix, random):
    """Return the part of an operator that thermal states of the model see: real, and even where H is."""
    matrix = (matrix + matrix.conj()) / 2
    if random.model.spin_flip_symmetric:
        matrix = (matrix + matrix[::-1, ::-1]) / 2
    if random.state.invariance is None:
        return matrix
    group = random.state.invariance
    sites = np.arange(random.n)
    images = group.keeping(sites).restricted(sites)
    states, found = np.arange(2**random.n, dtype=np.int64), 0
    for moved in images.apply_to_codes(states):
        found = found + matrix[np.ix_(moved, moved)] / len(images)
    return found


@pytest.mark.parametrize("name", ["clusters", "permanent_in_field", "tfim", "rotated"])
def test_traces_of_rings_are_those_of_matrices(name):
    random = Random(name)
    averages = RingTraces.of_state(random.state, random.observables, SERIAL).averages(3)
    if not random.state.makes_rings:
        pytest.skip("no rings")
    power = np.linalg.matrix_power(random.phi.real, 3)
    n, found = random.n, averages["operators"]
    row = random.observables.operators.row(lambda function: (float(function(found[None])[0]), 0.0))
    for (quantity, key), (matrices, function) in wanted_operators(random.settings, random.lattice, n).items():
        matrices = [(matrix + matrix.conj()) / 2 for matrix in matrices]
        if random.model.spin_flip_symmetric:
            matrices = [(matrix + matrix[::-1, ::-1]) / 2 for matrix in matrices]
        values = function(*(np.trace(power @ matrix).real / np.trace(power) for matrix in matrices))
        assert row[quantity][key][0] == pytest.approx(values, abs=1e-10), (quantity, key)


GROUND_STATES = {
    "marshall": ("plain", {"kind": "rbm", "alpha": 1.0}, {"momentum": "none"}),
    "projected": ("frustrated", {"kind": "rbm", "alpha": 1.0, "symmetries": []}, {"momentum": [3], "spin_parity": -1}),
    "polarized": ("plain", {"kind": "rbm", "alpha": 1.0}, {"sz": 1.0, "momentum": "none"}),
    "tfim": ("tfim", {"kind": "rbm", "alpha": 1.0, "symmetries": []}, {"momentum": "none"}),
}


@pytest.mark.parametrize("name", GROUND_STATES)
def test_ground_states_measure_them_too(name):
    """Of one state of random parameters, summed over one configuration of every orbit of its symmetries."""
    system, network, part = GROUND_STATES[name]
    asked = ASKED | {"correlation_vectors": False}
    settings = settings_of(system, asked, wavefunction=network, ground_state=part, run={"task": "ground_state"},
                           thermal={}, sampling={"method": "exact_sum"})
    lattice, model = build(settings)
    ansatz = build_spin_ansatz(settings, lattice, model, 1, sectors_of(settings, lattice, model)[0])
    rng, wavefunction = np.random.default_rng(7), ansatz.wavefunction
    wavefunction.params = wavefunction.params + 0.2 * rng.standard_normal(wavefunction.n_params)
    sampler = Enumeration(SERIAL, ansatz.system, ansatz.invariance())
    meter = LevelMeter(ansatz, build_correlations(settings, lattice, ansatz.model), sampler, SERIAL)
    samples = sampler.sample(None, ansatz.system, 1, 1, 1.0)
    row = meter.report([(samples, evaluate(samples, wavefunction, ansatz.system, SERIAL))])
    n, spins = model.n_sites, Enumeration(SERIAL, ansatz.system).configurations[:, 0]
    psi, codes = np.exp(log_psi(wavefunction, ansatz.system.moves, spins)), (spins > 0) @ (1 << np.arange(n))
    if ansatz.model.sublattice is not None:
        psi = psi * np.prod(np.where((spins > 0) & (ansatz.model.sublattice < 0), -1, 1), axis=1)
    state = np.zeros(2**n, dtype=complex)
    state[codes] = psi / np.linalg.norm(psi)
    images = ansatz.invariance()

    def mean(matrix):
        """Sums over orbits are means over the symmetries of abs(Psi)^2 as well."""
        moved = (matrix[np.ix_(codes, codes)] for codes in images.apply_to_codes(np.arange(2**n, dtype=np.int64)))
        return np.mean([np.vdot(state, each @ state).real for each in moved])

    for (quantity, key), (matrices, function) in wanted_operators(settings, lattice, n).items():
        assert row[quantity][key][0] == pytest.approx(function(*map(mean, matrices)), abs=1e-10), (quantity, key)
    assert sum(value for value, _ in row["energy_terms"].values()) == pytest.approx(row["energy"], abs=1e-10)
    m = sum(one("z", i, n) for i in range(n)) / n
    assert row["order_parameter_squared"]["0,0"][0] == pytest.approx(mean(m @ m), abs=1e-12)


def test_estimators_of_no_samples():
    random = Random("clusters")
    estimators = LocalEstimators(random.state.wavefunction, random.state.system, random.observables.operators)
    none = Enumeration(SERIAL, random.state.system).configurations[:0, 0]
    assert estimators.measure(none, SERIAL.threads).shape == (0, len(random.observables.operators))
    assert build_observables(settings_of("frustrated", {}), random.lattice, random.model).operators is None
