"""Larger clusters give the same sum over tables as the clusters that have the parameters."""

import copy
import itertools

import numpy as np
import pytest

from hpc_nqs.hilbert.purification import input_images, purify
from hpc_nqs.kernels import amplitude as amplitude_kernel
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.symmetry.site_permutations import site_symmetries
from hpc_nqs.thermal.high_temperature.clusters import lattice_clusters
from hpc_nqs.thermal.permanent_state import cluster_tables, exchange_pattern
from hpc_nqs.thermal.plan import state_of
from hpc_nqs.wavefunctions.cluster_cover import MAX_CODES, MAX_SITES
from hpc_nqs.wavefunctions.correlator_product import CorrelatorProduct, correlators

ALL, NONE = ("translation", "point_group"), ()


def tables(kind, lengths, names, sizes=(2, 3, 4), with_images=True, few_classes=False, **model):
    """Return (random tables over clusters of some sizes, the moves of the doubled system)."""
    sections = {"lattice": {"kind": kind, "lengths": lengths}, "model": {"kind": "heisenberg", **model}}
    lattice, model = build(parse_settings(sections | {"thermal": {"betas": [1.0]}}))
    site_images = site_symmetries(lattice, model, names)
    system = purify(model, False)
    images = input_images(system, site_images, True, True)
    if few_classes:
        kinds = cluster_tables(model.exchange_sites, site_images, images, 4, exchange_pattern)
    else:
        pairs = list(itertools.combinations(range(model.n_sites), 2))
        clusters = [each for size in sizes for each in (pairs if size == 2 else lattice_clusters(model, size))]
        kinds = correlators(clusters, site_images, images)
    factor = CorrelatorProduct(kinds, system.n_visible, site_images if with_images else None)
    factor.params = np.random.default_rng(3).standard_normal(factor.n_params)
    return factor, system


def summed(factor, visible):
    """Return ln Psi of one configuration from the clusters of the parameters."""
    units = np.split(factor.units, factor.first_unit[1:-1])
    codes = factor.first_code + [(visible[each] > 0) @ (1 << np.arange(len(each))) for each in units]
    return factor.table()[codes].sum()


CASES = [
    ("square", [4, 4], ALL, {}),
    ("square", [4, 4], ALL, {"few_classes": True, "couplings": [1.0, 0.5]}),
    ("square", [4, 3], ALL, {}),
    ("square", [4, 3], NONE, {}),
    ("square", [6, 6], ALL, {"few_classes": True}),
    ("triangular", [4, 4], ALL, {"few_classes": True}),
    ("chain", [10], ALL, {"sizes": (2, 6)}),
    ("chain", [8], ALL, {"sizes": (3, 4)}),
    ("chain", [8], ALL, {"sizes": (2,)}),
    ("chain", [8], ALL, {"with_images": False}),
    ("ladder", [4, 2], ALL, {"sizes": (2, 3, 4, 5)}),
]


@pytest.mark.parametrize(("kind", "lengths", "names", "options"), CASES)
def test_sum_over_larger_clusters_is_that_over_those_of_the_parameters(kind, lengths, names, options):
    factor, system = tables(kind, lengths, names, **options)
    visible = np.random.default_rng(4).choice(np.array([-1, 1], dtype=np.int8), (40, factor.n_visible))
    found = np.empty(len(visible), dtype=np.complex128)
    amplitude_kernel.log_psi(factor.amplitude(system.moves), visible, found)
    np.testing.assert_allclose(found, [summed(factor, row) for row in visible], rtol=0, atol=1e-12 * factor.n_units)
    assert factor.cover.shares.shape[0] <= MAX_CODES + 4**MAX_SITES * len(factor.kinds)


def test_blocks_and_rows_of_a_square_hold_all_but_far_pairs():
    factor, _ = tables("square", [6, 6], ALL, few_classes=True)
    # two rows of three sites and one of six, both ways
    assert len(factor.cover.first_code) == 72 + 12
    assert set(np.diff(factor.cover.first_unit).tolist()) == {12}
    assert set(np.count_nonzero(factor.cover.pair_param[::4, ::4], axis=1).tolist()) == {13}
    others = np.flatnonzero(factor.cover.pair_param[0, ::4])
    offsets = {tuple(sorted(min(d, 6 - d) for d in divmod(j, 6))) for j in others.tolist()}
    assert offsets == {(1, 3), (2, 2), (2, 3), (3, 3)}


def test_pairs_of_small_tables_are_fields():
    factor, _ = tables("chain", [8], ALL, sizes=(2,))
    assert len(factor.cover.first_code) == 0
    assert np.count_nonzero(factor.cover.pair_param[::4, ::4]) == 8 * 7


STATES = [
    ({"kind": "square", "lengths": [4, 4]}, {"kind": "heisenberg", "couplings": [1.0, 0.5]}, 0.1),
    ({"kind": "triangular", "lengths": [4, 4]}, {"kind": "heisenberg"}, 0.3),
    ({"kind": "chain", "lengths": [8]}, {"kind": "heisenberg", "field_z": 0.3}, 0.4),
    ({"kind": "chain", "lengths": [10]}, {"kind": "tfim"}, 0.3),
    ({"kind": "square", "lengths": [2, 2]}, {"kind": "hubbard", "U": 8.0, "n_up": 2, "n_down": 1}, 0.3),
    ({"kind": "chain", "lengths": [6]}, {"kind": "hubbard", "U": 8.0, "mu": 3.0}, 0.4),
]


@pytest.mark.parametrize(("lattice", "model", "share"), STATES)
def test_states_of_the_program_are_summed_over_fewer_clusters(lattice, model, share):
    tables = {"lattice": lattice, "model": model, "thermal": {"betas": [1.0]}, "sampling": {"method": "metropolis"}}
    state = state_of(parse_settings(tables))
    factor = getattr(state.wavefunction, "second", state.wavefunction)
    assert len(factor.cover.first_code) <= share * factor.n_units
    factor.params = np.random.default_rng(3).standard_normal(factor.n_params)
    visible = np.random.default_rng(4).choice(np.array([-1, 1], dtype=np.int8), (20, factor.n_visible))
    found = np.empty(len(visible), dtype=np.complex128)
    amplitude_kernel.log_psi(factor.amplitude(state.system.moves), visible, found)
    np.testing.assert_allclose(found, [summed(factor, row) for row in visible], rtol=0, atol=1e-12 * factor.n_units)


def test_copies_share_all_but_the_parameters():
    factor, system = tables("chain", [8], ALL)
    factor.amplitude(system.moves)
    other = copy.deepcopy(factor)
    other.params[:] = 0
    assert np.any(factor.params)
    assert other._changes is factor._changes
