"""Projected pair determinants of electrons: twin, ratios, log-derivatives, local energies, symmetries and zeros."""

import itertools

import numpy as np
import pytest

from hpc_nqs.ground_state.electron_ansatz import _projection
from hpc_nqs.hamiltonians.electron_matrices import to_sparse
from hpc_nqs.hamiltonians.hubbard import Hubbard
from hpc_nqs.hamiltonians.kanamori import Kanamori
from hpc_nqs.hilbert.electrons import electron_system
from hpc_nqs.kernels import amplitude as amplitude_kernel
from hpc_nqs.kernels import local_energy, metropolis
from hpc_nqs.kernels.reference import electrons, samples
from hpc_nqs.kernels.reference.amplitudes import MoveSet, flipped
from hpc_nqs.lattices import lattice as lattices
from hpc_nqs.sampling.enumeration import Enumeration
from hpc_nqs.symmetry.quantum_numbers import Sector
from hpc_nqs.symmetry.site_permutations import translations
from hpc_nqs.wavefunctions.pair_determinant import PairDeterminant
from hpc_nqs.wavefunctions.wavefunction import log_derivs, log_psi

NOTHING = Sector()
# name: (sites of the chain, boundary, orbitals, electrons of spin up, down, sector, f is shared over translations)
CASES = {
    "plain": (4, "periodic", 1, 2, 2, NOTHING, False),
    "even": (4, "periodic", 1, 2, 2, Sector(None, None, 1), False),
    "shared": (4, "periodic", 1, 2, 2, Sector(None, None, 1), True),
    "projected": (4, "periodic", 1, 2, 2, Sector((2,), None, 1), False),
    "two_momenta": (5, "periodic", 1, 3, 3, Sector((1,), None, 1), False),
    "triplets": (4, "periodic", 1, 2, 2, Sector((0,), None, -1), False),
    "unpaired_up": (4, "periodic", 1, 3, 1, Sector((1,)), False),
    "unpaired_down": (4, "periodic", 1, 1, 2, Sector((2,)), False),
    "one_spin": (5, "open", 1, 2, 0, NOTHING, False),
    "full": (3, "open", 1, 3, 2, NOTHING, False),
    "orbitals": (2, "open", 2, 2, 2, NOTHING, False),
    "orbitals_projected": (3, "periodic", 2, 3, 2, Sector((0,)), False),
}


class Electrons:
    """Electrons on a chain with random pairs."""

    def __init__(self, n_sites, boundary, n_orbitals, n_up, n_down, sector, shared):
        self.lattice = lattices.build("chain", (n_sites,), boundary)
        options = {"hopping": [1.0, 0.3], "U": 3.0, "n_up": n_up, "n_down": n_down}
        options["field_z"] = 0.4 * (n_up != n_down)
        if n_orbitals > 1:
            options["hopping"] = options["hopping"][:1]
            self.model = Kanamori.build(self.lattice, n_orbitals=n_orbitals, J_hund=0.7, **options)
        else:
            self.model = Hubbard.build(self.lattice, **options)
        self.system = electron_system(self.model)
        self.sector, m = sector, self.model.n_levels
        start = np.random.default_rng(3).standard_normal((m, m + abs(n_up - n_down)))
        images, coefficients = _projection(sector, self.lattice, self.model)
        exchanged = np.zeros(len(images), dtype=bool)
        if sector.spin_parity is not None:
            parity = sector.spin_parity
            images, coefficients = np.tile(images, (2, 1)), np.concatenate([coefficients, parity * coefficients])
            exchanged = np.arange(len(images)) >= len(images) // 2
        self.wavefunction = PairDeterminant(
            start, max(n_up, n_down), n_down > n_up, images, coefficients, exchanged,
            translations(self.lattice, self.model)[:, :m] if shared else None,
        )  # fmt: skip

    @property
    def moves(self):
        return self.system.moves

    def amplitude(self):
        return self.wavefunction.amplitude(self.moves)

    def twin(self):
        state = self.wavefunction
        lanes = state._lanes(state.pairing())
        return electrons.PairDeterminantAmplitude(
            lanes, state.lane_param, state.coefficients, state.n_rows, state.rows_are_down, state.n_params
        )

    def configurations(self, team):
        """Return all configurations (n, n_visible) of the sector."""
        return Enumeration(team, self.system).configurations[:, 0]


