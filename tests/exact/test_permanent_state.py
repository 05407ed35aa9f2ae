"""Exchange permanents times tables, by exact sums: the seed against expm, a cooling against all levels."""

import numpy as np
import pytest
import scipy.linalg

from hpc_nqs import tasks
from hpc_nqs.exact import diagonalization as exact
from hpc_nqs.hamiltonians.matrices import to_sparse
from hpc_nqs.parallel.team import Team
from hpc_nqs.reconfiguration.solvers import Regularization
from hpc_nqs.runs import run_file
from hpc_nqs.sampling.chains import Samples
from hpc_nqs.sampling.enumeration import Enumeration
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal import permanent_state, table_state
from hpc_nqs.thermal.ansatz import build_state
from hpc_nqs.thermal.evolution import EvolutionError, StepControl
from hpc_nqs.wavefunctions.wavefunction import log_psi

HEISENBERG = {"kind": "heisenberg"}
SYSTEMS = {
    "ring_4": ("chain", [4], HEISENBERG),
    "ring_5": ("chain", [5], HEISENBERG),
    "xxz_6": ("chain", [6], HEISENBERG | {"anisotropy": 0.5}),
    "ferromagnet_6": ("chain", [6], HEISENBERG | {"couplings": [-1.0]}),
    "j1j2_6": ("chain", [6], HEISENBERG | {"couplings": [1.0, 0.5]}),
    "field_z_6": ("chain", [6], HEISENBERG | {"couplings": [1.0, 0.5], "field_z": 0.4}),
    "ladder_3": ("ladder", [3, 2], HEISENBERG | {"couplings": [1.0, 0.7]}),
    "triangular_3x2": ("triangular", [3, 2], HEISENBERG),
}


def settings_of(system, **sections):
    kind, lengths, model = system
    thermal = {"temperatures": [1.0]} | sections.pop("thermal", {})
    wavefunction = {"kind": "permanent"} | sections.pop("wavefunction", {})
    tables = {"run": {"seed": 1}, "lattice": {"kind": kind, "lengths": lengths}, "model": model, "thermal": thermal}
    return parse_settings(tables | {"sampling": {"method": "exact_sum"}, "wavefunction": wavefunction} | sections)


def state_of(system, **sections):
    settings = settings_of(system, **sections)
    return build_state(settings, *build(settings), 1)


def infidelity(system, beta):
    """Return 1 - overlap^2 of the seed at beta with <sigma|e^{-beta H/2}|-ancilla>."""
    state = state_of(system, thermal={"beta_0": beta, "temperatures": [0.5 / beta]})
    n = state.model.n_sites
    configurations = Enumeration(Team.serial(), state.system).configurations[:, 0]
    places = 1 << np.arange(n)
    rows, columns = (configurations[:, :n] > 0) @ places, (configurations[:, n:] < 0) @ places
    wanted = scipy.linalg.expm(-0.5 * beta * to_sparse(state.model).toarray())[rows, columns]
    psi = np.exp(log_psi(state.wavefunction, state.system.moves, configurations))
    assert np.abs(psi.imag).max() < 1e-12 * np.abs(psi).max()
    psi, wanted = psi.real / np.linalg.norm(psi), wanted / np.linalg.norm(wanted)
    return np.square(psi - np.sign(psi @ wanted) * wanted).sum()


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_seed_is_right_to_second_order(name):
    """Its error is of third order in beta_0, the infidelity of sixth."""
    one, half = infidelity(SYSTEMS[name], 0.2), infidelity(SYSTEMS[name], 0.1)
    assert half < 3e-8 and one / half > 40


def test_the_seed_of_two_sites_is_exact():
    assert infidelity(("chain", [2], HEISENBERG | {"anisotropy": 0.3}), 0.4) < 1e-14


def test_cooling_of_a_frustrated_ladder(tmp_path):
    """Tables times a pair product (kind "clusters") are off by 5e-3 and 2e-2 there."""
    system = "square", [4, 2], HEISENBERG | {"couplings": [1.0, 0.5]}
    settings = settings_of(system, thermal={"temperatures": [1.0, 0.5]})
    assert tasks.run(settings, Team.serial(), str(tmp_path / "run.h5")) == 0
    lattice, model = build(settings)
    expected = exact.thermal_rows(exact.diagonalize(model, lattice), settings.thermal.report_betas)
    rows = run_file.read_table(tmp_path / "run.h5")["rows"]
    for row, wanted, bound in zip(rows, expected, (5e-5, 5e-4), strict=True):
        assert row["energy"] == pytest.approx(wanted["energy"], abs=bound)
        assert row["specific_heat"] == pytest.approx(wanted["specific_heat"], abs=10 * bound)
        assert row["susceptibility"] == pytest.approx(wanted["susceptibility"], rel=20 * bound)


