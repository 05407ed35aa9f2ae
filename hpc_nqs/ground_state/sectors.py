"""Which sectors a ground-state run goes through, and what its rows may be called.

The lowest state of a sector is the ground state only where no other sector can lie lower.  That is known without a
search where all off-diagonal elements are negative in the basis of the state: then a ground state of this Sz is
positive there (Perron and Frobenius; Marshall's rule), and its quantum numbers are those of a positive function.
Elsewhere the quantum numbers of "auto" are a guess, and sharing weights over translations is a guess, too: momentum 0.
Where sums are exact and cheap all momenta (one of K and -K, whose levels are equal), parities and values of Sz are
searched; without translations one state that shares nothing takes the place of momenta and parities.
"""

from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from hpc_nqs.exact.table import ALL_SECTORS
from hpc_nqs.ground_state.ansatz import (
    build_spin_ansatz,
    even_parity,
    parities_of,
    sectors_of,
    system_of,
)
from hpc_nqs.hamiltonians.marshall import marshall
from hpc_nqs.kernels.amplitude import log_psi
from hpc_nqs.sampling.enumeration import MAX_AUTO, n_configurations, sums_exactly
from hpc_nqs.symmetry.quantum_numbers import every_sector, marshall_momentum
from hpc_nqs.symmetry.site_permutations import translations

ONE_SECTOR = "sector"  # with ALL_SECTORS the words of `lowest_of`
N_LOOKS = 256  # random configurations on which a sector shows whether it has states
ABOVE = 3.0  # standard deviations of H by which a sector of a search lies above another one when it is given up
MAX_SECTORS = 64  # that are searched without being asked for
SECTORS_PER_GROUP = 4  # so that groups of ranks end at nearly the same time


@dataclass(frozen=True)
class Search:
    """The sectors of a run.

    Attributes
    ----------
    sectors : list of Sector
        All have states.
    empty : list of Sector
        Left out: without states.
    finds_lowest : bool
        The lowest of all rows is the result; else every sector has its row.
    lowest_of : str
        What the result is the lowest of, ALL_SECTORS or ONE_SECTOR.
    remark : str
        A sentence about it; empty where it is what was asked for.
    """

    sectors: list
    empty: list
    finds_lowest: bool
    lowest_of: str
    remark: str


def search_of(settings, lattice, model):
    """Return the `Search` of a run; `model` is unrotated.

    Raises
    ------
    ValueError
        As `sectors_of`, or a sector of the settings without states.
    """
    part = settings.ground_state
    is_listed = part.sectors not in ("auto", "all")
    chosen = sectors_of(settings, lattice, model)
    if part.sectors == "all":
        kept, empty = _with_states(settings, lattice, model, chosen)
        return Search(kept, empty, False, ONE_SECTOR, "")
    for sector in chosen:  # a wrong one is refused now, not hours later
        with naming(sector, is_listed):
            ansatz = build_spin_ansatz(settings, lattice, model, settings.run.seed or 0, sector)
        if not has_states(ansatz):
            raise ValueError(f"ground_state: there is no state with {words(sector)} on {lattice.n_sites} sites")
    if _asks(part):
        return Search(chosen, [], False, ONE_SECTOR, "")
    knows_symmetry, knows_sz = is_positive(settings, lattice, model), knows_lowest_sz(model)
    if knows_symmetry and knows_sz:
        return Search(chosen, [], False, ALL_SECTORS, "")
    wanted = _every_guess(settings, lattice, model, chosen[0], knows_symmetry, knows_sz)
    if wanted:
        kept, empty = _with_states(settings, lattice, model, wanted)
        return Search(kept, empty, True, ALL_SECTORS, "")
    return Search(chosen, [], False, ONE_SECTOR, _remark(settings, chosen[0], lattice, model, knows_symmetry, knows_sz))


def n_groups_of(settings, n_ranks, n_sectors):
    """Return the number of groups of ranks that share the sectors of a run; one for a search."""
    part = settings.ground_state
    if part.sectors == "auto":
        return 1
    wanted = n_sectors // SECTORS_PER_GROUP if part.groups == "auto" else part.groups
    return max(1, min(wanted, n_ranks, n_sectors))


