"""Determinants of electrons, plain and softened: twin, ratios, log-derivatives, local energies on small clusters."""

import itertools

import numpy as np
import pytest

from hpc_nqs.hamiltonians.electron_matrices import to_sparse
from hpc_nqs.hamiltonians.hubbard import Hubbard
from hpc_nqs.hamiltonians.kanamori import Kanamori
from hpc_nqs.hilbert.purification import purify
from hpc_nqs.kernels import amplitude as amplitude_kernel
from hpc_nqs.kernels import local_energy, metropolis
from hpc_nqs.kernels.reference import electrons, samples
from hpc_nqs.kernels.reference.amplitudes import MoveSet, flipped
from hpc_nqs.lattices import lattice as lattices
from hpc_nqs.sampling.enumeration import Enumeration
from hpc_nqs.wavefunctions.backflow_determinant import BackflowDeterminant
from hpc_nqs.wavefunctions.softened_determinant import SoftenedDeterminant
from hpc_nqs.wavefunctions.wavefunction import log_derivs, log_psi

SHARE = 0.3
RING = np.array([[(shift + sign * site) % 4 for site in range(4)] for shift in range(4) for sign in (1, -1)])
# name: (sites of the chain, boundary, electrons of spin up, down, images, shared by the spins); None: any numbers
CASES = {
    "ring": (4, "periodic", 2, 2, RING, True),
    "hole": (4, "periodic", 2, 1, RING, True),
    "open": (3, "open", 1, 2, np.arange(3)[None, :], False),
    "few": (4, "periodic", 1, 0, RING, True),
    "full": (3, "open", 3, 1, np.array([[0, 1, 2], [2, 1, 0]]), True),
    "any": (3, "open", None, None, np.array([[0, 1, 2], [2, 1, 0]]), True),
}
# the same with two orbitals on every site, which exchange: both spins share their determinants, or not
EXCHANGING = {
    "exchange": (2, "open", 2, 2, np.array([[0, 1, 2, 3], [2, 3, 0, 1]]), True),
    "exchange_hole": (2, "open", 2, 1, np.array([[0, 1, 2, 3], [2, 3, 0, 1]]), False),
    "exchange_any": (2, "open", None, None, np.array([[0, 1, 2, 3]]), False),
}


class Electrons:
    """Electrons on a chain with random determinants."""

    is_free = False

    def __init__(self, n_sites, boundary, n_up, n_down, images, shared):
        lattice = lattices.build("chain", (n_sites,), boundary)
        filling = {"mu": 0.7} if n_up is None else {"n_up": n_up, "n_down": n_down}
        options = {"hopping": [1.0], "U": 3.0, "field_z": 0.0 if shared else 0.4} | filling
        n = images.shape[1]
        if n > n_sites:
            self.model = Kanamori.build(lattice, J_hund=0.7, **options)
        else:
            self.model = Hubbard.build(lattice, **options)
        self.system = purify(self.model, bond_features=False)
        stream = np.random.default_rng(3)
        start = np.broadcast_to(np.eye(n), (2, n, n))
        groups, colours = self.model.orbital_groups(), self.model.orbital_colours()
        self.wavefunction = BackflowDeterminant(images, start, shared, groups=groups, colours=colours)
        self.wavefunction.params += 0.3 * stream.standard_normal(self.wavefunction.n_params)
        self.add_pairs()

    def add_pairs(self):
        """Add the moves that take electrons to both layers or from them, which hold for other numbers."""
        n = self.system.n_sites
        self.pairs = [self.system.moves.add_exchange(p, p + n) for p in range(n)]

    @property
    def moves(self):
        return self.system.moves

    def amplitude(self):
        return self.wavefunction.amplitude(self.moves)

    def twin(self):
        state = self.wavefunction
        return electrons.DeterminantAmplitude(state.propagator(), state.entry_param, state.groups, state.n_params)


def free_electrons():
    """Return a ring of four with A of free electrons, whose determinants vanish by symmetry."""
    case = Electrons(*CASES["ring"])
    case.is_free = True
    case.wavefunction = BackflowDeterminant(RING, np.broadcast_to(free_propagator(4, 0.6), (2, 4, 4)), True)
    return case


def free_propagator(n, beta):
    """Return e^{-beta h/2} of free electrons on a ring."""
    values, vectors = np.linalg.eigh(-(np.roll(np.eye(n), 1, axis=0) + np.roll(np.eye(n), -1, axis=0)))
    return (vectors * np.exp(-0.5 * beta * values)) @ vectors.T


