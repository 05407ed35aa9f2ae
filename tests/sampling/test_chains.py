"""Chains against the distribution they should have, and error bars against the errors they should have.

Every test has a fixed seed and a false-alarm rate below 1e-6 had the seed been drawn; every kind of test has a negative
control that it rejects.
"""

import dataclasses

import numpy as np
import pytest
import scipy.stats

from hpc_nqs.hilbert.purification import random_pairs
from hpc_nqs.observables.diagonal import build_observables
from hpc_nqs.parallel.team import Team
from hpc_nqs.sampling.chains import Chains
from hpc_nqs.sampling.enumeration import Enumeration
from hpc_nqs.sampling.evaluation import evaluate
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.ansatz import build_state
from hpc_nqs.thermal.meter import Meter
from hpc_nqs.wavefunctions.wavefunction import log_psi

FALSE_ALARM = 1e-6
SERIAL = Team.serial()
HEISENBERG, TFIM = {"kind": "heisenberg"}, {"kind": "tfim"}
HUBBARD = {"kind": "hubbard", "U": 4.0, "n_up": 2, "n_down": 2}
XYZ = {"kind": "xyz", "couplings_x": [1.0, 0.5], "couplings_y": [-0.4], "couplings_z": [0.7], "field_z": 0.3}
J1J2 = HEISENBERG | {"couplings": [1.0, 0.5]}
STATES = {
    "heisenberg": (HEISENBERG, {}),
    "heisenberg_plain": (HEISENBERG, {"bond_features": False}),
    "heisenberg_complex": (HEISENBERG, {"parameters": "complex"}),
    "j1j2_pair_rbm": (J1J2, {"symmetries": ["translation"]}),
    "xxz_field_z": (HEISENBERG | {"anisotropy": 0.5, "field_z": 0.8}, {}),
    "tfim": (TFIM, {}),
    "tfim_field_z": (TFIM | {"field_z": 0.4}, {"symmetries": []}),
    "heisenberg_clusters": (HEISENBERG, {"kind": "clusters"}),
    "j1j2_permanent": (J1J2, {"kind": "permanent"}),
    "heisenberg_permanent_radius": (HEISENBERG, {"kind": "permanent", "exchange_radius": 1}),
    "xyz": (XYZ, {"kind": "hafnian"}),
    "xyz_field_x": (XYZ | {"site_fields_x": [0.5, 0.0, 0.0, 0.0]}, {"kind": "hafnian"}),
    "tfim_clusters": (TFIM | {"field_z": 0.4}, {"kind": "clusters"}),
    "electrons": (HUBBARD, {}),
    "electrons_field_z": (HUBBARD | {"n_down": 1, "field_z": 0.7}, {"kind": "determinant"}),
    "electrons_mu": ({"kind": "hubbard", "U": 4.0, "mu": 1.5}, {}),
    "orbitals": ({"kind": "kanamori", "U": 4.0, "J_hund": 1.0, "n_up": 2, "n_down": 1}, {}),
}


