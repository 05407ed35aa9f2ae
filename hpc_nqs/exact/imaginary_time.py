"""Correlations of S^z in imaginary time of up to 16 sites, from all levels and states of symmetry blocks.

<A(tau) A^+> = (1/Z) sum_mn e^{-(beta - tau) E_m - tau E_n} |A_mn|^2, A(tau) = e^{tau H} A e^{-tau H}.  Blocks are those
of `diagonalization`: total Sz and a character chi of commuting symmetries t (momentum, spin parity).  A = sum_i v_i
S^z_i with A(t x) = c(t) A(x), of momentum q as S^z_q, is diagonal in the configurations x, so that in the basis of
`symmetry_blocks`

    <a, chi'| A |a, chi> = A(a) if chi' = chi c^*, and 0 otherwise,

for every orbit a that both blocks have: neither norms nor phases are left.  sum_ij w_ij <S^z_i(tau) S^z_j> with w
averaged over all lattice symmetries is a sum of such A, and one chi of every set that symmetries map onto each other
is enough.

4x4 sites with J2 = 0.5 take 15 CPU seconds and 0.4 GB: 4 s for all eigenvectors, 11 s for the matrix elements of all
wave vectors, whatever the number of temperatures; 2x8 22 s, a ring of 16 sites in a field 50 s and 0.7 GB, 4x4
open ones 340 s and 1.5 GB.
"""

import numpy as np
import scipy.linalg

from hpc_nqs.exact.diagonalization import symmetry_parts
from hpc_nqs.hamiltonians.matrices import spins_of
from hpc_nqs.hamiltonians.spin_model import SZ
from hpc_nqs.lattices.lattice import wave_vector_key
from hpc_nqs.symmetry.signed_permutations import SignedPermutations

MAX_BLOCK = 4100  # states: 14 sites without symmetries, 12 where Sz is not conserved
MAX_NUMBERS = 8 * 10**7  # of all eigenvectors, 1.3 GB: 16 sites with 8 commuting symmetries, the flip of all spins one
SMALL = 1e-12  # weights that are rounding


