"""What every wave function offers, and its values on configurations."""

from typing import Protocol

import numpy as np

from hpc_nqs.kernels import amplitude as amplitude_kernel


class Wavefunction(Protocol):
    """Psi with its parameters, real or complex and holomorphic.

    Attributes
    ----------
    n_visible, n_params : int
    n_units : int
        Hidden units, or what takes their place; 0 where there are none.
    width : int
        Doubles per number: 1 for real parameters and amplitudes up to a sign, 2 for complex ones.
    is_complex : bool
    params : (n_params,) float64 or complex128
        Readable and assignable; amplitudes made before keep the old ones.
    """

    n_visible: int
    n_params: int
    n_units: int
    width: int
    is_complex: bool
    params: np.ndarray

    def arrays(self):
        """Return {name: array} for the run file, from which the amplitudes can be made again."""

    def amplitude(self, moves):
        """Return the compiled `kernels.amplitude.Amplitude` at the present parameters.

        Parameters
        ----------
        moves : Moves
            What may be proposed; tables of ratios are prepared for them.
        """


def log_psi(wavefunction, moves, configurations):
    """Return ln Psi (n,) complex128 of configurations (n, n_visible) int8."""
    out = np.empty(len(configurations), dtype=np.complex128)
    amplitude_kernel.log_psi(wavefunction.amplitude(moves), configurations, out)
    return out


def log_derivs(wavefunction, moves, configurations):
    """Return O_k = d ln Psi / d params_k, (n, n_params), of configurations (n, n_visible) int8."""
    dtype = np.complex128 if wavefunction.is_complex else np.float64
    out = np.empty((len(configurations), wavefunction.n_params), dtype=dtype)
    amplitude_kernel.log_derivs(wavefunction.amplitude(moves), configurations, out.view(np.float64))
    return out
