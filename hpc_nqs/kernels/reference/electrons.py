"""NumPy twins of the wave functions of electrons, for tests only."""

import numpy as np

from hpc_nqs.kernels.reference.amplitudes import Amplitude, flipped


class DeterminantAmplitude(Amplitude):
    """Psi = prod_s det[A^s_ab(code)] of electrons in the order of their orbitals; an ancilla unit of +1 is empty.

    The code of a and b is n_a + 2 n'_a + 4 n_b + 8 n'_b, n and n' the occupations with the other spin on both layers.
    Psi = 0 where a group of orbitals holds an odd number of electrons on both layers together.
    """

    width = 1

    def __init__(self, propagator, propagator_param, groups, n_params):
        self.propagator, self.propagator_param, self.n_params = propagator, propagator_param, n_params
        self.groups = groups
        self.n_orbitals = propagator.shape[1]
        self.n_visible = 4 * self.n_orbitals

    def occupations(self, visible):
        """Return the occupations (2 layers, 2 spins, n_orbitals), 0 or 1."""
        layers = visible.reshape(2, 2, self.n_orbitals) * np.array([1, -1])[:, None, None]
        return (layers > 0).astype(int)

    def has_odd_groups(self, visible):
        """Return whether a group of orbitals holds an odd number of electrons on both layers together."""
        return np.any(np.bincount(self.groups, weights=self.occupations(visible).sum(axis=(0, 1))) % 2)

    def entries(self, visible, spin):
        """Return the places of the matrix of one spin in `propagator`, as a tuple of index arrays (n, n)."""
        occupied = self.occupations(visible)
        rows, columns = np.ix_(*(np.flatnonzero(occupied[layer, spin]) for layer in range(2)))
        codes = occupied[0, 1 - spin] + 2 * occupied[1, 1 - spin]
        return np.full((1, 1), spin), rows, columns, codes[rows] + 4 * codes[columns]

    def log_psi(self, visible):
        """Return ln Psi of one configuration."""
        if self.has_odd_groups(visible):
            return complex(-np.inf)
        pairs = [np.linalg.slogdet(self.propagator[self.entries(visible, spin)]) for spin in range(2)]
        return complex(pairs[0][1] + pairs[1][1], np.pi * (pairs[0][0] * pairs[1][0] < 0))

    def ratio(self, visible, proposal):
        """Return the amplitude of the hops, or of the electrons that come last or go, without signs of the order."""
        new = flipped(visible, proposal.flips)
        if np.isinf([self.log_psi(units).real for units in (new, visible)]).any():
            return 0  # a zero has no ratios
        passed = 0
        for layer in range(2):
            for spin in range(2):
                before, after = (self.occupations(units)[layer, spin] for units in (visible, new))
                changed = np.flatnonzero(before != after)
                if len(changed) == 2:  # the electrons in between stand on the way
                    passed += before[changed[0] + 1 : changed[1]].sum()
                elif len(changed) == 1:  # those behind do
                    passed += before[changed[0] + 1 :].sum()
        return (-1) ** passed * super().ratio(visible, proposal)

    def log_derivs(self, visible):
        """Return sum over the entries of f_k of (A^{-1})_ba."""
        out = np.zeros(self.n_params)
        for spin in range(2):
            entries = self.entries(visible, spin)
            inverse, param = np.linalg.inv(self.propagator[entries]), self.propagator_param[entries]
            slopes = np.sign(param) * inverse.T
            np.add.at(out, np.abs(param[param != 0]) - 1, slopes[param != 0])
        return out


class SoftenedDeterminantAmplitude(DeterminantAmplitude):
    """prod_s sqrt(det^2 + share^n B^2), n electrons, or det and share B where it vanishes; B: norms of all rows."""

    zero = 1e-11  # of a determinant relative to B

    def __init__(self, propagator, propagator_param, groups, share, is_density):
        super().__init__(propagator, propagator_param, groups, 0)
        self.share, self.is_density = share, is_density

    def log_psi(self, visible):
        """Return ln of the value of one configuration."""
        if self.has_odd_groups(visible):
            return complex(-np.inf)
        total = 1.0
        for spin in range(2):
            matrix = self.propagator[self.entries(visible, spin)]
            bound, value = np.prod(np.linalg.norm(matrix, axis=1)), np.linalg.det(matrix)
            if self.is_density:
                value = np.hypot(value, self.share ** (len(matrix) / 2) * bound)
            elif abs(value) <= self.zero * bound:
                value = self.share * bound
            total *= value
        return np.log(complex(total)) if total != 0 else complex(-np.inf)

    def ratio(self, visible, proposal):
        """Return the ratio, without signs of the order of a kernel; a density has none."""
        if self.is_density:
            return Amplitude.ratio(self, visible, proposal)
        return super().ratio(visible, proposal)

    def log_derivs(self, visible):
        """Return nothing: there are no parameters."""
        return np.zeros(0)


class PairDeterminantAmplitude(Amplitude):
    """Psi = sum_g c_g det[F^g_ab] of the electrons of one layer in the order of their orbitals, an up unit occupied."""

    width = 1

    def __init__(self, pairing, pairing_param, coefficients, n_rows, rows_are_down, n_params):
        self.pairing, self.pairing_param, self.coefficients = pairing, pairing_param, coefficients
        self.n_rows, self.rows_are_down, self.n_params = n_rows, rows_are_down, n_params
        self.n_orbitals = len(pairing)
        self.n_visible = 2 * self.n_orbitals

    def entries(self, visible):
        """Return the rows (n, 1) and columns (1, n) of the matrices in `pairing`."""
        m = self.n_orbitals
        up, down = (np.flatnonzero(units > 0) for units in visible.reshape(2, m))
        rows, columns = (down, up) if self.rows_are_down else (up, down)
        return np.ix_(rows, [*columns, *range(m, self.pairing.shape[1])])

    def terms(self, visible):
        """Return c_g det[F^g] of every image."""
        return self.coefficients * np.linalg.det(np.moveaxis(self.pairing[self.entries(visible)], 2, 0))

    def log_psi(self, visible):
        """Return ln Psi of one configuration."""
        terms = self.terms(visible)
        total = terms.sum()
        cancels = abs(total) <= 1e-11 * np.abs(terms).sum()
        return complex(-np.inf) if cancels else np.log(complex(total))

    def ratio(self, visible, proposal):
        """Return the amplitude of the hops without signs of the order of electrons."""
        passed = 0
        for spin, units in enumerate(visible.reshape(2, -1)):
            ends = sorted(unit % self.n_orbitals for unit in proposal.flips if unit // self.n_orbitals == spin)
            if ends:  # the electrons in between stand on the way
                passed += np.sum(units[ends[0] + 1 : ends[1]] > 0)
        return (-1) ** passed * super().ratio(visible, proposal)

    def log_derivs(self, visible):
        """Return sum over images and entries of f_k of c_g det_g (F^-1)_ba / Psi."""
        out, entries, terms = np.zeros(self.n_params), self.entries(visible), self.terms(visible)
        for g, term in enumerate(terms):
            inverse, param = np.linalg.inv(self.pairing[entries][..., g]), self.pairing_param[entries][..., g]
            slopes = np.sign(param) * inverse.T * term / terms.sum()
            np.add.at(out, np.abs(param[param != 0]) - 1, slopes[param != 0])
        return out
