"""Energy, variance and observables of one state of electrons from the samples of all ranks."""

import numpy as np

from hpc_nqs.ground_state.meter import FIRST_OBSERVABLE, LevelMeter
from hpc_nqs.hilbert.moves import Moves
from hpc_nqs.observables.local_sums import layer_means


class ElectronMeter(LevelMeter):
    """Turns samples of one state of electrons into numbers with error bars.

    Parameters
    ----------
    ansatz : ElectronAnsatz
    observables : ElectronObservables
    sampler : Chains or Enumeration
    team : Team
    """

    def __init__(self, ansatz, observables, sampler, team):
        super().__init__(ansatz, observables, sampler, team)
        self.moves = Moves(n_visible=self.system.n_visible, n_sites=0, bond_features=False)
        self.sums = [each.on_layer(self.moves, 0) for each in observables.layer_sums]

    def report(self, batches):
        """Return the results from several (samples, evaluation) of the same state.  *Collective*.

        Returns
        -------
        dict
            energy, variance per site, v_score; double_occupancy, local_moment; structure_factor,
            charge_structure_factor, n_k_up and n_k_down of the wave vectors asked for, all with errors.
        """
        centre, observables = batches[0][1].energy, self.correlations
        parts = [(self._columns(samples, evaluation, centre), evaluation) for samples, evaluation in batches]
        statistics = self.statistics(parts)
        row = self._energies(statistics, centre)
        row |= observables.entries(statistics.estimate, FIRST_OBSERVABLE, None, None)
        row |= observables.local_entries(statistics.estimate, FIRST_OBSERVABLE + len(observables.names))
        return row | self._chain_meters(parts, statistics.means[0])

    def quantum_numbers(self, samples):
        """Return the numbers of electrons, and the momentum and spin parity that the state has by its construction."""
        sector, model, lattice = self.ansatz.sector, self.ansatz.model, self.ansatz.lattice
        found = {"n_up": model.n_up, "n_down": model.n_down}
        if sector.momentum is not None:
            found["momentum"] = [int(k) for k in sector.momentum]
        elif self.ansatz.wavefunction.first.is_shared:
            found["momentum"] = [0] * len(lattice.lengths)
        return found | ({} if sector.spin_parity is None else {"spin_parity": sector.spin_parity})

    def _columns(self, samples, evaluation, centre):
        units = samples.flat
        local = np.zeros((len(units), len(self.sums)))
        if self.sums:
            used = np.flatnonzero(evaluation.weights > 0)
            chosen = np.ascontiguousarray(units[used])
            local[used] = layer_means(self.ansatz.wavefunction, self.moves, self.sums, 1, chosen, self.team.threads)
        columns = np.concatenate([self.correlations.measure(units), local], axis=1)
        first = self._energy_columns(samples, evaluation, centre)
        return np.concatenate([first, columns.reshape(*first.shape[:2], columns.shape[1])], axis=2)
