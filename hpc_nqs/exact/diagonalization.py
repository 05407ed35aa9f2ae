"""All energy levels of up to 16 spins and their thermal averages, by diagonalization in symmetry blocks.

Blocks are labelled by momentum (or the characters of another commutative symmetry group), by the total Sz where it
is conserved, and by the parity under the flip of all spins.  Only one block of each set that symmetries map onto
each other is diagonalized.
"""

from dataclasses import dataclass, field
from functools import partial

import numpy as np
import scipy.linalg

from hpc_nqs.exact.boltzmann import boltzmann, exact_row, variance
from hpc_nqs.exact.operator_blocks import OperatorBlocks
from hpc_nqs.exact.symmetry_blocks import (
    SymmetryBlock,
    abelian_generators,
    abelian_group,
    conjugations,
    momentum_of,
    stars,
)
from hpc_nqs.hamiltonians.matrices import spins_of, to_sparse
from hpc_nqs.hamiltonians.spin_model import SZ
from hpc_nqs.lattices.lattice import wave_vector_key
from hpc_nqs.observables.pair_classes import correlation, pairs_by_distance
from hpc_nqs.symmetry.signed_permutations import SignedPermutations
from hpc_nqs.symmetry.site_permutations import inverse, site_symmetries, translations

MAX_SITES = 16
MAX_BLOCK = 6000  # 0.3 GB per matrix, three of them at work
ROUNDING = 1e-12  # of a magnetization per site


@dataclass(frozen=True, eq=False)
class Levels:
    """All levels of a model, in ascending order.

    Attributes
    ----------
    n_sites : int
    energies : (2^n_sites,) float64
        Total energies.
    sz : (2^n_sites,) float64 or None
        Total Sz; None where it is not conserved.
    structure_factor : dict of str to (2^n_sites,) float64
        "qx,qy" to <S(q)> in each level, averaged over wave vectors that the lattice symmetries connect.
    correlation : dict of str to (2^n_sites,) float64
        Distance to <Sz_i Sz_j> in each level, averaged over the pairs at this distance.
    sectors : list of dict
        momentum (in units of 2 pi / L; None without translations), sz, spin_parity (None where no quantum number),
        dimension, and energy, the lowest of the sector.
    largest_block : int
    in_field : bool
        Whether <Sz> may differ from zero.
    magnetization : (2^n_sites,) float64 or None
        <sum Sz> in each level where it is not conserved and may differ from zero.
    more : Observables or None
        See `diagonalize`.
    columns : (n_columns, 2^n_sites) float64
        Of `more` in each level: correlations by displacement, moments of m_q, operators.
    """

    n_sites: int
    energies: np.ndarray
    sz: np.ndarray | None
    structure_factor: dict
    sectors: list
    largest_block: int
    correlation: dict = field(default_factory=dict)
    in_field: bool = False
    magnetization: np.ndarray | None = None
    more: object = None
    columns: np.ndarray | None = None

    @property
    def ground_state_energy(self):
        """Total energy of the lowest level."""
        return float(self.energies[0])


