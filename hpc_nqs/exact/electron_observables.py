"""What is measured in every level of electrons: sums over orbits of sites and of pairs of sites, and rows made of them.

<S^z_i S^z_j>, <n_i n_j> and Re <c+_i c_j> are the same for all pairs of an orbit under the lattice symmetries, so that
one number per orbit and level gives every wave vector and distance, as in docs/theory/electrons.md, "Exact results".
"""

import numpy as np

from hpc_nqs.exact.electron_blocks import Operator
from hpc_nqs.hamiltonians.electron_matrices import hop_signs
from hpc_nqs.lattices.lattice import wave_vector_key
from hpc_nqs.observables.pair_classes import pairs_by_distance


class ElectronObservables:
    """The observables of one model on one lattice.

    Columns are numbers per level: the double occupancy and <S_i^2> per site; then n_i of every orbit of sites; then
    S^z_i S^z_j and n_i n_j of every orbit of pairs, i = j among them; then, where wave vectors are wanted,
    sum_a Re c+_ia c_ja of these orbits for spin up, and for spin down.

    Parameters
    ----------
    model : ElectronModel
    lattice : Lattice
    group : (order, n_units) intp
        Lattice symmetries as permutations of the units.
    structure_factor : sequence of wave vectors
        In units of pi.
    correlations : bool
        Whether correlations against distance are wanted.
    """

    def __init__(self, model, lattice, group, structure_factor=(), correlations=False):
        self.model, n, m = model, model.n_lattice_sites, model.n_levels
        self.site_orbit, self.pair_orbit = _orbits(model.site_of(group[:, : m : model.n_orbitals]))
        self.n_site_orbits, self.n_pair_orbits = self.site_orbit.max() + 1, self.pair_orbit.max() + 1
        self.phases = {wave_vector_key(q): lattice.wave_vector(q) for q in structure_factor}
        self.distances = pairs_by_distance(lattice) if correlations else {}
        self.n_hops = self.n_pair_orbits if self.phases else 0
        self.n_columns = 2 + self.n_site_orbits + 2 * self.n_pair_orbits + 2 * self.n_hops
        self._site_weights = _averages(self.site_orbit.reshape(1, n), self.n_site_orbits)
        self._pair_weights = _averages(self.pair_orbit.reshape(1, n * n), self.n_pair_orbits)

    def diagonal_columns(self, states):
        """Return the columns that are functions of the configuration, (n_diagonal, n_states) float64.

        The second one lacks the terms of <S_i^2> that change occupations.
        """
        model, n = self.model, self.model.n_lattice_sites
        bits = ((np.asarray(states)[:, None] >> np.arange(model.n_sites)) & 1).astype(np.float64)
        up, down = bits.reshape(len(states), 2, n, model.n_orbitals).swapaxes(0, 1)
        double = np.sum(up * down, axis=(1, 2))
        unpaired = np.sum(up + down, axis=(1, 2)) - 2 * double
        density, sz = np.sum(up + down, axis=2), np.sum(up - down, axis=2) / 2
        pairs = [part[:, :, None] * part[:, None, :] for part in (sz, density)]
        pairs = [products.reshape(-1, n * n) @ self._pair_weights for products in pairs]
        moment = np.sum(sz**2, axis=1) + unpaired / 2  # S_i^2 = Sz^2 + (S+ S- + S- S+)/2 of all pairs of orbitals
        columns = [double[:, None] / n, moment[:, None] / n, density @ self._site_weights, *pairs]
        return np.concatenate(columns, axis=1).T

    def operators(self):
        """Return [(column, `Operator`)] of the parts that change occupations.

        Columns of hops are those of i != j; i = j is the number of electrons.
        """
        found = [(1, Operator(_nothing, self._spin_flips))] if self.model.n_orbitals > 1 else []
        first = self.n_columns - 2 * self.n_hops
        for spin in (0, 1):
            for orbit in range(self.n_hops):
                if self._hopping_pairs(orbit):
                    hops = Operator(_nothing, lambda states, s=spin, o=orbit: self._hops(states, s, o))
                    found.append((first + spin * self.n_hops + orbit, hops))
        return found

    def spins_exchanged(self, columns):
        """Return the columns (n_columns, n) of the states with spin up and spin down exchanged."""
        if not self.n_hops:
            return columns
        up, down = columns[-2 * self.n_hops : -self.n_hops], columns[-self.n_hops :]
        return np.concatenate([columns[: -2 * self.n_hops], down, up])

    def row(self, means, n_up, n_down):
        """Return the entries of a table row from thermal averages of the columns and of the numbers of electrons."""
        n, orbits = self.model.n_lattice_sites, self.n_pair_orbits
        density = means[2 : 2 + self.n_site_orbits][self.site_orbit]
        szsz, nn = np.split(means[2 + self.n_site_orbits : 2 + self.n_site_orbits + 2 * orbits], 2)
        szsz, nn = szsz[self.pair_orbit], nn[self.pair_orbit] - np.outer(density, density)
        row = {"double_occupancy": float(means[0]), "double_occupancy_error": 0.0}
        row |= {"local_moment": float(means[1]), "local_moment_error": 0.0}
        if self.phases:
            row["structure_factor"] = self._transforms(szsz)
            row["charge_structure_factor"] = self._transforms(nn)
            hops = np.split(means[-2 * orbits :], 2)
            for name, number, part in zip(("n_k_up", "n_k_down"), (n_up, n_down), hops, strict=True):
                row[name] = self._transforms(part[self.pair_orbit] + np.eye(n) * number / n)
        for name, matrix in (("correlation", szsz), ("charge_correlation", nn)):
            if self.distances:
                row[name] = {key: [float(np.sum(w.toarray() * matrix)), 0.0] for key, w in self.distances.items()}
        return row

    def _transforms(self, matrix):
        """Return {"qx,qy": [(1/N) sum_ij e^{iq(r_i - r_j)} matrix_ij, 0.0]} of a symmetric matrix over the sites."""
        values = {key: np.real(phase @ matrix @ phase.conj()) / len(phase) for key, phase in self.phases.items()}
        return {key: [float(value), 0.0] for key, value in values.items()}

    def _hopping_pairs(self, orbit):
        """Return the pairs of sites i < j of one orbit."""
        return [(i, j) for i, j in np.argwhere(self.pair_orbit == orbit).tolist() if i < j]

    def _hops(self, states, spin, orbit):
        """Yield the terms of the mean over pairs i < j of an orbit of (1/2) sum_a (c+_ia c_ja + h.c.)."""
        pairs, model = self._hopping_pairs(orbit), self.model
        for i, j in pairs:
            for a in range(model.n_orbitals):
                p, q = (spin * model.n_levels + site * model.n_orbitals + a for site in (i, j))
                rows = np.flatnonzero(((states >> p) ^ (states >> q)) & 1)
                yield (1 << p) | (1 << q), rows, 0.5 / len(pairs) * hop_signs(states[rows], p, q)

    def _spin_flips(self, states):
        """Yield the terms of -(1/N) sum_i sum_{a != b} (c+_a c_b)_up (c+_b c_a)_down: S+_a S-_b of two orbitals."""
        model, m = self.model, self.model.n_levels
        for site in range(model.n_lattice_sites):
            first = site * model.n_orbitals
            for a in range(first, first + model.n_orbitals):
                for b in range(a + 1, first + model.n_orbitals):
                    occupied = [(states >> unit) & 1 for unit in (a, b, m + a, m + b)]
                    opposite = (occupied[0] ^ occupied[1]) & (occupied[0] ^ occupied[2]) & (occupied[1] ^ occupied[3])
                    rows = np.flatnonzero(opposite)
                    signs = hop_signs(states[rows], a, b) * hop_signs(states[rows], m + a, m + b)
                    mask = (1 << a) | (1 << b) | (1 << (m + a)) | (1 << (m + b))
                    yield mask, rows, -1.0 / model.n_lattice_sites * signs


def _nothing(states):
    """Return the diagonal of an operator without one."""
    return np.zeros(len(states))


def _orbits(group):
    """Return the orbits of sites, (n,), and of unordered pairs of sites, (n, n) intp, under permutations (order, n)."""
    n = group.shape[1]
    sites = np.unique(group.min(axis=0), return_inverse=True)[1]
    images = np.minimum(group[:, :, None] * n + group[:, None, :], group[:, None, :] * n + group[:, :, None])
    pairs = np.unique(images.min(axis=0), return_inverse=True)[1]
    return sites.reshape(n), pairs.reshape(n, n)


def _averages(orbit, n_orbits):
    """Return the matrix (n, n_orbits) of averages over the members of every orbit."""
    members = (orbit.T == np.arange(n_orbits)).astype(np.float64)
    return members / members.sum(axis=0)