@pytest.fixture(params=CASES)
def system(request):
    """Return every case."""
    return Electrons(*CASES[request.param])


def twin_moves(moves):
    """Return the twin of a `Moves`."""
    n_variants = np.array(moves._n_variants)
    entry = np.concatenate([[0], np.cumsum(n_variants)[:-1]])
    return MoveSet(np.array(moves._kinds), n_variants, moves.sites, moves.second, entry, moves.n_sites)


def same(found, expected, tolerance=1e-9):
    """Compare amplitudes from logarithms."""
    np.testing.assert_allclose(np.exp(found), np.exp(expected), rtol=tolerance, atol=1e-12)


def test_logarithms_and_slopes_are_those_of_the_twin(system, team):
    configurations, twin = system.configurations(team), system.twin()
    logarithms = log_psi(system.wavefunction, system.moves, configurations)
    expected = np.array([twin.log_psi(visible) for visible in configurations])
    kept = expected.real > -8
    assert kept.sum() >= 3
    same(logarithms[kept], expected[kept])
    assert np.array_equal(np.isinf(logarithms.real), np.isinf(expected.real))
    slopes = log_derivs(system.wavefunction, system.moves, configurations)
    expected = [twin.log_derivs(visible) for visible in configurations[kept]]
    np.testing.assert_allclose(slopes[kept], expected, rtol=1e-7, atol=1e-8)


def test_connected_configurations_make_up_the_matrix(system, team):
    """With the signs of the order of electrons, by the kernel and by its twin."""
    configurations, (hamiltonian,) = system.configurations(team), system.system.hamiltonians
    places = (configurations > 0) @ (1 << np.arange(configurations.shape[1]))
    expected = to_sparse(system.model).toarray()[np.ix_(places, places)]
    n, model = len(configurations), system.model
    n_terms = len(model.off_diagonal_elements)
    other = samples.Hamiltonian(
        model.pair_sites, model.pair_coupling, model.site_field, np.arange(n_terms),
        model.off_diagonal_elements, model.constant,
    )  # fmt: skip
    for kernel, moves, each in (
        (local_energy, system.moves.kernel(), hamiltonian), (samples, twin_moves(system.moves), other),
    ):  # fmt: skip
        connected, elements = np.zeros((n * n_terms, configurations.shape[1]), np.int8), np.zeros(n * n_terms)
        counts, diagonal = np.empty(n, np.intp), np.empty(n)
        found = kernel.connected_configurations(
            configurations, moves, each, True, connected, elements, counts, diagonal
        )
        matrix, ends = np.diag(diagonal), (connected[:found] > 0) @ (1 << np.arange(configurations.shape[1]))
        columns = np.argsort(places)[np.searchsorted(np.sort(places), ends)]
        np.add.at(matrix, (np.repeat(np.arange(n), counts), columns), elements[:found])
        np.testing.assert_allclose(matrix, expected, atol=1e-12)


def test_log_derivatives_are_differences_of_the_logarithm(system, team):
    configurations = system.configurations(team)
    configurations = configurations[log_psi(system.wavefunction, system.moves, configurations).real > -4]
    slopes = log_derivs(system.wavefunction, system.moves, configurations)
    params, step = system.wavefunction.params.copy(), 1e-5
    for k in range(len(params)):
        values = []
        for sign in (1, -1):
            system.wavefunction.params = params + sign * step * (np.arange(len(params)) == k)
            values.append(log_psi(system.wavefunction, system.moves, configurations).real)
        np.testing.assert_allclose(slopes[:, k], (values[0] - values[1]) / (2 * step), rtol=1e-4, atol=1e-5)


