"""Wave vectors of clusters, and the page of S(q) along a path and as a map."""

import numpy as np
import pytest

import hpc_nqs
from hpc_nqs.lattices import lattice as lattices
from hpc_nqs.lattices.wave_vectors import all_wave_vectors, along_path, of_the_same_s, wave_vectors_along
from hpc_nqs.settings.parsing import SettingsError, parse_settings

LATTICES = {
    "square": ("square", (4, 4), (), 10),
    "odd": ("square", (3, 5), (), 8),
    "box": ("triangular", (), ((2, 2), (-2, 4)), 8),
    "kagome": ("kagome", (2, 2), (), 10),
    "honeycomb": ("honeycomb", (2, 2), (), 8),
    "maple_leaf": ("maple_leaf", (1, 1), (), 4),
    "pyrochlore": ("pyrochlore", (1, 1, 2), (), 12),
    "chain": ("chain", (8,), (), 5),
    "cubic": ("cubic", (2, 2, 4), (), 12),
}


def built(name):
    kind, lengths, box, _ = LATTICES[name]
    return lattices.build(kind, lengths, box=box)


def factors(lattice, vectors, spins):
    """Return S(q) of configurations (n, n_sites) at wave vectors, (n, n_vectors)."""
    return np.stack([np.abs(spins @ lattice.wave_vector(q)) ** 2 for q in vectors], axis=1)


@pytest.mark.parametrize("name", LATTICES)
def test_all_wave_vectors_are_of_the_cluster_and_tell_everything(name):
    """On a lattice with one site per cell they are N, of q and -q one; the S(q) of random spins all differ."""
    lattice = built(name)
    vectors = all_wave_vectors(lattice)
    assert len(vectors) == LATTICES[name][3]
    assert all(lattice.nearest_wave_vector(q) is None for q in vectors)
    assert vectors[0] == (0.0, 0.0)
    found = factors(lattice, vectors, np.random.default_rng(1).choice([-0.5, 0.5], (20, lattice.n_sites)))
    for k in range(len(vectors)):
        for other in range(k):
            assert np.abs(found[:, k] - found[:, other]).max() > 1e-3, (vectors[k], vectors[other])


def test_the_sum_over_all_wave_vectors_is_that_of_the_squares():
    """sum_q S(q) = N / 4 on a lattice with one site per cell, q and -q counted both."""
    lattice = built("box")
    triangular = {"kind": "triangular", "box": [[2, 2], [-2, 4]]}
    settings = parse_settings({"lattice": triangular, "model": {"kind": "heisenberg"},
                               "thermal": {"temperatures": [0.7]}, "observables": {"structure_factor": "all"}})
    (row,) = hpc_nqs.diagonalize(settings).table["rows"]
    vectors = settings.observables.structure_factor
    turned = of_the_same_s(lattice, -np.array(vectors))
    # a wave vector that is its own negative up to a reciprocal lattice vector counts once
    own = [np.allclose(np.exp(2j * np.pi * (lattice.positions @ np.array(q))), 1) for q in vectors]
    counts = np.where(own, 1, 2)
    assert counts.sum() == 12 and np.allclose(turned, vectors)
    total = sum(count * value for count, (value, _) in zip(counts, row["structure_factor"].values(), strict=True))
    assert total == pytest.approx(3.0)


def test_wave_vectors_along_a_path():
    square = built("square")
    found = wave_vectors_along(square, [(0, 0), (1, 0), (1, 1), (0, 0)])
    assert found == [(0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (1.0, 0.5), (1.0, 1.0), (0.5, 0.5)]
    lengths = [length for length, _ in along_path(square, [(0, 0), (1, 0), (1, 1), (0, 0)])]
    np.testing.assert_allclose(lengths, [0, 0.5, 1, 1.5, 2, 2 + np.sqrt(0.5), 2 + np.sqrt(2)])
    with pytest.raises(ValueError, match="no wave vector of this lattice lies on the path"):
        wave_vectors_along(square, [(0.1, 0.1), (0.3, 0.2)])


@pytest.mark.parametrize(
    ("lattice", "asked", "problem"),
    [
        ({"kind": "chain", "lengths": [6], "boundary": "open"}, "all", "only a periodic lattice with cells"),
        ({"kind": "custom", "bonds": [[0, 1, 1.0]]}, "all", "only a periodic lattice with cells"),
        ({"kind": "square", "lengths": [4, 4]}, {"path": [[0.1, 0.1], [0.3, 0.2]]}, "no wave vector of this lattice"),
        ({"kind": "square", "lengths": [64, 64]}, "all", "2050 wave vectors; allowed are up to 1000"),
    ],
)
def test_what_has_no_wave_vectors_is_refused(lattice, asked, problem):
    sections = {"lattice": lattice, "model": {"kind": "heisenberg"}, "thermal": {"temperatures": [1.0]}}
    with pytest.raises(SettingsError, match=problem):
        parse_settings(sections | {"observables": {"structure_factor": asked}})


def exact(lattice, vectors="all"):
    sections = {"lattice": lattice, "model": {"kind": "heisenberg"}, "thermal": {"temperatures": [1.0, 0.5]}}
    return hpc_nqs.diagonalize(parse_settings(sections | {"observables": {"structure_factor": vectors}}))


def test_the_page_has_a_path_and_a_map():
    pytest.importorskip("matplotlib")
    figure = exact({"kind": "square", "box": [[2, 2], [-2, 2]]}).plot("structure_factor", exact=True)
    path, shown = figure.axes[:2]
    assert [label.get_text() for label in path.get_xticklabels()] == [r"$\Gamma$", "$X$", "$M$", r"$\Gamma$"]
    image = shown.images[0].get_array()
    assert np.isfinite(image).all()
    centre, corner = image[len(image) // 2, len(image) // 2], image[-8, -8]
    assert corner > 3 * centre, "S(pi, pi) of an antiferromagnet, and S(0, 0)"
    np.testing.assert_allclose(image, image[::-1, ::-1], err_msg="S(q) = S(-q)")


def test_what_was_not_measured_is_white():
    pytest.importorskip("matplotlib")
    figure = exact({"kind": "square", "lengths": [4, 2]}, [[0, 0], [1, 1], [0.5, 0]]).plot("structure_factor")
    assert not np.isfinite(np.ma.filled(figure.axes[1].images[0].get_array(), np.nan)).all()


def test_lines_have_a_path_alone():
    pytest.importorskip("matplotlib")
    run = exact({"kind": "chain", "lengths": [6]})
    assert len(run.plot("structure_factor").axes) == 1
    assert "structure_factor" not in exact({"kind": "chain", "lengths": [6]}, [[0], [1]]).plot().axes
    with pytest.raises(ValueError, match="page structure_factor: no structure factors of three wave vectors"):
        exact({"kind": "chain", "lengths": [6]}, [[0], [1]]).plot("structure_factor")