@pytest.fixture(params=CASES | EXCHANGING)
def system(request):
    """Return every case."""
    return Electrons(*(CASES | EXCHANGING)[request.param])


def layers(system, team):
    """Return all configurations (n, n_visible) of the sector."""
    return Enumeration(team, system.system).configurations[:, 0]


def matches(system, configurations):
    """Return where every group of orbitals holds an even number of electrons of both spins and layers, (n,) bool."""
    groups = system.model.orbital_groups()
    units = configurations.reshape(-1, 2, 2, len(groups)) * np.array([1, -1])[:, None, None]
    numbers = (units > 0).sum(axis=(1, 2)) @ (groups[:, None] == np.arange(groups.max() + 1))
    return np.all(numbers % 2 == 0, axis=1)


def twin_moves(moves):
    """Return the twin of a `Moves`."""
    n_variants = np.array(moves._n_variants)
    entry = np.concatenate([[0], np.cumsum(n_variants)[:-1]])
    return MoveSet(np.array(moves._kinds), n_variants, moves.sites, moves.second, entry, moves.n_sites)


def test_logarithms_and_slopes_are_those_of_the_twin(system, team):
    configurations = layers(system, team)
    logarithms = log_psi(system.wavefunction, system.moves, configurations)
    slopes = log_derivs(system.wavefunction, system.moves, configurations)
    twin = system.twin()
    expected = np.array([twin.log_psi(visible) for visible in configurations])
    kept = expected.real > -15
    matched = matches(system, configurations)
    assert kept[matched].mean() > 0.8
    assert not kept[~matched].any()
    np.testing.assert_allclose(np.exp(logarithms[kept]), np.exp(expected[kept]), rtol=1e-9)
    expected = [twin.log_derivs(visible) for visible in configurations[kept]]
    np.testing.assert_allclose(slopes[kept], expected, rtol=1e-8, atol=1e-8)


def test_log_derivatives_are_differences_of_the_logarithm(system, team):
    configurations = layers(system, team)
    configurations = configurations[log_psi(system.wavefunction, system.moves, configurations).real > -6]
    slopes = log_derivs(system.wavefunction, system.moves, configurations)
    params, step = system.wavefunction.params.copy(), 1e-5
    for k in range(len(params)):
        values = []
        for sign in (1, -1):
            system.wavefunction.params = params + sign * step * (np.arange(len(params)) == k)
            values.append(log_psi(system.wavefunction, system.moves, configurations).real)
        np.testing.assert_allclose(slopes[:, k], (values[0] - values[1]) / (2 * step), rtol=1e-5, atol=1e-5)


def test_ratios_along_a_path_are_those_of_the_twin(system, team):
    configurations, twin, moves = layers(system, team), system.twin(), twin_moves(system.moves)
    stream, met = np.random.default_rng(1), 0
    path = stream.integers(0, len(moves), size=600).astype(np.intp)
    visible = configurations[np.argmax(log_psi(system.wavefunction, system.moves, configurations).real)].copy()
    here, ratios = visible.copy(), np.empty(len(path), dtype=complex)
    last = metropolis.follow_path(visible, system.amplitude(), system.moves.kernel(), path, 0.05, ratios)
    for move, ratio in zip(path, ratios, strict=True):
        proposal = moves.propose(move, here)
        if proposal is None:
            assert ratio == 0
            continue
        counts = twin.occupations(flipped(here, proposal.flips)).sum(axis=2)
        expected = twin.ratio(here, proposal) if np.array_equal(*counts) else 0
        assert ratio == pytest.approx(expected, rel=1e-8, abs=1e-10)
        met += proposal.flips[0] % system.system.n_sites == proposal.flips[1] % system.system.n_sites
        if abs(ratio) > 0.05:
            here = flipped(here, proposal.flips)
    assert met > 5
    np.testing.assert_array_equal(visible, here)
    assert np.exp(last) == pytest.approx(np.exp(twin.log_psi(here)), rel=1e-8)


