"""Pair functions f of spins: the mean-field state they start from, and the translations that they share.

Psi(s) = sum_g c_g phi(g s), phi a pair product ([PRX] 11, 031034 (2021)).  A pair function with sublattices shares the
translations from one sublattice to itself; the projection restores the others, at one image each.
"""

import numpy as np

from hpc_nqs.ground_state.flux_phases import hopping, lowest_signs
from hpc_nqs.settings.sections import WHOLE_PAIRS
from hpc_nqs.symmetry.signed_permutations import SignedPermutations
from hpc_nqs.symmetry.site_permutations import parity, translations
from hpc_nqs.wavefunctions.pair_sum import PairSum
from hpc_nqs.wavefunctions.spin_pair_product import SpinPairs

PAIR_NOISE = 0.02  # of the pair function, relative to its largest value
GAP = 0.5  # of the mean-field state that the pairs start from, in units of its hopping
SUBLATTICES = 2  # cells between equal sublattices, along a direction, of large lattices


def build_pairs(lattice, model, shares, stream):
    """Return the `SpinPairs` that start from a mean-field state; with `shares` all translations leave f unchanged."""
    group = with_boundary(lattice, translations(lattice, model) if shares else np.arange(model.n_sites)[None, :])
    start = starting_pairs(lattice, model, stream)
    return SpinPairs(group, (start + start.T) / 2)


def build_pair_sum(lattice, model, images, coefficients, n_up, singlets, sublattice, stream):
    """Return the `PairSum` over the images of a projection, without those that are equal to others.

    Parameters
    ----------
    lattice : Lattice
    model : SpinModel
        In the basis of the state.
    images : SignedPermutations
    coefficients : (order,) complex128
        Of complex ones the real part is taken, a state of momenta k and -k: their energies are equal, and no symmetric
        operator connects them.
    n_up : int
        Spins of the larger number that have no partner stand in orbitals of the mean-field state.
    singlets : bool
        f is symmetric; else pairs of an up and a down spin of either symmetry, for odd total spins.
    sublattice : tuple of int or "auto"
        Cells after which f repeats, per direction.
    stream : Generator

    Raises
    ------
    ValueError
        A sublattice that does not fit the lattice or the quantum numbers.
    """
    n = model.n_sites
    n_unpaired = abs(2 * n_up - n)
    group = SignedPermutations.identity(n)
    if n_unpaired == 0:
        group = shared_translations(lattice, model, images, coefficients, sublattice)
    elif sublattice != "auto" and tuple(_periods(lattice, sublattice)) != tuple(lattice.grid):
        raise ValueError(
            f"wavefunction.sublattice = {list(sublattice)}: beside unpaired spins, at Sz != 0, pairs share no "
            'translations; allowed is "auto"'
        )
    start = starting_pairs(lattice, model, stream)
    start = (start + start.T) / 2 if singlets else start
    orbitals = starting_orbitals(lattice, model, n_unpaired, stream) if n_unpaired else None
    chosen = representatives(images, group.unsigned())
    chosen = chosen[np.abs(coefficients[chosen].real) > 1e-12]
    return PairSum(group, start, images[chosen], coefficients[chosen].real, singlets, orbitals, 2 * n_up > n)


def shared_translations(lattice, model, images, coefficients, sublattice="auto"):
    """Return the translations, `SignedPermutations` with the signs of a boundary, that f shares.

    Those between equal sublattices where they multiply a pair product by their own character, else the identity alone.

    Raises
    ------
    ValueError
        As `build_pair_sum`.
    """
    identity = SignedPermutations.identity(model.n_sites)
    if lattice.vectors is None or (sublattice == "auto" and model.n_sites <= WHOLE_PAIRS):
        return identity
    periods = _periods(lattice, sublattice)
    steps = [step for step in lattice.steps() if not any(np.mod(step, periods))]
    group = with_boundary(lattice, np.array([lattice.translated(step) for step in steps]))
    characters = {tuple(image): c for image, c in zip(images.encoded().tolist(), coefficients, strict=True)}
    for sources, signs in group:
        own = parity(sources) * np.prod(signs)
        if abs(characters.get(tuple(sources.tolist()), 0) - own) < 1e-9:
            continue
        if sublattice != "auto":
            raise ValueError(
                f"wavefunction.sublattice = {list(sublattice)}: such a pair product has another momentum than "
                '[ground_state] asks for; allowed is "auto"'
            )
        return identity
    return group


