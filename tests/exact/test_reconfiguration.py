"""S, F, velocity and one step of imaginary time against their definitions in the full space of configurations."""

import numpy as np
import pytest
import scipy.linalg

from hpc_nqs.hamiltonians.matrices import to_sparse
from hpc_nqs.hilbert.purification import random_pairs
from hpc_nqs.parallel.team import Team
from hpc_nqs.reconfiguration.equations import assembled
from hpc_nqs.reconfiguration.equations import sampled as sampled_equations
from hpc_nqs.reconfiguration.solvers import Regularization
from hpc_nqs.reconfiguration.velocity import velocity
from hpc_nqs.sampling.chains import Chains, Samples
from hpc_nqs.sampling.enumeration import Enumeration
from hpc_nqs.sampling.evaluation import evaluate
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.symmetry.signed_permutations import SignedPermutations
from hpc_nqs.thermal.ansatz import build_state
from hpc_nqs.thermal.evolution import HEUN, KUTTA, AdaptiveEvolution, StepControl
from hpc_nqs.wavefunctions.rbm import RBM, Feature
from hpc_nqs.wavefunctions.wavefunction import log_derivs, log_psi

HEISENBERG, TFIM = {"kind": "heisenberg"}, {"kind": "tfim"}
RING, PAIR = ("chain", [4], "periodic"), ("chain", [2], "open")
# name: (lattice, model, options of the wave function); the states are moved away from the seed by random numbers
STATES = {
    "heisenberg": (RING, HEISENBERG, {}),
    "heisenberg_plain": (RING, HEISENBERG, {"symmetries": [], "bond_features": False, "alpha": 2}),
    "heisenberg_complex": (RING, HEISENBERG, {"parameters": "complex"}),
    # with reflections as well, some amplitudes of this pair product would vanish
    "j1j2_pair_rbm": (RING, HEISENBERG | {"couplings": [1.0, 0.5]}, {"symmetries": ["translation"]}),
    "field_z": (RING, HEISENBERG | {"field_z": 0.6, "anisotropy": 0.4}, {}),
    "tfim": (RING, TFIM, {}),
    "tfim_field_z_complex": (RING, TFIM | {"field_z": 0.3}, {"parameters": "complex", "symmetries": []}),
}
SERIAL = Team.serial()


class Dense:
    """A wave function as a vector over all configurations of its sector, H as matrices in it."""

    def __init__(self, state, noise=0.1, beta_0=0.3):
        (kind, lengths, boundary), model, wavefunction = STATES[state] if isinstance(state, str) else state
        sections = {"lattice": {"kind": kind, "lengths": lengths, "boundary": boundary}, "model": model}
        wavefunction = {"alpha": 3} | wavefunction
        thermal = {"betas": [1.0], "beta_0": beta_0}
        settings = parse_settings({**sections, "wavefunction": wavefunction, "thermal": thermal})
        self.ansatz = build_state(settings, *build(settings), seed=2)
        self.wavefunction, self.purification = self.ansatz.wavefunction, self.ansatz.system
        stream = np.random.default_rng(5)
        moved = self.wavefunction.params + noise * stream.standard_normal(self.wavefunction.n_params)
        if self.wavefunction.is_complex:
            moved = moved + 1j * noise * stream.standard_normal(self.wavefunction.n_params)
        self.wavefunction.params = moved
        self.enumeration = Enumeration(SERIAL, self.purification)
        self.configurations = self.enumeration.configurations[:, 0]
        self.hamiltonians = [self._matrix(layer) for layer in (0, 1)]

    def _matrix(self, layer):
        """H on one layer as the definition of a matrix element, between all configurations."""
        n = self.ansatz.model.n_sites
        h = to_sparse(self.ansatz.model).toarray()
        opposite = layer == 1 and self.purification.opposite_pairs
        moved, kept = slice(layer * n, (layer + 1) * n), slice((1 - layer) * n, (2 - layer) * n)
        states = (self.configurations[:, moved] * (-1 if opposite else 1) > 0) @ (1 << np.arange(n))
        others = self.configurations[:, kept]
        same = np.all(others[:, None] == others[None], axis=2)
        return h[states[:, None], states[None, :]] * same

    def samples(self):
        return self.enumeration.sample(None, self.purification, 1, 1, 1.0)

    def evaluate(self, samples=None):
        return evaluate(samples or self.samples(), self.wavefunction, self.purification, SERIAL)

    def vector(self, params=None):
        """Return Psi, normalised."""
        kept = self.wavefunction.params
        self.wavefunction.params = kept if params is None else params
        amplitudes = log_psi(self.wavefunction, self.purification.moves, self.configurations)
        self.wavefunction.params = kept
        psi = np.exp(amplitudes - amplitudes.real.max())
        psi = psi if self.wavefunction.is_complex else psi.real
        return psi / np.linalg.norm(psi)

    def derivatives(self):
        """Return d ln Psi / d params_k by central differences, (n_configurations, n_params)."""
        columns, step, params = [], 1e-5, self.wavefunction.params
        for k in range(self.wavefunction.n_params):
            shift = np.zeros_like(params)
            shift[k] = step
            ends = []
            for sign in (1, -1):
                self.wavefunction.params = params + sign * shift
                ends.append(log_psi(self.wavefunction, self.purification.moves, self.configurations))
            difference = ends[0] - ends[1]
            columns.append((difference.real + 1j * np.angle(np.exp(1j * difference.imag))) / (2 * step))
        self.wavefunction.params = params
        derivatives = np.stack(columns, axis=1)
        return derivatives if self.wavefunction.is_complex else derivatives.real

    def definitions(self):
        """Return S = <O* O> - <O*><O>, F = <O* E> - <O*><E> and Var(E_loc), see docs/theory/conventions.md."""
        psi, derivatives = self.vector(), self.derivatives()
        weights = np.abs(psi) ** 2
        local = sum(self.hamiltonians) @ psi / 2 / psi
        mean, energy = weights @ derivatives, weights @ local
        s_matrix = derivatives.conj().T @ (weights[:, None] * derivatives) - np.outer(mean.conj(), mean)
        force = derivatives.conj().T @ (weights * local) - mean.conj() * energy
        variance = weights @ np.abs(local - energy) ** 2
        return (s_matrix, force, variance) if self.wavefunction.is_complex else (s_matrix.real, force.real, variance)

    def energy(self, psi):
        """Return <psi| (H x 1 + 1 x H~) / 2 |psi> of a normalised psi."""
        return np.vdot(psi, sum(self.hamiltonians) @ psi).real / 2


