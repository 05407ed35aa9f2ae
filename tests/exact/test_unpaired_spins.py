"""Sums of pair products at Sz != 0, with odd numbers of sites and at complex momenta: definition, spin, levels."""

import numpy as np
import pytest

from hpc_nqs import tasks
from hpc_nqs.ground_state.ansatz import build_spin_ansatz, sectors_of
from hpc_nqs.hamiltonians.matrices import spins_of, to_sparse
from hpc_nqs.hamiltonians.total_spin import total_spin_squared
from hpc_nqs.hilbert.spins import spin_system
from hpc_nqs.parallel.team import Team
from hpc_nqs.runs import run_file
from hpc_nqs.sampling.enumeration import Enumeration
from hpc_nqs.sampling.evaluation import evaluate
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.symmetry.quantum_numbers import Sector, has_real_characters, projector
from hpc_nqs.symmetry.signed_permutations import SignedPermutations
from hpc_nqs.wavefunctions.pair_sum import PairSum
from hpc_nqs.wavefunctions.wavefunction import log_psi

SERIAL = Team.serial()
METROPOLIS = {"method": "metropolis", "n_samples": 512, "n_chains": 32}


def settings_of(n_sites=8, couplings=(1.0, 0.4), kind="chain", sampling=None, choice=None, **ground_state):
    sections = {"run": {"task": "ground_state", "seed": 3}, "lattice": {"kind": kind, "lengths": n_sites}}
    sections["lattice"]["lengths"] = n_sites if isinstance(n_sites, list) else [n_sites]
    sections |= {"model": {"kind": "heisenberg", "couplings": list(couplings)}, "wavefunction": choice or {}}
    return parse_settings(sections | {"sampling": sampling or {}, "ground_state": ground_state})


def all_states(n_sites, n_up):
    """Return the basis indices of one Sz and their configurations (n, n_sites)."""
    states = np.arange(2**n_sites)
    states = states[spins_of(states, n_sites).sum(axis=1) == 2 * n_up - n_sites]
    return states, spins_of(states, n_sites)


def projection(images, coefficients, n_up):
    """Return sum_g c_g P_g / order between the configurations of one Sz, (P_g psi)(s) = psi(g s)."""
    states, spins = all_states(images.n_entries, n_up)
    matrix = np.zeros((len(states), len(states)), dtype=complex)
    for image, coefficient in zip(images.sources, coefficients, strict=True):
        moved = (spins[:, image] > 0) @ (1 << np.arange(images.n_entries))
        matrix[np.arange(len(states)), np.searchsorted(states, moved)] += coefficient / len(images)
    return matrix


def random_sum(n_sites, n_up, images, coefficients, symmetric=True):
    """Return a `PairSum` of random numbers, f (n, n) and w (n_unpaired, n)."""
    stream = np.random.default_rng(5)
    start = stream.standard_normal((n_sites, n_sites))
    start = start + start.T if symmetric else start
    orbitals = stream.standard_normal((abs(2 * n_up - n_sites), n_sites))
    group = SignedPermutations.identity(n_sites)
    state = PairSum(group, start, images, coefficients, symmetric, orbitals, 2 * n_up > n_sites)
    return state, start, orbitals


def pair_product(spins, pairs, orbitals):
    """Return the amplitude of prod_pairs sum f c+_up c+_down prod_k sum w_k c+ on the vacuum, by its definition.

    Creators in the order up sites, down sites, of fermions ordered site by site.
    """
    up, down = np.flatnonzero(spins > 0), np.flatnonzero(spins < 0)
    order = np.concatenate([up, down])
    sign = np.linalg.det(np.eye(len(spins))[order])
    if len(up) >= len(down):
        matrix = np.concatenate([pairs[np.ix_(up, down)], orbitals[:, up].T], axis=1)
    else:
        matrix = np.concatenate([pairs[np.ix_(up, down)], orbitals[:, down]], axis=0)
    return sign * np.linalg.det(matrix)