class State:
    """A doubled system of few sites in a state with a broad distribution, and that distribution."""

    def __init__(self, name, lattice=("chain", [4], "periodic"), noise=0.1, beta_0=0.6):
        model, wavefunction = STATES[name]
        kind, lengths, boundary = ("chain", [2], "open") if name == "orbitals" else lattice
        sections = {"lattice": {"kind": kind, "lengths": lengths, "boundary": boundary}, "model": model}
        tables = wavefunction.get("kind") in ("clusters", "permanent", "hafnian")
        tables |= model["kind"] in ("hubbard", "kanamori")
        width = {} if tables else {"alpha": 4.0}
        sections |= {"observables": {"structure_factor": [[1, 0]]}, "wavefunction": width | wavefunction}
        self.settings = parse_settings(sections | {"thermal": {"betas": [1.0], "beta_0": beta_0}})
        self.ansatz = build_state(self.settings, *build(self.settings), seed=2)
        self.wavefunction, self.purification = self.ansatz.wavefunction, self.ansatz.system
        shift = noise * np.random.default_rng(5).standard_normal(self.wavefunction.n_params)
        self.wavefunction.params = self.wavefunction.params + shift
        self.enumeration = Enumeration(SERIAL, self.purification)
        self.configurations = self.enumeration.configurations[:, 0]

    def probabilities(self, exponent):
        log_weights = 2 * exponent * log_psi(self.wavefunction, self.purification.moves, self.configurations).real
        weights = np.exp(log_weights - log_weights.max())
        return weights / weights.sum()

    def chains(self, n_chains, seed):
        return Chains(SERIAL, n_chains, seed, lambda stream: random_pairs(self.purification, stream))

    def draw(self, exponent, n_chains=4000, n_sweeps=48, seed=1, proposals=None):
        """Return the place of one configuration of every chain in the list of all, (n_chains,)."""
        purification = self.purification
        if proposals is not None:
            purification = dataclasses.replace(purification, proposals=np.array(proposals, dtype=np.intp))
        amplitude = self.wavefunction.amplitude(purification.moves)
        samples = self.chains(n_chains, seed).sample(amplitude, purification, 1, n_sweeps, exponent)
        return self.places(samples.flat)

    def places(self, configurations):
        bits = 1 << np.arange(self.purification.n_visible)
        return np.searchsorted((self.configurations > 0) @ bits, (configurations > 0) @ bits)


@pytest.mark.parametrize("exponent", [0.5, 1.0])
@pytest.mark.parametrize("name", STATES)
def test_chains_sample_the_power_of_the_amplitude(p_value, name, exponent):
    state = State(name)
    found = p_value(state.draw(exponent), state.probabilities(exponent))
    assert FALSE_ALARM / 2 < found < 1 - FALSE_ALARM / 2


@pytest.mark.parametrize(("sampled", "claimed"), [(0.5, 1.0), (1.0, 0.5)])
@pytest.mark.parametrize("name", STATES)
def test_another_exponent_is_rejected(p_value, name, sampled, claimed):
    state = State(name)
    assert p_value(state.draw(sampled), state.probabilities(claimed)) < FALSE_ALARM / 2


@pytest.mark.parametrize("name", ["heisenberg", "j1j2_pair_rbm", "tfim"])
def test_slightly_other_parameters_are_rejected(p_value, name):
    state, other = State(name), State(name, noise=0.13)
    assert p_value(state.draw(0.5), other.probabilities(0.5)) < FALSE_ALARM / 2


@pytest.mark.parametrize("name", ["heisenberg", "j1j2_pair_rbm", "tfim"])
def test_chains_that_have_not_warmed_up_are_rejected(p_value, name):
    state = State(name)
    assert p_value(state.draw(0.5, n_sweeps=1), state.probabilities(0.5)) < FALSE_ALARM / 2


