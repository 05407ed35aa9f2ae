"""When a run says that its state has left its path."""

from types import SimpleNamespace

import numpy as np
import pytest

from hpc_nqs.thermal.path import MAX_RETREATS, Retreat, left_path

LAST = {"beta": 0.956, "energy": -0.3747, "energy_error": 0.0019, "variance": 0.3635}


@pytest.mark.parametrize(
    "energy, error, left",
    [
        (-0.391, 0.002, False),  # where the variance leads
        (-0.43, 0.002, False),  # within 10 % of e
        (-0.5, 0.0001, True),  # the Ising order in which a run on 6x6 sites was lost
        (-0.25, 0.002, True),
        (-0.58, 0.15, False),  # noise
    ],
)
def test_energies_far_from_where_the_last_step_led_are_noticed(energy, error, left):
    assert left_path(LAST, {"energy": energy, "energy_error": error, "variance": 0.35}, 1.0) is left


def test_a_long_step_leads_to_lower_energies():
    assert not left_path(LAST, {"energy": -0.49, "energy_error": 0.002, "variance": 0.3}, 1.3)
    assert left_path(LAST, {"energy": -0.26, "energy_error": 0.002, "variance": 0.3}, 1.3)


def test_a_variance_that_explodes_is_noticed():
    """The triangular magnet of 4x3 sites at T = 0.35: e = -0.34(8) after -0.511(0), on samples with Var(H)/N = 7."""
    lost = {"energy": -0.38, "energy_error": 0.08, "variance": 7.0}
    assert left_path(LAST, lost, 1.0) and not left_path(LAST, lost | {"variance": 1.4}, 1.0)


def test_a_step_is_taken_back_a_few_times():
    wavefunction = SimpleNamespace(params=np.arange(3.0))
    evolution = SimpleNamespace(beta=1.0, dtau=0.04, previous=None, checks_energy=True)
    retreat = Retreat(evolution, wavefunction)
    assert not retreat.go_back(0.05)  # nothing is known of what was before
    for number in range(MAX_RETREATS):
        retreat.remember()
        wavefunction.params, evolution.beta, evolution.previous = np.zeros(3), 1.1, np.ones(3)
        assert retreat.go_back(0.05)
        np.testing.assert_array_equal(wavefunction.params, np.arange(3.0))
        assert (evolution.beta, evolution.previous, evolution.dtau) == (1.0, None, 0.0125), number
    retreat.remember()
    wavefunction.params = np.zeros(3)
    assert not retreat.go_back(0.05) and wavefunction.params[2] == 2.0  # what is left is the state before
    evolution.beta = 1.05
    retreat.remember()
    assert retreat.go_back(0.05)
