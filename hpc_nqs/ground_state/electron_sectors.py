"""Which sectors a ground-state run of electrons goes through, and what its row may be called.

The numbers of electrons are given.  At fixed numbers no rule names the sector of the ground state of electrons, but at
half filling of bipartite lattices; where sums are exact and cheap all momenta (one of K and -K, whose levels are equal)
and both parities under the exchange of spins are searched, without translations the one-dimensional representations of
the point group in place of momenta and a state that is projected onto none.  Elsewhere the filled shells of free
electrons are the guess.
"""

from dataclasses import replace

from hpc_nqs.exact.table import ALL_SECTORS
from hpc_nqs.ground_state.electron_ansatz import (
    build_electron_ansatz,
    electron_sector,
    has_parity,
    orbital_parities,
    point_representations,
)
from hpc_nqs.ground_state.sectors import MAX_SECTORS, ONE_SECTOR, Search, has_states, naming, words
from hpc_nqs.hilbert.electrons import electron_system
from hpc_nqs.sampling.enumeration import MAX_AUTO, n_configurations, sums_exactly
from hpc_nqs.symmetry.quantum_numbers import Sector, every_sector
from hpc_nqs.symmetry.site_permutations import translations


def electron_search(settings, lattice, model):
    """Return the `Search` of a run of electrons.

    Raises
    ------
    ValueError
        As `build_electron_ansatz`, or a sector of the settings without states.
    """
    part, parities = settings.ground_state, (1, -1) if has_parity(model) else (None,)
    if part.sectors == "all":
        name = None if part.point_group in ("auto", "none") else part.point_group
        wanted = [replace(sector, point_group=name) for sector in every_sector(lattice, parities)]
        wanted = _with_orbitals(wanted, model)
        kept, empty = _with_states(settings, lattice, model, wanted)
        return Search(kept, empty, False, ONE_SECTOR, "")
    chosen = [electron_sector(settings, lattice, model)]
    if part.sectors != "auto":
        orbitals = orbital_parities(model)[0]
        chosen = [Sector(*each, orbital_parity=orbitals) for each in part.listed_sectors]
    for sector in chosen:  # a wrong one is refused now, not hours later
        with naming(sector, part.sectors != "auto"):
            ansatz = build_electron_ansatz(settings, lattice, model, settings.run.seed or 0, sector)
        if not has_states(ansatz):
            raise ValueError(
                f"ground_state: there is no state of {model.n_up} + {model.n_down} electrons with {words(sector)} on "
                f"{lattice.n_sites} sites"
            )
    if _asks(part) or settings.wavefunction.symmetries != "auto":
        return Search(chosen, [], False, ONE_SECTOR, "")
    wanted = _every_guess(settings, lattice, model, chosen[0], parities)
    if wanted:
        kept, empty = _with_states(settings, lattice, model, wanted)
        return Search(kept, empty, True, ALL_SECTORS, "")
    remark = (
        f"The quantum numbers ({words(chosen[0])}) are a guess for these electrons: the energy is the lowest of its "
        "sector, other sectors were not searched."
    )
    return Search(chosen, [], False, ONE_SECTOR, remark)


def _asks(part):
    """Return whether the settings ask for certain quantum numbers, or for a state above others."""
    return bool(part.orthogonal_to) or any(
        value != "auto" for value in (part.momentum, part.point_group, part.spin_parity, part.sectors)
    )


def _every_guess(settings, lattice, model, guess, parities):
    """Return all sectors in which the ground state may be, the guess first; none where a search is not cheap."""
    system = electron_system(model)
    n, n_up = system.n_visible, system.n_up
    if not sums_exactly(settings.sampling, n, n_up) or n_configurations(n, n_up) > MAX_AUTO:
        return []
    if any(lattice.wraps) and len(translations(lattice, model)) == len(lattice.steps()):
        found = every_sector(lattice, parities)
    else:
        names = [*point_representations(lattice, model), None]  # the last for representations of more dimensions
        found = [Sector(None, name, parity) for name in names for parity in parities]
    first = [
        sector for sector in found if sector.momentum == guess.momentum and sector.spin_parity == guess.spin_parity
    ]
    found = _with_orbitals(first + [sector for sector in found if sector not in first], model)
    return found if len(found) <= MAX_SECTORS else []


def _with_orbitals(sectors, model):
    """Return all sectors with all parities of the groups of orbitals, the likely ones first."""
    return [replace(sector, orbital_parity=each) for each in orbital_parities(model) for sector in sectors]


def _with_states(settings, lattice, model, sectors):
    """Return the sectors that have states, and the others."""
    seed, parts = settings.run.seed or 0, ([], [])
    for sector in sectors:
        kept = has_states(build_electron_ansatz(settings, lattice, model, seed, sector))
        parts[not kept].append(sector)
    if not parts[0]:
        raise ValueError("ground_state: none of the sectors has a state")
    return parts
