"""Sums over rings behind S, F and their like."""

import numpy as np

from hpc_nqs.kernels import amplitude as amplitude_kernel

BLOCK = 512  # rings whose log-derivatives are held at a time


class RingSums:
    """Sums over rings behind S, F and their like; those of two sets of rings add up.

    Attributes
    ----------
    totals : (4,) float64
        Sums of absolute weights, of signed weights, of signed weights times E(ket), and of the terms of Var(E_loc).
    vectors : (3, n_params)
        Sums of absolute weights times O(ket), of signed weights times O(ket), and of O(bra)* E(ket).
    matrices : (2, n_params, n_params)
        Sums of O(ket)^H O(ket) with absolute weights and of O(bra)^H O(ket) with signed ones.
    """

    def __init__(self, n_params, numbers):
        self.totals = np.zeros(4)
        self.vectors = np.zeros((3, n_params), numbers)
        self.matrices = np.zeros((2, n_params, n_params), numbers)

    def __add__(self, other):
        result = RingSums(self.vectors.shape[1], self.vectors.dtype)
        for name, array in vars(result).items():
            array += getattr(self, name) + getattr(other, name)
        return result

    def add(self, o, weights, phases, kets, bras):
        """Add rings: O(ket) (n, n_links, n_params) and energies of every cut about fixed centres, (n, n_links)."""
        n_links = phases.shape[1]
        n_slices, real = n_links // 2, self.vectors.dtype == np.float64
        absolute = weights / n_links
        for r in range(n_links):
            ket, bra, signed = o[:, r], o[:, (r + n_slices) % n_links].conj(), absolute * phases[:, r]
            force, mean = bra.T @ (signed * kets[:, r]), signed @ ket
            energies = np.stack([np.ones(len(o)), kets[:, r], bras[:, r].conj() * kets[:, r]], axis=1)
            self.totals += absolute.sum(), *(signed @ energies).real
            self.vectors += absolute @ ket, mean.real if real else mean, force.real if real else force
            self.matrices[0] += ket.conj().T @ (absolute[:, None] * ket)
            if r < n_slices:  # the other half of the cuts are the adjoints of these
                product = bra.T @ (signed[:, None] * ket)
                self.matrices[1] += product + product.conj().T

    def moments(self):
        """Return S, V (n_params, n_params), F (n_params,) and Var(E_loc)."""
        weight, sign, energy, square = self.totals
        plain, mean = self.vectors[0] / weight, self.vectors[1] / sign
        s_matrix = self.matrices[1] / sign - np.outer(mean.conj(), mean)
        spread = self.matrices[0] / weight - np.outer(plain.conj(), plain)
        force = self.vectors[2] / sign - mean.conj() * energy / sign
        return s_matrix, spread, force, square / sign - (energy / sign) ** 2


def assemble(evaluation, samples, wavefunction, team):
    """Return the `RingSums` of two independent halves of the rings of all ranks.  *Collective*.

    The halves are chains, or stretches of them, by global index.  Exact sums are not halved: both are the same.  Sums
    are taken about the mean of the first blocks of all ranks.
    """
    numbers = np.complex128 if wavefunction.is_complex else np.float64
    rings = samples.rings
    kets, bras = (energies - evaluation.energy for energies in (evaluation.ket_energies(), evaluation.bra_energies()))
    centre = _first_mean(evaluation, rings, wavefunction, team)
    halves = [RingSums(wavefunction.n_params, numbers) for _ in range(2)]
    half = _halves(samples)
    for start in range(0, len(rings), BLOCK):
        part = slice(start, start + BLOCK)
        o = _side_derivs(evaluation, rings[part], part, wavefunction) - centre
        for h in (0, 1):
            rows = half[part] == h
            arrays = evaluation.weights, evaluation.phases, kets, bras
            halves[h].add(o[rows], *(array[part][rows] for array in arrays))
    for sums in halves:
        team.sum_in_place(sums.totals, sums.vectors, sums.matrices)
    return halves if samples.exponent else [halves[0], halves[0]]


def _halves(samples):
    """Return 0 or 1 for every ring, (n,): chains alternate, so do the halves of a chain; exact sums are all 0."""
    n_chains, n_per_chain = samples.configurations.shape[:2]
    if not samples.exponent:
        return np.zeros(n_chains * n_per_chain, dtype=int)
    chains = samples.first_chain + np.arange(n_chains)[:, None]
    return ((chains + 2 * np.arange(n_per_chain) // n_per_chain) % 2).ravel()


def _side_derivs(evaluation, rings, part, wavefunction):
    """Return O of the ket of every cut, (n, n_links, n_params)."""
    n, n_links, n_visible = rings.shape
    numbers = np.complex128 if wavefunction.is_complex else np.float64
    derivs = np.empty((n * n_links, wavefunction.n_params), dtype=numbers)
    amplitude_kernel.log_derivs(evaluation.amplitude, rings.reshape(-1, n_visible), derivs.view(np.float64))
    derivs = derivs.reshape(n, n_links, -1)
    derivs[evaluation.weights[part] == 0] = 0
    return sum(np.roll(derivs, -l, axis=1) for l in range(n_links // 2))


def _first_mean(evaluation, rings, wavefunction, team):
    """Return the mean of O (n_params,) over the first blocks of all ranks, the same numbers on all ranks."""
    part = slice(0, BLOCK)
    derivs = _side_derivs(evaluation, rings[part], part, wavefunction).mean(axis=1)
    sums = np.concatenate([evaluation.weights[part] @ derivs, [evaluation.weights[part].sum()]])
    team.sum_in_place(sums)
    return sums[:-1] / sums[-1].real