@contextmanager
def naming(sector, is_listed):
    """Name the sector of a list in the words of a ValueError about it."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"ground_state.sectors: {words(sector)}: {error}" if is_listed else str(error)) from error


def words(sector):
    """Return the quantum numbers that are projected onto as text."""
    given = {name: value for name, value in vars(sector).items() if value is not None}
    shown = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
    return ", ".join(f"{name} = {value}" for name, value in shown.items()) or "none"


def has_states(ansatz):
    """Return whether a sector has states: without any its projected wave function is zero wherever one looks."""
    stream = np.random.Generator(np.random.Philox(key=0))
    system = ansatz.system
    spins = np.array([system.random_configuration(stream) for _ in range(N_LOOKS)])
    logarithms = np.empty(N_LOOKS, dtype=np.complex128)
    log_psi(ansatz.wavefunction.amplitude(system.moves), spins, logarithms)
    return bool(np.isfinite(logarithms).any())


def is_positive(settings, lattice, model):
    """Return whether a ground state of the given Sz has the quantum numbers that "auto" imposes.

    Either all off-diagonal elements are negative in the basis of the state, or nothing is imposed.
    """
    choice = settings.wavefunction
    if choice.symmetries != "auto" and not choice.symmetries:
        return True
    rotated = marshall(model, lattice)
    elements = np.concatenate([rotated.exchange_element, rotated.flip_element])
    same_basis = choice.marshall is not False or rotated.sublattice is None or np.all(rotated.sublattice == 1)
    return bool(np.all(elements <= 0) and same_basis)


def knows_lowest_sz(model):
    """Return whether the lowest level of all has the Sz that "auto" takes, as in every multiplet of total spin."""
    return not model.conserves_sz or model.is_isotropic


def polarized_energy(model):
    """Return the total energy and the Sz of the better one of the two states with all spins parallel."""
    up, down = (model.pair_coupling.sum() + sign * model.site_field.sum() for sign in (1, -1))
    half = model.n_sites / 2
    return (up, half) if up <= down else (down, -half)


def polarized_row(model, lattice):
    """Return the row of the better one of the two states with all spins parallel, which need no network."""
    energy, sz = polarized_energy(model)
    row = {"momentum": [0] * len(lattice.lengths)} if any(lattice.wraps) else {}
    exact = {"energy": energy / model.n_sites, "energy_error": 0.0, "variance": 0.0, "variance_error": 0.0}
    exact |= {"v_score": 0.0, "v_score_error": 0.0, "n_steps": 0, "converged": True, "lowest_of": ALL_SECTORS}
    return row | {"sz": sz} | exact


def lies_above(measured, lowest, n_sites):
    """Return whether a step or row lies above an energy per site by ABOVE standard deviations of H."""
    return measured["energy"] - ABOVE * np.sqrt(max(0.0, measured["variance"]) / n_sites) > lowest


def unsettled(rows, lowest, n_sites):
    """Return the rows of a search that may yet hold a state below the lowest energy found.

    Settled are those that have converged, and those of which `lies_above` holds.

    Parameters
    ----------
    rows : list of dict
        One for each sector, with "energy", "variance" (per site) and "converged".
    lowest : float
        The lowest energy per site.
    n_sites : int
    """
    return [row for row in rows if not row["converged"] and not lies_above(row, lowest, n_sites)]


def unsettled_remark(n_open, n_sectors):
    """Return the sentence about a search in which sectors did not converge."""
    return (
        f"{n_open} of the {n_sectors} sectors searched did not converge, so that a lower state may be missing: give "
        "more ground_state.n_steps, or another run.seed."
    )


def _asks(part):
    """Return whether the settings ask for certain quantum numbers, or for a state above others."""
    given = (part.momentum, part.point_group, part.spin_parity, part.sectors, part.sz)
    return bool(part.orthogonal_to) or any(value != "auto" for value in given)


def _every_guess(settings, lattice, model, guess, knows_symmetry, knows_sz):
    """Return all sectors in which the ground state may be, the guess first; none where a search is not cheap."""
    choice, n = settings.wavefunction, model.n_sites
    system = system_of(settings, model)
    cheap = sums_exactly(settings.sampling, n, system.n_up) and n_configurations(n, system.n_up) <= MAX_AUTO
    if not cheap or choice.symmetries != "auto" or choice.kind == "pair_rbm":
        return []
    fields = [None] if knows_sz else _values_of_sz(model)
    found = []
    for sz in fields:
        own = replace(guess, sz=sz)
        if knows_symmetry:
            found.append(_positive_sector(settings, lattice, model, own))
            continue
        found += _symmetries(settings, lattice, model, own) or [replace(own, unshared=True)]
    return found if len(found) <= MAX_SECTORS else []


def _positive_sector(settings, lattice, model, sector):
    """Return the sector of a state that is positive in Marshall's basis, at the Sz of `sector`."""
    if sector.momentum is None:
        return sector
    rotated = marshall(model, lattice)
    return replace(sector, momentum=marshall_momentum(lattice, rotated, system_of(settings, model, sector).n_up))


