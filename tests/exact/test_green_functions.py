"""Green functions of electrons at beta/2: all levels in blocks against Fock space, and the bounded estimator.

Of a purified state Psi(x, x') = <x|e^{-beta K/2}|x'> in the grand canonical ensemble (docs/theory/electrons.md, "Green
functions"), with new electrons appended last on both layers,

    G_ij(beta/2) = < Psi(x + j, x' + i) / Psi(x, x') > = < sum_add r/(1 + r^2) + sum_remove r'/(1 + r'^2) >.
"""

import numpy as np
import pytest

import hpc_nqs
from hpc_nqs.cli import parser as cli
from hpc_nqs.exact import electrons, green_functions
from hpc_nqs.exact.table import rows_beside
from hpc_nqs.hamiltonians import Hubbard, Kanamori
from hpc_nqs.hamiltonians.electron_matrices import to_sparse
from hpc_nqs.lattices import lattice as lattices
from hpc_nqs.parallel.team import Team
from hpc_nqs.reports import figures
from hpc_nqs.reports.text import csv_text, table_text
from hpc_nqs.sampling.evaluation import evaluate
from hpc_nqs.settings.parsing import SettingsError, parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.ansatz import build_state

CASES = {
    "triangle with a field": (
        ("chain", [3]), Hubbard, {"hopping": [0.9], "U": 3.0, "V": 0.7, "field_z": 0.4, "mu": 1.3}, [[0.0], [2 / 3]],
    ),
    "ring of four, two shells": (
        ("chain", [4]), Hubbard, {"hopping": [1.0, 0.3], "U": 5.0, "mu": 1.1}, [[0.0], [0.5], [1.0]],
    ),
    "open chain": (("chain", [4], "open"), Hubbard, {"U": 4.0, "V": 1.0, "mu": 0.4}, [[0.25], [1.0]]),
    "bonds of their own": (
        ("custom", (), "open", [(0, 1, 1.0), (1, 2, 0.6), (0, 2, -0.3), (2, 3, 0.8)]),
        Hubbard, {"U": 2.0, "mu": 0.7}, [[0.0]],
    ),
    "two orbitals that mix": (
        ("chain", [2], "open"), Kanamori,
        {"U": 5.0, "J_hund": 1.2, "crystal_field": [0.5, -0.2], "hops": [(0, 0, 0, 1, 0.3)], "mu": 4.0, "field_z": 0.3},
        [[0.0], [1.0]],
    ),
    "two by two": (("square", [2, 2]), Hubbard, {"U": 6.0, "mu": 2.0}, [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]),
}  # fmt: skip


def half_time(model, beta):
    """Return e^{-beta K/2} on all states."""
    energies, vectors = np.linalg.eigh(to_sparse(model).toarray())
    return (vectors * np.exp(-beta / 2 * (energies - energies[0]))) @ vectors.T


def green(c, half):
    """Return Tr[P c_i P c+_j] / Tr P^2 of the creation operators `c` of some orbitals."""
    between = [half @ creator.T @ half for creator in c]
    return np.array([[np.sum(first * creator.T) for creator in c] for first in between]) / np.sum(half**2)


@pytest.mark.parametrize("case", CASES)
def test_all_levels_against_fock_space(case, creators):
    place, kind, values, vectors = CASES[case]
    lattice, beta = lattices.build(*place), 1.7
    model = kind.build(lattice, **values)
    levels = electrons.diagonalize(model, lattice, observables=False)
    (row,) = green_functions.spectral_proxies(model, lattice, levels, [beta], vectors)
    c, half, m = creators(model.n_sites), half_time(model, beta), model.n_levels
    for first, word in ((0, "up"), (m, "down")):
        found = green(c[first : first + m], half).reshape(lattice.n_sites, model.n_orbitals, -1, model.n_orbitals)
        sites = beta * np.einsum("iaja->ij", found) / lattice.n_sites
        for vector, (value, error) in zip(vectors, row[f"spectral_proxy_{word}"].values(), strict=True):
            phase = lattice.wave_vector(vector)
            assert (value, error) == (pytest.approx(np.real(phase @ sites @ phase.conj()), abs=1e-10), 0.0)
        assert row[f"local_spectral_proxy_{word}"] == pytest.approx(np.trace(sites), abs=1e-10)