@pytest.mark.parametrize("name", ["heisenberg", "tfim"])
def test_moves_of_one_layer_alone_are_rejected(p_value, name):
    state = State(name)
    one_layer = state.purification.proposals[: len(state.purification.proposals) // 3]
    assert p_value(state.draw(0.5, proposals=one_layer), state.probabilities(0.5)) < FALSE_ALARM / 2


SECTORS = [
    ("heisenberg", ("chain", [4], "periodic")),
    ("heisenberg", ("chain", [5], "open")),
    ("heisenberg", ("chain", [5], "periodic")),
    ("heisenberg", ("chain", [6], "periodic")),
    ("heisenberg", ("ladder", [3, 2], "open")),
    ("j1j2_pair_rbm", ("chain", [4], "periodic")),
    ("j1j2_pair_rbm", ("chain", [6], "periodic")),
    ("xxz_field_z", ("chain", [4], "periodic")),
    ("tfim", ("chain", [4], "periodic")),
    ("tfim", ("chain", [5], "open")),
    ("tfim_field_z", ("chain", [3], "periodic")),
]


def visited(state, proposals=None):
    """Return how many configurations a walk that accepts every possible move sees, all chains from one start."""
    purification = state.purification
    if proposals is not None:
        purification = dataclasses.replace(purification, proposals=np.array(proposals, dtype=np.intp))
    start = random_pairs(purification, np.random.default_rng(1))
    chains = Chains(SERIAL, 20, 3, lambda stream: start)
    # 20 independent draws per configuration and chain: one is missed with probability 2^24 e^(-400)
    samples = chains.sample(state.wavefunction.amplitude(purification.moves), purification, 1000, 1, 0.0)
    return len(np.unique(state.places(samples.flat)))


@pytest.mark.parametrize(("name", "lattice"), SECTORS)
def test_proposals_reach_every_configuration_of_the_sector(name, lattice):
    # every proposal is its own reverse, so all are connected if one reaches all
    state = State(name, lattice)
    assert visited(state) == len(state.configurations)


@pytest.mark.parametrize("name", ["heisenberg", "tfim"])
def test_moves_of_one_layer_reach_few_configurations(name):
    state = State(name)
    one_layer = state.purification.proposals[: len(state.purification.proposals) // 3]
    assert visited(state, one_layer) < len(state.configurations) / 2


def test_a_chain_is_the_same_whatever_the_number_of_chains():
    state = State("tfim")
    amplitude = state.wavefunction.amplitude(state.purification.moves)
    few, many = (state.chains(n, 11).sample(amplitude, state.purification, 5, 2, 0.7) for n in (3, 8))
    np.testing.assert_array_equal(few.configurations, many.configurations[:3])
    other = state.chains(3, 12).sample(amplitude, state.purification, 5, 2, 0.7)
    assert not np.array_equal(few.configurations, other.configurations)
    distinct = np.unique(many.configurations.reshape(8, -1), axis=0)
    assert len(distinct) == 8


def test_acceptance_counts_proposals():
    state = State("heisenberg")
    amplitude = state.wavefunction.amplitude(state.purification.moves)
    chains = state.chains(10, 1)
    chains.warm_up(amplitude, state.purification, 5, 0.5)
    assert chains.counts.sum() == 0
    chains.sample(amplitude, state.purification, 3, 2, 0.5)
    assert chains.counts[:, 0].sum() == 10 * 3 * 2 * state.purification.n_visible
    accepted = chains.counts[:, 1].sum() / chains.counts[:, 0].sum()
    assert chains.acceptance(SERIAL) == pytest.approx(accepted)
    assert 0 < accepted < 1
    assert chains.counts.sum() == 0


# ---- error bars ----------------------------------------------------------------------------------------------------

N_RUNS = 100
LAYOUTS = {"many_chains": (64, 12), "few_chains": (8, 96)}


def meter_of(state, sampler):
    observables = build_observables(state.settings, state.ansatz.lattice, state.ansatz.model)
    return Meter(state.ansatz, observables, sampler, SERIAL)


def runs(state, layout, copies=1, n_runs=N_RUNS, exponent=0.5):
    """Yield (summary, report, naive error of the energy) of independent runs; `copies` of every sample follow it.

    The naive error is that of independent samples, the square root of sum w^2 (E - <E>)^2.
    """
    n_chains, n_samples = LAYOUTS[layout]
    for seed in range(n_runs):
        chains = state.chains(n_chains, seed)
        amplitude = state.wavefunction.amplitude(state.purification.moves)
        chains.warm_up(amplitude, state.purification, 48, exponent)
        batches = []
        for _ in range(2):
            samples = chains.sample(amplitude, state.purification, n_samples // 2, 2, exponent)
            samples.configurations = np.repeat(samples.configurations, copies, axis=1)
            batches.append((samples, evaluate(samples, state.wavefunction, state.purification, SERIAL, amplitude)))
        meter, evaluation = meter_of(state, chains), batches[0][1]
        deviations = evaluation.weights * (evaluation.force_energies.real - evaluation.energy)
        naive = np.linalg.norm(deviations) / state.purification.n_sites
        yield meter.summarize(*batches[0], beta=1.0), meter.report(batches, beta=1.0), naive


def exact_results(state):
    samples = state.enumeration.sample(None, state.purification, 1, 1, 1.0)
    evaluation = evaluate(samples, state.wavefunction, state.purification, SERIAL)
    meter = meter_of(state, state.enumeration)
    return meter.summarize(samples, evaluation, beta=1.0), meter.report([(samples, evaluation)], beta=1.0)


def calibrated(z_scores):
    """Whether the sum of squares and the sum of z-scores are as they should be, two-sided.

    The errors come from 64 blocks: z is Student's t with 63 degrees of freedom, whose square is 3 % larger and
    scatters more than that of a normal number: 10 % are allowed for it.
    """
    z_scores = np.asarray(z_scores)
    low, high = scipy.stats.chi2.ppf([FALSE_ALARM / 4, 1 - FALSE_ALARM / 4], len(z_scores))
    limit = scipy.stats.norm.isf(FALSE_ALARM / 4)
    return low < np.sum(z_scores**2) < 1.1 * high and abs(z_scores.sum()) < 1.1 * limit * np.sqrt(len(z_scores))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["heisenberg", "j1j2_pair_rbm", "tfim"])
def test_error_bars_are_the_errors(name, layout):
    state = State(name)
    found, (summary, report) = list(runs(state, layout)), exact_results(state)
    # near the nodes of a pair product the local energy is large and its square far from normally distributed
    columns = ["energy", "specific_heat", "susceptibility"] if name != "j1j2_pair_rbm" else ["energy", "susceptibility"]
    for column in columns[:2] if name == "tfim" else columns:
        assert calibrated([(each[column] - report[column]) / each[f"{column}_error"] for _, each, _ in found]), column
        if column in summary:
            z_scores = [(each[column] - summary[column]) / each[f"{column}_error"] for each, _, _ in found]
            assert calibrated(z_scores), column
    exact, _ = report["structure_factor"]["1,0"]
    factors = [each["structure_factor"]["1,0"] for _, each, _ in found]
    assert calibrated([(value - exact) / error for value, error in factors])


def test_error_bars_wrong_by_a_factor_are_rejected():
    state = State("heisenberg")
    _, report = exact_results(state)
    z_scores = [(each["energy"] - report["energy"]) / each["energy_error"] for _, each, _ in runs(state, "many_chains")]
    assert calibrated(z_scores)
    assert not calibrated(np.array(z_scores) / 0.5)
    assert not calibrated(np.array(z_scores) / 2.0)


def test_correlated_samples_have_larger_errors_than_independent_ones():
    state = State("heisenberg")
    summary, _ = exact_results(state)
    found = [(each["energy"], each["energy_error"], naive) for each, _, naive in runs(state, "many_chains", copies=4)]
    energies, from_blocks, naive = np.array(found).T
    errors = energies - summary["energy"]
    assert calibrated(errors / from_blocks)
    assert not calibrated(errors / naive)


def test_autocorrelation_time_and_r_hat_of_a_run():
    state = State("heisenberg")
    times = {}
    for copies in (1, 4):
        times[copies] = [each["autocorrelation"] for each, _, _ in runs(state, "few_chains", copies, n_runs=40)]
    assert 1.0 < np.mean(times[1]) < 4.0
    # four copies of every sample: tau = 4 tau up to the finite length of the chains
    assert np.mean(times[4]) == pytest.approx(4 * np.mean(times[1]), rel=0.2)
    assert all(0.95 < each["r_hat"] < 1.3 for _, each, _ in runs(state, "few_chains", n_runs=20))
