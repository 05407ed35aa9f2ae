"""Green functions of electrons at half the imaginary time, beta G(k, beta/2), from all levels and states.

G_ij(tau) = <c_i(tau) c+_j> at tau = beta/2, K = H - mu N, is a sum over pairs of levels with N and N + 1 electrons:

    G_ij(beta/2) = (1/Z) sum_mn e^{-beta (K_m + K_n)/2} <m|c_i|n> <n|c+_j|m>.

With A(k, w) the spectral function it is int dw A(k, w) / (2 cosh(beta w/2)), so that beta G(k, beta/2) is A about the
Fermi level in a window of a few T and goes to pi A(k, 0) where A does not change over it (Trivedi and Randeria, Phys.
Rev. Lett. 75, 312 (1995)).  Free electrons have beta / (2 cosh(beta xi_k/2)).

Blocks are those of (n_up, n_down) and a character chi of commuting lattice symmetries t.  A = sum_i v_i c_i with
t A t^-1 = c(t) A leads from chi to chi c; in the basis of `electron_blocks`

    <b, chi c| A |a, chi> = sum_i v_i s_i (|S_b| / |S_a|)^(1/2) (chi c)(t_i)^* sgn(t_i, y_i),   c_i|a> = s_i |y_i>,

t_i the element that takes y_i to the representative b.  2x2 sites of two orbitals take half a minute.
"""

import numpy as np
import scipy.linalg
import scipy.sparse

from hpc_nqs.exact.electron_blocks import ElectronBlock, states_of
from hpc_nqs.exact.electrons import energy_operator
from hpc_nqs.exact.symmetry_blocks import abelian_generators, abelian_group, conjugations, stars
from hpc_nqs.lattices.lattice import wave_vector_key
from hpc_nqs.symmetry.site_permutations import site_symmetries, translations

MAX_BLOCK = 4100  # states
SMALL = 1e-12  # weights that are rounding
SPINS = ("up", "down")


def spectral_proxies(model, lattice, levels, betas, structure_factor=()):
    """Return the entries of a table row for every inverse temperature.

    `spectral_proxy_up` and `_down` are beta G(k, beta/2), G(k) = (1/N) sum_ij e^{ik(r_i - r_j)} sum_a G_(ia)(ja), at
    the wave vectors; `local_spectral_proxy_up` and `_down` their means over all k, (beta/N) sum_ia G_(ia)(ia).

    Parameters
    ----------
    model : ElectronModel
    lattice : Lattice
    levels : ElectronLevels
        Of this model; for Z.
    betas : sequence of float
    structure_factor : sequence of wave vectors
        In units of pi.

    Raises
    ------
    ValueError
        In the canonical ensemble, where the level of N + 1 electrons has no meaning beside that of N, or for a block of
        more than MAX_BLOCK states.
    """
    if model.is_canonical:
        raise ValueError("Green functions add an electron: they need model.mu, the grand canonical ensemble")
    betas = np.asarray(betas, dtype=np.float64)
    keys = [wave_vector_key(q) for q in structure_factor]
    pairs = _Pairs(model, lattice, structure_factor)
    relative = levels.energies - levels.energies[0]
    partition = np.exp(-np.multiply.outer(betas, relative)).sum(axis=1)
    rows = [{} for _ in betas]
    means = {}
    for spin, word in enumerate(SPINS):
        if not spin or not model.spin_exchange_symmetric:
            means = betas[:, None] * pairs.sums(spin, betas, levels.energies[0]) / partition[:, None]
        for row, values in zip(rows, means, strict=True):
            if keys:
                row[f"spectral_proxy_{word}"] = {key: [float(x), 0.0] for key, x in zip(keys, values, strict=False)}
            row |= {f"local_spectral_proxy_{word}": float(values[-1]), f"local_spectral_proxy_{word}_error": 0.0}
    return rows


class _Pairs:
    """Sums over pairs of levels with one electron more or less."""

    def __init__(self, model, lattice, structure_factor):
        self.model = model
        group = site_symmetries(lattice, model)
        self.abelian = abelian_group(abelian_generators(translations(lattice, model), group))
        self.stars = stars(self.abelian, conjugations(self.abelian, group))
        half = model.n_levels // 2
        self._check(ElectronBlock(states_of(model.n_levels, half, half), self.abelian))
        self._operators = _operators(self.abelian, _weights(model, lattice, group, structure_factor))

    def _check(self, block):
        largest = max(len(block.kept(k)) for k in range(len(self.abelian.angles)))
        if largest > MAX_BLOCK:
            raise ValueError(f"the largest block has {largest} states; for Green functions at most {MAX_BLOCK}")

    def sums(self, spin, betas, lowest):
        """Return sum_ij w_ij Tr[e^{-beta K/2} c_i e^{-beta K/2} c+_j] e^{beta K_0}, (n_betas, n_weights).

        Parameters
        ----------
        spin : int
            0 or 1, up or down.
        betas : (n_betas,) float64
        lowest : float
            K_0.
        """
        m, found = self.model.n_levels, 0.0
        for others in range(m + 1):
            lower = None
            for number in range(m + 1):
                upper = _Sector(self.model, self.abelian, *((number, others) if spin == 0 else (others, number)))
                if lower:
                    found = found + self._between(lower, upper, spin, betas, lowest)
                lower = upper
        return found

    def _between(self, lower, upper, spin, betas, lowest):
        """Return the part of `sums` of two sectors."""
        removals, found = _removals(lower.block, upper.block, self.model.n_levels, spin), 0.0
        for star in self.stars:
            k = star[0]
            if not len(upper.energies[k]):
                continue
            for number, vectors in enumerate(self._operators):
                final = lower.number(self.abelian.angles[k] + self.abelian.angles[number])
                if not vectors or not len(lower.energies[final]):
                    continue
                # weights e^{-beta K/2} of both levels
                first, second = (
                    np.exp(-np.multiply.outer(betas / 2, energies - lowest))
                    for energies in (lower.energies[final], upper.energies[k])
                )
                for vector, shares in vectors:
                    removal = lower.matrix(removals, vector, final, upper, k)
                    squares = np.abs(lower.vectors[final].conj().T @ (removal @ upper.vectors[k])) ** 2
                    found = found + len(star) * np.outer(np.sum(first @ squares * second, axis=1), shares)
        return found


