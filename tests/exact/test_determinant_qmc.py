"""The determinant Monte Carlo that makes references: sums over all fields, samples, its file."""

import itertools
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
from scipy.stats import norm

from hpc_nqs.hamiltonians import Hubbard
from hpc_nqs.hamiltonians.electron_matrices import to_sparse
from hpc_nqs.lattices import lattice as lattices

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from determinant_qmc import (
    ENSEMBLES,
    Chains,
    canonical_observables,
    exact_row,
    extrapolated,
    observables,
    point,
    ratios,
)

FALSE_ALARM = 1e-6
STORED = json.loads((Path(__file__).parents[1] / "reference" / "hubbard_square_dqmc.json").read_text())


def summed_over_fields(lattice, u, beta, n_slices, phases, of_ensemble=observables):
    """Return the observables as a sum over all 2^(L N) fields, weighted with |det det|."""
    shape = n_slices, lattice.n_sites
    fields = np.array(list(itertools.product((-1.0, 1.0), repeat=np.prod(shape)))).reshape(-1, *shape)
    chains = Chains(lattice, u, beta, n_slices, len(fields), 0)
    green, log_weights = chains.rebuilt(fields, n_slices - 1)
    values = of_ensemble(chains, chains.half @ green @ chains.half_back, phases)
    sums = np.exp(log_weights - log_weights.max()) @ values
    return sums[1:] / sums[0]


