"""Inputs of people who do not know the program: arrays of NumPy, words of others, wave vectors of other lattices."""

from pathlib import Path

import numpy as np
import pytest

import hpc_nqs
from hpc_nqs.hamiltonians import MODELS

BASE = {
    "lattice": {"kind": "chain", "lengths": [6]},
    "model": {"kind": "heisenberg"},
    "thermal": {"temperatures": [2.0, 1.0]},
}


def made(**sections):
    return hpc_nqs.make_input(**BASE | sections)


def problems_of(**sections):
    with pytest.raises(hpc_nqs.SettingsError) as caught:
        made(**sections)
    return caught.value.problems


PLAIN = made(
    run={"seed": 3, "threads": 1},
    lattice={"kind": "square", "lengths": [4, 2]},
    thermal={"temperatures": [3.0, 2.0, 1.0], "beta_0": 0.1},
    observables={"structure_factor": [[1.0, 1.0], [0.5, 0.0]], "correlations": True},
)
ARRAYS = [
    (lambda values: np.array(values), np.float64, np.int64),
    (lambda values: np.array(values, dtype=np.float32), np.float32, np.int32),
    (tuple, float, int),
    (lambda values: [np.float64(value) for value in values], np.float16, np.uint8),
]


@pytest.mark.parametrize(("array", "real", "whole"), ARRAYS)
def test_arrays_and_numbers_of_numpy(array, real, whole):
    settings = made(
        run={"seed": whole(3), "threads": whole(1)},
        lattice={"kind": np.str_("square"), "lengths": np.array([4, 2])},
        thermal={"temperatures": array([3.0, 2.0, 1.0]), "beta_0": 0.1},
        observables={"structure_factor": np.array([[1.0, 1.0], [0.5, 0.0]]), "correlations": np.bool_(True)},
    )
    assert settings == PLAIN
    assert settings.to_toml() == PLAIN.to_toml()


def test_whole_numbers_ranges_and_single_numbers():
    assert made(thermal={"temperatures": range(1, 4)}).thermal.temperatures == (3.0, 2.0, 1.0)
    assert made(thermal={"temperatures": np.arange(1, 4)}).thermal.temperatures == (3.0, 2.0, 1.0)
    assert made(model={"kind": "heisenberg", "couplings": np.array([1, 0])}).model.couplings == (1.0, 0.0)
    assert made(model={"kind": "heisenberg", "field_z": np.float64(0.5)}).model.field_z == 0.5
    assert made(model={"kind": "heisenberg", "field_z": np.array(0.5)}).model.field_z == 0.5


def test_bonds_as_an_array_have_whole_numbers_for_sites():
    bonds = np.array([[0, 1, 0.5], [1, 2, 1.0]])  # one type for all columns
    assert made(lattice={"kind": "custom", "bonds": bonds}).lattice.bonds == ((0, 1, 0.5), (1, 2, 1.0))
    (problem,) = problems_of(lattice={"kind": "custom", "bonds": [[0.5, 1, 0.5]]})
    assert "entry 1 is wrong" in problem


def test_paths_of_files(tmp_path):
    (tmp_path / "bonds.txt").write_text("0 1 1.0\n1 2 1.0\n")
    assert len(made(lattice={"kind": "custom", "bonds_file": Path(tmp_path / "bonds.txt")}).lattice.bonds) == 2


@pytest.mark.parametrize(
    "value", [np.array([1.0, np.nan]), np.array([1 + 1j]), np.array([]), np.array(["a"]), object()]
)
def test_arrays_that_are_no_temperatures(value):
    (problem, *_) = problems_of(thermal={"temperatures": value})
    assert problem.startswith("thermal.temperatures = ")


