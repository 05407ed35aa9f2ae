"""When a run says that its state has left its path."""

import pytest

from hpc_nqs.thermal.driver import left_path

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
    assert left_path(LAST, {"energy": energy, "energy_error": error}, 1.0) is left


def test_a_long_step_leads_to_lower_energies():
    assert not left_path(LAST, {"energy": -0.49, "energy_error": 0.002}, 1.3)
    assert left_path(LAST, {"energy": -0.26, "energy_error": 0.002}, 1.3)