def _symmetries(settings, lattice, model, sector):
    """Return all pairs of momentum and parity at one Sz, those of `sector` first; none without all translations."""
    if not any(lattice.wraps):
        return []
    n_up = system_of(settings, model, sector).n_up
    if len(translations(lattice, model)) != len(lattice.steps()):
        return []
    found = every_sector(lattice, parities_of(model, n_up))
    momentum = sector.momentum or (0,) * len(lattice.lengths)
    even = even_parity("pair_rbm" if model.has_positive_exchange else "rbm", model, n_up)
    first = [each for each in found if each.momentum == momentum]
    first.sort(key=lambda each: each.spin_parity != even)
    return [replace(each, sz=sector.sz) for each in first + [each for each in found if each.momentum != momentum]]


def _values_of_sz(model):
    """Return the values of Sz that may hold the lowest level and are not those of parallel spins, smallest |Sz| first.

    E = E_0(|Sz|) - h Sz in a uniform field.  Fields that differ may have their lowest level on either side, also
    against their sum.
    """
    n, fields = model.n_sites, model.site_field
    if model.has_uniform_field:
        sign = -1.0 if fields[0] > 0 else 1.0  # of c sigma, c = -h/2
        return [sign * (up - n / 2) for up in range((n + 1) // 2, n)]
    return sorted((up - n / 2 for up in range(1, n)), key=lambda sz: (abs(sz), sz < 0))


def _with_states(settings, lattice, model, sectors):
    """Return the sectors that have states, and the others."""
    seed = settings.run.seed or 0
    kept = [has_states(build_spin_ansatz(settings, lattice, model, seed, sector)) for sector in sectors]
    parts = [[sector for sector, has in zip(sectors, kept, strict=True) if has == wanted] for wanted in (True, False)]
    if not parts[0]:
        raise ValueError("ground_state: none of the sectors has a state")
    return parts


def _remark(settings, sector, lattice, model, knows_symmetry, knows_sz):
    """Return what a row is the lowest of, and what it leaves open, as sentences."""
    found = []
    if not knows_symmetry:
        moves = any(lattice.wraps)
        searches = 'ground_state.sectors = "all"' if moves else "a state with wavefunction.symmetries = []"
        shares = moves and sector.momentum is None
        shared = "; weights shared over translations mean momentum 0" if shares else ""
        found.append(
            f"The quantum numbers ({words(sector)}{shared}) are a guess for this magnet: the energy is the lowest of "
            f"its sector, other sectors were not searched ({searches} does)."
        )
    if not knows_sz:
        sz = system_of(settings, model, sector).n_up - model.n_sites / 2
        energy, polarized = polarized_energy(model)
        found.append(
            f"Without spin isotropy the ground state may have another Sz than {sz:g} (ground_state.sz); "
            f"at Sz = {polarized:g} e = {energy / model.n_sites:.6g}."
        )
    return " ".join(found)