@pytest.mark.parametrize(("n_sites", "n_up"), [(6, 4), (6, 2), (7, 4), (7, 2)])
@pytest.mark.parametrize("momentum", [0, 1])
def test_the_sum_is_its_definition(n_sites, n_up, momentum):
    """sum_g c_g phi(g s) over all configurations, of Sz > 0 and < 0, up to a factor that is common to all."""
    lattice, model = build(settings_of(n_sites))
    images, coefficients = projector(Sector((momentum,)), lattice, model, n_up)
    state, pairs, orbitals = random_sum(n_sites, n_up, images, coefficients.real)
    _, spins = all_states(n_sites, n_up)
    found = np.exp(log_psi(state, spin_system(model, n_up - n_sites / 2).moves, spins))
    expected = np.zeros(len(spins))
    for image, coefficient in zip(images.sources, coefficients.real, strict=True):
        expected += coefficient * np.array([pair_product(row[image], pairs, orbitals) for row in spins])
    largest = np.abs(expected).argmax()
    assert abs(expected[largest]) > 0.1
    scale = (found[largest] / expected[largest]).real
    assert abs(scale) == pytest.approx(1, rel=1e-9)
    np.testing.assert_allclose(found, scale * expected, atol=1e-9 * abs(expected[largest]))


@pytest.mark.parametrize(("symmetric", "is_sharp"), [(True, True), (False, False)])
def test_unpaired_spins_beside_singlets_are_the_total_spin(symmetric, is_sharp):
    n_sites, n_up = 8, 5
    lattice, model = build(settings_of(n_sites))
    state, *_ = random_sum(n_sites, n_up, SignedPermutations.identity(n_sites), np.ones(1), symmetric)
    squared, constant = total_spin_squared(model)
    system = spin_system(squared, 1.0)
    samples = Enumeration(SERIAL, system, SignedPermutations.identity(n_sites)).sample(None, system, 1, 1, 1.0)
    found = evaluate(samples, state, system, SERIAL)
    local = constant + found.energies[found.weights > 1e-12, 0].real
    if is_sharp:
        np.testing.assert_allclose(local, 2.0, atol=1e-6)
    else:
        assert np.ptp(local) > 1


def test_a_real_state_of_k_and_minus_k_has_the_energy_of_k():
    """Against <P phi|H|P phi> with the complex projector, by dense matrices."""
    lattice, model = build(settings_of(8))
    images, coefficients = projector(Sector((1,)), lattice, model, 4)
    state, *_ = random_sum(8, 4, images, coefficients.real)
    (states, spins), system = all_states(8, 4), spin_system(model)
    phi = np.exp(log_psi(state.unprojected(), system.moves, spins)).real
    projected = projection(images, coefficients, 4) @ phi
    assert np.abs(projected.imag).max() > 0.1 * np.abs(projected).max()
    expected = np.vdot(projected, to_sparse(model, states) @ projected).real / np.vdot(projected, projected).real
    samples = Enumeration(SERIAL, system, SignedPermutations.identity(8)).sample(None, system, 1, 1, 1.0)
    assert evaluate(samples, state, system, SERIAL).energy == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("n_sites", "ground_state", "choice"),
    [
        (8, {"sz": 1, "momentum": [0]}, {"kind": "pair_rbm"}),
        (8, {"sz": -2, "momentum": "none"}, {"kind": "pair_rbm"}),
        (7, {"sz": 0.5, "momentum": [2]}, {"sublattice": [7]}),
        (8, {"sz": 1, "momentum": [2]}, {"sublattice": [8]}),
        (8, {"spin_parity": 1, "momentum": [3]}, {"sublattice": [8]}),
    ],
)
def test_levels_are_those_of_diagonalization(n_sites, ground_state, choice, tmp_path):
    """Exact sums over pair products, lowest level of the sector within 1e-5."""
    settings = settings_of(n_sites, choice=choice, n_steps=150, v_score=1e-7, **ground_state)
    lattice, model = build(settings)
    path = str(tmp_path / "level.h5")
    assert tasks.run(settings, SERIAL, path) == 0
    (row,) = run_file.read_table(path)["rows"]
    sz = ground_state.get("sz", 0)
    sector = Sector(None if ground_state["momentum"] == "none" else tuple(ground_state["momentum"]))
    lowest = lowest_of(model, lattice, sz, sector)
    assert row["energy"] == pytest.approx(lowest / n_sites, rel=1e-5)
    assert row["momentum"] == list(sector.momentum) if sector.momentum else "momentum" not in row
    assert row["total_spin_squared"] == pytest.approx(abs(sz) * (abs(sz) + 1), abs=1e-3)