@pytest.mark.parametrize("name", STATES)
def test_local_energies_and_weights_are_those_of_the_matrices(name):
    dense = Dense(name)
    psi, evaluation = dense.vector(), dense.evaluate()
    for layer, matrix in enumerate(dense.hamiltonians):
        np.testing.assert_allclose(evaluation.energies[:, layer] * psi, matrix @ psi, atol=1e-11)
    np.testing.assert_allclose(evaluation.weights, np.abs(psi) ** 2, atol=1e-13)
    assert evaluation.energy == pytest.approx(dense.energy(psi), abs=1e-12)
    assert evaluation.n_effective == pytest.approx(1 / np.sum(np.abs(psi) ** 4), rel=1e-10)


@pytest.mark.parametrize("name", STATES)
def test_s_and_f_are_their_definitions(name):
    dense = Dense(name)
    s_matrix, force, variance = dense.definitions()
    samples = dense.samples()
    evaluation = dense.evaluate(samples)
    found = assembled(evaluation, samples, dense.wavefunction, SERIAL).moments()
    scale = np.abs(s_matrix).max()
    np.testing.assert_allclose(found[0], s_matrix, atol=1e-7 * scale)  # limited by the central differences
    np.testing.assert_allclose(found[1], force, atol=1e-7 * np.abs(force).max())
    assert found[2] == pytest.approx(variance, rel=1e-10)
    np.testing.assert_array_equal(found[0], found[0].conj().T)
    assert np.linalg.eigvalsh(found[0])[0] > -1e-13 * scale


@pytest.mark.parametrize("name", STATES)
def test_layers_agree_exactly_where_their_exchange_is_shared(name):
    dense = Dense(name)
    evaluation = dense.evaluate()
    energies = evaluation.weights @ evaluation.energies.real
    if dense.ansatz.layers_equivalent and dense.ansatz.word == "rbm":
        assert energies[0] == pytest.approx(energies[1], rel=1e-10)
    elif not dense.ansatz.layers_equivalent:
        # control: the random numbers do make a difference where nothing ties the layers
        assert abs(energies[0] - energies[1]) > 1e-3


def sampled(dense):
    """Samples of chains at exponent 0.5: weights differ, and some configurations come twice."""
    chains = Chains(SERIAL, 32, 7, lambda stream: random_pairs(dense.purification, stream))
    amplitude = dense.wavefunction.amplitude(dense.purification.moves)
    chains.warm_up(amplitude, dense.purification, 20, 0.5)
    return chains.sample(amplitude, dense.purification, 4, 1, 0.5)


def all_configurations(dense):
    return dense.samples()