WORDS = [
    ({"model": {"kind": "heisenberg", "spin": 1}}, "model.spin: spins other than 1/2 are not available"),
    (
        {"model": {"kind": "heisenberg", "dm": [0, 0, 0.1]}},
        "model.dm: Dzyaloshinskii-Moriya couplings by name are not available",
    ),
    ({"model": {"kind": "heisenberg", "D": 0.1}}, "model.D: single-ion and biquadratic terms are not available"),
    ({"model": {"kind": "kitaev"}}, 'model.kind = "kitaev": Kitaev couplings by name are not available; there is: '),
    ({"model": {"kind": "Bose-Hubbard"}}, 'model.kind = "Bose-Hubbard": bosons, phonons and other models of'),
    ({"observables": {"nmr": True}}, "observables.nmr: relaxation rates of nuclei are not available"),
    ({"run": {"task": "dynamics"}}, 'run.task = "dynamics": spectra and real times are not available'),
    ({"nmr": {"t1": True}}, "nmr: relaxation rates of nuclei are not available"),
]


@pytest.mark.parametrize(("sections", "sentence"), WORDS)
def test_what_there_is_not_is_one_sentence_with_what_there_is(sections, sentence):
    (problem,) = problems_of(**sections)
    assert problem.startswith(sentence) and "; there is: " in problem
    if "model" in sections and "spin" not in sections["model"]:
        assert all(model.word in problem for model in MODELS.values())


def test_near_misses_are_still_suggested():
    (problem,) = problems_of(model={"kind": "heisenberg", "coupling_s": [1.0]})
    assert "did you mean" in problem


# ---------------------------------------------------------------- wave vectors


def q_problems(kind, lengths, q, **lattice):
    sections = {"lattice": {"kind": kind, "lengths": lengths, **lattice}, "observables": {"structure_factor": [q]}}
    try:
        made(**sections)
    except hpc_nqs.SettingsError as error:
        return error.problems
    return []


@pytest.mark.parametrize(
    ("kind", "lengths", "q", "nearest"),
    [
        ("chain", [5], [1], "[0.8]"),
        ("chain", [6], [0.5], "[0.333333]"),
        ("square", [4, 3], [1, 1], "[1.0, 0.666667]"),
        ("ladder", [5, 2], [1, 1], "[0.8, 1.0]"),
    ],
)
def test_wave_vectors_that_a_periodic_lattice_does_not_have(kind, lengths, q, nearest):
    (problem,) = q_problems(kind, lengths, q)
    assert f"observables.structure_factor = [{', '.join(map(str, map(float, q)))}" in problem
    assert "not a wave vector of this periodic lattice" in problem and f"the nearest is {nearest}" in problem


@pytest.mark.parametrize(
    ("kind", "lengths", "q", "lattice"),
    [
        ("chain", [5], [1], {"boundary": "open"}),
        ("chain", [6], [0.3333], {}),
        ("square", [4, 3], [1, 1], {"boundary": ["periodic", "open"]}),
        ("square", [4, 4], [1, 0.5], {}),
        ("square", [4, 4], [-3, 2], {}),
        ("triangular", [3, 3], [4 / 3, 0], {}),  # the corner of the zone
        ("triangular", [6, 6], [1.3333, 0], {}),
        ("honeycomb", [3, 3], [4 / (3 * np.sqrt(3)), 0], {}),
        ("kagome", [2, 2], [0, 2 / np.sqrt(3) / 2], {}),
        ("ladder", [4, 2], [0.5, 0.37], {}),
    ],
)
def test_wave_vectors_of_the_lattice(kind, lengths, q, lattice):
    assert q_problems(kind, lengths, q, **lattice) == []


def test_every_refused_wave_vector_names_one_that_is_taken():
    generator = np.random.default_rng(5)
    for kind, lengths in (("triangular", [4, 3]), ("honeycomb", [2, 3]), ("kagome", [2, 3]), ("chain", [7])):
        for q in generator.uniform(-2, 2, (5, len(lengths))):
            (problem,) = q_problems(kind, lengths, q.tolist())
            nearest = [float(x) for x in problem.split("nearest is [")[1].split("]")[0].split(",")]
            assert q_problems(kind, lengths, nearest) == []
            assert np.linalg.norm(np.array(nearest) - q) < 2.0
