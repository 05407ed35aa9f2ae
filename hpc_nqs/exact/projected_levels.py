"""The lowest level of spins with given quantum numbers, a representation of the point group among them.

The momenta and parities of `exact.diagonalization` are characters of a commutative group; the point group does not
commute with translations.  Here H stands in the basis P|a> of one configuration a of every orbit, P the projector.
"""

import numpy as np
import scipy.sparse

from hpc_nqs.exact.diagonalization import MAX_BLOCK, MAX_SITES
from hpc_nqs.hamiltonians.matrices import spins_of, to_sparse
from hpc_nqs.symmetry.quantum_numbers import projector

NO_STATE = 1e-9  # norm of a projected configuration that has no part in a sector


def lowest_level(model, lattice, sector, n_up):
    """Return the lowest energy, total, of the states of a sector; None where there are none.

    Parameters
    ----------
    model : SpinModel
        Not rotated, at most 16 sites.
    lattice : Lattice
    sector : Sector
    n_up : int or None
        Number of up spins; None where H does not conserve Sz.

    Raises
    ------
    ValueError
        As `projector`, more sites, or more than 6000 orbits.
    """
    if model.n_sites > MAX_SITES:
        raise ValueError(f"{model.n_sites} sites: levels are found for up to {MAX_SITES} sites")
    states = np.arange(1 << model.n_sites, dtype=np.int64)
    if n_up is not None:
        states = states[(spins_of(states, model.n_sites) > 0).sum(axis=1) == n_up]
    images, coefficients = projector(sector, lattice, model, n_up)
    places = np.array([np.searchsorted(states, codes) for codes in images.apply_to_codes(states)])
    representatives = np.flatnonzero(places.min(axis=0) == np.arange(len(states)))
    if len(representatives) > MAX_BLOCK:
        raise ValueError(f"the sector has {len(representatives)} orbits; at most {MAX_BLOCK} are diagonalized")
    basis = _projected(places, coefficients, representatives, len(states))
    norms = np.sqrt(abs(basis).power(2).sum(axis=0))
    basis = basis[:, norms > NO_STATE] @ scipy.sparse.diags_array(1.0 / norms[norms > NO_STATE])
    if not basis.shape[1]:
        return None
    block = (basis.conj().T @ to_sparse(model, states) @ basis).toarray()
    return float(np.linalg.eigvalsh(block)[0])


def _projected(places, coefficients, representatives, n_states):
    """Return P|a> of the representatives, (n_states, n_representatives): (P psi)(s) = sum_g c_g psi(g s) / order."""
    column = np.full(n_states, -1)
    column[representatives] = np.arange(len(representatives))
    g, rows = np.nonzero(column[places] >= 0)
    entries = coefficients[g] / len(places), (rows, column[places[g, rows]])
    return scipy.sparse.coo_array(entries, shape=(n_states, len(representatives))).tocsc()
