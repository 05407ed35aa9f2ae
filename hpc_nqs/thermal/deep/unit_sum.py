"""The sum over the deep units of a network, for small systems.

Psi(v) = sum_d phi(v, d),  O_k(v) = sum_d phi(v, d) d ln phi(v, d) / d params_k / Psi(v).
"""

import numpy as np

MAX_ROWS = 2**19  # joint configurations of visible and deep units
CHUNK = 2**14  # of them whose derivatives are held at a time
ZERO = 1e-13  # a factor 2cosh of a constraint below this is zero


def support(dbm):
    """Return the joint configurations (n, n_visible + n_deep) int8 at which phi is not zero.

    Units are added one by one, from the ancilla spins through the deep units to the physical spins, and what breaks a
    constraint (a hidden unit with imaginary couplings) is dropped as soon as all its units are there.

    Raises
    ------
    ValueError
        More than MAX_ROWS on the way.
    """
    n, n_units = dbm.n_visible // 2, dbm.n_visible + dbm.n_deep
    order = [*range(n, dbm.n_visible), *range(dbm.n_visible, n_units), *range(n)]
    place = np.argsort(order)
    constraints = {}
    for hidden in np.unique(dbm.edge_hidden[np.imag(dbm.couplings) != 0]):
        edges = np.flatnonzero(dbm.edge_hidden == hidden)
        constraints.setdefault(max(place[dbm.edge_unit[edges]]), []).append((hidden, edges))
    rows = np.zeros((1, n_units), dtype=np.int8)
    for step, unit in enumerate(order):
        rows = np.repeat(rows, 2, axis=0)
        rows[::2, unit], rows[1::2, unit] = -1, 1
        for hidden, edges in constraints.get(step, ()):
            angles = dbm.hidden_bias[hidden] + rows[:, dbm.edge_unit[edges]] @ dbm.couplings[edges]
            rows = rows[np.abs(np.cosh(angles)) > ZERO]
        if len(rows) > MAX_ROWS:
            raise ValueError(
                f"sums over {dbm.n_visible} visible and {dbm.n_deep} deep units take more than {MAX_ROWS} joint "
                "configurations; take fewer sites or slices"
            )
    return rows


def bits_of(spins):
    """Return the numbers (n,) whose bit u is set where spin u of (n, n_visible) is +1."""
    return (spins > 0) @ (1 << np.arange(spins.shape[1], dtype=np.int64))


class DeepSum:
    """The sum over deep units of one `VariationalDBM`, whatever its parameters.

    Attributes
    ----------
    rows : (n_rows, n_units) int8
        Joint configurations, ordered by their visible ones.
    visible : (n_states,) int64
        Numbers (`bits_of`) of the visible configurations among them.
    """

    def __init__(self, wavefunction):
        self.wavefunction = wavefunction
        dbm = wavefunction.dbm
        rows = support(dbm)
        numbers = bits_of(rows[:, : dbm.n_visible])
        order = np.argsort(numbers, kind="stable")
        self.rows, numbers = rows[order], numbers[order]
        self.visible, self.first = np.unique(numbers, return_index=True)

    def amplitudes(self, derivs_of=None):
        """Return Psi of all visible configurations, (2^n_visible,), and O_k of some of them.

        Parameters
        ----------
        derivs_of : (n,) int64, optional
            Numbers of visible configurations.

        Returns
        -------
        psi : (2^n_visible,) complex128
            To a common factor.
        derivs : (n, n_params) or None
            Real for real parameters; zero where Psi is.
        """
        dbm, wavefunction = self.wavefunction.dbm, self.wavefunction
        log_phi = np.concatenate([self._log_phi(dbm, self.rows[part]) for part in self._chunks()])
        phi = np.exp(log_phi - log_phi.real.max())
        psi = np.zeros(2**dbm.n_visible, dtype=np.complex128)
        psi[self.visible] = np.add.reduceat(phi, self.first)
        if derivs_of is None:
            return psi, None
        sums = np.zeros((len(psi), wavefunction.n_params), dtype=np.complex128)
        for part in self._chunks():
            numbers = bits_of(self.rows[part, : dbm.n_visible])
            distinct, first = np.unique(numbers, return_index=True)
            derivs = phi[part, None] * self._derivs(dbm, self.rows[part])
            sums[distinct] += np.add.reduceat(derivs, first, axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            derivs = np.where(psi[derivs_of, None] != 0, sums[derivs_of] / psi[derivs_of, None], 0.0)
        return psi, derivs if wavefunction.is_complex else derivs.real

    def _chunks(self):
        return [slice(start, start + CHUNK) for start in range(0, len(self.rows), CHUNK)]

    def _angles(self, dbm, rows):
        """Return the angles of the hidden units as `DBM.angles`, by a product of dense matrices."""
        weights = np.zeros((dbm.n_visible + dbm.n_deep, dbm.n_hidden), dtype=dbm.couplings.dtype)
        weights[dbm.edge_unit, dbm.edge_hidden] = dbm.couplings
        return dbm.hidden_bias + rows.astype(np.float64) @ weights

    def _log_phi(self, dbm, rows):
        """Return ln phi up to a constant, (n,) complex128."""
        with np.errstate(divide="ignore"):
            factors = np.log(np.cosh(self._angles(dbm, rows)).astype(np.complex128))
        return factors.sum(axis=1) + rows @ dbm.biases

    def _derivs(self, dbm, rows):
        """Return d ln phi / d params, (n, n_params)."""
        shares, n_edges = self.wavefunction.shares, len(dbm.couplings)
        slopes = np.tanh(self._angles(dbm, rows))
        first_bias = n_edges + dbm.n_hidden
        free = np.flatnonzero(shares)
        edges, units = free[free < n_edges], free[free >= first_bias]
        hidden = free[(free >= n_edges) & (free < first_bias)]
        values = [
            slopes[:, dbm.edge_hidden[edges]] * rows[:, dbm.edge_unit[edges]],
            slopes[:, hidden - n_edges],
            rows[:, units - first_bias],
        ]
        sharing = np.zeros((len(free), self.wavefunction.n_params))
        sharing[np.arange(len(free)), np.abs(shares[free]) - 1] = np.sign(shares[free])
        return np.concatenate(values, axis=1) @ sharing
