"""Spin models as flat arrays of terms that kernels walk; one representation, no kernel per model.

H = sum_pairs c s_i s_j + sum_i h_i s_i + [sum_exchange e |+-><-+| + sum_parallel p |++><--| + sum_flips f |+><-|_i
    + sum_conditional g |+><-|_i s_j + h.c.],  s = +1/-1.

Elements are real, and f |+><-| + h.c. is f sigma^x, unless products of S^y with S^x or S^z or a field along y make H
complex; the arrays that have to are complex then.

The models of the input, one class in a file of its own each, say which terms they are.
"""

from dataclasses import dataclass

import numpy as np

SZ = 0.5  # Sz = SZ * sigma in the observables of every model
SZ_WORDS = "S = sigma/2"  # the same in words: legends of tables, attributes of files


@dataclass(frozen=True, eq=False)
class SpinModel:
    """The terms of one Hamiltonian.

    Attributes
    ----------
    kind : str
        The word of the model that the terms were made from, see `hamiltonians.MODELS`.
    n_sites : int
    spin : float
        The operators of the formula of H are spin * sigma: 0.5 of spin operators, 1.0 of Pauli matrices.  Couplings and
        fields are those of the formula; observables have Sz = sigma/2 for every model.
    pair_sites : (n_pairs, 2) intp
    pair_coupling : (n_pairs,) float64
        Coefficients c of s_i s_j, in energy units like all below.
    site_field : (n_sites,) float64
        Coefficients h of s_i.
    exchange_sites : (n_exchange, 2) intp
    exchange_element : (n_exchange,) float64 or complex128
        Elements e = <+-|H|-+>: J/2, or -J/2 across sublattices after the Marshall rotation.
    exchange_shell : (n_exchange,) int8
        Shell of each exchange bond; 0 for a custom bond with its own coupling.
    flip_sites : (n_flips,) intp
    flip_element : (n_flips,) float64 or complex128
        Elements f = <+|H|-> of one site; real ones are coefficients of sigma^x_i.
    parallel_sites : (n_parallel, 2) intp
    parallel_element : (n_parallel,) float64 or complex128
        Elements p = <++|H|-->.
    conditional_sites : (n_conditional, 2) intp
        Of the spin that is flipped, and of the one whose s multiplies the element.
    conditional_element : (n_conditional,) float64 or complex128
        Elements g of the flip from - to +.
    sublattice : (n_sites,) int8 or None
        -1 on the sites that `marshall` rotated, +1 on the others; None where nothing was rotated.
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
    parallel_sites: np.ndarray
    parallel_element: np.ndarray
    conditional_sites: np.ndarray
    conditional_element: np.ndarray
    sublattice: np.ndarray | None = None

    def __post_init__(self):
        freeze_arrays(self)

    @classmethod
    def of_terms(
        cls, kind, n_sites, spin, pairs=None, exchange=None, flips=None, parallel=None, conditional=None, field_z=0.0
    ):
        """Return the model of terms as arrays, not rotated; terms without strength are left out.

        Parameters
        ----------
        kind, n_sites, spin
            As the attributes.
        pairs : (sites, couplings), optional
        exchange : (sites, elements, shells), optional
        flips, parallel, conditional : (sites, elements), optional
            See the attributes of the same names; complex elements without imaginary part become real.
        field_z : float or (n_sites,) float64
            h of -sum_i h_i (spin * sigma^z_i).
        """
        no_bonds, no_sites = np.zeros((0, 2), dtype=np.intp), np.zeros(0, dtype=np.intp)
        pairs = pairs or (no_bonds, np.zeros(0))
        exchange = exchange or (no_bonds, np.zeros(0), np.zeros(0, dtype=np.int8))
        flips = flips or (no_sites, np.zeros(0))
        parallel, conditional = parallel or (no_bonds, np.zeros(0)), conditional or (no_bonds, np.zeros(0))
        site_field = np.full(n_sites, -spin * np.asarray(field_z, dtype=np.float64)) + 0.0  # no negative zeros
        pairs, *others = (
            [_real(part[terms[1] != 0]) for part in terms] for terms in (pairs, exchange, flips, parallel, conditional)
        )
        return cls(kind, n_sites, spin, *pairs, site_field, *(part for terms in others for part in terms))

    @property
    def n_lattice_sites(self):
        """Sites of the lattice, by which results are divided: all of them."""
        return self.n_sites

    @property
    def constant(self):
        """What H has beside its terms: nothing."""
        return 0.0

    @property
    def of_electrons(self):
        """Whether units are spin-orbitals: they are spins."""
        return False

    @property
    def filling(self):
        """Fixed numbers of electrons of spin up and down: None."""
        return None

    @property
    def mu(self):
        """Chemical potential of electrons: None."""
        return None

    @property
    def hop2_sites(self):
        """Return (0, 4) intp: no term moves two electrons."""
        return np.zeros((0, 4), dtype=np.intp)

    @property
    def off_diagonal_elements(self):
        """Elements of the off-diagonal terms, (n_terms,): exchanges, parallel pairs, flips; not of conditional ones."""
        return np.concatenate([self.exchange_element, self.parallel_element, self.flip_element])

    @property
    def has_uniform_field(self):
        """Whether the field along z is the same on all sites, and commutes with all exchange."""
        return bool(np.all(self.site_field == self.site_field[:1]))

    @property
    def conserves_sz(self):
        """Whether H commutes with sum Sz."""
        return not (len(self.flip_sites) or len(self.parallel_sites) or len(self.conditional_sites))

    @property
    def conserves_parity(self):
        """Whether H flips spins in pairs alone, so that the number of up spins stays even or odd."""
        return not (len(self.flip_sites) or len(self.conditional_sites))

    @property
    def mixes_flips(self):
        """Whether H flips pairs of spins and does not conserve Sz: parallel ones, or single spins beside exchange."""
        singly = len(self.flip_sites) > 0 and self.has_exchange
        return (len(self.parallel_sites) > 0 or singly) and not len(self.conditional_sites)

    @property
    def is_real(self):
        """Whether all elements of H are real, so that complex conjugation is a symmetry."""
        elements = self.exchange_element, self.flip_element, self.parallel_element, self.conditional_element
        return all(map(np.isrealobj, elements))

    @property
    def has_exchange(self):
        """Whether H exchanges spins of two sites; else it is an Ising model, in a transverse field or not."""
        return len(self.exchange_sites) > 0

    @property
    def largest_coupling(self):
        """The largest coupling as the input states it, J max(1, abs(Delta)) or Gamma: the unit of beta.

        At most |J^x + J^y| / 2 + |J^x - J^y| / 2 where the two differ.
        """
        exchange = np.abs(self.exchange_element) + np.abs(self.parallel_element).max(initial=0.0)
        of_bonds = np.abs(self.pair_coupling) / self.spin**2, exchange / self.spin
        of_pairs = np.abs(self.parallel_element) / self.spin, np.abs(self.conditional_element) / self.spin**2
        return np.concatenate([*of_bonds, *of_pairs, np.abs(self.flip_element)]).max()

    @property
    def energy_scale(self):
        """The largest coupling or field along z: how fast the thermal state changes with beta."""
        return max(self.largest_coupling, np.abs(self.site_field).max() / self.spin)

    @property
    def has_positive_exchange(self):
        """Whether an exchange element of H is positive: in the basis of Marshall's rule, whether it is frustrated."""
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
        """Whether H commutes with the flip of all spins, which conjugates elements and changes the sign of s."""
        conjugated = self.exchange_element, self.flip_element, self.parallel_element
        breaking = [np.imag(elements) for elements in conjugated] + [np.real(self.conditional_element)]
        return not (self.site_field.any() or any(map(np.any, breaking)))


def _real(array):
    """Return a complex array without imaginary parts as float64, any other one as it is."""
    return array.real if np.iscomplexobj(array) and not np.any(array.imag) else array


def freeze_arrays(terms):
    """Make all arrays of a frozen dataclass C-contiguous and read-only, *in place*."""
    for name, array in vars(terms).items():
        if isinstance(array, np.ndarray):
            array = np.ascontiguousarray(array)
            array.flags.writeable = False
            object.__setattr__(terms, name, array)
