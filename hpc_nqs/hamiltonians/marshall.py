"""Marshall's rule: sites rotated by pi about z, so that the off-diagonal elements of H become negative.

One sublattice of an exchange magnet; the sites of a negative transverse field, sigma^x -> -sigma^x.
"""

from dataclasses import replace

import numpy as np


def marshall(model, lattice=None):
    """Return the model after a rotation by pi about z of the sites that make off-diagonal elements negative.

    Without exchange these are the sites whose element of sigma^x is positive (a transverse field Gamma < 0).  With
    exchange they are one sublattice, and elements between the sublattices change their sign.  Sublattices are taken
    from all exchange bonds if some two-colouring makes every element negative; otherwise from the strongest shell (the
    nearest of equally strong ones).  The spectrum does not change.

    Parameters
    ----------
    model : SpinModel
        Not rotated.
    lattice : Lattice
        Not used beyond the model's bonds; accepted for the sake of one call for all models.

    Returns
    -------
    SpinModel
        The model itself when nothing is to rotate: no exchange and no positive element of sigma^x, or no two
        sublattices.

    Raises
    ------
    ValueError
        When the model is rotated already.
    """
    if model.sublattice is not None:
        raise ValueError("the model is Marshall-rotated already")
    if not len(model.exchange_sites):
        return _field_rotated(model)
    strengths = {int(s): np.abs(model.exchange_element[model.exchange_shell == s]).max() for s in model.exchange_shell}
    strongest = min(strengths, key=lambda shell: (-strengths[shell], shell))
    for chosen in (np.ones(len(model.exchange_shell), dtype=bool), model.exchange_shell == strongest):
        colours = two_colouring(model.n_sites, model.exchange_sites[chosen], model.exchange_element[chosen] > 0)
        if colours is not None:
            i, j = model.exchange_sites.T
            rotated = model.exchange_element * (colours[i] * colours[j])
            return replace(model, exchange_element=rotated, sublattice=colours)
    return model


def _field_rotated(model):
    """Return an Ising model with the sites of positive elements of sigma^x rotated; itself where there are none."""
    if not np.any(model.flip_element > 0):
        return model
    colours = np.ones(model.n_sites, dtype=np.int8)
    colours[model.flip_sites[model.flip_element > 0]] = -1
    return replace(model, flip_element=-np.abs(model.flip_element), sublattice=colours)


def two_colouring(n_sites, bonds, differ):
    """Return (n_sites,) int8 of +1/-1, opposite across bonds with `differ`, equal across the others; or None."""
    neighbours = [[] for _ in range(n_sites)]
    for (i, j), unequal in zip(bonds.tolist(), differ.tolist(), strict=True):
        sign = -1 if unequal else 1
        neighbours[i].append((j, sign))
        neighbours[j].append((i, sign))
    colours = np.zeros(n_sites, dtype=np.int8)
    for start in range(n_sites):
        if colours[start]:
            continue
        colours[start] = 1
        stack = [start]
        while stack:
            i = stack.pop()
            for j, sign in neighbours[i]:
                if colours[j] == 0:
                    colours[j] = sign * colours[i]
                    stack.append(j)
                elif colours[j] != sign * colours[i]:
                    return None
    return colours