def lowest_of(model, lattice, sz, sector):
    """Return the lowest level, total, of a momentum with the total spin abs(Sz), which singlet pairs have."""
    n_up = round(sz + model.n_sites / 2)
    states, _ = all_states(model.n_sites, n_up)
    squared, constant = total_spin_squared(model)
    excess = to_sparse(squared, states).toarray() + (constant - abs(sz) * (abs(sz) + 1)) * np.eye(len(states))
    values, vectors = np.linalg.eigh(projection(*projector(sector, lattice, model, None), n_up))
    basis = vectors[:, values > 0.5]
    return np.linalg.eigvalsh(basis.conj().T @ (to_sparse(model, states).toarray() + 10 * excess) @ basis)[0]


def test_defaults_of_chains():
    """Frustrated magnets have pairs at any Sz and momentum; sums keep networks where pairs are not needed."""
    ansatz = {}
    for name, settings in {
        "polarized": settings_of([4, 4], kind="square", sampling=METROPOLIS, sz=2),
        "odd": settings_of([5, 3], kind="triangular", couplings=(1.0,), sampling=METROPOLIS),
        "complex": settings_of([4, 4], kind="square", sampling=METROPOLIS, momentum=[1, 0]),
        "sums": settings_of(8, sz=1),
        "unfrustrated": settings_of(8, couplings=(1.0,), sampling=METROPOLIS, sz=1),
    }.items():
        lattice, model = build(settings)
        ansatz[name] = build_spin_ansatz(settings, lattice, model, 1, sectors_of(settings, lattice, model)[0])
    with_pairs = [name for name, each in ansatz.items() if each.word == "pair_rbm"]
    assert with_pairs == ["polarized", "odd", "complex"]
    assert ansatz["polarized"].wavefunction.second.n_unpaired == 4
    assert ansatz["odd"].wavefunction.second.n_unpaired == 1
    complex_one = ansatz["complex"]
    assert complex_one.is_real_part and not has_real_characters((1, 0), complex_one.lattice)
    assert len(complex_one.wavefunction.second.images) == 8  # cos(pi / 2) = 0 leaves half of them out
    assert len(complex_one.invariance()) == 2  # the flip of all spins
    assert not ansatz["polarized"].is_real_part


@pytest.mark.parametrize(
    ("fields", "are_singlets"),
    [({"field_z": 1.0}, True), ({"anisotropy": 0.5}, False), ({"field_z": 1.0, "field_staggered": 0.2}, False)],
)
def test_pairs_are_singlets_where_the_total_spin_is_conserved(fields, are_singlets):
    sections = {"run": {"task": "ground_state"}, "lattice": {"kind": "square", "lengths": [4, 4]}}
    sections |= {"model": {"kind": "heisenberg", "couplings": [1.0, 0.5]} | fields}
    settings = parse_settings(sections | {"sampling": METROPOLIS, "ground_state": {"sz": 2, "momentum": "none"}})
    pairing = build_spin_ansatz(settings, *build(settings), seed=1).wavefunction.second.pairing()
    assert np.allclose(pairing[:16, :16], pairing[:16, :16].T) == are_singlets


def test_pairs_without_their_projection_have_no_symmetry():
    """The first steps with `project_after`, by sums: no configuration may stand for its translations."""
    settings = settings_of([4, 4], kind="square", choice={"sublattice": [2, 2]}, project_after=3)
    lattice, model = build(settings)
    ansatz = build_spin_ansatz(settings, lattice, model, 1)
    assert len(ansatz.invariance()) == 32
    assert len(ansatz.unprojected().invariance()) == 1


def test_sublattices_beside_unpaired_spins_are_refused():
    with pytest.raises(ValueError, match=r'wavefunction.sublattice = \[2\]: beside unpaired spins.* allowed is "auto"'):
        settings = settings_of(8, choice={"sublattice": [2]}, sz=1, momentum=[0])
        build_spin_ansatz(settings, *build(settings), seed=1)


def test_pairs_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match='wavefunction.kind = "pair_rbm": .* allowed is "rbm"'):
        settings = settings_of(8, choice={"kind": "pair_rbm", "symmetries": ["translation"]}, sz=1)
        build_spin_ansatz(settings, *build(settings), seed=1)
