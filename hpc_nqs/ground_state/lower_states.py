"""Saved states that an excited state of the same sector is kept orthogonal to.

With a penalty, H' = H + lambda sum_k |phi_k><phi_k| / <phi_k|phi_k>, the lowest state orthogonal to the phi_k is the
ground state of H' once lambda is larger than the gap ([EXC] JPSJ 89, 054706 (2020)).  Its local energy is
E_loc(s) + lambda sum_k c_k phi_k(s) / Psi(s) with c_k = <phi_k|Psi> / <phi_k|phi_k>, the mean of Psi / phi_k over
abs(phi_k)^2.
"""

from dataclasses import dataclass

import numpy as np

from hpc_nqs.ground_state.schedule import width_bound
from hpc_nqs.ground_state.systems import build_ansatz, search_of, take_params
from hpc_nqs.runs import run_file
from hpc_nqs.sampling.chains import Chains
from hpc_nqs.settings.parsing import parse_settings, read_tables
from hpc_nqs.settings.system import build
from hpc_nqs.wavefunctions.wavefunction import log_psi

N_SWEEPS = 4  # between two samples of a saved state
N_PROBES = 32  # configurations on which quantum numbers are compared
SAME = 1e-5  # largest difference of ratios that should be equal
STRENGTH = 0.35  # default penalty, in units of the bound on the width of the spectrum


