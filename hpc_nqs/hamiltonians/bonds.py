"""The bonds of a lattice that a model couples, with their strengths and shells."""

import numpy as np


def coupled_bonds(lattice, couplings):
    """Return all bonds of a lattice that have a coupling.

    Parameters
    ----------
    lattice : Lattice
        Bonds of a custom lattice with a coupling of their own use that.
    couplings : sequence of float
        J of first, second, third neighbours.

    Returns
    -------
    sites : (n, 2) intp
    strengths : (n,) float64
    shells : (n,) int8
        0 for a custom bond with its own coupling.

    Raises
    ------
    ValueError
        When a coupling refers to a shell that the lattice does not have, or the lattice has a shell without a
        coupling (custom).
    """
    sites, strength, shells = [np.zeros((0, 2), dtype=np.intp)], [np.zeros(0)], [np.zeros(0, dtype=np.int8)]
    used = {value for _, _, value in lattice.custom_bonds if isinstance(value, int)}
    if used and max(used) > len(couplings):
        raise ValueError(f"the custom bonds use shell {max(used)}, but couplings are given for {len(couplings)} only")
    for shell, value in enumerate(couplings, start=1):
        explicit_only = lattice.kind == "custom" and not used and shell == 1
        if value == 0 or explicit_only:
            continue
        try:
            bonds = lattice.bonds(shell)
        except ValueError as error:
            raise ValueError(f"coupling {value:g} of shell {shell}: {error}") from error
        sites.append(bonds)
        strength.append(np.full(len(bonds), value))
        shells.append(np.full(len(bonds), shell, dtype=np.int8))
    bonds, values = lattice.explicit_bonds()
    nonzero = values != 0
    sites.append(bonds[nonzero])
    strength.append(values[nonzero])
    shells.append(np.zeros(np.count_nonzero(nonzero), dtype=np.int8))
    return np.concatenate(sites), np.concatenate(strength), np.concatenate(shells)