def test_tables_of_larger_clusters_have_few_parameters():
    """Codes with the same pattern share one, and codes that symmetries connect."""
    counts = [
        state_of(("square", [4, 4], HEISENBERG), sampling={"method": "metropolis"}, wavefunction={"cluster_size": size})
        .wavefunction.second.n_params
        for size in (2, 3, 4)
    ]
    assert counts[0] == 25 and counts[0] < counts[1] < counts[2] < 110


def test_exchanges_within_a_radius():
    """One and two bonds on a square of 4x4, nearest and diagonal; the largest component of a configuration."""
    system = "square", [4, 4], HEISENBERG | {"couplings": [1.0, 0.5]}
    permanents = [
        state_of(system, sampling={"method": "metropolis"}, wavefunction={"exchange_radius": radius}).wavefunction.first
        for radius in (1, 2, "auto")
    ]
    assert [permanent.n_params for permanent in permanents] == [2, 5, 5]
    assert [np.count_nonzero(permanent.exchange()[0]) for permanent in permanents] == [8, 15, 15]
    configuration = np.tile(np.array([1, 1, 1, 1, 1, -1, -1, -1, -1], dtype=np.int8), (2, 1))
    configuration[1] *= -1
    configuration[:, [0, 2, 4]], configuration[:, [1, 6, 7]] = 1, -1
    found = []
    for radius in (1, 2, 3):  # {0, 1, 2}; {0, 1, 2, 7} and {4, 6}; 0 and 6 connect them
        ring = state_of(
            ("chain", [9], HEISENBERG), sampling={"method": "metropolis"}, wavefunction={"exchange_radius": radius}
        ).wavefunction.first
        found.append(ring.largest_component(configuration.reshape(1, -1)))
    assert found == [2, 2, 3] and ring.n_pairs(configuration.reshape(1, -1)) == 3


def test_cooling_within_a_radius(tmp_path):
    """Amplitudes that miss all exchanges farther than a bond; tables make up for part of it at high temperature."""
    settings = settings_of(SYSTEMS["j1j2_6"], thermal={"temperatures": [2.0]}, wavefunction={"exchange_radius": 1})
    assert tasks.run(settings, Team.serial(), str(tmp_path / "run.h5")) == 0
    lattice, model = build(settings)
    (expected,) = exact.thermal_rows(exact.diagonalize(model, lattice), settings.thermal.report_betas)
    (row,) = run_file.read_table(tmp_path / "run.h5")["rows"]
    assert row["energy"] == pytest.approx(expected["energy"], abs=1.5e-3)


def test_umbrella_samples_have_a_limit():
    """Chains that are drawn to mismatched sites by a large factor stay within it."""
    state = state_of(("chain", [30], HEISENBERG), sampling={"method": "metropolis"}, wavefunction={"cluster_size": 2})
    team, wavefunction = Team.serial(), state.wavefunction
    visible = np.repeat(np.array([1, -1], dtype=np.int8), 30)
    samples = Samples(np.tile(visible, (3, 1, 1)), 0, 1.0)
    drawn = state.umbrella(1).sample(wavefunction, 1e-3, samples, 0, team.threads).flat
    numbers = wavefunction.first.n_pairs(drawn)
    assert numbers.max() == permanent_state.UMBRELLA_PAIRS and wavefunction.first.max_pairs == 18


def test_permanents_that_are_too_large_end_a_run(monkeypatch):
    monkeypatch.setattr(permanent_state, "MAX_PAIRS", 2)
    state = state_of(SYSTEMS["j1j2_6"])
    regularization, control = Regularization("dense", 1e-8, 0.0, 1e-6, 0.0), StepControl(1e-3, 0.1, 0.2, "energy")
    evolution = state.evolution(regularization, control, Team.serial())
    samples = state.sampler(Team.serial(), 1, 1).sample(None, state.system, 1, 1, 0.0)
    with pytest.raises(EvolutionError, match="3 pairs of mismatched sites at beta = 0.1; .* summed up to 2"):
        evolution.advance(samples, None, None, 1.0)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"model": {"kind": "tfim"}}, "needs exchange that conserves Sz"),
        ({"wavefunction": {"marshall": True}}, "wants H unrotated"),
        ({"wavefunction": {"parameters": "complex"}}, "a permanent has real parameters"),
        ({"wavefunction": {"cluster_size": 5}}, "at most 4 sites"),
    ],
)
def test_what_is_refused(sections, message):
    model = sections.pop("model", HEISENBERG)
    with pytest.raises(ValueError, match=message):
        state_of(("chain", [4], model), **sections)


def test_chains_and_sums_have_clocks_of_their_own():
    """Sums take the covariance of the layers, chains the mean and a share of -F.x; the path of neither is an error."""
    sums, chains = (state_of(SYSTEMS["j1j2_6"], sampling={"method": name}) for name in ("exact_sum", "metropolis"))
    assert (sums.between_layers, sums.power_share) == (True, 0.0)
    assert (chains.between_layers, chains.power_share) == (False, table_state.POWER_SHARE)
    assert not sums.has_noisy_path and not chains.has_noisy_path