def test_local_energies_are_those_of_the_dense_hamiltonian(system, team):
    configurations = layers(system, team)
    kernel = system.moves.kernel()
    energies = np.empty((len(configurations), 2), dtype=complex)
    logarithms = np.empty(len(configurations), dtype=complex)
    local_energy.local_energies(
        configurations, system.amplitude(), kernel, list(system.system.hamiltonians), energies, logarithms
    )
    n = system.system.n_sites
    weights = 1 << np.arange(n)
    rows, columns = (configurations[:, :n] > 0) @ weights, (configurations[:, n:] < 0) @ weights
    psi = np.zeros((2**n, 2**n))
    psi[rows, columns] = np.exp(logarithms).real
    hamiltonian = to_sparse(system.model)
    usable = np.isfinite(energies).all(axis=1) & (logarithms.real > -12)
    assert usable[matches(system, configurations)].mean() > 0.8
    for layer, acted in enumerate((hamiltonian @ psi, psi @ hamiltonian)):
        expected = acted[rows, columns][usable] / psi[rows, columns][usable]
        np.testing.assert_allclose(energies[usable, layer].real, expected, rtol=1e-8, atol=1e-8)


def test_local_energies_are_those_of_the_twin(system, team):
    configurations = layers(system, team)[:40]
    found = np.empty((2, len(configurations), 1), dtype=complex)
    logarithms = np.empty((2, len(configurations)), dtype=complex)
    model, hops = system.model, system.system.terms[0]
    field = np.concatenate([model.site_field, 0 * model.site_field])
    terms = (model.pair_sites, model.pair_coupling, field, hops, model.off_diagonal_elements, model.constant)
    for k, (module, moves, amplitude) in enumerate(
        ((local_energy, system.moves.kernel(), system.amplitude()), (samples, twin_moves(system.moves), system.twin()))
    ):
        module.local_energies(configurations, amplitude, moves, [module.Hamiltonian(*terms)], found[k], logarithms[k])
    usable = logarithms[1].real > -8
    np.testing.assert_allclose(found[0, usable], found[1, usable], rtol=1e-8, atol=1e-8)


def test_zeros_of_the_state_have_no_ratios(team):
    """With A of free electrons on a ring determinants vanish by symmetry."""
    case = free_electrons()
    free = case.wavefunction.propagator()[0, ..., 0]
    configurations = layers(case, team)
    logarithms = log_psi(case.wavefunction, case.moves, configurations)
    pairs = list(itertools.combinations(range(4), 2))
    vanishing = np.mean([abs(np.linalg.det(free[np.ix_(x, y)])) < 1e-13 for x in pairs for y in pairs])
    assert np.isinf(logarithms.real).mean() == pytest.approx(1 - (1 - vanishing) ** 2)
    assert 0.2 < vanishing < 0.4
    zero = configurations[np.isinf(logarithms.real)][0]
    ratios = np.empty(len(case.moves), dtype=complex)
    metropolis.follow_path(
        zero.copy(), case.amplitude(), case.moves.kernel(), np.arange(len(case.moves)), np.inf, ratios
    )
    assert not ratios.any()
    assert not log_derivs(case.wavefunction, case.moves, zero[None, :]).any()


def test_free_electrons_are_exact(team):
    """Psi = <x|e^{-beta H/2}|x'> at U = 0, with the signs of the order of the orbitals."""
    from scipy.linalg import expm

    lattice = lattices.build("chain", (4,), "open")
    model = Hubbard.build(lattice, hopping=[1.0, 0.3], U=0.0, n_up=2, n_down=1)
    system, n = purify(model, bond_features=False), 8
    hops = np.zeros((4, 4))
    for (a, b), element in zip(model.exchange_sites[:5], model.exchange_element[:5], strict=True):
        hops[a, b] = hops[b, a] = element
    state = BackflowDeterminant(np.arange(4)[None, :], np.broadcast_to(expm(-0.35 * hops), (2, 4, 4)), True)
    configurations = Enumeration(team, system).configurations[:, 0]
    weights = 1 << np.arange(n)
    expected = expm(-0.35 * to_sparse(model).toarray())
    expected = expected[(configurations[:, :n] > 0) @ weights, (configurations[:, n:] < 0) @ weights]
    np.testing.assert_allclose(np.exp(log_psi(state, system.moves, configurations)).real, expected, atol=1e-13)


def test_samples_do_not_depend_on_their_neighbours(system, team):
    configurations = np.ascontiguousarray(layers(system, team)[:11])
    together, alone = np.empty(len(configurations), dtype=complex), np.empty(1, dtype=complex)
    amplitude_kernel.log_psi(system.amplitude(), configurations, together)
    for visible, value in zip(configurations, together, strict=True):
        amplitude_kernel.log_psi(system.amplitude(), visible[None, :].copy(), alone)
        assert alone[0] == value