class TimeCorrelations:
    """<S^z_q(tau) S^z_-q> and (1/N) sum_i <S^z_i(tau) S^z_i> at any temperature and time.

    Parameters
    ----------
    model : SpinModel
    lattice : Lattice
    structure_factor : sequence of wave vectors
        In units of pi.

    Raises
    ------
    ValueError
        A complex H, more than 16 sites, a block of more than MAX_BLOCK states, or eigenvectors of more than MAX_NUMBERS
        numbers.
    """

    def __init__(self, model, lattice, structure_factor=()):
        if not model.is_real:  # <S^z_i(tau) S^z_j> is not symmetric in i and j
            raise ValueError("correlations in imaginary time are available for H with real elements only")
        self.keys = [wave_vector_key(q) for q in structure_factor]
        self.n_sites, self.subtracts_means = model.n_sites, not model.spin_flip_symmetric
        group, parts = symmetry_parts(model, lattice)
        sizes = np.array([len(part.sector.kept(k)) for part in parts for k in range(len(part.abelian.angles))])
        if sizes.max() > MAX_BLOCK or np.sum(sizes**2) > MAX_NUMBERS:
            raise ValueError(
                f"imaginary time needs all eigenvectors, {np.sum(sizes**2)} numbers in blocks of up to {sizes.max()} "
                f"states; at most {MAX_NUMBERS} and {MAX_BLOCK} are allowed"
            )
        self._phases = np.reshape([lattice.wave_vector(q) for q in structure_factor], (-1, model.n_sites))
        waves = np.einsum("qi,qj->qij", self._phases, self._phases.conj()).real
        waves = np.mean([waves[:, g[:, None], g] for g in group], axis=0)
        self._weights = np.concatenate([waves, np.eye(model.n_sites)[None]]) / model.n_sites
        self._orbits = group.min(axis=0)
        self._parts = [_PartLevels(part) for part in parts]
        self._lowest = min(energies[0] for part in self._parts for energies in part.energies if len(energies))

    def correlations(self, beta, taus):
        """Return the correlations at times `taus`, (n_taus, n_wave_vectors + 1); the last one is the local one."""
        return self._integrals_and_values([beta], [taus])[1][0]

    def susceptibilities(self, beta):
        """Return chi(q) = int_0^beta (<S^z_q(tau) S^z_-q> - |<S^z_q>|^2) dtau, (n_wave_vectors,)."""
        return self._integrals_and_values([beta], [[]])[0][0]

    def row(self, beta, n_links):
        """Return the entries of a table row at an inverse temperature, at times k beta / n_links up to beta / 2."""
        return self.rows([beta], n_links)[0]

    def rows(self, betas, n_links):
        """Return `row` at several inverse temperatures, which takes little longer than at one."""
        steps = np.arange(n_links // 2 + 1) / n_links
        chi, values = self._integrals_and_values(betas, np.multiply.outer(betas, steps))
        return [self._row(*entries, n_links) for entries in zip(betas, chi, values, strict=True)]

    def _row(self, beta, chi, found, n_links):
        row = {"links": n_links}
        if self.keys:
            row["time_correlation"] = {
                f"{key},{k}": [float(found[k, number]), 0.0]
                for number, key in enumerate(self.keys) for k in range(len(found))
            }
            row["static_susceptibility"] = {key: [float(x), 0.0] for key, x in zip(self.keys, chi, strict=True)}
        row["local_time_correlation"] = {str(k): [float(found[k, -1]), 0.0] for k in range(len(found))}
        if n_links % 2 == 0:
            row |= {"relaxation_proxy": float(beta**2 * found[-1, -1]), "relaxation_proxy_error": 0.0}
        return row

    def _integrals_and_values(self, betas, taus):
        """Return chi(q), (n_betas, n_wave_vectors), and the correlations, (n_betas, n_taus, n_wave_vectors + 1).

        Parameters
        ----------
        betas : sequence of float
        taus : (n_betas, n_taus) array_like
        """
        betas, taus = np.asarray(betas, dtype=np.float64), np.asarray(taus, dtype=np.float64)
        chi = np.zeros((len(betas), len(self.keys)))
        values = np.zeros((*taus.shape, len(self.keys) + 1))
        for copies, first, second, weights, squares in self._pairs():
            before = np.exp(np.multiply.outer(taus - betas[:, None], first)) @ squares
            values += copies * np.multiply.outer(np.sum(before * np.exp(np.multiply.outer(-taus, second)), -1), weights)
            if weights[:-1].any():
                sums = [np.vdot(_integrals(beta, first, second), squares) for beta in betas]
                chi += copies * np.multiply.outer(sums, weights[:-1])
        partition, means = self._partition_and_means(betas)
        if self.subtracts_means:
            means = np.abs(means @ self._phases.T / partition[:, None]) ** 2 / self.n_sites
            return chi / partition[:, None] - betas[:, None] * means, values / partition[:, None, None]
        return chi / partition[:, None], values / partition[:, None, None]

    def _pairs(self):
        """Yield (copies, E_m, E_n, weights, |<m| A |n>|^2) of blocks m and n; weights (n_wave_vectors + 1,) of A."""
        for part in self._parts:
            operators = [_operators(part.abelian, number, self._weights) for number in range(len(part.energies))]
            for star in part.stars:
                for number, taken in enumerate(operators):
                    for vector, weights in taken:
                        final = part.after(star[0], number)
                        if len(part.kept[final]) and len(part.kept[star[0]]):
                            squares = np.abs(part.elements(final, vector, star[0])) ** 2
                            energies = part.energies[final] - self._lowest, part.energies[star[0]] - self._lowest
                            yield part.copies * len(star), *energies, weights, squares

    def _partition_and_means(self, betas):
        """Return Z, (n_betas,), and Z <S^z_i>, (n_betas, n_sites), with energies from the lowest one on."""
        partition, means = np.zeros(len(betas)), np.zeros((len(betas), self.n_sites))
        orbits = np.equal.outer(self._orbits, self._orbits)
        average = orbits / orbits.sum(axis=1)
        for part in self._parts:
            for star in part.stars:
                boltzmann = np.exp(-np.multiply.outer(betas, part.energies[star[0]] - self._lowest))
                partition += part.copies * len(star) * boltzmann.sum(axis=1)
                density = boltzmann @ (np.abs(part.vectors[star[0]]) ** 2).T
                means += part.copies * len(star) * density @ part.sz[part.kept[star[0]]] @ average
        return partition, means


class _PartLevels:
    """Energies and eigenvectors of all blocks of a `Part`.

    Attributes
    ----------
    abelian : AbelianGroup
    stars : list of list of int
    copies : int
        2 where the part of opposite Sz has the same levels.
    sz : (n_orbits, n_sites) float64
        S^z_i = +-1/2 of the representatives.
    kept : list of (n_k,) intp
        The orbits of the block of every character k.
    energies : list of (n_k,) float64
    vectors : list of (n_k, n_k) float64 or complex128
    """

    def __init__(self, part):
        self.abelian, self.stars, self.copies = part.abelian, part.stars(), len(part.sz)
        self.sz = SZ * spins_of(part.sector.representatives, part.sector.model.n_sites).astype(np.float64)
        self._numbers = {row.tobytes(): k for k, row in enumerate(self.abelian.angles)}
        self.kept = [part.sector.kept(k) for k in range(len(self._numbers))]
        self.energies, self.vectors = [], []
        for k, kept in enumerate(self.kept):
            opposite = self._number(-self.abelian.angles[k])
            if opposite < k:  # H is real
                energies, vectors = self.energies[opposite], self.vectors[opposite].conj()
            elif len(kept):
                matrix = part.sector.block(k)
                energies, vectors = scipy.linalg.eigh(matrix, driver="evd", overwrite_a=True, check_finite=False)
            else:
                energies, vectors = np.zeros(0), np.zeros((0, 0))
            self.energies.append(energies)
            self.vectors.append(vectors)

    def _number(self, angles):
        return self._numbers[np.ascontiguousarray(angles % self.abelian.exponent).tobytes()]

    def after(self, k, number):
        """Return the block chi' = chi c^* to which an operator of character c = `number` leads from the block k."""
        return self._number(self.abelian.angles[k] - self.abelian.angles[number])

    def elements(self, final, vector, initial):
        """Return <m| sum_i v_i S^z_i |n> of the states m of one block and n of another one, (n_final, n_initial)."""
        both, rows, columns = np.intersect1d(self.kept[final], self.kept[initial], True, return_indices=True)
        amplitudes = self.sz[both] @ vector
        return self.vectors[final][rows].conj().T @ (amplitudes[:, None] * self.vectors[initial][columns])


def _operators(abelian, number, weights):
    """Return [(v, shares)] with sum_kind shares v v^+ = the part of all `weights` that has one character c.

    With T_t the matrix of t on the spins, c(t) = chi_number(t), A(t x) = (T_t^T v) x = c(t) A(x) holds for v in the
    range of the projector P = (1/|A|) sum_t c(t) T_t.

    Parameters
    ----------
    weights : (n_kinds, n_sites, n_sites) float64
        Symmetric, positive and the same after every symmetry.
    """
    n = weights.shape[1]
    characters, projector = abelian.characters(number), np.zeros((n, n), dtype=np.complex128)
    for (sources, signs), character in zip(SignedPermutations.from_points(abelian.elements), characters, strict=True):
        projector[np.arange(n), sources] += character * signs / len(characters)
    if abelian.is_real(number):
        projector = projector.real
    found, basis = np.linalg.eigh(projector)
    basis = basis[:, found > 0.5]
    vectors, shares = [], []
    for kind, weight in enumerate(weights):
        of_kind, turned = np.linalg.eigh(basis.conj().T @ weight @ basis)
        for share, vector in zip(of_kind, (basis @ turned).T, strict=True):
            if share < SMALL:
                continue
            same = [place for place, known in enumerate(vectors) if abs(np.vdot(known, vector)) > 1 - SMALL]
            if not same:
                vectors.append(vector)
                shares.append(np.zeros(len(weights)))
            shares[same[0] if same else -1][kind] += share
    return list(zip(vectors, shares, strict=True))


def _integrals(beta, first, second):
    """Return int_0^beta e^{-(beta - tau) E_m - tau E_n} dtau, (n_first, n_second)."""
    # = e^{-beta min(E_m, E_n)} (1 - e^{-beta gap}) / gap
    gaps = np.abs(first[:, None] - second)
    shares = -np.expm1(-beta * gaps)
    shares = np.divide(shares, gaps, out=np.full_like(gaps, beta), where=beta * gaps > 1e-12)
    return shares * np.maximum.outer(np.exp(-beta * first), np.exp(-beta * second))
