"""Marshall's rule: one sublattice rotated by pi about z, which makes exchange between the sublattices negative."""

from dataclasses import replace

import numpy as np


def marshall(model, lattice=None):
    """Return the model after a rotation of one sublattice by pi about z, which makes exchange elements negative.

    The rotation changes the sign of the exchange elements between the sublattices.  Sublattices are taken from all
    exchange bonds if some two-colouring makes every element negative; otherwise from the strongest shell (the
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
        The model itself when it has no exchange or no two sublattices.

    Raises
    ------
    ValueError
        When the model is rotated already.
    """
    if model.sublattice is not None:
        raise ValueError("the model is Marshall-rotated already")
    if not len(model.exchange_sites):
        return model
    strengths = {int(s): np.abs(model.exchange_element[model.exchange_shell == s]).max() for s in model.exchange_shell}
    strongest = min(strengths, key=lambda shell: (-strengths[shell], shell))
    for chosen in (np.ones(len(model.exchange_shell), dtype=bool), model.exchange_shell == strongest):
        colours = _two_colouring(model.n_sites, model.exchange_sites[chosen], model.exchange_element[chosen] > 0)
        if colours is not None:
            i, j = model.exchange_sites.T
            rotated = model.exchange_element * (colours[i] * colours[j])
            return replace(model, exchange_element=rotated, sublattice=colours)
    return model


def _two_colouring(n_sites, bonds, differ):
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