def diagonalize(model, lattice, structure_factor=(), correlations=False, more=None):
    """Return the `Levels` of a model.

    Parameters
    ----------
    model : SpinModel
    lattice : Lattice
    structure_factor : sequence of wave vectors
        Cartesian components in units of pi, as in `Lattice.wave_vector`;
        S(q) = (1/N) sum_ij e^{i q (r_i - r_j)} <Sz_i Sz_j>.
    correlations : bool
        Whether <Sz_i Sz_j> is wanted against distance.
    more : Observables, optional
        Of which correlations by displacement, moments and operators are wanted, in the basis of the model.

    Raises
    ------
    ValueError
        More than 16 sites, or a block of more than 6000 states.
    """
    group, tasks = symmetry_parts(model, lattice)
    observables = {
        ("structure_factor", wave_vector_key(q)): _structure_factor(model, lattice, group, q) for q in structure_factor
    }
    for distance, weights in (pairs_by_distance(lattice) if correlations else {}).items():
        observables["correlation", distance] = partial(_correlation, weights)
    observables, operators = observables | _more_diagonal(more, group), None
    in_field = bool(np.any(model.site_field))
    if in_field and not model.conserves_sz:
        observables["magnetization", ""] = _magnetization
    if more is not None and more.operators is not None:
        operators = more.operators.averaged(SignedPermutations(group)).arrays()
    largest = max(part.largest_block() for part in tasks)
    if largest > MAX_BLOCK:
        raise ValueError(f"the largest block has {largest} states; at most {MAX_BLOCK} are diagonalized")
    energies, sz, values, sectors = [], [], {key: [] for key in observables}, []
    values |= {("operator", number): [] for number in range(operators.n_columns if operators else 0)}
    for part in tasks:
        for block in part.diagonalize(observables, operators):
            energies.append(np.tile(block["energies"], block["copies"]))
            sz.append(np.repeat(block["sz"], block["copies"] // len(block["sz"]) * len(block["energies"])))
            for key, per_level in block["observables"].items():
                values[key].append(np.tile(per_level, block["copies"]))
            sectors += block["sectors"]
    energies = np.concatenate(energies)
    order = np.argsort(energies, kind="stable")
    return Levels(
        n_sites=model.n_sites,
        energies=energies[order],
        sz=np.concatenate(sz)[order] if model.conserves_sz else None,
        structure_factor=_in_order(values, "structure_factor", order),
        correlation=_in_order(values, "correlation", order),
        sectors=sorted(sectors, key=lambda sector: sector["energy"]),
        largest_block=largest,
        in_field=in_field,
        magnetization=_in_order(values, "magnetization", order).get(""),
        more=more,
        columns=np.array([np.concatenate(values[key])[order] for key in values if key[0] in ("more", "operator")]),
    )


def _more_diagonal(more, group):
    """Return the functions of configurations of `more`, averaged over the group."""
    if more is None:
        return {}
    places, found = np.argsort(group, axis=1), {}
    for key, pairs in more.vectors.items():
        weights = np.mean([pairs.toarray()[row[:, None], row[None, :]] for row in places], axis=0)
        found["more", key] = partial(_correlation, weights)
    if more.orders is not None:
        orders = more.orders.averaged(SignedPermutations(group))
        for number, name in enumerate(orders.names):
            found["more", name] = partial(_moment, orders, number)
    return found


def _magnetization(spins):
    """Return sum Sz, which symmetries do not change."""
    return SZ * spins.sum(axis=1, dtype=np.float64)


def _moment(orders, number, spins):
    return orders.columns(SZ * spins.astype(np.float64))[number]


def _in_order(values, wanted, order):
    return {key: np.concatenate(parts)[order] for (name, key), parts in values.items() if name == wanted}


def _correlation(weights, spins):
    """Return the correlation at one distance; no average over the group, which does not change distances."""
    return correlation(SZ * spins.astype(np.float64), weights)


def _parts(model):
    """Yield (states, total Sz values, whether the spin flip is used) of the parts that H does not connect.

    Parts of opposite Sz are one part with two values where the flip of all spins is a symmetry.
    """
    n, states = model.n_sites, np.arange(2**model.n_sites, dtype=np.int64)
    if not model.conserves_sz:
        yield states, [0.0], model.spin_flip_symmetric
        return
    n_up = np.bitwise_count(states.astype(np.uint64))
    for up in range(n + 1):
        sz = (2 * up - n) * SZ
        if not model.spin_flip_symmetric:
            yield states[n_up == up], [sz], False
        elif sz >= 0:
            yield states[n_up == up], [sz, -sz] if sz else [0.0], sz == 0


def symmetry_parts(model, lattice):
    """Return (group, parts): the lattice symmetries (order, n_sites) and the `Part`s that H does not connect.

    Raises
    ------
    ValueError
        More than 16 sites.
    """
    if model.n_sites > MAX_SITES:
        raise ValueError(f"{model.n_sites} sites: all levels are found for up to {MAX_SITES} sites")
    group = site_symmetries(lattice, model)
    on_points = SignedPermutations(group).on_points()
    shifts = SignedPermutations(translations(lattice, model)).on_points()
    generators = abelian_generators(shifts, on_points)
    return group, [Part(model, lattice, on_points, generators, *part) for part in _parts(model)]


class Part:
    """States of one |Sz| with the sectors of all characters.

    Attributes
    ----------
    abelian : AbelianGroup
        Commuting lattice symmetries and, where the part is closed under it, the flip of all spins.
    sector : SymmetryBlock
    sz : list of float
        Total Sz of the part and of its image under the flip, which has the same levels.
    """

    def __init__(self, model, lattice, group, generators, states, sz, flips):
        self.flip = SignedPermutations.identity(model.n_sites).negated().on_points()[0] if flips else None
        self.abelian = abelian_group([*generators, self.flip] if flips else generators)
        self.conserves_sz, self.sz = model.conserves_sz, sz
        self.conjugations = conjugations(self.abelian, group)
        self.sector = SymmetryBlock(model, states, self.abelian)
        self.lattice = lattice

    def stars(self):
        """Return lists of characters whose sectors symmetries or, of real H, conjugation map onto each other."""
        return stars(self.abelian, self.conjugations, self.sector.model.is_real)

    def largest_block(self):
        """Return the number of states in the largest sector."""
        return max(len(self.sector.kept(star[0])) for star in self.stars())

    def diagonalize(self, observables, operators=None):
        """Yield the levels of one character of every star.

        Parameters
        ----------
        observables : dict
            Functions of configurations by their keys.
        operators : OperatorArrays, optional
            Symmetric ones.
        """
        blocks = OperatorBlocks(self.sector, operators, self.conserves_sz) if operators is not None else None
        for star in self.stars():
            kept = self.sector.kept(star[0])
            if not len(kept):
                continue
            matrix = self.sector.block(star[0], self.conjugations)
            spins = spins_of(self.sector.representatives[kept], self.sector.model.n_sites)
            per_level = {}
            if observables or blocks:
                energies, vectors = scipy.linalg.eigh(matrix, driver="evd", overwrite_a=True, check_finite=False)
                weights = np.abs(vectors) ** 2
                per_level = {key: function(spins) @ weights for key, function in observables.items()}
                if blocks is not None:
                    of_operators = blocks.per_level(star[0], self.conjugations, vectors)
                    per_level |= {("operator", number): row for number, row in enumerate(of_operators)}
            else:
                energies = scipy.linalg.eigh(matrix, eigvals_only=True, overwrite_a=True, check_finite=False)
            yield {
                "energies": energies,
                "copies": len(star) * len(self.sz),
                "sz": self.sz,
                "observables": per_level,
                "sectors": [self._label(k, sz, energies) for k in star for sz in self.sz],
            }

    def _label(self, k, sz, energies):
        turn = self.abelian.angles[k] / self.abelian.exponent
        parity = None if self.flip is None else 1 if turn[self.abelian.index(self.flip)] == 0 else -1
        return {
            "momentum": self._momentum(turn),
            "sz": sz if self.conserves_sz else None,
            "spin_parity": parity,
            "dimension": len(energies),
            "energy": float(energies[0]),
        }

    def _momentum(self, turn):
        def turn_of(step):
            place = self.abelian.index(SignedPermutations(step).on_points()[0])
            return None if place is None else turn[place]

        return momentum_of(self.lattice, turn_of)


def _structure_factor(model, lattice, group, q):
    """Return the function that maps configurations (n, n_sites) to S(q), averaged over the group."""
    phases = np.array([lattice.wave_vector(q)[inverse(g)] for g in group])
    phases = np.round(phases * phases[:, :1].conj(), 12)
    phases, counts = np.unique(phases, axis=0, return_counts=True)

    def function(spins):
        amplitudes = np.abs(spins @ phases.T) ** 2
        return SZ**2 / model.n_sites * (amplitudes @ counts) / counts.sum()

    return function


def thermal_rows(levels, betas):
    """Return one table row per inverse temperature, per site, with errors of 0.

    Z = sum_n e^{-beta E_n}; e, c = beta^2 var(E)/N, ln_z = ln Z / N, s = ln_z + beta e, f = -ln_z / beta,
    chi = beta var(M)/N and, in a field, m = <M>/N (where Sz is conserved), S(q).  beta = 0 has no temperature and no
    free energy.

    Parameters
    ----------
    levels : Levels
    betas : sequence of float

    Raises
    ------
    ValueError
        When an inverse temperature is negative.
    """
    return [_thermal_row(levels, float(beta)) for beta in betas]


def _thermal_row(levels, beta):
    n = levels.n_sites
    weights, log_partition = boltzmann(levels.energies, beta)
    energy, ln_z = float(weights @ levels.energies), log_partition / n
    values = {
        "energy": energy / n,
        "specific_heat": beta**2 * variance(weights, levels.energies) / n,
        "entropy": ln_z + beta * energy / n,
        "ln_z": ln_z,
    }
    if beta > 0:
        values["free_energy"] = -ln_z / beta
    if levels.sz is not None:
        values["susceptibility"] = beta * variance(weights, levels.sz) / n
    if levels.in_field:
        of_levels = levels.sz if levels.magnetization is None else levels.magnetization
        magnetization = float(weights @ of_levels) / n
        values["magnetization"] = magnetization if abs(magnetization) > ROUNDING else 0.0
    row = exact_row(beta, values)
    for name in ("structure_factor", "correlation"):
        if getattr(levels, name):
            row[name] = {key: [float(weights @ f), 0.0] for key, f in getattr(levels, name).items()}
    return row if levels.more is None else row | _more_entries(levels.more, (levels.columns @ weights)[None])


def _more_entries(more, means):
    """Return the entries of `Levels.columns` from their means (1, n_columns)."""

    def estimate(function):
        return float(function(means)[0]), 0.0

    row, first = {}, len(more.vectors)
    if first:
        row["correlation_vector"] = {key: [float(x), 0.0] for key, x in zip(more.vectors, means[0], strict=False)}
    if more.orders is not None:
        row |= more.orders.row(estimate, first)
        first += len(more.orders.names)
    return row if more.operators is None else row | more.operators.row(estimate, first)


def ground_state_energy(model):
    """Return the lowest total energy by Lanczos iteration on all states; up to 16 sites.

    Raises
    ------
    ValueError
        More than 16 sites.
    """
    import scipy.sparse.linalg

    matrix = to_sparse(model)
    if matrix.shape[0] <= 64:
        return float(np.linalg.eigvalsh(matrix.toarray())[0])
    start = np.random.default_rng(1).standard_normal(matrix.shape[0])
    return float(scipy.sparse.linalg.eigsh(matrix, k=1, which="SA", v0=start, return_eigenvectors=False)[0])