def test_ratios_along_a_path_are_those_of_the_twin(system, team):
    """Hops of rows, of columns and of both, without a rebuild between them."""
    configurations, twin, moves = system.configurations(team), system.twin(), twin_moves(system.moves)
    path = np.random.default_rng(1).integers(0, len(moves), size=500).astype(np.intp)
    visible = configurations[np.argmax(log_psi(system.wavefunction, system.moves, configurations).real)].copy()
    here, ratios, made = visible.copy(), np.empty(len(path), dtype=complex), 0
    last = metropolis.follow_path(visible, system.amplitude(), system.moves.kernel(), path, 0.1, ratios)
    for move, ratio in zip(path, ratios, strict=True):
        proposal = moves.propose(move, here)
        if proposal is None:
            assert ratio == 0
            continue
        assert ratio == pytest.approx(twin.ratio(here, proposal), rel=1e-6, abs=1e-8)
        if abs(ratio) > 0.1:
            here, made = flipped(here, proposal.flips), made + 1
    assert made > 20
    np.testing.assert_array_equal(visible, here)
    assert np.exp(last) == pytest.approx(np.exp(twin.log_psi(here)), rel=1e-6)


def test_local_energies_are_those_of_the_dense_hamiltonian(system, team):
    """With the signs of the order of electrons in the matrix, and none in the kernel."""
    configurations = system.configurations(team)
    energies, logarithms = np.empty((len(configurations), 1), dtype=complex), np.empty(len(configurations), complex)
    local_energy.local_energies(
        configurations, system.amplitude(), system.moves.kernel(), list(system.system.hamiltonians), energies,
        logarithms,
    )  # fmt: skip
    places = (configurations > 0) @ (1 << np.arange(system.model.n_sites))
    psi = np.zeros(2**system.model.n_sites)
    psi[places] = np.exp(logarithms).real
    usable = logarithms.real > -6
    expected = (to_sparse(system.model) @ psi)[places][usable] / psi[places][usable]
    np.testing.assert_allclose(energies[usable, 0].real, expected, rtol=1e-7, atol=1e-8)
    assert usable.sum() >= 3


def test_local_energies_are_those_of_the_twin(system, team):
    configurations, model = system.configurations(team), system.model
    usable = log_psi(system.wavefunction, system.moves, configurations).real > -6
    configurations = configurations[usable][:30]
    found = np.empty((2, len(configurations), 1), dtype=complex)
    logarithms = np.empty((2, len(configurations)), dtype=complex)
    hops = np.arange(len(model.off_diagonal_elements))
    terms = (model.pair_sites, model.pair_coupling, model.site_field, hops, model.off_diagonal_elements, model.constant)
    for k, (module, moves, amplitude) in enumerate(
        ((local_energy, system.moves.kernel(), system.amplitude()), (samples, twin_moves(system.moves), system.twin()))
    ):
        module.local_energies(configurations, amplitude, moves, [module.Hamiltonian(*terms)], found[k], logarithms[k])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-7, atol=1e-8)


def creation(units, n):
    """Return <x'|c+_p|x> of every unit p between occupations of n units, a list of dense matrices."""
    found = []
    for p in units:
        matrix = np.zeros((2**n, 2**n))
        for x in range(2**n):
            if not x >> p & 1:
                matrix[x | 1 << p, x] = (-1) ** (x & ((1 << p) - 1)).bit_count()
        found.append(matrix)
    return found