def test_free_electrons():
    """beta / (2 cosh(beta xi_k/2)), of either spin in a field."""
    ring, mu, h = lattices.build("chain", [6]), -0.3, 0.5
    vectors, betas = [[k / 3] for k in range(-2, 4)], [0.0, 1.4, 6.0]
    model = Hubbard.build(ring, hopping=[1.0, 0.25], mu=mu, field_z=h)
    levels = electrons.diagonalize(model, ring, observables=False)
    k = np.pi * np.array([vector[0] for vector in vectors])
    energy = -2 * np.cos(k) - 0.5 * np.cos(2 * k)
    rows = green_functions.spectral_proxies(model, ring, levels, betas, vectors)
    for row, beta in zip(rows, betas, strict=True):
        for word, xi in (("up", energy - mu - h / 2), ("down", energy - mu + h / 2)):
            expected = beta / (2 * np.cosh(beta * xi / 2))
            assert [x for x, _ in row[f"spectral_proxy_{word}"].values()] == pytest.approx(list(expected), abs=1e-11)
            assert row[f"local_spectral_proxy_{word}"] == pytest.approx(expected.mean(), abs=1e-11)


def test_wrong_ensembles_and_large_blocks(monkeypatch):
    ring = lattices.build("chain", [4])
    model = Hubbard.build(ring, U=4.0, n_up=2, n_down=2)
    levels = electrons.diagonalize(model, ring, observables=False)
    with pytest.raises(ValueError, match="Green functions add an electron: they need model.mu"):
        green_functions.spectral_proxies(model, ring, levels, [1.0])
    monkeypatch.setattr(green_functions, "MAX_BLOCK", 5)
    with pytest.raises(ValueError, match="the largest block has 10 states; for Green functions at most 5"):
        green_functions.spectral_proxies(Hubbard.build(ring, U=4.0, mu=2.0), ring, levels, [1.0])


# ---- the estimator --------------------------------------------------------------------------------------------------


