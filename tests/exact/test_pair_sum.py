"""Sums of pair products over the images of a projection, times a symmetric network, against their definition."""

import numpy as np
import pytest

from hpc_nqs import tasks
from hpc_nqs.ground_state.ansatz import build_spin_ansatz, sectors_of
from hpc_nqs.ground_state.pair_functions import representatives, shared_translations, with_boundary
from hpc_nqs.hilbert.spins import spin_system
from hpc_nqs.parallel.team import Team
from hpc_nqs.runs import run_file
from hpc_nqs.settings.parsing import SettingsError, parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.symmetry.quantum_numbers import Sector, marshall_sign, projector
from hpc_nqs.symmetry.signed_permutations import SignedPermutations
from hpc_nqs.symmetry.site_permutations import parity
from hpc_nqs.wavefunctions.pair_sum import PairSum
from hpc_nqs.wavefunctions.projection import ProjectedState
from hpc_nqs.wavefunctions.spin_pair_product import SpinPairs
from hpc_nqs.wavefunctions.wavefunction import log_derivs, log_psi

FRUSTRATED = {"kind": "heisenberg", "couplings": [1.0, 0.5]}


def settings_of(lengths, sublattice="auto", sampling=None, kind="square", **ground_state):
    sections = {"run": {"task": "ground_state", "seed": 3}, "lattice": {"kind": kind, "lengths": lengths}}
    sections |= {"model": FRUSTRATED, "wavefunction": {"sublattice": sublattice}}
    return parse_settings(sections | {"sampling": sampling or {}, "ground_state": ground_state})


def ansatz_of(settings):
    return build_spin_ansatz(settings, *build(settings), seed=1)


