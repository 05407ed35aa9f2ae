"""Exact averages over rings of small systems: traces of powers of the cooled wave function as a matrix.

Phi(sigma, s) = Psi(sigma, ancilla) with s = -ancilla for opposite Bell pairs and s = ancilla for equal ones, is close
to e^{-b H / 2}; Tr[Phi^R O] / Tr[Phi^R] is the mean of O at beta = R b / 2.  See docs/theory/rings.md.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np

from hpc_nqs.hamiltonians import electron_matrices
from hpc_nqs.hamiltonians.matrices import spins_of, to_sparse
from hpc_nqs.hamiltonians.spin_model import SZ
from hpc_nqs.kernels import amplitude as amplitude_kernel
from hpc_nqs.observables.electron_moments import states_of
from hpc_nqs.thermal.rings.component_traces import ComponentTraces

MAX_BLOCK = 4096  # configurations of a layer with one magnetization: 14 sites, 12 where it is not conserved
PART = 2**17  # amplitudes at once


@dataclass(frozen=True, eq=False)
class _Block:
    """Phi between the configurations of a layer with one magnetization.

    Attributes
    ----------
    copies : int
        2 where the block of opposite magnetization is the same.
    spins : (n, n_sites) int8
    hamiltonian : (n, n) sparse array
    sums : tuple of (n, n) sparse arrays
        `ElectronObservables.layer_sums`, or `Observables.operators`.
    phi : (n, n) float64 or complex128
        Scaled by one factor for all blocks, its trace positive.
    """

    copies: int
    spins: np.ndarray
    hamiltonian: object
    sums: tuple
    phi: np.ndarray


class RingTraces:
    """Averages over all rings of R links, for every R from one set of matrices.

    Blocks of one magnetization are shared over the ranks; `averages` is *collective*, as the making of the object.

    Parameters
    ----------
    model : SpinModel
        In the basis of the wave function.
    observables : Observables
    team : Team
    log_kernel : callable
        Configurations (n, n_sites) int8 of a layer to ln Phi between all of them, (n, n) complex128.
    flips : bool
        Whether Phi is the same after a flip of all spins on both layers.

    Raises
    ------
    ValueError
        More than MAX_BLOCK configurations of a layer with one magnetization.
    """

    def __init__(self, model, observables, team, log_kernel, flips=False):
        self.observables, self.team, self.n_sites = observables, team, model.n_sites
        parts = _parts(model, flips)
        largest = max(len(states) for states, _ in parts)
        if largest > MAX_BLOCK:
            raise ValueError(
                f"exact traces of rings: {largest} configurations of a layer with one magnetization; at most "
                f"{MAX_BLOCK} are allowed"
            )
        self.blocks, shift, hamiltonian = [], -np.inf, _hamiltonian_of(model)
        operators = None if observables.operators is None else observables.operators.arrays(model.sublattice)
        self.n_operators = 0 if operators is None else operators.n_columns
        for states, copies in parts[team.rank :: team.size]:
            spins = spins_of(states, model.n_sites)
            log_phi = log_kernel(spins)
            shift = max(shift, log_phi.real.max())
            sums = tuple(each.matrix(model, states) for each in observables.layer_sums)
            if operators is not None:
                sums += tuple(operators.matrices(states, model.conserves_sz))
            self.blocks.append(_Block(copies, spins, hamiltonian(states), sums, log_phi))
        shift = team.max(float(shift))
        self.blocks = [_exponentiated(block, shift) for block in self.blocks]
        norm = max((np.abs(block.phi).sum(axis=1).max() for block in self.blocks), default=0.0)
        norm = team.max(float(norm))
        for block in self.blocks:
            np.divide(block.phi, norm, out=block.phi)
        self.log_scale = shift + np.log(norm)
        self.components = None
        averaged = flips and not model.of_electrons and model.is_isotropic and observables.has_components
        if averaged and not team.any(any(np.iscomplexobj(block.phi) for block in self.blocks)):
            self.components = ComponentTraces(list(self._all_blocks(parts)), model)

    def _all_blocks(self, parts):
        """Yield the spins and matrices of all blocks.  *Collective*."""
        for number, (states, _) in enumerate(parts):
            own = number % self.team.size == self.team.rank
            phi = self.blocks[number // self.team.size].phi if own else np.empty((len(states), len(states)))
            self.team.broadcast(phi, number % self.team.size)
            yield spins_of(states, self.n_sites), phi

    @classmethod
    def of_state(cls, state, observables, team):
        """Return the traces of a `ThermalState` at its present parameters.  *Collective*; raises as the class does."""
        system, amplitude = state.system, state.wavefunction.amplitude(state.system.moves)

        def log_kernel(spins):
            n = len(spins)
            second = -spins if system.opposite_pairs else spins
            found = np.empty((n, n), dtype=np.complex128)
            n_rows = max(1, PART // n)
            for first in range(0, n, n_rows):
                rows = spins[first : first + n_rows]
                visible = np.concatenate([np.repeat(rows, n, axis=0), np.tile(second, (len(rows), 1))], axis=1)
                values = np.empty(len(visible), dtype=np.complex128)
                team.threads.run(
                    amplitude,
                    len(visible),
                    lambda own, some, visible=visible, values=values: amplitude_kernel.log_psi(
                        own, np.ascontiguousarray(visible[some]), values[some]
                    ),
                )
                found[first : first + n_rows] = values.reshape(len(rows), n)
            return found

        return cls(state.model, observables, team, log_kernel, "spin_flip" in state.symmetries)

    def averages(self, n_links):
        """Return the averages over rings of `n_links` links, R of at least 2, without statistical error.  *Collective*.

        Returns
        -------
        dict
            ln_trace : ln Tr Phi^R.
            average_sign : Tr Phi^R / Tr abs(Phi)^R.
            energy : total.
            variance_opposite : Tr[H Phi^a H Phi^(R - a)] / Tr Phi^R - energy^2, a = R // 2, total.
            variance : Tr[H^2 Phi^R] / Tr Phi^R - energy^2, total.
            observables : (n_columns,) float64, the means of the columns of `Observables.measure`, of electrons with
                those of `ElectronObservables.layer_sums` behind.
            layers : (n_columns,) float64, those of `LayerCorrelations.measure`, where they are measured.
            operators : (n_operators,) float64, the means of `Observables.operators`, where there are any.
            components : (n_columns,) float64, the columns of `SpinAverages.measure_links`, where Phi is that of an
                isotropic magnet and the same after a flip of all spins.

        Raises
        ------
        ValueError
            Fewer than 2 links.
        """
        if n_links < 2:
            raise ValueError(f"{n_links} links: a ring has at least 2")
        n_observables, n_sites = len(self.observables.names), self.n_sites
        n_times = n_links // 2 + 1 if self.observables.layers is not None else 0
        n_observables += len(self.observables.layer_sums) + self.n_operators
        sums = np.zeros(5 + n_observables + n_sites + n_times * n_sites**2)
        for block in self.blocks:
            sums += block.copies * self._of_block(block, n_links, n_times)
        self.team.sum_in_place(sums)
        trace, absolute = sums[:2]
        means = sums[2:] / trace
        energy, opposite, squared = means[:3]
        averages = {
            "ln_trace": float(np.log(abs(trace)) + n_links * self.log_scale),
            "average_sign": float(trace / absolute),
            "energy": float(energy),
            "variance_opposite": float(opposite - energy**2),
            "variance": float(squared - energy**2),
            "observables": means[3 : 3 + n_observables - self.n_operators],
        }
        if self.n_operators:
            averages["operators"] = means[3 + n_observables - self.n_operators : 3 + n_observables]
        if n_times:
            of_sites = means[3 + n_observables :]
            pairs = of_sites[n_sites:].reshape(n_times, n_sites, n_sites)
            averages["layers"] = self.observables.layers.of_sites(pairs, of_sites[:n_sites])
        if self.components is not None:
            averages["components"] = self._of_components(n_links) / trace
        return averages

    def _of_components(self, n_links):
        """Return the columns of `averages`, "components", times the trace.  *Collective*."""
        share, layers = slice(self.team.rank, None, self.team.size), self.observables.layers
        pairs = np.einsum("qij,ij->q", self.observables.pair_weights(), self.components.equal_times(n_links, share))
        columns = [pairs]
        if layers is not None:
            columns.append(self.components.times(n_links, layers.pair_weights(), share).ravel())
        columns = np.concatenate(columns)
        self.team.sum_in_place(columns)
        return columns

    def _of_block(self, block, n_links, n_times):
        """Return the traces of one block in the order of `averages`, (n,): with Phi^R, then all with operators."""
        spins, sz = block.spins, SZ * block.spins.astype(np.float64)
        half = n_links // 2
        kept = {half, n_links - half, n_links}.union(*({k, n_links - k} for k in range(1, n_times)))
        powers = _powers(block.phi, kept)
        last = powers[n_links]
        weights = np.diagonal(last).real
        acted = block.hamiltonian @ powers[half], block.hamiltonian @ powers[n_links - half]
        observed, means = weights @ self.observables.measure(spins), weights @ sz
        if block.copies == 2:
            observed[0], means = 0.0, np.zeros_like(means)  # the other block has the opposite ones
        times = []
        for k in range(n_times):
            joined = weights[:, None] * sz if k == 0 else (powers[k] * powers[n_links - k].T).real @ sz
            times.append((sz.T @ joined).ravel())
        numbers = [
            weights.sum(),
            np.trace(_powers(np.abs(block.phi), {n_links})[n_links]),
            (block.hamiltonian * last.T).sum().real,
            (acted[0] * acted[1].T).sum().real,
            ((block.hamiltonian @ block.hamiltonian) * last.T).sum().real,
        ]
        sums = [(matrix * last.T).sum().real for matrix in block.sums]
        return np.concatenate([numbers, observed, sums, means, *times])


def _hamiltonian_of(model):
    """Return the function from states of a layer, closed under H, to H between them as a sparse array."""
    if model.of_electrons:
        return lambda states: electron_matrices.to_sparse(model, states)
    matrix = to_sparse(model)
    return lambda states: matrix[states][:, states]


def _powers(matrix, kept):
    """Return {k: matrix^k} of some k of at least 1."""
    found, power = {}, matrix
    for k in range(1, max(kept) + 1):
        power = matrix if k == 1 else power @ matrix
        if k in kept:
            found[k] = power
    return found


def _exponentiated(block, shift):
    """Return a block with Phi itself from ln Phi minus `shift`, without the sign, or phase, of its trace.

    e^{-b H / 2} has a positive trace in every block; the sign of a block is no matter for two links, but for odd R.
    """
    phi = np.exp(block.phi - shift)
    trace = np.trace(phi)
    phi = phi * (abs(trace) / trace) if trace else phi
    is_real = np.abs(phi.imag).max() <= 1e-12 * np.abs(phi.real).max()
    return dataclasses.replace(block, phi=np.ascontiguousarray(phi.real) if is_real else phi)


def _parts(model, flips):
    """Return [(states, copies)] of the layers of one magnetization, the largest first; of opposite ones one if equal.

    Of electrons those of one number of either spin.  All states are one part where H does not conserve the
    magnetization.
    """
    if model.of_electrons:
        parts = [(states_of(model.n_levels, numbers), 1) for numbers in model.fillings]
        return sorted(parts, key=lambda part: -len(part[0]))
    n, states = model.n_sites, np.arange(2**model.n_sites, dtype=np.int64)
    if not model.conserves_sz:
        return [(states, 1)]
    both = flips and model.spin_flip_symmetric
    n_up, parts = np.bitwise_count(states.astype(np.uint64)), []
    for up in range(n // 2 if not n % 2 else n // 2 + 1, n + 1) if both else range(n + 1):
        parts.append((states[n_up == up], 2 if both and 2 * up != n else 1))
    return sorted(parts, key=lambda part: -len(part[0]))
