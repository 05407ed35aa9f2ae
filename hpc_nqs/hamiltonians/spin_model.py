"""Spin models as flat arrays of terms that kernels walk; one representation, no kernel per model.

H = sum_pairs c s_i s_j + sum_i h_i s_i + sum_exchange e (|+-><-+| + |-+><+-|) + sum_flips f sigma^x_i, s = +1/-1.

    XXZ/Heisenberg   H = sum_b J_b [SxSx + SySy + Delta SzSz] - field_z sum_i Sz_i,  S = sigma/2
    TFIM             H = -coupling sum_b sz sz - field sum_i sx - field_z sum_i sz   (Pauli matrices)
"""

from dataclasses import dataclass

import numpy as np

# Still imported from here by the thermal drivers.
from hpc_nqs.hamiltonians.marshall import marshall  # noqa: F401
from hpc_nqs.hamiltonians.matrices import to_sparse  # noqa: F401


@dataclass(frozen=True, eq=False)
class SpinModel:
    """The terms of one Hamiltonian.

    Attributes
    ----------
    kind : str
        "heisenberg" or "tfim".
    n_sites : int
    spin : float
        Sz = spin * sigma enters magnetization and structure factor: 0.5 (heisenberg) or 1.0 (tfim).
    pair_sites : (n_pairs, 2) intp
    pair_coupling : (n_pairs,) float64
        Coefficients c of s_i s_j, in energy units like all below.
    site_field : (n_sites,) float64
        Coefficients h of s_i.
    exchange_sites : (n_exchange, 2) intp
    exchange_element : (n_exchange,) float64
        Elements e between |+-> and |-+>: J/2, or -J/2 across sublattices after the Marshall rotation.
    exchange_shell : (n_exchange,) int8
        Shell of each exchange bond; 0 for a custom bond with its own coupling.
    flip_sites : (n_flips,) intp
    flip_element : (n_flips,) float64
        Coefficients f of sigma^x_i.
    sublattice : (n_sites,) int8 or None
        +1/-1: the sites rotated against each other by `marshall`; None where nothing was rotated.
    """

    kind: str
    n_sites: int
    spin: float
    pair_sites: np.ndarray
    pair_coupling: np.ndarray
    site_field: np.ndarray
    exchange_sites: np.ndarray
    exchange_element: np.ndarray
    exchange_shell: np.ndarray
    flip_sites: np.ndarray
    flip_element: np.ndarray
    sublattice: np.ndarray | None = None

    def __post_init__(self):
        for name, array in vars(self).items():
            if isinstance(array, np.ndarray):
                array = np.ascontiguousarray(array)
                array.flags.writeable = False
                object.__setattr__(self, name, array)

    @property
    def conserves_sz(self):
        """Whether H commutes with sum Sz."""
        return len(self.flip_sites) == 0

    @property
    def has_exchange(self):
        """Whether H exchanges spins of two sites; else it is an Ising model, in a transverse field or not."""
        return len(self.exchange_sites) > 0

    @property
    def largest_coupling(self):
        """The largest coupling as the input states it, J max(1, abs(Delta)) of bonds and Gamma of sites: the unit of beta."""
        parts = np.abs(self.pair_coupling) / self.spin**2, np.abs(self.exchange_element) / self.spin, np.abs(self.flip_element)
        return np.concatenate(parts).max()

    @property
    def has_positive_exchange(self):
        """Whether an exchange element of H is positive: in the basis of Marshall's rule, whether exchange is frustrated."""
        return bool(np.any(self.exchange_element > 0))

    @property
    def is_isotropic(self):
        """Whether H is a sum of J S_i.S_j over bonds: all components of the spins are alike."""
        if not self.conserves_sz or self.site_field.any() or not np.array_equal(self.pair_sites, self.exchange_sites):
            return False
        i, j = self.exchange_sites.T
        exchange = self.exchange_element * (1 if self.sublattice is None else self.sublattice[i] * self.sublattice[j])
        return bool(np.allclose(exchange, 2 * self.pair_coupling, rtol=1e-12, atol=0))

    @property
    def spin_flip_symmetric(self):
        """Whether H commutes with the flip of all spins."""
        return not self.site_field.any()


def build_model(
    lattice, kind="heisenberg", couplings=(1.0,), anisotropy=1.0, coupling=1.0, field=1.0, field_z=0.0
):
    """Return the `SpinModel` of an input on `lattice`, not rotated.

    Parameters
    ----------
    lattice : Lattice
    kind : str
        "heisenberg" (uses couplings, anisotropy, field_z) or "tfim" (uses coupling, field, field_z).
    couplings : sequence of float
        J of first, second, third neighbours.  Bonds of a custom lattice with a coupling of their own use that.
    anisotropy : float
        Delta.
    coupling, field, field_z : float
        J, Gamma and the field along z.

    Raises
    ------
    ValueError
        When the kind is unknown, a coupling refers to a shell that the lattice does not have, the lattice has a
        shell without a coupling (custom), or a number is not finite.
    """
    if kind not in ("heisenberg", "tfim"):
        raise ValueError(f"model.kind = {kind!r}: allowed are heisenberg, tfim")
    couplings = [float(value) for value in couplings] if kind == "heisenberg" else [-float(coupling)]
    if not 1 <= len(couplings) <= 3:
        raise ValueError(f"model.couplings = {couplings}: 1 to 3 couplings, of first to third neighbours")
    if not np.all(np.isfinite([*couplings, anisotropy, field, field_z])):
        raise ValueError("model: couplings, anisotropy and fields are finite numbers")
    sites, strength, shell = _coupled_bonds(lattice, couplings, sign=1.0 if kind == "heisenberg" else -1.0)
    n = lattice.n_sites
    none = np.zeros((0, 2), dtype=np.intp), np.zeros(0), np.zeros(0, dtype=np.int8)
    if kind == "heisenberg":
        pairs = (sites, strength * anisotropy / 4)
        exchange = (sites, strength / 2, shell)
        flips, spin = (none[2].astype(np.intp), none[1]), 0.5
    else:
        pairs, exchange, spin = (sites, strength), none, 1.0
        n_flips = n if field else 0
        flips = np.arange(n_flips, dtype=np.intp), np.full(n_flips, -float(field))
    kept = pairs[1] != 0
    site_field = np.full(n, -float(field_z) * spin) + 0.0
    return SpinModel(kind, n, spin, pairs[0][kept], pairs[1][kept], site_field, *exchange, *flips)


def _coupled_bonds(lattice, couplings, sign):
    """Return (sites, strengths, shells) of all bonds with a coupling; `sign` multiplies the bonds' own couplings."""
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
    strength.append(sign * values[nonzero])
    shells.append(np.zeros(np.count_nonzero(nonzero), dtype=np.int8))
    return np.concatenate(sites), np.concatenate(strength), np.concatenate(shells)
