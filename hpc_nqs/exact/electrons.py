"""All energy levels of electrons on small lattices and their thermal averages, by diagonalization in symmetry blocks.

Blocks are labelled by the numbers of electrons with either spin, by momentum (or the characters of another commutative
symmetry group), and, where both numbers and the energies of both spins are equal, by the parity under the exchange of
the spins.  Of two blocks with exchanged numbers only one is diagonalized where it can be.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from hpc_nqs.exact.boltzmann import boltzmann, exact_row, variance
from hpc_nqs.exact.electron_blocks import ElectronBlock, Operator, expectation, states_of
from hpc_nqs.exact.electron_observables import ElectronObservables
from hpc_nqs.exact.symmetry_blocks import abelian_generators, abelian_group, conjugations, momentum_of, stars
from hpc_nqs.hamiltonians.electron_matrices import off_diagonal
from hpc_nqs.hamiltonians.matrices import diagonal, spins_of
from hpc_nqs.hamiltonians.spin_model import SZ
from hpc_nqs.symmetry.site_permutations import site_symmetries, translations

MAX_UNITS = 20  # spin-orbitals
MAX_BLOCK = 6000  # 0.3 GB per matrix, three of them at work


@dataclass(frozen=True, eq=False)
class ElectronLevels:
    """All levels of a model of electrons, in ascending order.

    Attributes
    ----------
    n_sites : int
        Of the lattice.
    mu : float or None
        Of the grand canonical ensemble.
    energies : (n_levels,) float64
        Of H - mu N, totals.
    n_up, n_down : (n_levels,) intp
        Electrons of either spin.
    columns : (n_columns, n_levels) float64
        See `ElectronObservables`; no columns where no observables were asked for.
    observables : ElectronObservables or None
    sectors : list of dict
        n_up, n_down, momentum (in units of 2 pi / L; None without translations), spin_parity ((-1)^S for total spin S;
        None where it is no quantum number), dimension, and energy, the lowest of H - mu N in the sector.
    largest_block : int
    """

    n_sites: int
    mu: float | None
    energies: np.ndarray
    n_up: np.ndarray
    n_down: np.ndarray
    columns: np.ndarray
    observables: ElectronObservables | None
    sectors: list
    largest_block: int

    @property
    def ground_state_energy(self):
        """Total energy of the lowest level of H - mu N."""
        return float(self.energies[0])


def diagonalize(model, lattice, structure_factor=(), correlations=False, observables=True):
    """Return the `ElectronLevels` of a model.

    Parameters
    ----------
    model : ElectronModel
    lattice : Lattice
    structure_factor : sequence of wave vectors
        In units of pi, of spin and charge structure factors and momentum distributions.
    correlations : bool
        Whether correlations against distance are wanted.
    observables : bool
        False: energies alone.

    Raises
    ------
    ValueError
        More than 20 spin-orbitals, or a block of more than 6000 states.
    """
    if model.n_sites > MAX_UNITS:
        raise ValueError(f"{model.n_sites} spin-orbitals: all levels are found for up to {MAX_UNITS}")
    group = site_symmetries(lattice, model)
    wanted = ElectronObservables(model, lattice, group, structure_factor, correlations) if observables else None
    generators = abelian_generators(translations(lattice, model), group)
    sectors = [_Sector(model, lattice, group, generators, *numbers) for numbers in _fillings(model)]
    largest = max(sector.largest_block() for sector in sectors)
    if largest > MAX_BLOCK:
        raise ValueError(f"the largest block has {largest} states; at most {MAX_BLOCK} are diagonalized")
    parts, labels = [], []
    for sector in sectors:
        for part, label in sector.diagonalize(wanted):
            parts.append(part)
            labels += label
    energies, n_up, n_down, columns = (np.concatenate(part, axis=-1) for part in zip(*parts, strict=True))
    order = np.argsort(energies, kind="stable")
    return ElectronLevels(
        n_sites=model.n_lattice_sites,
        mu=model.mu,
        energies=energies[order],
        n_up=n_up[order],
        n_down=n_down[order],
        columns=columns[:, order],
        observables=wanted,
        sectors=sorted(labels, key=lambda label: label["energy"]),
        largest_block=largest,
    )


def _fillings(model):
    """Return the (n_up, n_down) of the ensemble; of two that the exchange of spins connects the first."""
    if model.is_canonical:
        return [(model.n_up, model.n_down)]
    numbers = range(model.n_levels + 1)
    return [(up, down) for up in numbers for down in numbers if up >= down or not model.spin_exchange_symmetric]


class _Sector:
    """States of one (n_up, n_down) with the blocks of all characters."""

    def __init__(self, model, lattice, group, generators, n_up, n_down):
        self.model, self.lattice, self.n_up, self.n_down = model, lattice, n_up, n_down
        self.exchange = None
        if model.spin_exchange_symmetric and n_up == n_down:
            self.exchange = np.roll(np.arange(model.n_sites), model.n_levels)
        self.abelian = abelian_group(generators if self.exchange is None else [*generators, self.exchange])
        self.conjugations = conjugations(self.abelian, group)
        self.stars = stars(self.abelian, self.conjugations)
        self.states = ElectronBlock(states_of(model.n_levels, n_up, n_down), self.abelian)

    @property
    def is_copied(self):
        """Whether the block with exchanged numbers of electrons has the same levels."""
        return not self.model.is_canonical and self.model.spin_exchange_symmetric and self.n_up != self.n_down

    def largest_block(self):
        return max(len(self.states.kept(star[0])) for star in self.stars)

    def diagonalize(self, observables):
        """Yield ((energies, n_up, n_down, columns), labels) of one character of every star, with all copies."""
        energy = self.states.collect(energy_operator(self.model))
        parts = observables.operators() if observables else []
        parts = [(column, self.states.collect(operator)) for column, operator in parts]
        for star in self.stars:
            kept = self.states.kept(star[0])
            if not len(kept):
                continue
            matrix = self.states.matrix(star[0], energy, self.conjugations).toarray()
            if observables is None:
                energies = scipy.linalg.eigh(matrix, eigvals_only=True, overwrite_a=True, check_finite=False)
                columns = np.zeros((0, len(kept)))
            else:
                energies, vectors = scipy.linalg.eigh(matrix, driver="evd", overwrite_a=True, check_finite=False)
                columns = np.zeros((observables.n_columns, len(kept)))
                fixed = observables.diagonal_columns(self.states.representatives[kept])
                columns[: len(fixed)] = fixed @ np.abs(vectors) ** 2
                for column, collected in parts:
                    part = self.states.matrix(star[0], collected, self.conjugations)
                    columns[column] += expectation(part, vectors)
            yield self._copies(energies, columns, len(star), observables), self._labels(star, energies)

    def _copies(self, energies, columns, n_copies, observables):
        """Return (energies, n_up, n_down, columns) of a block with those of its star and of exchanged spins."""
        numbers, repeated = [(self.n_up, self.n_down)], [columns]
        if self.exchange is not None and observables:
            # in states of one parity only the mean over both spins is what the operator gave
            repeated = [(columns + observables.spins_exchanged(columns)) / 2]
        if self.is_copied:
            numbers.append((self.n_down, self.n_up))
            repeated.append(observables.spins_exchanged(columns) if observables else columns)
        counts = [np.repeat([pair[spin] for pair in numbers], n_copies * len(energies)) for spin in (0, 1)]
        tiled = [np.tile(part, n_copies) for part in repeated]
        return np.tile(energies, n_copies * len(numbers)), *counts, np.concatenate(tiled, axis=1)

    def _labels(self, star, energies):
        """Return the sectors of a block and its copies."""
        numbers = [(self.n_up, self.n_down)] + [(self.n_down, self.n_up)] * self.is_copied
        return [self._label(k, *pair, energies) for k in star for pair in numbers]

    def _label(self, k, n_up, n_down, energies):
        turn = self.abelian.angles[k] / self.abelian.exponent

        def turn_of(step):
            place = self.abelian.index(self.model.on_units(step)[0])
            return None if place is None else turn[place]

        parity = None
        if self.exchange is not None:
            # the rotation by pi about y is the exchange times (-1)^N_down; it is (-1)^S on states of Sz = 0
            parity = (1 if turn[self.abelian.index(self.exchange)] == 0 else -1) * (-1) ** n_down
        return {
            "n_up": n_up,
            "n_down": n_down,
            "momentum": momentum_of(self.lattice, turn_of),
            "spin_parity": parity,
            "dimension": len(energies),
            "energy": float(energies[0]),
        }


def energy_operator(model):
    """Return H - mu N as an `Operator`."""

    def on_diagonal(states):
        return diagonal(model, spins_of(states, model.n_sites)) + model.constant

    return Operator(on_diagonal, lambda states: off_diagonal(model, states))


def thermal_rows(levels, betas):
    """Return one table row per inverse temperature, per site of the lattice, with errors of 0.

    With K = H - mu N, or H in the canonical ensemble: Z = sum_n e^{-beta K_n}; e = <H>/N, c = beta^2 var(K)/N,
    ln_z = ln Z / N, s = ln_z + beta <K>/N, f = -ln_z / beta, filling <n>; grand canonical ensemble: chi = beta
    var(Sz)/N, compressibility beta var(n)/N.  Then what `ElectronObservables.row` gives.

    Parameters
    ----------
    levels : ElectronLevels
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
    numbers, sz = levels.n_up + levels.n_down, SZ * (levels.n_up - levels.n_down)
    filling = float(weights @ numbers)
    values = {
        "energy": (energy + (levels.mu or 0.0) * filling) / n,
        "specific_heat": beta**2 * variance(weights, levels.energies) / n,
        "entropy": ln_z + beta * energy / n,
        "ln_z": ln_z,
    }
    if beta > 0:
        values["free_energy"] = -ln_z / beta
    if levels.mu is not None:
        values["susceptibility"] = beta * variance(weights, sz) / n
        values["compressibility"] = beta * variance(weights, numbers) / n
    values["filling"] = filling / n
    row = exact_row(beta, values)
    if levels.observables is None:
        return row
    return row | levels.observables.row(levels.columns @ weights, weights @ levels.n_up, weights @ levels.n_down)