# ---- softened ------------------------------------------------------------------------------------------------------


SOFTENED = [(name, density) for name in (*CASES, *EXCHANGING, "free") for density in (True, False)]


@pytest.fixture(params=SOFTENED, ids=str)
def softened_case(request):
    """Return (electrons, softened wave function, twin)."""
    name, is_density = request.param
    system = free_electrons() if name == "free" else Electrons(*(CASES | EXCHANGING)[name])
    state = system.wavefunction
    arrays = state.propagator(), state.entry_param, state.groups
    twin = electrons.SoftenedDeterminantAmplitude(*arrays, SHARE, is_density)
    return system, SoftenedDeterminant(state, SHARE, is_density), twin


def test_softened_values_are_those_of_the_twin(softened_case, team):
    system, softened, twin = softened_case
    configurations = layers(system, team)
    found = np.exp(log_psi(softened, system.moves, configurations))
    expected = np.exp([twin.log_psi(visible) for visible in configurations])
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-12)
    plain = np.exp(log_psi(system.wavefunction, system.moves, configurations)).real
    reached = np.array([not twin.has_odd_groups(visible) for visible in configurations])
    assert not found[~reached].any() and not plain[~reached].any()
    found, plain = found[reached], plain[reached]
    if softened.is_density:
        assert (found.real > np.abs(plain)).all() and not found.imag.any()
    else:
        np.testing.assert_allclose(found.real[plain != 0], plain[plain != 0], rtol=1e-9)
        assert found[plain == 0].all()
    assert log_derivs(softened, system.moves, configurations[:3]).shape == (3, 0)


def test_softened_ratios_along_a_path_are_those_of_the_twin(softened_case, team):
    system, softened, twin = softened_case
    configurations, moves = layers(system, team), twin_moves(system.moves)
    path = np.random.default_rng(1).integers(0, len(moves), size=300).astype(np.intp)
    visible = next(each for each in configurations if not twin.has_odd_groups(each)).copy()
    here, ratios, zeros = visible.copy(), np.empty(len(path), dtype=complex), 0
    last = metropolis.follow_path(visible, softened.amplitude(system.moves), system.moves.kernel(), path, 0.05, ratios)
    for move, ratio in zip(path, ratios, strict=True):
        proposal = moves.propose(move, here)
        if proposal is None:
            assert ratio == 0
            continue
        counts = twin.occupations(flipped(here, proposal.flips)).sum(axis=2)
        expected = twin.ratio(here, proposal) if np.array_equal(*counts) else 0
        ends = np.stack([here, flipped(here, proposal.flips)])
        if expected and np.isinf(log_psi(system.wavefunction, system.moves, ends).real).any():
            zeros += 1
        assert ratio == pytest.approx(expected, rel=1e-8, abs=1e-10)
        if abs(ratio) > 0.05:
            here = flipped(here, proposal.flips)
    np.testing.assert_array_equal(visible, here)
    assert np.exp(last) == pytest.approx(np.exp(twin.log_psi(here)), rel=1e-8)
    assert zeros > 20 or not system.is_free


def test_the_density_of_many_electrons_is_that_of_the_determinant():
    """Samples of the density count for 87 % with a share of the bound that is the same for any number of electrons."""
    case = Electrons(8, "periodic", 4, 0, np.arange(8)[None, :], True)
    state = BackflowDeterminant(np.arange(8)[None, :], np.broadcast_to(free_propagator(8, 1.0), (2, 8, 8)), True)
    spins = np.full((70, 16), -1, dtype=np.int8)
    for row, orbitals in zip(spins, itertools.combinations(range(8), 4), strict=True):
        row[list(orbitals)] = 1
    configurations = np.concatenate([np.repeat(spins, 70, axis=0), np.tile(-spins, (70, 1))], axis=1)
    softened, plain = (np.exp(2 * log_psi(each, case.moves, configurations).real)
                       for each in (SoftenedDeterminant(state), state))
    weights = plain / softened
    assert 0.99 < plain.sum() ** 2 / (softened.sum() * np.sum(softened * weights**2)) < 0.998


def test_a_share_must_be_one():
    with pytest.raises(ValueError, match="share = 0 of a softened determinant; allowed are 0 < share <= 1"):
        SoftenedDeterminant(free_electrons().wavefunction, 0)