@pytest.mark.parametrize("draw", [all_configurations, sampled])
@pytest.mark.parametrize("name", STATES)
def test_three_solvers_give_one_velocity(name, draw):
    dense = Dense(name)
    samples = draw(dense)
    found = {}
    for solver in ("dense", "cg", "sample_space"):
        choice = Regularization(solver, None, diag_scale=0.01, tolerance=1e-13)
        found[solver] = velocity(dense.evaluate(samples), samples, dense.wavefunction, choice, SERIAL)
    expected = found["dense"]
    assert expected.x.dtype == (np.complex128 if dense.wavefunction.is_complex else np.float64)
    assert 0 < expected.residual < 1
    probe = np.random.default_rng(1).standard_normal(len(expected.x))
    for solver in ("cg", "sample_space"):
        assert found[solver].solution.solver == solver
        assert found[solver].solution.note == ""
        # in the S norm: parameters that hardly matter are known less well
        assert expected.metric(found[solver].x - expected.x) < 1e-6 * expected.speed
        assert found[solver].variance == pytest.approx(expected.variance, rel=1e-10)
        assert found[solver].residual == pytest.approx(expected.residual, abs=1e-8)
        assert found[solver].speed == pytest.approx(expected.speed, rel=1e-7)
        assert found[solver].metric(probe) == pytest.approx(expected.metric(probe), rel=1e-10)


@pytest.mark.parametrize("name", STATES)
def test_residual_speed_and_metric_are_their_definitions(name):
    dense = Dense(name)
    samples = dense.samples()
    s_matrix, force, variance = assembled(dense.evaluate(samples), samples, dense.wavefunction, SERIAL).moments()
    residuals = []
    for soft_cut in (1e-8, 1e-2):
        choice = Regularization("dense", soft_cut, 0.0, 1e-8)
        found = velocity(dense.evaluate(samples), samples, dense.wavefunction, choice, SERIAL)
        change = np.vdot(found.x, s_matrix @ found.x).real
        left_over = variance + 2 * np.vdot(force, found.x).real + change
        assert found.residual == pytest.approx(left_over / variance, abs=1e-10)
        assert found.speed == pytest.approx(np.sqrt(change), rel=1e-8)
        assert found.metric(found.x) == pytest.approx(found.speed, rel=1e-8)
        residuals.append(found.residual)
    assert -1e-10 < residuals[0] < residuals[1] < 1


@pytest.mark.parametrize("name", STATES)
def test_velocity_is_the_projection_of_imaginary_time_evolution(name):
    # d Psi / d tau = -(H - E) Psi, projected on the tangent vectors orthogonal to Psi: T = U s V^H, lambda = s^2.
    dense, rtol = Dense(name), 1e-6
    samples = dense.samples()
    choice = Regularization("dense", rtol, 0.0, 1e-8)
    found = velocity(dense.evaluate(samples), samples, dense.wavefunction, choice, SERIAL)
    psi = dense.vector()
    derivatives = log_derivs(dense.wavefunction, dense.purification.moves, dense.configurations)
    tangent = psi[:, None] * (derivatives - np.abs(psi) ** 2 @ derivatives)
    wanted = -(sum(dense.hamiltonians) @ psi / 2 - dense.energy(psi) * psi)
    vectors, values, _ = scipy.linalg.svd(tangent, full_matrices=False)
    kept = 1 / (1 + (rtol * values[0] ** 2 / np.maximum(values, 1e-30) ** 2) ** 6)
    projected = vectors @ (kept * (vectors.conj().T @ wanted))
    np.testing.assert_allclose(tangent @ found.x, projected, atol=1e-7 * np.linalg.norm(wanted))
    rest = np.linalg.norm(wanted - projected) ** 2 / np.linalg.norm(wanted) ** 2
    assert found.residual == pytest.approx(rest, abs=1e-8)


@pytest.mark.parametrize("name", STATES)
def test_energy_falls_by_the_explained_variance_per_beta(name):
    # dE/dbeta = -Var (1 - r^2) with beta = 2 tau; a factor of two in F, in S or in beta fails here.
    dense = Dense(name)
    samples = dense.samples()
    choice = Regularization("dense", 1e-8, 0.0, 1e-8)
    found = velocity(dense.evaluate(samples), samples, dense.wavefunction, choice, SERIAL)
    _, force, _ = assembled(dense.evaluate(samples), samples, dense.wavefunction, SERIAL).moments()
    params, dtau = dense.wavefunction.params, 1e-6
    ends = [dense.energy(dense.vector(params + sign * dtau * found.x)) for sign in (1, -1)]
    slope = (ends[0] - ends[1]) / (2 * 2 * dtau)
    assert slope == pytest.approx(np.vdot(force, found.x).real, rel=1e-4)
    # exact without the cut, which takes a few percent here
    assert slope == pytest.approx(-found.variance * (1 - found.residual), rel=0.06)


