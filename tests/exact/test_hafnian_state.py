"""States of an exchange hafnian and tables: the seed against the exact state, cooling against diagonalization."""

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
from hpc_nqs.sampling.evaluation import evaluate
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal import hafnian_state
from hpc_nqs.thermal.ansatz import build_state
from hpc_nqs.thermal.evolution import EvolutionError, StepControl
from hpc_nqs.thermal.rings.traces import RingTraces
from hpc_nqs.thermal.unseen_residual import unseen_variance
from hpc_nqs.wavefunctions.wavefunction import log_psi

SERIAL = Team.serial()


def couplings(x, y, z, **more):
    """Return the section [model] of Jx, Jy, Jz, numbers or lists of them by shell."""
    lists = {f"couplings_{axis}": list(np.atleast_1d(j)) for axis, j in zip("xyz", (x, y, z), strict=True)}
    return {"kind": "xyz"} | lists | more


KITAEV = couplings(0, 0, 0, cell_bonds_xyz=[(0, 0, 0, 1, -1, 0, 0), (-1, 0, 0, 1, 0, -1, 0), (0, -1, 0, 1, 0, 0, -1)])
SYSTEMS = {
    "two_sites": ("chain", [2], couplings(1.0, 0.4, -0.7)),
    "xyz_6": ("chain", [6], couplings(1.0, 0.6, 0.3)),
    "xyz_5": ("chain", [5], couplings(1.0, -0.4, 0.8)),
    "xy_4": ("chain", [4], couplings(0.3, 1.0, 0.0)),
    "field_6": ("chain", [6], couplings([1.0, 0.5], [-0.8, 0.2], [0.0, 0.6], field_z=0.4)),
    "site_fields_6": ("chain", [6], couplings(1.0, 0.5, 0.5, site_fields=[0.3, -0.2, 0.5, 0.0, 0.1, -0.4])),
    "xyz_3x2": ("square", [3, 2], couplings(1.0, 0.5, 0.8)),
    "triangular_3x2": ("triangular", [3, 2], couplings(1.0, 0.7, 0.5)),
    "field_x_6": ("chain", [6], couplings(1.0, 0.6, 0.3, field_x=0.5)),
    "field_x_3x2": ("square", [3, 2], couplings(1.0, 1.0, 0.8, field_x=-0.4, field_z=0.3)),
    "site_fields_x_5": ("chain", [5], couplings(0.4, 1.0, 0.8, site_fields_x=[0.3, -0.2, 0.5, 0.0, 0.1])),
    "kitaev_field_x_3x1": ("honeycomb", [3, 1], KITAEV | {"field_x": 0.3}),
    "kitaev_3x1": ("honeycomb", [3, 1], KITAEV),
    "kitaev_heisenberg_3x1": ("honeycomb", [3, 1], KITAEV | couplings(0.3, 0.3, 0.3)),
}


def settings_of(system, **sections):
    kind, lengths, model = system
    thermal = {"temperatures": [1.0]} | sections.pop("thermal", {})
    tables = {"run": {"seed": 1}, "lattice": {"kind": kind, "lengths": lengths}, "model": model, "thermal": thermal}
    return parse_settings(tables | {"sampling": {"method": "exact_sum"}} | sections)


def state_of(system, **sections):
    settings = settings_of(system, **sections)
    return build_state(settings, *build(settings), 1)


def overlapping(state, beta):
    """Return the normalised state and <sigma|e^{-beta H/2}|ancilla> on all configurations, both (n,), real."""
    n = state.model.n_sites
    configurations = Enumeration(SERIAL, state.system).configurations[:, 0]
    places = 1 << np.arange(n)
    rows, columns = (configurations[:, :n] > 0) @ places, (configurations[:, n:] > 0) @ places
    wanted = scipy.linalg.expm(-0.5 * beta * to_sparse(state.model).toarray())[rows, columns]
    psi = np.exp(log_psi(state.wavefunction, state.system.moves, configurations))
    assert np.abs(psi.imag).max() < 1e-12 * np.abs(psi).max()
    psi, wanted = psi.real / np.linalg.norm(psi), wanted / np.linalg.norm(wanted)
    return psi * np.sign(psi @ wanted), wanted