def appended(states, unit, m):
    """Return the signs of |x + unit appended last of its spin> = sign |x + unit in order>, of states without it."""
    above = ((1 << m) - 1) & ~((1 << (unit % m + 1)) - 1)
    return 1 - 2 * (np.bitwise_count((states >> (unit // m * m) & above).astype(np.uint64)).astype(int) & 1)


def with_electron(psi, i, j, m):
    """Return Psi(x + j, x' + i), new electrons last, over all (x, x'); 0 where an orbital is taken."""
    states = np.arange(len(psi))
    free_i, free_j = ((states >> unit) & 1 == 0 for unit in (i, j))
    rows, columns = states[free_j], states[free_i]
    found = np.zeros_like(psi)
    found[np.ix_(rows, columns)] = (
        psi[np.ix_(rows | (1 << j), columns | (1 << i))] * appended(rows, j, m)[:, None] * appended(columns, i, m)
    )
    return found


def estimators(psi, i, j, m):
    """Return (mean, second moment) of the plain and of the bounded estimator of G_ij in exact sums, and the maximum.

    Both are those of the pair (a = j in x, b = i in x').
    """
    density = psi**2 / np.sum(psi**2)
    there = np.abs(psi) > 1e-14
    safe = np.where(there, psi, 1.0)
    added = with_electron(psi, i, j, m)
    plain = np.where(there, added / safe, 0.0)
    bounded = np.where(there, plain / (1 + plain**2), 0.0)
    # from x + j, x' + i: r' is the inverse of r
    shifted = np.zeros_like(psi)
    states = np.arange(len(psi))
    rows, columns = (states[(states >> unit) & 1 == 1] for unit in (j, i))
    less_rows, less_columns = rows ^ (1 << j), columns ^ (1 << i)
    signs = appended(less_rows, j, m)[:, None] * appended(less_columns, i, m)
    shifted[np.ix_(rows, columns)] = psi[np.ix_(less_rows, less_columns)] * signs
    less = np.where(there, shifted / safe, 0.0)
    bounded = bounded + np.where(there, less / (1 + less**2), 0.0)
    moments = [(np.sum(density * part), np.sum(density * part**2)) for part in (plain, bounded)]
    return moments, np.abs(bounded).max()


def free_state(h, beta, mu):
    """Return Psi(x, x') = prod_s det A_xx' of free electrons, A = e^{-beta (h - mu)/2}, all numbers of them."""
    m = len(h)
    energies, vectors = np.linalg.eigh(h - mu * np.eye(m))
    a = (vectors * np.exp(-beta / 2 * energies)) @ vectors.T
    orbitals = [[p for p in range(m) if x >> p & 1] for x in range(2**m)]
    one = np.zeros((2**m, 2**m))
    for x, y in np.ndindex(one.shape):
        if len(orbitals[x]) == len(orbitals[y]):
            one[x, y] = np.linalg.det(a[np.ix_(orbitals[x], orbitals[y])])
    return np.kron(one, one)  # spin down has the high bits


def test_the_bounded_estimator_of_free_electrons():
    beta, mu, m = 2.0, 0.4, 3
    h = -(np.eye(3, k=1) + np.eye(3, k=-1)) + np.diag([0.3, 0.0, -0.2])
    psi = free_state(h, beta, mu)
    energies, vectors = np.linalg.eigh(h - mu * np.eye(m))
    expected = (vectors / (2 * np.cosh(beta * energies / 2))) @ vectors.T
    for i in range(m):
        for j in range(m):
            for first in (0, m):  # either spin
                (plain, bounded), largest = estimators(psi, first + i, first + j, m)
                assert plain[0] == pytest.approx(expected[i, j], abs=1e-12)
                assert bounded[0] == pytest.approx(expected[i, j], abs=1e-12)
                assert largest <= 0.5
                assert bounded[1] < plain[1]


def test_the_bounded_estimator_with_repulsion(creators):
    """The same ratios of e^{-beta K/2} give G of Fock space, without a sign; tails of the plain one are cut."""
    chain, beta = lattices.build("chain", [3], "open"), 2.0
    model = Hubbard.build(chain, U=4.0, mu=1.3, field_z=0.2)
    psi, m = half_time(model, beta), 3
    c = creators(6)
    for first in (0, m):
        expected = green(c[first : first + m], psi)
        for i, j in ((0, 0), (0, 1), (0, 2), (1, 1)):
            (plain, bounded), largest = estimators(psi, first + i, first + j, m)
            assert bounded[0] == pytest.approx(expected[i, j], abs=1e-12)
            assert largest <= 0.5 and bounded[1] <= 0.25
    (plain, bounded), _ = estimators(psi, 0, 0, m)
    assert plain[0] == pytest.approx(bounded[0], abs=1e-10) and plain[1] > 3 * bounded[1]


# ---- runs ----------------------------------------------------------------------------------------------------------

FREE = {
    "two shells and a field": ("chain", [4], "periodic", {"hopping": [1.0, 0.3], "mu": 0.4, "field_z": 0.3}, "hubbard"),
    "orbitals that mix": (
        "chain", [2], "open", {"mu": 0.4, "crystal_field": [0.5, -0.2], "hops": [[0, 0, 0, 1, 0.3]]}, "kanamori",
    ),
}  # fmt: skip


def input_of(kind, lengths, boundary, model, word="hubbard", **sections):
    return {
        "lattice": {"kind": kind, "lengths": lengths, "boundary": boundary}, "model": {"kind": word} | model,
        "observables": {"structure_factor": [[0.0], [0.5], [1.0]], "imaginary_time": True}, "run": {"seed": 1},
        "sampling": {"method": "exact_sum"},
    } | sections


@pytest.mark.parametrize("name", FREE)
def test_runs_of_free_electrons_are_exact(name, tmp_path):
    """The seed at beta_0 is their thermal state; ratios are those of both spins, adding and taking away."""
    made = hpc_nqs.make_input(**input_of(*FREE[name], thermal={"betas": [1.7], "beta_0": 1.7}))
    (row,) = hpc_nqs.run(made, tmp_path / "run.h5").table["rows"]
    (right,) = hpc_nqs.diagonalize(made).table["rows"]
    for word in ("up", "down"):
        assert row[f"local_spectral_proxy_{word}"] == pytest.approx(right[f"local_spectral_proxy_{word}"], abs=1e-10)
        for key, (value, _) in right[f"spectral_proxy_{word}"].items():
            assert row[f"spectral_proxy_{word}"][key][0] == pytest.approx(value, abs=1e-10)


@pytest.mark.parametrize(
    ("system", "model"),
    [
        (("chain", [3], "open"), {"hopping": [1.0, 0.4], "U": 4.0, "mu": 1.1, "field_z": 0.4}),
        (("chain", [3], "periodic"), {"hopping": [1.0], "U": 4.0, "mu": 2.3}),
    ],
    ids=["open with a field", "triangle"],
)
def test_local_estimators_of_any_state_are_sums_of_its_matrix(system, model):
    """sum Psi(x, x') Psi(x + j, x' + i) with backflow and random parameters, of all configurations and of orbits."""
    settings = parse_settings(input_of(*system, model, thermal={"betas": [1.0], "beta_0": 0.5}))
    lattice, electrons_of = build(settings)
    state, team, m = build_state(settings, lattice, electrons_of, 1), Team.serial(), 3
    state.wavefunction.params += 0.3 * np.random.default_rng(4).standard_normal(state.wavefunction.n_params)
    rows, vectors = [], settings.observables.structure_factor
    for invariance in (state.invariance, state.invariance[:1]):
        state.invariance = invariance
        sampler = state.sampler(team, 1, 0)
        samples = sampler.sample(None, state.system, 1, 1, 0.0)
        evaluation = evaluate(samples, state.wavefunction, state.system, team)
        meter = state.meter(state.observables(settings), sampler, team)
        rows.append(meter.report([(samples, evaluation)], 0.7))
    psi, bits = np.zeros((4**m, 4**m)), 1 << np.arange(2 * m)
    occupied = samples.flat.reshape(-1, 2, 2 * m) * np.array([1, -1])[:, None] > 0
    psi[tuple(np.moveaxis(occupied @ bits, 1, 0))] = np.exp(evaluation.log_psi).real
    for first, word in ((0, "up"), (m, "down")):
        sums = [[np.sum(psi * with_electron(psi, first + i, first + j, m)) for j in range(m)] for i in range(m)]
        found = 0.7 / m * np.array(sums) / np.sum(psi**2)
        for row in rows:
            assert row[f"local_spectral_proxy_{word}"] == pytest.approx(np.trace(found), abs=1e-12)
            for vector, (value, error) in zip(vectors, row[f"spectral_proxy_{word}"].values(), strict=True):
                phase = lattice.wave_vector(vector)
                assert (value, error) == (pytest.approx(np.real(phase @ found @ phase.conj()), abs=1e-12), 0.0)


def test_runs_have_them_down_to_the_coldest_good_kernel(tmp_path):
    """At T = 1 beside a ring, from the cooled state; at T = 1/2 not at all.  Tables and figures with exact values."""
    made = hpc_nqs.make_input(
        **input_of("chain", [4], "periodic", {"U": 8.0, "mu": 1.0}, thermal={"betas": [0.5, 1.0, 2.0]})
    )
    run = hpc_nqs.run(made, tmp_path / "run.h5")
    rows, beside = run.table["rows"], rows_beside(run.table)
    assert [row["links"] > 2 for row in rows] == [False, True, True]
    assert ["spectral_proxy_up" in row for row in rows] == [True, True, False]
    for row, right in zip(rows[:2], beside[:2], strict=True):
        for key, (value, _) in right["spectral_proxy_up"].items():
            off = abs(row["spectral_proxy_up"][key][0] - value)
            assert off < 1e-3 * value  # twice what it is
            assert off < row["spectral_proxy_up_systematic"][key] < 0.02 * value
    assert np.isnan(run["spectral_proxy_up"][2]).all() and "bG_up(0.5,0)" in table_text(run.table)
    axis = figures.momentum([run.table], ["ring"], [beside]).axes[1]
    (drawn,) = {tuple(line.get_ydata()) for line in axis.lines if line.get_linestyle() == "-" and len(line.get_ydata())
                == 3 and line.get_ydata()[1] > 0.25}
    assert drawn == pytest.approx([pair[0] for pair in beside[1]["spectral_proxy_up"].values()])


def test_chains_agree_with_all_levels(tmp_path):
    """Of 4 numbers none is off by 5 errors, 2e-6 of all seeds by noise, and none by 2 %: 1/4 would be by 20."""
    sampling = {"method": "metropolis", "n_samples": 2000, "n_chains": 20}
    thermal = {"betas": [0.5], "accuracy": 0.0, "n_samples_report": 16000, "rings": [2]}
    made = hpc_nqs.make_input(
        **input_of("chain", [4], "periodic", {"U": 8.0, "mu": 1.0}, sampling=sampling, thermal=thermal)
    )
    (row,) = hpc_nqs.run(made, tmp_path / "run.h5").table["rows"]
    (right,) = hpc_nqs.diagonalize(made).table["rows"]
    pairs = [(row["spectral_proxy_up"][key], value) for key, (value, _) in right["spectral_proxy_up"].items()]
    pairs.append(((row["local_spectral_proxy_up"], row["local_spectral_proxy_up_error"]),
                  right["local_spectral_proxy_up"]))
    for (value, error), expected in pairs:
        assert abs(value - expected) < 5 * error and 0 < error < 0.02 * expected
        assert abs(0.25 - expected) > 20 * error


# ---- tables and figures ---------------------------------------------------------------------------------------------

INPUT = {
    "lattice": {"kind": "chain", "lengths": [4]},
    "model": {"kind": "hubbard", "U": 8.0, "mu": 1.0},
    "thermal": {"betas": [2.0, 4.0]},
    "observables": {"structure_factor": [[0.0], [0.5], [1.0]], "imaginary_time": True},
}


def test_tables_have_them():
    run = hpc_nqs.diagonalize(hpc_nqs.make_input(**INPUT))
    expected = [[0.3115, 0.4927, 0.3053], [0.3015, 0.8864, 0.2722]]
    np.testing.assert_allclose(run["spectral_proxy_up"], expected, atol=6e-5)
    assert run["local_spectral_proxy_down"].shape == (2,)
    assert "spectral_proxy_up(0.5,0)" in csv_text(run.table).splitlines()[0]
    assert "bG_up(0.5,0)" in table_text(run.table)
    without = hpc_nqs.diagonalize(hpc_nqs.make_input(**INPUT | {"observables": {"imaginary_time": True}}))
    assert "spectral_proxy_up" not in without.names and "local_spectral_proxy_up" in without.names
    with pytest.raises(SettingsError, match="Green functions add an electron; allowed with n_up and n_down is false"):
        hpc_nqs.make_input(**INPUT | {"model": {"kind": "hubbard", "U": 8.0, "n_up": 2, "n_down": 2}})


def test_the_page_of_momenta():
    run = hpc_nqs.diagonalize(hpc_nqs.make_input(**INPUT | {"model": INPUT["model"] | {"field_z": 0.5}}))
    axes = figures.momentum([run.table], ["ring"]).axes
    assert [axis.get_ylabel() for axis in axes] == [r"$n_\sigma(k)$", r"$\beta\, G_\sigma(k, \beta/2)$  [1/t]"]
    for axis, name in zip(axes, ("n_k", "spectral_proxy"), strict=True):
        drawn = [container.lines[0].get_xydata() for container in axis.containers]
        assert len(drawn) == 4  # two temperatures, two spins that differ
        for data, (row, spin) in zip(drawn, [(row, spin) for row in (0, 1) for spin in ("up", "down")], strict=True):
            np.testing.assert_allclose(data[:, 0], [0.0, 0.5, 1.0])
            np.testing.assert_allclose(data[:, 1], run[f"{name}_{spin}"][row])
    (axis,) = figures.momentum([{"rows": []}], ["none"]).axes
    assert axis.texts[0].get_text() == "no momentum distributions were measured"


def test_exact_draws(tmp_path, capsys):
    (tmp_path / "ring.toml").write_text(hpc_nqs.make_input(**INPUT).to_toml())
    source, figure = str(tmp_path / "ring.toml"), tmp_path / "ring.png"
    assert cli.main(["exact", source, "--page", "momentum", "-o", str(figure)]) == 0
    assert figure.stat().st_size > 10000 and "figure written to" in capsys.readouterr().err
    levels = ["--set", "run.task=ground_state", "--set", "observables.imaginary_time=false"]
    for arguments, problem in (
        (["--page", "momentum"], "--page momentum: needs --output, the file of the figure"),
        (["-o", source], "ring.toml"),
        (["-o", str(figure), *levels], "--output: levels of sectors have no figure"),
    ):
        assert cli.main(["exact", source, *arguments]) != 0
        assert problem in capsys.readouterr().err
