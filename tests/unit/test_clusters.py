"""Clusters of sites: which there are, and which of their codes are one class."""

import itertools

import numpy as np
import pytest

from hpc_nqs.hilbert.purification import input_images, purify
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.symmetry.site_permutations import site_symmetries
from hpc_nqs.thermal.high_temperature.clusters import lattice_clusters, permanent
from hpc_nqs.wavefunctions.correlator_product import CorrelatorProduct, connected_clusters, correlators

FIELD = {"field_z": 0.3}


def system(kind, lengths, **model):
    """Return (lattice, model, site images, images of the visible units) with all symmetries."""
    sections = {"lattice": {"kind": kind, "lengths": lengths}, "model": {"kind": "heisenberg", **model}}
    settings = parse_settings(sections | {"thermal": {"betas": [1.0]}})
    lattice, model = build(settings)
    site_images = site_symmetries(lattice, model)
    return lattice, model, site_images, input_images(purify(model, False), site_images, True, True)


@pytest.mark.parametrize(("lengths", "size", "number"), [([5, 5], 3, 6), ([6, 6], 4, 19), ([6, 6], 5, 63)])
def test_connected_clusters_are_the_fixed_polyominoes(lengths, size, number):
    lattice, model, _, _ = system("square", lengths)
    assert len(lattice_clusters(model, size)) == number * np.prod(lengths)


def test_connected_clusters_of_a_path():
    assert connected_clusters([(0, 1), (1, 2), (2, 3)], 3) == [(0, 1, 2), (1, 2, 3)]


def test_clusters_follow_the_largest_coupling():
    lattice, model, _, _ = system("chain", [8], couplings=[0.5, 1.0])
    assert (0, 2, 4) in lattice_clusters(model, 3)
    assert (0, 1, 2) not in lattice_clusters(model, 3)


@pytest.mark.parametrize(
    ("kind", "lengths", "options"), [("chain", [5], {}), ("chain", [5], FIELD), ("ladder", [3, 2], {})]
)
def test_two_codes_are_one_class_if_and_only_if_a_symmetry_connects_their_configurations(kind, lengths, options):
    lattice, model, site_images, images = system(kind, lengths, **options)
    clusters = lattice_clusters(model, 3)
    for group in correlators(clusters, site_images, images):
        units, n_visible = group.units[0], images.n_entries
        weights = 1 << np.arange(len(units))
        connected = {code: set() for code in range(len(group.classes))}
        for spins in itertools.product((1, -1), repeat=len(units)):
            visible = np.zeros(n_visible, dtype=int)  # 0 away from the cluster
            visible[units] = spins
            for image in images.apply(visible):
                if np.all(image[units] != 0):
                    connected[int((np.array(spins) > 0) @ weights)].add(int((image[units] > 0) @ weights))
        for code, others in connected.items():
            assert others == set(np.flatnonzero(group.classes == group.classes[code]))
    assert sum(len(group.units) for group in correlators(clusters, site_images, images)) == len(clusters)


def test_filled_tables_hold_the_terms():
    lattice, model, site_images, images = system("chain", [6])
    clusters = [*itertools.combinations(range(6), 2), *lattice_clusters(model, 4)]
    factor = CorrelatorProduct(correlators(clusters, site_images, images), 12)
    factor.fill(lambda units, spins: spins[: len(units) // 2] @ spins[len(units) // 2 :] / len(units))
    table, start = factor.table(), 0
    for kind in factor.kinds:
        n = kind.units.shape[1]
        spins = 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1) - 1
        expected = np.sum(spins[:, : n // 2] * spins[:, n // 2 :], axis=1) / n
        np.testing.assert_allclose(table[start : start + 2**n], expected, rtol=1e-14)
        start += 2**n
    assert start == len(table)


def test_permanent():
    assert permanent(np.array([[1.0, 2.0], [3.0, 4.0]])) == 10
    assert permanent(np.ones((3, 3))) == 6
