"""What every wave function offers, and its values on configurations."""

import numpy as np

from hpc_nqs.kernels import amplitude as amplitude_kernel


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
