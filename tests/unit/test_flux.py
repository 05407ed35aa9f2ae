"""Flux pi through plaquettes, and how symmetries act on the signs of the hopping."""

import numpy as np
import pytest

from hpc_nqs.hilbert.purification import purify, random_pairs
from hpc_nqs.kernels.reference import amplitudes as reference
from hpc_nqs.lattices.lattice import build as build_lattice
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.symmetry.site_permutations import site_symmetries
from hpc_nqs.thermal.ansatz import build_state
from hpc_nqs.thermal.high_temperature.clusters import flux_pairs, strongest_bonds
from hpc_nqs.thermal.high_temperature.flux import hopping_signs, plaquettes
from hpc_nqs.thermal.table_state import ExchangeTables
from hpc_nqs.wavefunctions.wavefunction import log_psi

J1J2 = {"kind": "heisenberg", "couplings": [1.0, 0.5]}
LATTICES = {
    "square_4": ("square", [4, 4], 16),
    "square_6": ("square", [6, 6], 36),
    "triangular_4": ("triangular", [4, 4], 48),
    "triangular_6": ("triangular", [6, 6], 108),
    "ladder": ("ladder", [6, 2], 6),
    "chain": ("chain", [8], 0),
}


def case(kind, lengths, model=J1J2):
    """Return (lattice, model, translations)."""
    sections = {"lattice": {"kind": kind, "lengths": lengths}, "model": model, "thermal": {"betas": [1.0]}}
    lattice, model = build(parse_settings(sections))
    return lattice, model, site_symmetries(lattice, model, ["translation"])


def product(signs, path):
    return np.prod([signs[i, k] for i, k in zip(path, np.roll(path, -1), strict=True)])


@pytest.mark.parametrize("name", LATTICES)
def test_flux_through_every_plaquette(name):
    kind, lengths, n_plaquettes = LATTICES[name]
    lattice, _, translations = case(kind, lengths)
    bonds = lattice.bonds()
    signs, kept, gauge = hopping_signs(lattice, bonds, translations)
    paths = plaquettes(lattice, bonds)
    assert len(paths) == len(set(map(frozenset, paths))) == n_plaquettes
    assert [product(signs, path) for path in paths] == [-1] * n_plaquettes
    assert np.array_equal(np.argwhere(np.triu(signs)), bonds) and np.array_equal(signs, signs.T)
    assert kept.tolist() == list(range(len(translations)))
    for image, eta in zip(translations[kept], gauge, strict=True):
        np.testing.assert_array_equal(signs[np.ix_(image, image)], signs * np.outer(eta, eta))


@pytest.mark.parametrize("length, winding", [(4, -1), (6, 1)])
def test_flux_through_the_holes_closes_the_shell(length, winding):
    lattice, _, translations = case("square", [length, length])
    signs, _, _ = hopping_signs(lattice, lattice.bonds(), translations)
    rows, columns = np.arange(length), length * np.arange(length)
    assert product(signs, rows) == product(signs, columns) == winding


def test_bonds_that_allow_no_uniform_flux_have_none():
    lattice, model, translations = case("square", [4, 4], {"kind": "heisenberg", "couplings": [1.0, 1.0]})
    bonds = model.exchange_sites
    assert len(bonds) == 64
    assert len(strongest_bonds(lattice, model)) == 32  # of one length
    signs, kept, _ = hopping_signs(lattice, bonds, translations)
    assert len(kept) == len(translations)
    assert {product(signs, path) for path in plaquettes(lattice, bonds)} == {1}


@pytest.mark.parametrize(
    "kind, lengths, couplings, expected",
    [("square", [6, 6], [1.0, 0.5], "clusters"), ("chain", [16], [1.0, 0.5], "clusters"),
     ("ladder", [8, 2], [1.0, 0.5], "clusters"), ("square", [4, 4], [1.0, 1.0], "clusters"),
     ("chain", [12], [1.0, 1.0], "clusters"), ("square", [6, 6], [1.0], "clusters"),
     ("triangular", [4, 4], [1.0], "pair_rbm"), ("kagome", [2, 2], [1.0], "pair_rbm")],
)  # fmt: skip
def test_triangles_of_the_strongest_bonds_decide_the_state(kind, lengths, couplings, expected):
    model = {"kind": "heisenberg", "couplings": couplings}
    sections = {"lattice": {"kind": kind, "lengths": lengths}, "model": model, "thermal": {"betas": [1.0]}}
    settings = parse_settings(sections)
    assert build_state(settings, *build(settings), seed=1).word == expected


def test_on_custom_lattices_all_paths_over_four_bonds_count():
    lattice = build_lattice("custom", bonds=[(0, 1, 1), (1, 2, 1), (2, 3, 1), (0, 3, 1), (3, 4, 1)])
    signs, _, _ = hopping_signs(lattice, lattice.bonds(), np.arange(5)[None])
    assert plaquettes(lattice, lattice.bonds()) == [(0, 1, 2, 3)]
    assert product(signs, (0, 1, 2, 3)) == -1


@pytest.mark.parametrize("kind, lengths", [("square", [4, 4]), ("triangular", [4, 3]), ("ladder", [4, 2])])
def test_translations_keep_the_pair_product(kind, lengths):
    lattice, model, translations = case(kind, lengths)
    purification, n = purify(model, False), model.n_sites
    pairs = flux_pairs(purification, lattice, ("translation", "layer_exchange"), beta_0=2.0)
    stream = np.random.default_rng(3)
    pairs.params = pairs.params + 0.1 * stream.standard_normal(pairs.n_params)
    amplitude = reference.PairAmplitude(pairs.pairing(), pairs.pair_param, pairs.n_params)
    configurations = [random_pairs(purification, stream) for _ in range(3)]
    for spins in configurations:
        stream.shuffle(spins)
        expected = amplitude.log_psi(spins).real
        for image in translations:
            moved = spins[np.concatenate([image, image + n])]
            assert amplitude.log_psi(moved).real == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(
    "kind, lengths, couplings",
    [
        ("square", [4, 4], [1.0, 0.5]),
        ("square", [4, 4], [1.0, 1.5]),
        ("chain", [12], [0.5, 1.0]),
        ("square", [4, 4], [-1.0, 1.5]),
    ],
)
def test_tables_do_not_make_up_for_zeros_of_the_determinant(kind, lengths, couplings):
    """All sites mismatched is a power n / 2 of beta_0 less; with J2 = 1.5 J1 such states outweighed matched ones."""
    model = {"kind": "heisenberg", "couplings": couplings}
    settings = parse_settings(
        {"lattice": {"kind": kind, "lengths": lengths}, "model": model, "thermal": {"betas": [1.0]}}
    )
    ansatz = build_state(settings, *build(settings), seed=1)
    assert isinstance(ansatz, ExchangeTables) and ansatz.model.has_positive_exchange
    n, stream = ansatz.model.n_sites, np.random.default_rng(5)
    sigma = stream.permuted(np.tile(np.repeat([1, -1], n // 2), (200, 1)), axis=1)
    spins = [
        np.ascontiguousarray(np.concatenate([sigma, ancilla], axis=1), dtype=np.int8) for ancilla in (sigma, -sigma)
    ]
    mismatched, matched = (log_psi(ansatz.wavefunction, ansatz.system.moves, each).real for each in spins)
    largest = np.abs(ansatz.model.exchange_element).max() * ansatz.beta_0
    assert (mismatched - matched).max() < 0.5 * (n // 2) * np.log(largest)