def infidelity(system, beta):
    """Return 1 - overlap^2 of the seed at beta with the exact state."""
    psi, wanted = overlapping(state_of(system, thermal={"beta_0": beta, "temperatures": [0.5 / beta]}), beta)
    return np.square(psi - wanted).sum()


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_seed_is_right_to_second_order(name):
    """Its error is of third order in beta_0, the infidelity of sixth: a wrong factor of any pair would be of second."""
    one, half = infidelity(SYSTEMS[name], 0.2), infidelity(SYSTEMS[name], 0.1)
    assert half < 5e-8 and one / half > 40


def test_the_seed_of_free_spins_is_exact():
    """In fields along x of any size: matched spins cosh, mismatched ones sinh."""
    model = couplings(1e-8, 1e-8, 0.0, site_fields_x=[0.9, -0.5, 1.0])
    assert infidelity(("chain", [3], model), 0.8) < 1e-14


def test_amplitudes_of_pairs():
    """Against the definition: minus beta_0 / 2 times the elements of one flip, J = 2 (e +- p), and of two in a row."""
    model = state_of(("chain", [6], couplings(1.0, 0.4, 0.3))).model
    factors, beta = hafnian_state.pair_factors(model, 0.02), 0.02
    e, p = 1.4 / 4, 0.6 / 4
    np.testing.assert_allclose(factors[:, 0, 1], [-beta * e / 2, -beta * p / 2], rtol=2e-4)
    np.testing.assert_allclose(factors[:, 0, 2], (beta / 2) ** 2 / 2 * np.array([e**2 + p**2, 2 * e * p]), rtol=2e-4)


def test_without_pair_creation_the_factors_are_those_of_a_permanent():
    """Jx = Jy: q vanishes, r is the amplitude of exchange, and a run takes the permanent itself."""
    state = state_of(("chain", [6], couplings(1.0, 1.0, 0.3)))
    factors = hafnian_state.pair_factors(state.model, 0.1)
    assert state.word == "permanent" and not np.abs(factors[1]).max() > 1e-15
    np.testing.assert_allclose(factors[0], state.wavefunction.first.exchange(), atol=1e-15)


# bounds of the errors of e at T = 1 and 0.5
COOLED = {
    "xyz_6": (2e-5, 2e-4), "field_6": (5e-5, 4e-4), "xyz_3x2": (5e-5, 3e-4), "triangular_3x2": (3e-5, 6e-5),
    "kitaev_3x1": (3e-5, 4e-4), "field_x_6": (1e-4, 5e-4), "field_x_3x2": (1e-4, 5e-4),
    "kitaev_field_x_3x1": (1e-4, 5e-4),
}


@pytest.mark.parametrize("name", COOLED)
def test_cooling(name, tmp_path):
    """Energies within twice the quoted error and within the bounds, c within ten times these."""
    settings = settings_of(SYSTEMS[name], thermal={"temperatures": [1.0, 0.5]})
    assert tasks.run(settings, SERIAL, str(tmp_path / "run.h5")) == 0
    lattice, model = build(settings)
    expected = exact.thermal_rows(exact.diagonalize(model, lattice), settings.thermal.report_betas)
    rows = run_file.read_table(tmp_path / "run.h5")["rows"]
    for row, wanted, bound in zip(rows, expected, COOLED[name], strict=True):
        assert row["energy"] == pytest.approx(wanted["energy"], abs=min(bound, 2 * row["energy_systematic"]))
        assert row["specific_heat"] == pytest.approx(wanted["specific_heat"], abs=10 * bound)