@pytest.mark.parametrize("name", ["plain", "unpaired_up", "unpaired_down", "orbitals"])
def test_state_is_a_condensate_of_pairs_and_unpaired_electrons(name, team):
    """(sum f_ab c+_a c+_b)^N prod_k (sum phi_k(a) c+_a) |0>, then the sum over translations of Fock space."""
    system = Electrons(*CASES[name])
    state, m = system.wavefunction, system.model.n_levels
    operators = creation(range(2 * m), 2 * m)
    rows, columns = (operators[m:], operators[:m]) if state.rows_are_down else (operators[:m], operators[m:])
    entries, total = state.pairing(), np.zeros(2 ** (2 * m))
    for image, c in zip(state.images, state.coefficients, strict=True):
        vector = np.eye(2 ** (2 * m))[0]
        for k in range(m, entries.shape[1]):
            vector = sum(entries[image[a], k] * rows[a] for a in range(m)) @ vector
        pair = sum(entries[image[a], image[b]] * rows[a] @ columns[b] for a in range(m) for b in range(m))
        for _ in range(min(system.model.filling)):
            vector = pair @ vector
        total += c * vector
    configurations = system.configurations(team)
    places = (configurations > 0) @ (1 << np.arange(2 * m))
    found = np.exp(log_psi(state, system.moves, configurations)).real
    overlap = found @ total[places] / np.linalg.norm(found) / np.linalg.norm(total)
    assert abs(overlap) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "turn"), [("projected", -1), ("triplets", 1), ("unpaired_down", -1), ("orbitals_projected", 1)]
)
def test_translations_multiply_the_state_by_its_character(name, turn, team):
    """As operators of Fock space: a translation of all c+, with the signs of their order."""
    system = Electrons(*CASES[name])
    configurations, m = system.configurations(team), system.model.n_levels
    (step,) = system.model.on_units(system.lattice.translated(np.eye(len(system.lattice.grid))[0]))
    psi = np.exp(log_psi(system.wavefunction, system.moves, configurations)).real
    moved = np.exp(log_psi(system.wavefunction, system.moves, np.ascontiguousarray(configurations[:, step]))).real
    signs = []
    for visible in configurations:
        places = np.argsort(step)  # of an electron at p after the translation
        order = [places[units] for units in (np.flatnonzero(visible[:m] > 0), m + np.flatnonzero(visible[m:] > 0))]
        swaps = [sum(a > b for a, b in itertools.combinations(part.tolist(), 2)) for part in order]
        signs.append((-1) ** sum(swaps))
    np.testing.assert_allclose(np.array(signs) * moved, turn * psi, atol=1e-12 * np.abs(psi).max())
    assert np.abs(psi).max() > 0


@pytest.mark.parametrize(("name", "parity"), [("even", 1), ("triplets", -1)])
def test_spin_parity(name, parity, team):
    """The rotation by pi about y, (-1)^S, is the exchange of both spins and (-1)^N_down of the order of operators."""
    system = Electrons(*CASES[name])
    configurations, m = system.configurations(team), system.model.n_levels
    psi = np.exp(log_psi(system.wavefunction, system.moves, configurations)).real
    exchanged = np.ascontiguousarray(np.roll(configurations, m, axis=1))
    moved = np.exp(log_psi(system.wavefunction, system.moves, exchanged)).real
    np.testing.assert_allclose(moved, parity * psi, atol=1e-12 * np.abs(psi).max())


def test_a_symmetric_pair_function_is_a_singlet(team):
    """S+ Psi = 0: between (2,2) and (3,1) electrons."""
    system = Electrons(*CASES["plain"])
    f = system.wavefunction.pairing()
    system.wavefunction.params = (f + f.T).ravel()
    configurations, m = system.configurations(team), 4
    operators = creation(range(8), 8)
    raising = sum(operators[a] @ operators[m + a].T for a in range(m))
    vector = np.zeros(256)
    vector[(configurations > 0) @ (1 << np.arange(8))] = np.exp(
        log_psi(system.wavefunction, system.moves, configurations)
    ).real
    assert np.abs(raising @ vector).max() < 1e-12 * np.abs(vector).max()


def with_lost_lanes():
    """Return a projection of pairs on three of four sites: an image vanishes where an electron is on its fourth."""
    system = Electrons(*CASES["projected"])
    start = np.zeros((4, 4))
    start[:3, :3] = np.random.default_rng(2).standard_normal((3, 3))
    state = system.wavefunction
    system.wavefunction = PairDeterminant(start, 2, False, state.images[:4], np.ones(4))
    return system


