"""Local estimators O_loc(s) = sum_s' <s|O|s'> Psi(s') / Psi(s) of `SiteOperators`, on samples of any wave function.

Exchanges of two antiparallel spins and flips of one are moves, whose ratios amplitudes of thermal states know; for all
others, and in ground states, Psi is evaluated again.  In a state that conserves Sz, configurations of another
magnetization have no amplitude and are left out.
"""

import numpy as np

from hpc_nqs.hilbert.moves import Moves
from hpc_nqs.kernels.amplitude import log_psi
from hpc_nqs.kernels.local_energy import move_ratios
from hpc_nqs.observables.local_sums import SingleLinks

BLOCK = 512  # samples at a time
TINY = 1e-14  # of elements: rounding


class LocalEstimators(SingleLinks):
    """The operators on the layers of a state that are alike.

    Parameters
    ----------
    wavefunction : Wavefunction
        Its parameters at the time of `measure` count.
    system : System
        With a `model`; two layers where it has twice as many visible units as sites.
    operators : SiteOperators
    layers : tuple of int
        Those that are measured; the mean counts.

    Attributes
    ----------
    n_columns : int
    stride : int
        One of so many samples is measured: about as many ratios as H has.
    """

    def __init__(self, wavefunction, system, operators, layers=(0,)):
        model = system.model
        self.wavefunction, self.layers, self.n_sites = wavefunction, layers, system.n_sites
        self.conserves_sz = model.conserves_sz
        self.doubled = system.n_visible > system.n_sites
        self.ancilla_sign = -1 if self.doubled and system.opposite_pairs else 1
        self.arrays = operators.arrays(model.sublattice)
        self.n_columns = len(operators)
        self.moves = system.moves  # of projected states, whose moves have to be closed under symmetries
        if self.doubled:
            self.moves = Moves(system.n_visible, system.n_sites, system.bond_features)
        self._diagonal = [group for group in self.arrays.groups if not group.mask]
        flips = [group for group in self.arrays.groups if group.mask]
        self._as_moves = [group for group in flips if self._is_move(group)]
        self._others = [group for group in flips if not self._is_move(group)]
        self._chosen = {
            layer: np.array([self._add(group, layer) for group in self._as_moves], dtype=np.intp) for layer in layers
        }
        n_terms = len(model.exchange_sites) + len(model.flip_sites)
        self.stride = max(1, -(-len(flips) // max(1, n_terms)))

    def _is_move(self, group):
        return self.doubled and len(group.sites) == (2 if self.conserves_sz else 1)

    def _add(self, group, layer):
        units = (group.sites + layer * self.n_sites).tolist()
        return self.moves.add_exchange(*units) if self.conserves_sz else self.moves.add_flip(*units)

    def measure(self, configurations, threads):
        """Return the estimators, real parts, (n, n_columns) float64 of configurations (n, n_visible) int8.

        Means over the layers, 0 where Psi vanishes.
        """
        out, kernel = np.zeros((len(configurations), self.n_columns)), self.moves.kernel()

        def fill(own, part):
            for start in range(part.start, part.stop, BLOCK):
                block = slice(start, min(start + BLOCK, part.stop))
                rows = np.ascontiguousarray(configurations[block])
                with np.errstate(all="ignore"):  # configurations that vanish
                    values = sum(self._on_layer(rows, own, kernel, layer) for layer in self.layers)
                out[block] = values / len(self.layers)

        threads.run(self.wavefunction.amplitude(self.moves), len(configurations), fill)
        out[~np.isfinite(out).all(axis=1)] = 0
        return out

    def _on_layer(self, rows, amplitude, kernel, layer):
        """Return the estimators on one layer, (n, n_columns) float64."""
        units = slice(layer * self.n_sites, (layer + 1) * self.n_sites)
        spins = rows[:, units] * (self.ancilla_sign if layer else 1)
        signs, found = self.arrays.signs(spins), np.zeros((len(rows), self.n_columns))
        for group in self._diagonal:
            found[:, group.columns] += self.arrays.elements(spins, group, signs).real
        log_values = np.empty(len(rows), dtype=np.complex128)
        if self._as_moves:
            ratios = np.empty((len(rows), len(self._as_moves)), dtype=np.complex128)
            move_ratios(rows, amplitude, kernel, self._chosen[layer], ratios, log_values)
            for group, ratio in zip(self._as_moves, ratios.T, strict=True):
                elements = self.arrays.elements(spins, group, signs)
                found[:, group.columns] += np.where(ratio[:, None] == 0, 0.0, (elements * ratio[:, None]).real)
        else:
            log_psi(amplitude, rows, log_values)
        for group in self._others:
            elements = self.arrays.elements(spins, group, signs)
            wanted = np.any(np.abs(elements) > TINY, axis=1)
            if self.conserves_sz:
                wanted &= spins[:, group.sites].sum(axis=1) == 0
            if wanted.any():
                ratio = self._ratio(rows, amplitude, group.sites + units.start, wanted, log_values)
                found[np.ix_(wanted, group.columns)] += (elements[wanted] * ratio[:, None]).real
        return found

    @staticmethod
    def _ratio(rows, amplitude, units, wanted, log_values):
        """Return Psi / Psi of the `wanted` rows with some units flipped."""
        flipped = rows[wanted]
        flipped[:, units] *= -1
        moved = np.empty(len(flipped), dtype=np.complex128)
        log_psi(amplitude, np.ascontiguousarray(flipped), moved)
        ratio = np.exp(moved - log_values[wanted])
        return np.where(np.isfinite(moved), ratio, np.where(np.isneginf(moved.real), 0.0, np.nan))


def joined(parts):
    """Return sets of local estimators as one, None where all parts are None."""
    parts = [part for part in parts if part is not None]
    return None if not parts else parts[0] if len(parts) == 1 else JoinedAverages(parts)


class JoinedAverages:
    """Several sets of local estimators as one: columns one behind the other, the largest stride for all.

    Parameters
    ----------
    parts : list of objects with measure, measure_links, spans and stride
    """

    def __init__(self, parts):
        self.parts, self.stride = parts, max(part.stride for part in parts)

    def measure(self, configurations, threads):
        """Return the columns (n, n_columns) float64 of configurations (n, n_visible) int8."""
        return np.concatenate([part.measure(configurations, threads) for part in self.parts], axis=1)

    def measure_links(self, links, threads):
        """Return the columns (n, R, n_columns) float64 of rings (n, R, n_visible) int8."""
        return np.concatenate([part.measure_links(links, threads) for part in self.parts], axis=2)

    def spans(self, n_links):
        """Return how many links every column looks at, (n_columns,) intp."""
        return np.concatenate([part.spans(n_links) for part in self.parts])