class _Sector:
    """Energies and eigenvectors of all blocks of one (n_up, n_down).

    Attributes
    ----------
    block : ElectronBlock
    energies : list of (n_k,) float64
    vectors : list of (n_k, n_k) float64 or complex128
    """

    def __init__(self, model, abelian, n_up, n_down):
        self.block, self.abelian = ElectronBlock(states_of(model.n_levels, n_up, n_down), abelian), abelian
        self._numbers = {row.tobytes(): k for k, row in enumerate(abelian.angles)}
        energy, self.energies, self.vectors = self.block.collect(energy_operator(model)), [], []
        for k in range(len(abelian.angles)):
            opposite = self.number(-abelian.angles[k])
            if opposite < k:  # H is real
                energies, vectors = self.energies[opposite], self.vectors[opposite].conj()
            elif len(self.block.kept(k)):
                matrix = self.block.matrix(k, energy).toarray()
                energies, vectors = scipy.linalg.eigh(matrix, driver="evd", overwrite_a=True, check_finite=False)
            else:
                energies, vectors = np.zeros(0), np.zeros((0, 0))
            self.energies.append(energies)
            self.vectors.append(vectors)

    def number(self, angles):
        """Return the number of the character with these angles."""
        return self._numbers[np.ascontiguousarray(angles % self.abelian.exponent).tobytes()]

    def matrix(self, removals, vector, final, upper, k):
        """Return <b, chi c| sum_i v_i c_i |a, chi> of the block `final` here and block k of `upper`, sparse."""
        rows, columns, elements, values, orbitals = removals
        kept = [self.block.kept(final), upper.block.kept(k)]
        places = [np.full(len(block.representatives), -1) for block in (self.block, upper.block)]
        for place, orbits in zip(places, kept, strict=True):
            place[orbits] = np.arange(len(orbits))
        inside = (places[0][rows] >= 0) & (places[1][columns] >= 0)
        entries = values * vector[orbitals] * self.abelian.characters(final)[elements].conj()
        where = places[0][rows[inside]], places[1][columns[inside]]
        return scipy.sparse.coo_array((entries[inside], where), shape=tuple(map(len, kept))).tocsr()


def _removals(lower, upper, n_levels, spin):
    """Return (orbit b, orbit a, element t, value, orbital i) of every c_i|a> = s_i |y_i>, y_i on the orbit of b."""
    parts, states = [], upper.representatives
    for orbital in range(n_levels):
        unit = spin * n_levels + orbital
        columns = np.flatnonzero((states >> unit) & 1)
        before = np.bitwise_count((states[columns] & ((1 << unit) - 1)).astype(np.uint64))
        reached = states[columns] ^ (1 << unit)
        rows, elements, signs = lower.located(reached)
        scale = np.sqrt(lower.stabilizer_orders(rows) / upper.stabilizer_orders(columns))
        values = (1.0 - 2.0 * (before & 1)) * signs * scale
        parts.append((rows, columns, elements, values, np.full(len(rows), orbital)))
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


def _weights(model, lattice, group, structure_factor):
    """Return w_ij of every wave vector and of the local sum, (n_vectors + 1, M, M), averaged over the symmetries."""
    n, m = model.n_lattice_sites, model.n_levels
    phases = np.reshape([lattice.wave_vector(q) for q in structure_factor], (-1, n))
    waves = np.einsum("qi,qj->qij", phases, phases.conj()).real
    waves = np.concatenate([waves, np.eye(n)[None]]) / n
    waves = np.einsum("qij,ab->qiajb", waves, np.eye(model.n_orbitals)).reshape(-1, m, m)
    orbitals = group[:, :m]
    return np.mean([waves[:, g[:, None], g] for g in orbitals], axis=0)


def _operators(abelian, weights):
    """Return, for every character c, [(v, shares)] with sum_c sum_v shares v v^+ = `weights`, v[t[p]] = c(t) v[p]."""
    m, found = weights.shape[1], []
    for number in range(len(abelian.angles)):
        projector = np.zeros((m, m), dtype=np.complex128)
        for element, character in zip(abelian.elements, abelian.characters(number), strict=True):
            projector[np.arange(m), element[:m]] += character.conj() / len(abelian.elements)
        if abelian.is_real(number):
            projector = projector.real
        dimensions, basis = np.linalg.eigh(projector)
        basis, vectors = basis[:, dimensions > 0.5], {}
        for kind, weight in enumerate(weights):
            of_kind, turned = np.linalg.eigh(basis.conj().T @ weight @ basis)
            for share, vector in zip(of_kind, (basis @ turned).T, strict=True):
                if share > SMALL:
                    key = next((k for k in vectors if abs(np.vdot(vectors[k][0], vector)) > 1 - SMALL), len(vectors))
                    vectors.setdefault(key, (vector, np.zeros(len(weights))))[1][kind] += share
        found.append(list(vectors.values()))
    return found
