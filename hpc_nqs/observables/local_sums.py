"""Local estimators of single links: sums over moves, one value for every sum and every layer that it is wanted on."""

import numpy as np

from hpc_nqs.kernels.local_energy import local_energies


def layer_means(wavefunction, moves, sums, n_layers, configurations, threads):
    """Return the local estimators at the present parameters, means over the layers.

    Parameters
    ----------
    wavefunction : Wavefunction
    moves : Moves
        Those that `sums` refer to.
    sums : list of kernels.local_energy.Hamiltonian
        The same sums on every layer, one layer after the other.
    n_layers : int
    configurations : (n, n_visible) int8
        May be none: of a rank without chains.
    threads : Threads

    Returns
    -------
    (n, len(sums) // n_layers) float64
        0 where Psi vanishes.
    """
    n, kernel = len(configurations), moves.kernel()
    values, log_psi = np.empty((n, len(sums)), dtype=np.complex128), np.empty(n, dtype=np.complex128)
    threads.run(
        wavefunction.amplitude(moves),
        n,
        lambda own, part: local_energies(configurations[part], own, kernel, sums, values[part], log_psi[part]),
    )
    return values.real.reshape(n, n_layers, len(sums) // n_layers).mean(axis=1)


class SingleLinks:
    """Local estimators that look at one link at a time: those of rings are those of their links.

    Attributes
    ----------
    n_columns : int
    """

    n_columns: int

    def measure_links(self, links, threads):
        """Return the columns of `measure`, (n, R, n_columns) float64, of rings (n, R, n_visible) int8."""
        return self.measure(links.reshape(-1, links.shape[2]), threads).reshape(*links.shape[:2], self.n_columns)

    def spans(self, n_links):
        """Return how many links every column looks at, (n_columns,) intp."""
        return np.ones(self.n_columns, dtype=np.intp)