@pytest.mark.parametrize("model", [HEISENBERG, TFIM, TFIM | {"field_z": 0.5}])
@pytest.mark.parametrize(("scheme", "order"), [(HEUN, 3), (KUTTA, 4)])
def test_a_step_of_a_complete_network_is_the_exponential(model, scheme, order):
    # On two sites the tangent vectors of 12 units span the whole space: what is left is the error of the step.
    dense = Dense((PAIR, model, {"symmetries": []}))
    stream = np.random.default_rng(4)
    n_inputs = dense.purification.n_inputs
    weights, biases = 0.15 * stream.standard_normal((12, n_inputs)), 0.15 * stream.standard_normal(12)
    features = [Feature(row, bias=bias) for row, bias in zip(weights, biases, strict=True)]
    network = RBM(features, SignedPermutations.identity(n_inputs), dense.purification.n_visible)
    dense.ansatz.wavefunction = dense.wavefunction = network
    start, before = network.params.copy(), dense.vector()
    errors = []
    for dtau in (0.02, 0.01):
        network.params = start.copy()
        choice = Regularization("dense", 1e-10, 0.0, 1e-8)
        control = StepControl(tolerance=1.0, max_dtau=1.0, max_growth=10.0, clock="time")
        evolution = AdaptiveEvolution(dense.ansatz, choice, control, SERIAL)
        evolution.scheme = scheme
        samples = dense.samples()
        evaluation = evolution.evaluate(samples)
        first = evolution.velocity(samples, evaluation)
        assert first.residual < 1e-9
        evolution.dtau = 1.0
        step = evolution.advance(samples, evaluation, first, evolution.beta + 2 * dtau)
        assert step.dtau == pytest.approx(dtau)
        assert evolution.beta == pytest.approx(dense.ansatz.beta_0 + 2 * dtau)
        expected = scipy.linalg.expm(-dtau * sum(dense.hamiltonians) / 2) @ before
        expected /= np.linalg.norm(expected)
        moved = np.linalg.norm(expected - before)
        errors.append(np.linalg.norm(dense.vector() - expected))
        assert errors[-1] < 1e-3 * moved
    assert 0.85 * 2**order < errors[0] / errors[1] < 1.15 * 2**order


def test_complex_parameters_explain_at_least_as_much_as_real_ones():
    # The same network: the real magnitudes of purely real or imaginary weights are some of the complex directions.
    states = [Dense((RING, HEISENBERG, {"parameters": kind}), noise=0.0) for kind in ("real", "complex")]
    np.testing.assert_allclose(np.abs(states[0].vector()), np.abs(states[1].vector()), atol=1e-12)
    residuals = []
    for dense in states:
        samples = dense.samples()
        choice = Regularization("dense", 1e-10, 0.0, 1e-8)
        residuals.append(velocity(dense.evaluate(samples), samples, dense.wavefunction, choice, SERIAL).residual)
    assert residuals[1] < residuals[0] + 1e-6


@pytest.mark.parametrize("name", ["heisenberg", "tfim", "heisenberg_complex"])
def test_samples_of_other_parameters_are_reweighted(name):
    # Every configuration k times, as if drawn with probability proportional to k: the weights undo it.
    dense = Dense(name)
    exact = dense.evaluate()
    times = np.random.default_rng(3).integers(1, 4, size=len(dense.configurations))
    repeated = np.repeat(dense.configurations, times, axis=0)[:, None]
    samples = Samples(repeated, 0, 1.0, np.log(np.repeat(times, times).astype(float)))
    found = dense.evaluate(samples)
    assert found.energy == pytest.approx(exact.energy, rel=1e-10)
    expected = assembled(exact, dense.samples(), dense.wavefunction, SERIAL).moments()
    for each, wanted in zip(assembled(found, samples, dense.wavefunction, SERIAL).moments(), expected, strict=True):
        np.testing.assert_allclose(each, wanted, atol=1e-10 * np.abs(wanted).max())


def test_centred_samples_give_the_same_sums():
    dense = Dense("heisenberg_complex")
    samples = sampled(dense)
    evaluation = dense.evaluate(samples)
    s_matrix, force, variance = assembled(evaluation, samples, dense.wavefunction, SERIAL).moments()
    found = sampled_equations(evaluation, samples, dense.wavefunction, SERIAL)
    derivatives, energies, same = found.derivatives, found.energies, found.variance
    values = derivatives.columns(slice(None))
    weighted = values.conj().T * evaluation.weights
    np.testing.assert_allclose(weighted @ values, s_matrix, atol=1e-12 * np.abs(s_matrix).max())
    np.testing.assert_allclose(weighted @ energies, force, atol=1e-12 * np.abs(force).max())
    assert same == pytest.approx(variance, rel=1e-12)