def random_spins(n_sites, n, seed=0):
    spins = np.repeat(np.array([1, -1], dtype=np.int8), n_sites // 2)
    return np.array([np.random.default_rng(seed + k).permutation(spins) for k in range(n)])


SECTORS = [Sector((0, 0), "A1"), Sector((0, 0), "B2"), Sector((2, 2), None), Sector((2, 0), "B1", 1)]


@pytest.mark.parametrize("sector", SECTORS, ids=str)
@pytest.mark.parametrize("shares", [False, True])
def test_the_sum_is_the_projected_pair_product(sector, shares):
    """Image by image, with f of its own for every pair or shared across an antiperiodic boundary."""
    lattice, model = build(settings_of([4, 4]))
    system, stream = spin_system(model), np.random.default_rng(5)
    images, coefficients = projector(sector, lattice, model, system.n_up)
    group = SignedPermutations.identity(16)
    if shares:
        steps = (0, 0), (2, 0), (0, 2), (2, 2)
        group = with_boundary(lattice, np.array([lattice.translated(step) for step in steps]))
        assert (group.signs < 0).any()
    start = stream.standard_normal((16, 16))
    start = start + start.T
    summed = PairSum(group, start, images, coefficients.real)
    projected = ProjectedState(SpinPairs(group, start), images, coefficients)
    assert summed.n_params == projected.n_params
    np.testing.assert_array_equal(summed.pairing(), projected.inner.pairing())
    spins = random_spins(16, 40)
    logarithms = [log_psi(state, system.moves, spins) for state in (summed, projected)]
    kept = logarithms[1].real > logarithms[1].real.max() - 6  # elsewhere images cancel
    assert kept.sum() > 10
    np.testing.assert_allclose(np.exp(logarithms[0][kept] - logarithms[1][kept]), 1, atol=1e-9)
    derivs = [log_derivs(state, system.moves, spins[kept]) for state in (summed, projected)]
    np.testing.assert_allclose(*derivs, rtol=1e-7, atol=1e-8)


def test_images_that_f_shares_are_summed_once():
    lattice, model = build(settings_of([6, 6]))
    images, coefficients = projector(Sector((0, 0), "A1"), lattice, model, 18)
    group = shared_translations(lattice, model, images, coefficients, (2, 2))
    chosen = representatives(images, group.unsigned())
    assert (len(images), len(group), len(chosen)) == (288, 9, 32)
    stream, spins = np.random.default_rng(1), random_spins(36, 12)
    start = stream.standard_normal((36, 36)) / (1 + lattice.distances())
    some = PairSum(group, start, images[chosen], coefficients[chosen].real)
    every = PairSum(group, start, images, coefficients.real)
    some, every = (log_psi(state, spin_system(model).moves, spins) for state in (some, every))
    np.testing.assert_allclose(np.exp(every - some), 9, rtol=1e-7)


@pytest.mark.parametrize(
    "lengths,sublattice,order",
    [([6, 6], "auto", 288), ([6, 6], [2, 2], 32), ([6, 6], [3, 6], 144), ([8, 8], "auto", 32)],
)
def test_a_state_has_its_quantum_numbers(lengths, sublattice, order):
    """Psi(g s) = chi(g) Psi(s) of random configurations, under all symmetries of the default sector."""
    settings = settings_of(lengths, sublattice)
    lattice, model = build(settings)
    ansatz, (sector,) = ansatz_of(settings), sectors_of(settings, lattice, model)
    assert (ansatz.order, sector.momentum, sector.point_group) == (order, (0, 0), "A1")
    assert ansatz.symmetries == ("translation", "point_group", "spin_flip")
    images, coefficients = projector(Sector((0, 0), "A1", 1), lattice, model, model.n_sites // 2)
    (spins,) = random_spins(model.n_sites, 1)
    values = log_psi(ansatz.wavefunction, ansatz.system.moves, np.ascontiguousarray(images.apply(spins)[::7]))
    np.testing.assert_allclose(np.exp(values - values[0]), coefficients[::7].conj(), atol=1e-7)


def test_triplets_are_odd():
    """The momentum, the representation and the parity of the lowest triplet; f is not symmetric."""
    settings = settings_of([6, 6], [2, 2], momentum=[3, 3], spin_parity=-1, point_group="B1")
    lattice, model = build(settings)
    ansatz = ansatz_of(settings)
    pairing = ansatz.wavefunction.second.pairing()
    assert ansatz.order == 64 and not np.allclose(pairing, pairing.T)
    images, coefficients = projector(Sector((3, 3), "B1", -1), lattice, model, 18)
    assert set(coefficients.real) == {1.0, -1.0}
    (spins,) = random_spins(36, 1, seed=4)
    values = log_psi(ansatz.wavefunction, ansatz.system.moves, np.ascontiguousarray(images.apply(spins)[::11]))
    np.testing.assert_allclose(np.exp(values - values[0]), coefficients[::11], atol=1e-6)


@pytest.mark.parametrize(
    "momentum,spin_parity,point_group,energy",
    [
        ([2, 0], 1, "A1", -0.4767390),
        ([2, 2], -1, "B2", -0.4745481),
        pytest.param([0, 0], 1, "A1", -0.5286202, marks=pytest.mark.slow),
    ],
)
def test_levels_of_16_sites(momentum, spin_parity, point_group, energy, tmp_path):
    """The lowest singlets and the lowest triplet; full diagonalization."""
    part = {"momentum": momentum, "spin_parity": spin_parity, "point_group": point_group, "n_steps": 120}
    path = str(tmp_path / "level.h5")
    assert tasks.run(settings_of([4, 4], [4, 4], v_score=1e-5, **part), Team.serial(), path) == 0
    (row,) = run_file.read_table(path)["rows"]
    assert row["energy"] == pytest.approx(energy, rel=2e-5)
    assert (row["momentum"], row["spin_parity"]) == (momentum, spin_parity)


def test_a_run_projects_later(tmp_path):
    """Before, one image; the parameters and the network stay."""
    part = {"project_after": 3, "n_steps": 5, "n_samples_final": 128}
    settings = settings_of([6, 4], [2, 2], {"n_samples": 128, "method": "metropolis"}, **part)
    ansatz = ansatz_of(settings)
    alone = ansatz.unprojected()
    assert (ansatz.order, alone.order) == (16, 1)
    np.testing.assert_array_equal(ansatz.wavefunction.params, alone.wavefunction.params)
    assert tasks.run(settings, Team.serial(), str(tmp_path / "later.h5")) == 0


@pytest.mark.parametrize(
    "sublattice,ground_state,problem",
    [
        ([4, 2], {}, r"wavefunction.sublattice = \[4, 2\]: allowed is a divisor .* \[6, 6\]"),
        ([2], {}, r"wavefunction.sublattice = \[2\]: allowed is a divisor"),
        ([2, 2], {"momentum": "none"}, r"wavefunction.sublattice = \[2, 2\]: only pair products with a projected mom"),
        ([1, 2], {"momentum": [3, 0]}, r"wavefunction.sublattice = \[1, 2\]: .* another momentum"),
    ],
)
def test_sublattices_that_do_not_fit(sublattice, ground_state, problem):
    with pytest.raises(ValueError, match=problem):
        ansatz_of(settings_of([6, 6], sublattice, **ground_state))


@pytest.mark.parametrize("section", [{"kind": "rbm"}, {}])
def test_sublattices_of_other_states_are_refused(section):
    sections = {"lattice": {"kind": "square", "lengths": [6, 6]}, "model": FRUSTRATED}
    sections |= {"wavefunction": {"sublattice": [2, 2]} | section, "thermal": {"betas": [1.0]}}
    with pytest.raises(SettingsError, match='wavefunction.sublattice = .* only with wavefunction.kind = "pair_rbm"'):
        parse_settings(sections)


def test_parities_of_permutations():
    assert [parity(np.array(p)) for p in ([0, 1, 2], [1, 0, 2], [1, 2, 0], [1, 0, 3, 2])] == [1, -1, 1, 1]
    lattice, model = build(settings_of([4, 4]))
    assert marshall_sign(np.arange(16), model, 8) == 1


@pytest.mark.parametrize("n_sites", [6, 8, 10])
def test_flipped_images_have_the_sign_of_half_the_sites(n_sites):
    """Singlets are (-1)^(N/2) under the flip of all spins: N/2 odd and even."""
    lattice, model = build(settings_of([n_sites], kind="chain"))
    system, stream = spin_system(model), np.random.default_rng(2)
    images, coefficients = projector(Sector((0,), None, (-1) ** (n_sites // 2)), lattice, model, n_sites // 2)
    start = stream.standard_normal((n_sites, n_sites))
    group = SignedPermutations.identity(n_sites)
    summed = PairSum(group, start + start.T, images, coefficients.real)
    projected = ProjectedState(SpinPairs(group, start + start.T), images, coefficients)
    values = [np.exp(log_psi(state, system.moves, random_spins(n_sites, 20))) for state in (summed, projected)]
    assert np.abs(values[1]).max() > 0.1
    np.testing.assert_allclose(*values, atol=1e-9 * np.abs(values[1]).max())