def test_lanes_that_vanish_come_back(team):
    system = with_lost_lanes()
    configurations, twin, moves = system.configurations(team), system.twin(), twin_moves(system.moves)
    logarithms = log_psi(system.wavefunction, system.moves, configurations)
    expected = np.array([twin.log_psi(visible) for visible in configurations])
    n_lanes = np.array([np.count_nonzero(np.abs(twin.terms(visible)) > 1e-14) for visible in configurations])
    assert set(n_lanes.tolist()) == {0, 1, 2}
    finite = np.isfinite(expected.real)
    np.testing.assert_array_equal(finite, np.isfinite(logarithms.real))
    same(logarithms[finite], expected[finite])
    path, met = np.arange(len(moves), dtype=np.intp), 0
    for visible in configurations[finite]:
        ratios = np.empty(len(path), dtype=complex)
        metropolis.follow_path(visible.copy(), system.amplitude(), system.moves.kernel(), path, np.inf, ratios)
        for move in path:
            proposal = moves.propose(move, visible)
            if proposal is not None:
                new = twin.log_psi(flipped(visible, proposal.flips))
                wanted = twin.ratio(visible, proposal) if np.isfinite(new.real) else 0
                assert ratios[move] == pytest.approx(wanted, abs=1e-12)
                met += wanted != 0
    assert met > 5


def test_a_path_through_lanes_that_vanish(team):
    system = with_lost_lanes()
    twin, moves = system.twin(), twin_moves(system.moves)
    visible = np.array([1, 1, -1, -1, 1, 1, -1, -1], dtype=np.int8)
    path = np.random.default_rng(5).integers(0, len(moves), size=400).astype(np.intp)
    here, ratios = visible.copy(), np.empty(len(path), dtype=complex)
    metropolis.follow_path(visible, system.amplitude(), system.moves.kernel(), path, 1e-6, ratios)
    made = 0
    for move, ratio in zip(path, ratios, strict=True):
        proposal = moves.propose(move, here)
        if proposal is None or abs(ratio) <= 1e-6:
            continue
        new = flipped(here, proposal.flips)
        assert abs(ratio) == pytest.approx(np.exp(twin.log_psi(new).real - twin.log_psi(here).real), rel=1e-9)
        here, made = new, made + 1
    assert made > 10
    np.testing.assert_array_equal(visible, here)


def test_zeros_are_left_at_once(team):
    system = with_lost_lanes()
    configurations = system.configurations(team)
    zeros = configurations[np.isinf(log_psi(system.wavefunction, system.moves, configurations).real)]
    assert len(zeros)
    assert not log_derivs(system.wavefunction, system.moves, zeros).any()
    moves, twin, left = twin_moves(system.moves), system.twin(), 0
    for visible in zeros:
        ratios = np.empty(len(moves), dtype=complex)
        path = np.arange(len(moves), dtype=np.intp)
        metropolis.follow_path(visible.copy(), system.amplitude(), system.moves.kernel(), path, np.inf, ratios)
        for move, ratio in zip(path, ratios, strict=True):
            proposal = moves.propose(move, visible)
            if proposal is not None:
                leaves = np.isfinite(twin.log_psi(flipped(visible, proposal.flips)).real)
                assert ratio == (1e150 if leaves else 1)
                left += leaves
    assert left


def test_samples_do_not_depend_on_their_neighbours(system, team):
    configurations = np.ascontiguousarray(system.configurations(team)[:11])
    together, alone = np.empty(len(configurations), dtype=complex), np.empty(1, dtype=complex)
    amplitude_kernel.log_psi(system.amplitude(), configurations, together)
    for visible, value in zip(configurations, together, strict=True):
        amplitude_kernel.log_psi(system.amplitude(), visible[None, :].copy(), alone)
        assert alone[0] == value


def test_exchange_of_spins_needs_as_many_of_either():
    with pytest.raises(ValueError, match="unpaired electrons"):
        PairDeterminant(np.ones((3, 4)), 2, False, np.arange(3)[None, :], [1.0], [True])