@dataclass
class LowerState:
    """One saved state.

    Attributes
    ----------
    path : str
    ansatz : SpinAnsatz or ElectronAnsatz
        With the saved parameters.
    configurations : (n, n_sites) int8
        Of this rank, distributed as abs(phi)^2, or all with their `log_density`.
    log_phi : (n,) complex128
    log_density : (n,) float64
        Logarithm of the density they were drawn from.
    """

    path: str
    ansatz: object
    configurations: np.ndarray | None = None
    log_phi: np.ndarray | None = None
    log_density: np.ndarray | None = None

    def log_psi(self, configurations):
        """Return ln phi (n,) of configurations (n, n_sites)."""
        return log_psi(self.ansatz.wavefunction, self.ansatz.system.moves, configurations)

    def draw(self, sampler, n_samples, team, seed, number, n_warm_up):
        """Take samples of phi: all configurations of an `Enumeration`, else those of as many fresh chains.

        `number`, from 1, tells the chains of several states and those of the run apart.
        """
        system, wavefunction = self.ansatz.system, self.ansatz.wavefunction
        if sampler.is_exact:
            samples = sampler.sample(None, system, 1, 1, 1.0)
        else:
            chains = Chains(team, sampler.n_chains, seed ^ (number << 62), system.random_configuration)
            amplitude = wavefunction.amplitude(system.moves)
            chains.warm_up(amplitude, system, n_warm_up, 1.0)
            samples = chains.sample(amplitude, system, max(1, -(-n_samples // sampler.n_chains)), N_SWEEPS, 1.0)
        self.configurations = samples.flat
        self.log_phi = self.log_psi(self.configurations)
        self.log_density = 2 * self.log_phi.real if samples.log_density is None else samples.log_density


class LowerStates:
    """The penalty of all saved states.

    Parameters
    ----------
    states : list of LowerState
        With samples.
    strength : float
        lambda, in units of energy.
    team : Team

    Attributes
    ----------
    overlap : float
        Of the last call of `penalty`: sum of |<phi_k|Psi>|^2 / (<phi_k|phi_k> <Psi|Psi>), estimated from both sets of
        samples.
    """

    def __init__(self, states, strength, team):
        self.states, self.strength, self.team = states, strength, team

    def penalty(self, wavefunction, moves, configurations, log_of_psi, weights):
        """Return the local energy of the penalty on configurations of this rank.  *Collective*.

        Parameters
        ----------
        wavefunction, moves
            Psi.
        configurations : (n, n_sites) int8
        log_of_psi : (n,) complex128
        weights : (n,) float64
            Sum 1 over all ranks.

        Returns
        -------
        energies : (n,) complex128
        """
        energies = np.zeros(len(configurations), dtype=np.complex128)
        for state in self.states:
            here = np.where(weights > 0, state.log_psi(configurations) - log_of_psi, -np.inf)
            there = log_psi(wavefunction, moves, state.configurations) - state.log_phi
            density = np.exp(self._centred(2 * state.log_phi.real - state.log_density)[0])
            ratios, scale = self._centred(there)
            sums = np.array([density @ ratios_of(ratios), density.sum()], dtype=np.complex128)
            self.team.sum_in_place(sums)
            energies += self.strength * ratios_of(here + scale) * (sums[0] / sums[1])
        mean = np.array([weights @ energies.real])
        self.team.sum_in_place(mean)
        self.overlap = float(mean[0] / self.strength)
        return energies

    def _centred(self, logarithms):
        """Return logarithms minus their largest real part over all ranks, and that part."""
        finite = logarithms.real[np.isfinite(logarithms.real)]
        largest = self.team.max(finite.max(initial=-np.inf))
        largest = largest if np.isfinite(largest) else 0.0
        return logarithms - largest, largest


def ratios_of(logarithms):
    """Return exponentials, 0 where the logarithm is not finite (a zero of the numerator or a sample without weight)."""
    usable = np.isfinite(logarithms)
    return np.where(usable, np.exp(np.where(usable, logarithms, 0)), 0)


def lower_states_of(settings, ansatz, sampler, n_samples, team):
    """Return the `LowerStates` that a state is kept orthogonal to, with samples.  *Collective*.

    Raises
    ------
    ValueError
        As `load_lower_state` and `check_same_sector`.
    """
    part = settings.ground_state
    states = [load_lower_state(path, team) for path in part.orthogonal_to]
    for number, state in enumerate(states, 1):
        check_same_sector(state, ansatz)
        state.draw(sampler, n_samples, team, settings.run.seed, number, settings.sampling.n_warm_up)
    strength = STRENGTH * width_bound(ansatz.model) if part.penalty == "auto" else part.penalty
    return LowerStates(states, strength, team)


def load_lower_state(path, team):
    """Return the `LowerState` of a ground-state run file, read by rank 0, without samples.  *Collective*.

    Raises
    ------
    ValueError
        On every rank: the file cannot be used, or it is not a ground-state run.
    """
    found = failure = None
    if team.is_root:
        try:
            state = run_file.read_state(path)
            text = run_file.read_settings_text(path)
            if "sector" not in state:
                failure = f"ground_state.orthogonal_to: {path} is not a ground-state run"
            found = text, {name: state.get(name) for name in ("sector", "params")}
        except run_file.RunFileError as error:
            failure = f"ground_state.orthogonal_to: {error}"
    failure, found = team.broadcast_object((failure, found))
    if failure:
        raise ValueError(failure)
    text, state = found
    settings = parse_settings(read_tables(text))
    lattice, model = build(settings)
    sector = search_of(settings, lattice, model).sectors[state["sector"]]
    ansatz = build_ansatz(settings, lattice, model, settings.run.seed, sector)
    try:
        take_params(ansatz.wavefunction, state["params"])
    except ValueError as error:
        raise ValueError(f"ground_state.orthogonal_to: {path}: {error}") from None
    return LowerState(path, ansatz)


def check_same_sector(lower, ansatz):
    """Check that a saved state can have an overlap with the states of an ansatz.

    Raises
    ------
    ValueError
        Another system, or other quantum numbers, where the two are orthogonal anyway.
    """
    own, other = ansatz.system, lower.ansatz.system
    where = f"ground_state.orthogonal_to: {lower.path}"
    same_basis = np.array_equal(ansatz.model.exchange_element, lower.ansatz.model.exchange_element)
    if own.n_sites != other.n_sites or own.n_up != other.n_up:
        raise ValueError(
            f"{where} has {other.n_sites} sites, {other.n_up} up; this run has {own.n_sites} and {own.n_up}"
        )
    if not same_basis or not np.array_equal(ansatz.model.exchange_sites, lower.ansatz.model.exchange_sites):
        raise ValueError(
            f"{where} is in another basis or of another model; give both the same model and wavefunction.marshall"
        )
    stream = np.random.Generator(np.random.Philox(key=1))
    probes = np.array([own.random_configuration(stream) for _ in range(N_PROBES)])
    start = _phases(ansatz, lower, probes)
    for images in ansatz.invariance().apply(probes):
        moved = _phases(ansatz, lower, np.ascontiguousarray(images))
        both = np.isfinite(start) & np.isfinite(moved)
        if both.any() and np.abs(np.exp(moved[both] - start[both]) - 1).max() > SAME:
            raise ValueError(f"{where} has other quantum numbers than this run, so that they are orthogonal anyway")


def _phases(ansatz, lower, configurations):
    """Return ln phi - ln Psi."""
    return lower.log_psi(configurations) - log_psi(ansatz.wavefunction, ansatz.system.moves, configurations)