def _periods(lattice, sublattice):
    """Return the cells after which f repeats, for every primitive vector."""
    if sublattice == "auto":
        return [SUBLATTICES if cells % SUBLATTICES == 0 else cells for cells in lattice.grid]
    periods = (*sublattice, *lattice.grid[len(sublattice) :])
    if len(sublattice) != len(lattice.lengths) or any(np.mod(lattice.grid, periods)):
        raise ValueError(
            f"wavefunction.sublattice = {list(sublattice)}: allowed is a divisor of the number of cells in every "
            f"direction, {list(lattice.grid[: len(lattice.lengths)])}"
        )
    return periods


def representatives(images, group):
    """Return the numbers of images g of which none is t h, t of `group` acting last, of an earlier one h."""
    number = {tuple(row): g for g, row in enumerate(images.encoded().tolist())}
    met, chosen = set(), []
    for g in range(len(images)):
        if g in met:
            continue
        chosen.append(g)
        met.update(number[tuple(row)] for row in group.compose(images[g : g + 1]).encoded().tolist())
    return np.array(chosen)


def with_boundary(lattice, images):
    """Return translations (order, n_sites) with the signs of sites that they take across an antiperiodic boundary."""
    column, length = _columns(lattice)
    steps = (column[images[:, 0]] - column[0]) % length
    crosses = column[None, :] + steps[:, None] >= length
    return SignedPermutations(images, np.where(crosses & antiperiodic(lattice), -1, 1))


def starting_pairs(lattice, model, stream):
    """Return f (n_sites, n_sites) of a mean-field state of fermions with hopping and d-wave pairs, with noise."""
    start = _mean_field(lattice, model)
    return start + PAIR_NOISE * np.abs(start).max() * stream.standard_normal(start.shape)


def starting_orbitals(lattice, model, n_unpaired, stream):
    """Return the levels (n_unpaired, n_sites) in the middle of those of the mean-field hops, with noise."""
    n = model.n_sites
    levels = np.linalg.eigh(_hops(lattice, model)[0])[1].T
    first = (n - n_unpaired) // 2
    orbitals = levels[first : first + n_unpaired]
    return orbitals + PAIR_NOISE * np.abs(orbitals).max() * stream.standard_normal(orbitals.shape)


def _columns(lattice):
    """Return the first cell index of every site, (n_sites,) intp, and the number of cells in that direction."""
    if lattice.vectors is None:
        return np.zeros(lattice.n_sites, dtype=np.intp), 1
    return (np.arange(lattice.n_sites) // len(lattice.basis)) % lattice.grid[0], lattice.grid[0]


def antiperiodic(lattice):
    """Return whether the fermions of the pair product are antiperiodic in the first direction.

    That closes their shell at half filling: on rings of 4 m sites, and in two dimensions, where it also avoids the
    nodes of d-wave pairs.
    """
    if lattice.vectors is None or lattice.box or not lattice.wraps[0]:  # columns of boxes are no straight lines
        return False
    return lattice.kind != "chain" or lattice.n_sites % 4 == 0


def _mean_field(lattice, model):
    """Return f = D (h + (h^2 + D^2)^(1/2))^{-1}, h hopping and D pairing on the strongest exchange bonds.

    D has the opposite sign on bonds along y of a square lattice.  Elsewhere it is a constant times the unit matrix, and
    hops have the signs, with the Fermi level between both halves of the levels, for which half filling is lowest.
    """
    n = model.n_sites
    hops, bonds, crosses = _hops(lattice, model)
    if _has_d_waves(lattice):
        along_y = np.array([abs(lattice.displacement(i, j)[1]) > 0.5 for i, j in bonds.tolist()])
        pairing = -GAP * hopping(n, bonds, np.where(along_y, -1.0, 1.0), crosses)
    else:
        levels = np.linalg.eigvalsh(hops)
        hops = hops - levels[[(n - 1) // 2, n // 2]].mean() * np.eye(n)
        pairing = GAP * np.eye(n)
    energies, vectors = np.linalg.eigh(hops @ hops + pairing @ pairing)
    root = (vectors * np.sqrt(np.maximum(energies, 0))) @ vectors.T
    return pairing @ np.linalg.pinv(hops + root)


def _hops(lattice, model):
    """Return h (n_sites, n_sites), its bonds (n_bonds, 2) and whether these cross an antiperiodic boundary."""
    n, strength = model.n_sites, np.abs(model.exchange_element)
    bonds = model.exchange_sites[strength > 0.99 * strength.max()]
    column, length = _columns(lattice)
    crosses = antiperiodic(lattice) & (2 * np.abs(column[bonds[:, 0]] - column[bonds[:, 1]]) > length)
    signs = np.ones(len(bonds)) if _has_d_waves(lattice) else lowest_signs(lattice, bonds, crosses)
    return hopping(n, bonds, signs, crosses), bonds, crosses


def _has_d_waves(lattice):
    return lattice.kind == "square" and antiperiodic(lattice)