def trotter(creators, lattice, u, beta, n_slices, vectors, canonical):
    """Return the observables of (e^{-dtau T/2} e^{-dtau V} e^{-dtau T/2})^L in Fock space."""
    n = lattice.n_sites
    kinetic = to_sparse(Hubbard.build(lattice, mu=0.0)).toarray()
    whole = to_sparse(Hubbard.build(lattice, U=u, mu=u / 2)).toarray()
    half = scipy.linalg.expm(-beta / n_slices / 2 * kinetic)
    density = np.linalg.matrix_power(half @ scipy.linalg.expm(-beta / n_slices * (whole - kinetic)) @ half, n_slices)
    c = creators(2 * n)
    number = [np.diag(x @ x.T) for x in c]
    up, down = np.array(number[:n]), np.array(number[n:])
    if canonical:
        chosen = (up.sum(axis=0) == n // 2) & (down.sum(axis=0) == n // 2)
        density = density * chosen[:, None] * chosen
    density = density / np.trace(density)
    diagonal, sz = np.diag(density), (up - down) / 2
    double = np.mean(up * down, axis=0) @ diagonal
    found = [np.sum(density * kinetic.T) / n + u * double, np.mean(up + down, axis=0) @ diagonal, double]
    found.append(np.mean(sz**2, axis=0) @ diagonal)
    hops = [[np.sum(density * (c[i] @ c[j].T).T) for j in range(n)] for i in range(n)]
    for matrix in ((sz * diagonal) @ sz.T, np.array(hops)):
        phases = [lattice.wave_vector(q) for q in vectors]
        found += [np.real(phase @ matrix @ phase.conj()) / n for phase in phases]
    return np.array(found)


@pytest.mark.parametrize("of_ensemble", [observables, canonical_observables])
@pytest.mark.parametrize(("length", "n_slices"), [(2, 3), (4, 2)])
def test_the_sum_over_all_fields_is_the_trotter_product(length, n_slices, of_ensemble, creators):
    lattice, u, beta, vectors = lattices.build("chain", [length], "open"), 5.0, 1.4, ((0.0,), (1.0,), (0.4,))
    phases = np.array([lattice.wave_vector(q) for q in vectors])
    found = summed_over_fields(lattice, u, beta, n_slices, phases, of_ensemble)
    canonical = of_ensemble is canonical_observables
    expected = trotter(creators, lattice, u, beta, n_slices, vectors, canonical)
    np.testing.assert_allclose(found, expected, atol=1e-11)


@pytest.mark.parametrize("ensemble", ENSEMBLES)
def test_small_steps_go_to_all_levels(ensemble):
    """The error is dtau^2: three steps, extrapolated, against all levels."""
    lattice, u, beta, vectors = lattices.build("chain", [2], "open"), 4.0, 0.5, ((0.0, 0.0), (1.0, 0.0))
    phases = np.array([lattice.wave_vector(q) for q in vectors])
    of_ensemble = ENSEMBLES[ensemble]
    values = np.array([summed_over_fields(lattice, u, beta, n, phases, of_ensemble) for n in (4, 5, 6)])
    limit, *_ = extrapolated(np.array([beta / 4, beta / 5, beta / 6]), values, np.ones_like(values))
    np.testing.assert_allclose(limit, exact_row(lattice, u, beta, vectors, ensemble), atol=2e-4)
    assert np.abs(values[0] - limit).max() > 1e-3


def test_samples_have_the_weights_of_the_sum():
    """Means of many independent chains against the sum over all fields, two-sided; a wrong strength is rejected."""
    lattice, u, beta, n_slices = lattices.build("chain", [2], "open"), 6.0, 1.5, 3
    phases, sums = np.array([lattice.wave_vector([1.0])]), dict.fromkeys(ENSEMBLES, 0.0)
    chains = Chains(lattice, u, beta, n_slices, 400, seed=7)
    for number in range(60):
        kept = []
        chains.sweep(kept.append)
        for name, of_ensemble in ENSEMBLES.items() if number >= 20 else ():
            sums[name] = sums[name] + of_ensemble(chains, kept[0], phases)
    assert chains.drift < 1e-6
    tested = [0, 2, 3, 4, 5]
    limit = norm.isf(FALSE_ALARM / 2 / (2 * len(tested)))
    for name, of_ensemble in ENSEMBLES.items():
        value, error = ratios(sums[name])
        expected = summed_over_fields(lattice, u, beta, n_slices, phases, of_ensemble)
        off = ((value - expected) / np.maximum(error, 1e-12))[np.array(tested)]
        assert np.all((np.abs(off) < limit) | (np.abs(value - expected)[tested] < 1e-9)), (name, off)
        other = summed_over_fields(lattice, 1.5 * u, beta, n_slices, phases, of_ensemble)
        assert abs(value[2] - other[2]) > limit * error[2]


def test_stored_rows_obey_what_is_exact():
    """n(k) of half filling on a bipartite lattice: n(k) + n(k + Q) = 1; <S_z^2> = 1/4 - D/2; S(Q) grows."""
    points = [(row["ensemble"], row["U"], row["beta"]) for row in STORED["rows"]]
    assert sorted(points) == sorted(itertools.product(ENSEMBLES, (4.0, 8.0), (0.5, 1.0, 2.0)))
    for row in STORED["rows"]:
        assert row["sz_squared"] == pytest.approx(0.25 - row["double_occupancy"] / 2, abs=1e-6)
        n_k = row["n_k_up"]
        assert n_k["0,0"][0] + n_k["1,1"][0] == pytest.approx(1.0, abs=1e-6)  # in every sample
        assert abs(n_k["0.5,0"][0] + n_k["1,0.5"][0] - 1.0) < 5 * (n_k["0.5,0"][1] + n_k["1,0.5"][1])  # on average
        assert row["energy_error"] < 5e-3 and row["chi_square_energy"] < 24 and row["largest_drift"] < 1e-3
    for ensemble, u in itertools.product(ENSEMBLES, (4.0, 8.0)):
        rows = [row for row in STORED["rows"] if (row["ensemble"], row["U"]) == (ensemble, u)]
        assert np.all(np.diff([row["structure_factor"]["1,1"][0] for row in rows]) > 0)
        assert np.all(np.diff([row["energy"] for row in rows]) < 0)


def test_a_point_is_extrapolated():
    lattice, vectors = lattices.build("chain", [2], "open"), ((0.0, 0.0), (1.0, 0.0))
    for row in point(lattice, 4.0, 0.5, (2, 3, 4), vectors, sweeps=30, n_chains=64, seed=3):
        expected = exact_row(lattice, 4.0, 0.5, vectors, row["ensemble"])
        assert abs(row["energy"] - expected[0]) < 6 * row["energy_error"]
        assert row["n_k_up"]["0,0"][0] + row["n_k_up"]["1,0"][0] == pytest.approx(1.0)
