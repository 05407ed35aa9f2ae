"""Energy, variance and correlations of one state from the samples of all ranks."""

import numpy as np

from hpc_nqs.hamiltonians.total_spin import total_spin_squared
from hpc_nqs.hilbert.spins import spin_system
from hpc_nqs.kernels.local_energy import local_energies
from hpc_nqs.observables.local_estimators import LocalEstimators
from hpc_nqs.sampling.evaluation import evaluate, every
from hpc_nqs.statistics.jackknife import BlockSums, Statistics
from hpc_nqs.statistics.markov_chains import ChainSums
from hpc_nqs.wavefunctions.projection import ProjectedState
from hpc_nqs.wavefunctions.wavefunction import log_psi

ENERGY, ENERGY_SQUARED = range(2)
FIRST_OBSERVABLE = 2
N_PROBES = 64  # configurations on which the quantum numbers of a state are read off
SAME_PHASE = 1e-6
SPIN_SAMPLES = 512  # on which S^2 is measured


class LevelMeter:
    """Turns samples of one state into numbers with error bars.

    Parameters
    ----------
    ansatz : SpinAnsatz
    correlations : Correlations
    sampler : Chains or Enumeration
    team : Team
    """

    def __init__(self, ansatz, correlations, sampler, team):
        self.ansatz, self.system, self.correlations = ansatz, ansatz.system, correlations
        self.sampler, self.team = sampler, team
        self.estimators, operators = None, correlations.operators
        if operators is not None:
            # one configuration stands for an orbit of sums
            operators = operators.averaged(ansatz.invariance()) if sampler.is_exact else operators
            self.estimators = LocalEstimators(ansatz.wavefunction, ansatz.system, operators)

    def summarize(self, samples, evaluation):
        """Return the meters of one step.  *Collective*.

        Returns
        -------
        dict
            energy, energy_error, variance (per site), v_score, autocorrelation (in samples), r_hat,
            effective_fraction.
        """
        n, centre = self.system.n_sites, evaluation.energy
        values = self._energy_columns(samples, evaluation, centre)
        statistics = self.statistics([(values, evaluation)])
        energy, error = statistics.estimate(lambda means: means[:, ENERGY])
        variance, _ = statistics.estimate(variance_of)
        energy += centre
        return {
            "energy": energy / n,
            "energy_error": error / n,
            "variance": variance / n,
            "v_score": float(v_score_of(n, variance, energy)),
            **self._chain_meters([(values, evaluation)], 0.0),
            "effective_fraction": evaluation.n_effective / (self.sampler.n_chains * values.shape[1]),
        }

    def report(self, batches):
        """Return the results from several (samples, evaluation) of the same state.  *Collective*.

        Returns
        -------
        dict
            energy, variance per site, v_score, structure_factor, correlation_ratio 1 - S(q + dq) / S(q),
            dimer_structure_factor, bond_energy (mean energy of a bond per shell, with its coupling), moments of m_q and
            operators where they are asked for, all with errors; total_spin_squared of isotropic models.
        """
        centre = batches[0][1].energy
        bonds = self.system.bond_hamiltonians()
        parts = [(self._all_columns(samples, evaluation, centre, bonds), evaluation) for samples, evaluation in batches]
        statistics = self.statistics(parts)
        row = self._energies(statistics, centre)

        def put(name, function, key):
            row.setdefault(name, {})[key] = list(statistics.estimate(function))

        names = self.correlations.names
        place = {name: column for column, name in enumerate(names, FIRST_OBSERVABLE)}
        for name, key in names:
            if name == "near":
                at, near = place["structure_factor", key], place[name, key]
                put("correlation_ratio", lambda means, at=at, near=near: 1 - means[:, near] / means[:, at], key)
            else:
                put(name, lambda means, column=place[name, key]: means[:, column], key)
        first = FIRST_OBSERVABLE + self.correlations.n_columns
        for column, (shell, (_, n_bonds)) in enumerate(bonds.items(), first):
            put("bond_energy", lambda means, column=column, count=n_bonds: means[:, column] / count, str(shell))
        if self.correlations.orders is not None:
            row |= self.correlations.orders.row(statistics.estimate, FIRST_OBSERVABLE + len(names))
        if self.estimators is not None:
            row |= self.correlations.operators.row(statistics.estimate, first + len(bonds))
        return row | self._total_spin(*batches[-1]) | self._chain_meters(parts, statistics.means[ENERGY])

    def _total_spin(self, samples, evaluation):
        """Return S(S+1) as <S^2> on some samples: S^2 and H commute, so that the local values of a level are alike."""
        model, system = self.ansatz.model, self.system
        if not model.is_isotropic:
            return {}
        if not self.sampler.is_exact:
            n_per_chain = samples.configurations.shape[1]
            stride = max(1, n_per_chain * self.sampler.n_chains // SPIN_SAMPLES)
            samples, _ = every(min(stride, n_per_chain), samples, evaluation, self.team)
        squared, constant = total_spin_squared(model)
        of_spin = spin_system(squared, system.n_up - system.n_sites / 2)
        wavefunction = self.ansatz.wavefunction
        if isinstance(wavefunction, ProjectedState):  # which keeps tables of the moves of H
            wavefunction = ProjectedState(wavefunction.inner, wavefunction.images, wavefunction.coefficients)
        found = evaluate(samples, wavefunction, of_spin, self.team)
        values = found.energies.real.reshape(*samples.configurations.shape[:2], 1)
        value, error = self.statistics([(values, found)]).estimate(lambda means: constant + means[:, 0])
        return {"total_spin_squared": value, "total_spin_squared_error": error}

    def _energies(self, statistics, centre):
        """Return energy, variance per site and V-score with their errors."""
        n, row = self.system.n_sites, {}
        for name, function in (
            ("energy", lambda means: (centre + means[:, ENERGY]) / n),
            ("variance", lambda means: variance_of(means) / n),
            ("v_score", lambda means: v_score_of(n, variance_of(means), centre + means[:, ENERGY])),
        ):
            row[name], row[f"{name}_error"] = statistics.estimate(function)
        return row

    def quantum_numbers(self, samples):
        """Return Sz, and the momentum and the spin parity that the state has, those that are sharp.  *Collective*.

        These are read off the ratios Psi(g s) / Psi(s) on a few configurations of rank 0, in the unrotated basis.
        """
        probes = np.ascontiguousarray(samples.flat[:: max(1, len(samples.flat) // N_PROBES)])
        found = {}
        if len(probes):
            base = self._log_psi(probes)
            usable = np.isfinite(base) & (base.real > base.real.max() - 20)
            probes, base = probes[usable], base[usable]
            found = self._momentum(probes, base) | self._spin_parity(probes, base)
        if self.ansatz.is_real_part:  # k and -k
            found["momentum"] = list(self.ansatz.sector.momentum)
        n_up = self.system.n_up
        return self.team.broadcast_object(found) | ({} if n_up is None else {"sz": n_up - self.system.n_sites / 2})

    def _momentum(self, probes, base):
        lattice = self.ansatz.lattice
        if not any(lattice.wraps):
            return {}
        momentum = []
        for direction in range(len(lattice.lengths)):
            if not lattice.wraps[direction]:
                momentum.append(0)
                continue
            step = lattice.translated(np.eye(len(lattice.grid))[direction])
            phase = self._character(probes, base, probes[:, step])
            if phase is None:
                return {}
            momentum.append(round(-np.angle(phase) / (2 * np.pi) * lattice.grid[direction]) % lattice.grid[direction])
        return {"momentum": momentum}

    def _spin_parity(self, probes, base):
        if self.system.n_up is not None and 2 * self.system.n_up != self.system.n_sites:
            return {}
        phase = self._character(probes, base, -probes)
        return {} if phase is None else {"spin_parity": 1 if phase.real > 0 else -1}

    def _character(self, probes, base, images):
        """Return the common ratio Psi(g s) / Psi(s) of the unrotated state, or None where there is none."""
        ratios = np.exp(self._log_psi(np.ascontiguousarray(images)) - base)
        sublattice = self.ansatz.model.sublattice
        if sublattice is not None:
            rotated = sublattice < 0
            ratios = ratios * np.prod(probes[:, rotated], axis=1) * np.prod(images[:, rotated], axis=1)
        if not np.isfinite(ratios).all() or np.abs(ratios - ratios[0]).max() > SAME_PHASE:
            return None
        return ratios[0]

    def _log_psi(self, configurations):
        return log_psi(self.ansatz.wavefunction, self.system.moves, configurations)

    def _chain_meters(self, parts, centre):
        energies = np.concatenate([values[:, :, ENERGY] for values, _ in parts], axis=1)
        weights = np.concatenate([part.weights.reshape(values.shape[:2]) for values, part in parts], axis=1)
        chains = ChainSums(energies, centre, weights)
        self.team.sum_in_place(chains.sums)
        exact = self.sampler.is_exact
        return {"autocorrelation": 1.0 if exact else chains.tau, "r_hat": 1.0 if exact else chains.r_hat}

    def statistics(self, parts):
        """Return `Statistics` of (values (n_chains, n_samples, n_columns), evaluation) of batches.  *Collective*."""
        n_samples, n_columns = sum(values.shape[1] for values, _ in parts), parts[0][0].shape[2]
        sums = BlockSums(self.sampler.n_chains, n_samples, n_columns, is_exact=self.sampler.is_exact)
        first = 0
        for values, evaluation in parts:
            chains = self.sampler.first + np.arange(len(values))
            sums.add(chains, values, evaluation.weights.reshape(values.shape[:2]), first_sample=first)
            first += values.shape[1]
        self.team.sum_in_place(sums.sums)
        return Statistics(sums.jackknife(), self.sampler.is_exact)

    def _energy_columns(self, samples, evaluation, centre):
        """Return (n_chains, n_samples, 2): E_loc minus `centre` and its squared modulus."""
        shifted = evaluation.energies[:, 0] - centre
        shifted = np.where(evaluation.weights > 0, shifted, 0)
        columns = np.stack([shifted.real, shifted.real**2 + shifted.imag**2], axis=1)
        return columns.reshape(*samples.configurations.shape[:2], 2)

    def _all_columns(self, samples, evaluation, centre, bonds):
        spins = samples.flat
        energies = np.empty((len(spins), len(bonds)), dtype=np.complex128)
        if bonds:
            hamiltonians = [hamiltonian for hamiltonian, _ in bonds.values()]
            moves = self.system.moves.kernel()
            local_energies(
                spins, evaluation.amplitude, moves, hamiltonians, energies, np.empty(len(spins), dtype=complex)
            )
        energies[evaluation.weights == 0] = 0
        columns = [self.correlations.measure(spins), energies.real]
        if self.estimators is not None:
            columns.append(self.estimators.measure(spins, self.team.threads))
            columns[-1][evaluation.weights == 0] = 0
        columns = np.concatenate(columns, axis=1)
        first = self._energy_columns(samples, evaluation, centre)
        return np.concatenate([first, columns.reshape(*first.shape[:2], columns.shape[1])], axis=2)


def variance_of(means):
    """Return Var(H), total, from rows of means."""
    return means[:, ENERGY_SQUARED] - means[:, ENERGY] ** 2


def v_score_of(n_sites, variance, energy):
    """Return N Var(H) / E^2 of totals; at E = 0 infinite, and 0 of an eigenstate."""
    variance, square = np.asarray(variance), np.square(energy)
    undefined = np.where(variance > 0, np.inf, 0.0)
    return np.where(square > 0, n_sites * variance / np.where(square > 0, square, 1.0), undefined)
