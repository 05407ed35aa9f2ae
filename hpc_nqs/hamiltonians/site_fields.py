"""Fields that differ from site to site: staggered ones, and lists."""

import numpy as np

from hpc_nqs.hamiltonians.marshall import two_colouring


def site_fields(lattice, uniform, staggered, listed, key="site_fields"):
    """Return h_i of -sum_i h_i S_i, (n_sites,) float64: h + eps_i h_s + the number listed for the site.

    Parameters
    ----------
    lattice : Lattice
    uniform, staggered : float
        h and h_s; eps_i = +1 on the sublattice of site 0 and -1 on the other one.
    listed : sequence of float
        One number for every spin of a cell, or for every site, or none at all.
    key : str
        What messages call the list.

    Raises
    ------
    ValueError
        When a staggered field has no two sublattices of nearest neighbours, or the list another length.
    """
    fields = np.full(lattice.n_sites, float(uniform))
    if staggered:
        fields += staggered * _sublattices(lattice, f"model.field_staggered = {staggered:g}")
    if len(listed):
        n_cell = len(lattice.basis) if lattice.basis is not None else lattice.n_sites
        if len(listed) not in (n_cell, lattice.n_sites):
            allowed = f"{lattice.n_sites}, one for every site"
            if n_cell < lattice.n_sites:
                allowed = f"{n_cell}, for the spins of a cell, or {allowed}"
            raise ValueError(f"model.{key}: {len(listed)} numbers; allowed are {allowed}")
        fields += np.tile(np.asarray(listed, dtype=np.float64), lattice.n_sites // len(listed))
    return fields


def _sublattices(lattice, place):
    """Return +1 and -1 on the two sublattices of nearest neighbours, (n_sites,) int8."""
    if lattice.custom_bonds:
        bonds = np.array([bond[:2] for bond in lattice.custom_bonds], dtype=np.intp)
    else:
        bonds = lattice.bonds(1)
    colours = two_colouring(lattice.n_sites, bonds, np.ones(len(bonds), dtype=bool))
    if colours is None:
        raise ValueError(f"{place}: the nearest neighbours of this lattice do not form two sublattices")
    return colours
