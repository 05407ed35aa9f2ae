"""A deep Boltzmann machine as a variational state: couplings that follow from shared parameters, some of them fixed.

At given deep units d the summand of Psi(v) = sum_d phi(v, d) is a restricted Boltzmann machine over all units, so that
its compiled amplitude serves deep networks too: that of phi(v, d) for local energies and derivatives, and that of
phi(v, ket) phi(v, bra) for Markov chains.
"""

import numpy as np

from hpc_nqs.kernels.rbm import RBMAmplitude
from hpc_nqs.wavefunctions.wavefunction import Wavefunction


class VariationalDBM(Wavefunction):
    """A DBM and the parameters behind its couplings.

    Parameters
    ----------
    network : DBM
        The network at the start.
    shares : (network.n_params,) int
        Signed 1 + k of the parameter behind each entry of `network.params`; 0: the entry is fixed.
    is_complex : bool
        Complex holomorphic parameters; otherwise entries with a parameter are real.

    Attributes
    ----------
    params : (n_params,) float64 or complex128

    Raises
    ------
    ValueError
        Real parameters behind complex entries.
    """

    def __init__(self, network, shares, is_complex=False):
        self.structure, self.shares, self.is_complex = network, np.asarray(shares, dtype=np.intp), bool(is_complex)
        self.n_visible, self.width = network.n_visible, 2 if is_complex else 1
        entries = network.params
        free = self.shares != 0
        if not is_complex and np.any(entries[free].imag):
            raise ValueError("real parameters cannot stand behind complex couplings")
        self._fixed = np.where(free, 0.0, entries)
        self.params = np.zeros(np.abs(self.shares).max(initial=0), dtype=np.complex128 if is_complex else np.float64)
        values = entries[free] * np.sign(self.shares[free])
        self.params[np.abs(self.shares[free]) - 1] = values if is_complex else values.real

    @property
    def n_params(self):
        """Number of parameters."""
        return len(self.params)

    @property
    def n_units(self):
        """Hidden units."""
        return self.structure.n_hidden

    @property
    def n_deep(self):
        """Deep units."""
        return self.structure.n_deep

    @property
    def dbm(self):
        """The `DBM` at the present parameters."""
        free = self.shares != 0
        entries = self._fixed.astype(np.result_type(self._fixed, self.params))
        entries[free] = self.params[np.abs(self.shares[free]) - 1] * np.sign(self.shares[free])
        return self.structure.with_params(entries)

    def arrays(self):
        """Return the arrays of the present DBM, and `shares` and `is_complex` beside them."""
        return {**self.dbm.arrays(), "shares": self.shares, "is_complex": self.is_complex}

    def amplitude(self, moves):
        """Return the compiled amplitude of phi(v, d), with all visible and deep units as inputs."""
        dbm = self.dbm
        units = np.arange(dbm.n_visible + dbm.n_deep)
        return self._compiled(dbm, [units], moves, with_params=True)

    def pair_amplitude(self, moves, ket, bra):
        """Return the compiled amplitude of phi(v, ket) phi(v, bra); it has no derivatives.

        Parameters
        ----------
        ket, bra : (n_visible + n_deep,) intp
            Place of every unit among the inputs; visible units have the same place in both.
        """
        return self._compiled(self.dbm, [ket, bra], moves, with_params=False)

    def _compiled(self, dbm, places, moves, with_params):
        n_inputs = 1 + max(place.max() for place in places)
        n_copies, n_hidden = len(places), dbm.n_hidden
        numbers = np.complex128 if self.is_complex else np.float64
        if self.is_complex:
            couplings, hidden_bias, eta = dbm.couplings, dbm.hidden_bias.astype(numbers), np.ones(n_hidden)
        else:
            couplings, hidden_bias, eta = _magnitudes(dbm)
        weights = np.zeros((n_copies * n_hidden, n_inputs), dtype=numbers)
        weight_param = np.zeros(weights.shape, dtype=np.intc)
        input_bias = np.zeros(n_inputs, dtype=np.complex128)
        cuts = np.cumsum([len(dbm.couplings), n_hidden])
        for copy, place in enumerate(places):
            rows = copy * n_hidden + dbm.edge_hidden
            weights[rows, place[dbm.edge_unit]] = couplings
            np.add.at(input_bias, place, dbm.biases)
            if with_params:
                weight_param[rows, place[dbm.edge_unit]] = self.shares[: cuts[0]]
        bias_param, input_bias_param = np.zeros(n_copies * n_hidden, dtype=np.intc), np.zeros(n_inputs, dtype=np.intc)
        if with_params:
            bias_param[:] = self.shares[cuts[0] : cuts[1]]
            input_bias_param[places[0]] = self.shares[cuts[1] :]
        n_units = n_copies * n_hidden
        return RBMAmplitude(
            n_inputs,
            self.n_params if with_params else 0,
            weights,
            np.tile(hidden_bias, n_copies),
            np.tile(eta, n_copies),
            input_bias,
            *moves.input_changes(),
            np.arange(n_units + 1, dtype=np.intp),
            np.tile(np.arange(n_inputs, dtype=np.intc), (n_units, 1)),
            weight_param,
            bias_param,
            input_bias_param,
        )


def _magnitudes(dbm):
    """Return real couplings, hidden biases and eta: imaginary units are kept as their magnitudes, with eta = -1."""
    imaginary = np.imag(dbm.hidden_bias) != 0
    imaginary[dbm.edge_hidden[np.imag(dbm.couplings) != 0]] = True
    couplings = np.where(imaginary[dbm.edge_hidden], np.imag(dbm.couplings), np.real(dbm.couplings))
    hidden_bias = np.where(imaginary, np.imag(dbm.hidden_bias), np.real(dbm.hidden_bias))
    return couplings, hidden_bias, np.where(imaginary, -1.0, 1.0)
