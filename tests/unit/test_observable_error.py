"""The estimated systematic errors of what is measured at the reported temperatures, on rows made by hand."""

import numpy as np
import pytest

from hpc_nqs.thermal import observable_error
from hpc_nqs.thermal.observable_error import MISSED, SHARE, observable_errors
from hpc_nqs.thermal.systematic_error import SystematicErrors

ENERGIES = np.array([-0.1, -0.3, -0.5])  # from 0 at infinite temperature
VALUES = np.array([0.3, 0.5, 0.4])  # of S(q), from 1/4


def made(values=VALUES, shares=(0.0, 0.0, 0.0), label=0.0, known=0, energy=0.0, field=0.0, keeps_pace=True, **more):
    """Return the errors of three rows; `shares` of the heat of their intervals are unexplained."""
    heat = -np.diff(ENERGIES, prepend=0.0)
    zero = np.zeros(3)
    errors = SystematicErrors(
        energy=np.full(3, energy), entropy=zero, free_energy=zero, label=np.full(3, label), heat=np.cumsum(heat),
        unexplained=np.cumsum(heat * shares),
    )
    rows = [
        {"beta": beta, "energy": energy, "tdvp_residual": 0.2, "structure_factor": {"1,1": [value, 0.01]}}
        | {name: column[k] for name, column in more.items()}
        for k, (beta, energy, value) in enumerate(zip((1.0, 2.0, 4.0), ENERGIES, values, strict=True))
    ]
    return observable_errors(rows, errors, np.arange(3), 0.0, known, field=field, keeps_pace=keeps_pace)


def factor(found):
    return np.array([row["structure_factor_systematic"]["1,1"] for row in found])


def test_steps_are_a_floor():
    np.testing.assert_allclose(factor(made()), MISSED * VALUES)


def test_the_unexplained_share_of_every_change_adds_up():
    shares = np.array([0.1, 0.2, 0.5])
    wanted = SHARE * np.cumsum(np.array([0.05, 0.2, 0.1]) * shares)
    np.testing.assert_allclose(factor(made(shares=shares)), np.hypot(wanted, MISSED * VALUES), rtol=1e-12)


def test_an_error_of_the_label_moves_a_value_along_its_slope():
    label = 0.01  # |dS/de| of the steeper side: 0.05 / 0.1 or 0.2 / 0.2, then 1, then 0.1 / 0.2
    wanted = label * np.array([1.0, 1.0, 0.5])
    np.testing.assert_allclose(factor(made(label=label)), np.hypot(wanted, MISSED * VALUES), rtol=1e-12)


def test_not_further_than_to_the_next_row():
    np.testing.assert_allclose(factor(made(label=100.0)), np.hypot([0.2, 0.2, 0.1], MISSED * VALUES), rtol=1e-12)


def test_what_the_components_differ_by_counts_beyond_its_noise():
    moved = VALUES + [0.05, 0.05, 0.0]
    alone = [{"1,1": [value, error]} for value, error in zip(moved, (0.01, 0.04, 0.0), strict=True)]
    found = factor(made(structure_factor_z=alone))
    assert found[0] == pytest.approx(np.hypot(np.sqrt(0.05**2 - 0.02**2), MISSED * VALUES[0]))
    np.testing.assert_allclose(found[1:], MISSED * VALUES[1:])


def test_the_susceptibility_follows_as_chi_t():
    chi = np.array([0.2, 0.2, 0.1])  # chi T = 0.2, 0.1, 0.025 from 1/4
    shares = np.array([0.1, 0.2, 0.5])
    found = [row["susceptibility_systematic"] for row in made(susceptibility=chi, shares=shares)]
    wanted = np.array([1.0, 2.0, 4.0]) * np.cumsum(np.array([0.05, 0.1, 0.075]) * shares)
    steps = MISSED * np.array([1.0, 2.0, 4.0]) * np.array([0.2, 0.15, 0.225])  # the larger of value and change
    np.testing.assert_allclose(found, np.hypot(wanted, steps), rtol=1e-12)


def test_m_in_a_field_has_the_error_of_chi_times_the_field():
    """m is the integral of chi over the field; where M does not keep its pace B is 2 and networks miss a constant."""
    chi, m, shares = np.array([0.2, 0.2, 0.1]), [0.05, 0.1, 0.05], (0.1, 0.2, 0.5)
    rows = {"susceptibility": chi, "magnetization": m, "shares": shares}
    of_chi = np.array([row["susceptibility_systematic"] for row in made(**rows)])
    own = np.array([row["magnetization_systematic"] for row in made(**rows)])
    np.testing.assert_allclose(own, np.hypot(np.cumsum(np.array([0.05, 0.05, 0.05]) * shares), MISSED * np.array(m)))
    found = [row["magnetization_systematic"] for row in made(**rows, field=0.3)]
    np.testing.assert_allclose(found, np.hypot(own, 0.3 * of_chi), rtol=1e-12)
    others = made(**rows, field=0.3, keeps_pace=False)
    wanted = np.hypot(SHARE * np.cumsum(np.array([0.05, 0.05, 0.05]) * shares), MISSED * np.array(m))
    of_chi = np.array([row["susceptibility_systematic"] for row in others])
    parts = [wanted, 0.3 * of_chi, np.full(3, observable_error.OF_NETWORKS)]
    np.testing.assert_allclose([row["magnetization_systematic"] for row in others], np.linalg.norm(parts, axis=0))


def test_the_specific_heat_is_off_by_its_unexplained_part_and_its_slope_by_their_distance():
    heats = {"specific_heat": [0.1, 0.4, 0.3], "specific_heat_slope": [0.1, 0.5, 0.3]}
    found = made(**heats)
    for row, heat in zip(found, heats["specific_heat"], strict=True):
        assert row["specific_heat_systematic"] == pytest.approx(heat * np.hypot(0.2, MISSED))
    for row, beta, heat in zip(made(energy=0.01, **heats), (1.0, 2.0, 4.0), heats["specific_heat"], strict=True):
        wanted = np.hypot(heat * np.hypot(0.2, MISSED), 0.01 * beta)  # an error of e that grows over beta
        assert row["specific_heat_systematic"] == pytest.approx(wanted)
    own = 0.5 * np.hypot(0.2, MISSED)
    assert found[1]["specific_heat_slope_systematic"] == pytest.approx(np.hypot(own, 0.1))


def test_correlations_have_the_floor_of_the_largest():
    pairs = [{"1": [-0.1, 0.0], "2": [0.0, 0.0]}] * 3
    for row in made(correlation=pairs):
        assert row["correlation_systematic"]["2"] == pytest.approx(MISSED * 0.1)


def test_known_states_have_no_error_and_absent_quantities_none():
    found = made(shares=(0.5, 0.5, 0.5), known=2)
    assert factor(found)[:2].tolist() == [0.0, 0.0]
    assert factor(found)[2] > 0.1
    assert set(found[2]) == {"structure_factor_systematic"}
    assert observable_errors([], None, np.zeros(0, dtype=int), 0.0) == []
    assert observable_error.ALONE == "_z"