def test_cooling_of_kitaev_magnet_with_conserved_fluxes(tmp_path):
    """Eight sites: what the hafnian cannot have is in the residual, so that e is within twice its quoted error."""
    settings = settings_of(("honeycomb", [2, 2], KITAEV), thermal={"temperatures": [1.0, 0.5, 0.35]})
    assert tasks.run(settings, SERIAL, str(tmp_path / "run.h5")) == 0
    lattice, model = build(settings)
    expected = exact.thermal_rows(exact.diagonalize(model, lattice), settings.thermal.report_betas)
    rows = run_file.read_table(tmp_path / "run.h5")["rows"]
    for row, wanted in zip(rows, expected, strict=True):
        assert row["energy"] == pytest.approx(wanted["energy"], abs=2 * row["energy_systematic"])
        assert row["energy_systematic"] < 4e-4
    assert [row["links"] for row in rows] == [2, 2, 3]


@pytest.mark.parametrize("name", ["kitaev_3x1", "xyz_6"])
def test_what_samples_do_not_see(name):
    """|H Psi|^2 on the zeros of Psi, from local sums and from the matrix; without zeros there is nothing."""
    state = state_of(SYSTEMS[name], thermal={"beta_0": 0.7})
    assert state.wavefunction.first.loses_pairs == (name == "kitaev_3x1")
    stream = np.random.default_rng(1)
    state.wavefunction.params = state.wavefunction.params * stream.uniform(0.8, 1.2, state.wavefunction.n_params)
    samples = Enumeration(SERIAL, state.system).sample(None, state.system, 1, 1, 0.0)
    evaluation = evaluate(samples, state.wavefunction, state.system, SERIAL)
    found = unseen_variance(samples, evaluation, state.system, SERIAL)
    n, h = state.model.n_sites, to_sparse(state.model)
    configurations = Enumeration(SERIAL, state.system).configurations[:, 0]
    places, psi = 1 << np.arange(n), np.zeros((2**n, 2**n))
    values = np.exp(log_psi(state.wavefunction, state.system.moves, configurations)).real
    psi[(configurations[:, :n] > 0) @ places, (configurations[:, n:] > 0) @ places] = values
    missed = np.square(0.5 * (h @ psi + psi @ h))[psi == 0].sum() / np.square(psi).sum()
    assert found == pytest.approx(missed, rel=1e-9, abs=1e-14)
    assert (missed > 1e-6) == (name == "kitaev_3x1")


def test_traces_of_rings_are_those_of_the_matrix():
    """Tr[Phi^3 H] / Tr[Phi^3] is close to E at 3/2 of the inverse temperature of the seed."""
    state = state_of(SYSTEMS["xyz_5"], thermal={"beta_0": 0.3})
    observables = state.observables(settings_of(SYSTEMS["xyz_5"]))
    found = RingTraces.of_state(state, observables, SERIAL).averages(3)
    levels = np.linalg.eigvalsh(to_sparse(state.model).toarray())
    weights = np.exp(-0.45 * levels)
    assert found["energy"] == pytest.approx(weights @ levels / weights.sum(), abs=2e-4)


def test_umbrella_samples_have_a_limit(monkeypatch):
    monkeypatch.setattr(hafnian_state, "UMBRELLA_SITES", 4)
    state = state_of(("chain", [10], couplings(1.0, 0.5, 0.2)), sampling={"method": "metropolis"})
    samples = Samples(np.ones((3, 1, 20), dtype=np.int8), 0, 1.0)
    drawn = state.umbrella(1).sample(state.wavefunction, 1e-3, samples, 0, SERIAL.threads).flat
    first = state.wavefunction.first
    assert first.n_mismatched(drawn).max() == 4 and first.max_sites == hafnian_state.MAX_MISMATCHED


def test_hafnians_that_are_too_large_end_a_run(monkeypatch):
    monkeypatch.setattr(hafnian_state, "MAX_MISMATCHED", 5)
    state = state_of(SYSTEMS["xyz_6"])
    regularization, control = Regularization("dense", 1e-8, 0.0, 1e-6, 0.0), StepControl(1e-3, 0.1, 0.2, "energy")
    evolution = state.evolution(regularization, control, SERIAL)
    samples = state.sampler(SERIAL, 1, 1).sample(None, state.system, 1, 1, 0.0)
    with pytest.raises(EvolutionError, match="6 mismatched sites at beta = 0.1; .* summed up to 5"):
        evolution.advance(samples, None, None, 1.0)
