"""Labelled results in the run file: what h5py, pandas and xarray see."""

import io
import math

import h5py
import numpy as np
import pytest

from hpc_nqs.reports.text import csv_text
from hpc_nqs.runs import labelled_arrays as labels
from hpc_nqs.runs import run_file as checkpoint

ROWS = [
    {"temperature": 2.0, "beta": 0.5, "energy": -0.1, "energy_error": 0.01, "entropy": 0.6, "accepted": True},
    {"temperature": 1.0, "beta": 1.0, "energy": -0.2, "energy_error": 0.02},
]
ROWS[0]["structure_factor"] = {"1,1": [0.5, 0.01], "0.5,0": [0.3, 0.02]}
ROWS[1]["structure_factor"] = {"1,1": [0.7, 0.03]}
ROWS[0]["structure_factor_systematic"] = {"1,1": 0.04, "0.5,0": 0.05}
ROWS[1]["correlation"] = {"1": [-0.1, 0.001], "1.41421": [0.05, 0.002]}
HISTORY = {"step": np.arange(1.0, 4.0), "beta": np.array([0.1, 0.5, 1.0]), "energy": np.array([-0.01, -0.1, -0.2])}


@pytest.fixture
def run_file(tmp_path):
    path = tmp_path / "run.h5"
    table = {"task": "thermal", "n_sites": 4, "finished": True, "seconds": 1.0, "n_ranks": 1, "rows": ROWS}
    checkpoint.write_run(path, '[run]\ntask = "thermal"\n', {"x": 1}, HISTORY, table, {})
    return path


def test_columns_have_dimensions_units_and_gaps():
    found = labels.columns(ROWS)
    dimensions, energies, unit = found["energy"]
    assert dimensions == ("temperature",) and energies.tolist() == [-0.1, -0.2] and unit == "J"
    assert found["energy_error"][2] == "J" and found["entropy"][2] == "k_B" and found["beta"][2] == "1/J"
    assert labels.unit_of("energy_extrapolated_systematic") == "J" and labels.unit_of("variance_lanczos_error") == "J^2"
    assert labels.unit_of("susceptibility_error") == "1/J" and labels.unit_of("energy_systematic") == "J"
    assert math.isnan(found["entropy"][1][1]), "absent, never zero"
    assert "accepted" not in found, "flags are not numbers"
    dimensions, factors, _ = found["structure_factor"]
    assert dimensions == ("temperature", "q")
    assert factors[0].tolist() == [0.5, 0.3] and factors[1][0] == 0.7 and math.isnan(factors[1][1])
    assert found["structure_factor_error"][1][1][0] == 0.03
    dimensions, systematic, unit = found["structure_factor_systematic"]
    assert dimensions == ("temperature", "q") and systematic[0].tolist() == [0.04, 0.05] and unit == "1"
    assert "structure_factor_systematic_error" not in found and labels.quantity_of("correlation_z") == "correlation"
    assert found["qx"][1].tolist() == [1.0, 0.5] and found["qy"][1].tolist() == [1.0, 0.0]
    assert found["distance"][1].tolist() == [1.0, 1.41421]


def test_rows_without_temperature_are_numbered():
    found = labels.columns([{"energy": -0.5}, {"energy": -0.6}])
    assert found["row"][1].tolist() == [0.0, 1.0] and found["energy"][0] == ("row",)
    assert list(labels.columns([])) == ["row"]


def test_h5py_finds_scales_and_units(run_file):
    with h5py.File(run_file) as file:
        energy = file["results/energy"]
        assert energy.dims[0][0].name == "/results/temperature"
        assert energy.attrs["units"] == b"J" and file["results/temperature"].is_scale
        assert file["history/energy"].dims[0][0][:].tolist() == [1.0, 2.0, 3.0]
        assert file["history/beta"].attrs["units"] == b"1/J"
        assert [scale.name for scale in (file["results/structure_factor"].dims[k][0] for k in (0, 1))] == [
            "/results/temperature",
            "/results/q",
        ]


def test_labels_do_not_disturb_the_checkpoint(run_file):
    assert checkpoint.read_table(run_file)["rows"] == ROWS
    assert list(checkpoint.read_history(run_file)) == list(HISTORY)
    assert checkpoint.read_state(run_file) == {"x": 1}


def test_a_changed_result_breaks_the_checksum(run_file):
    with h5py.File(run_file, "r+") as file:
        file["results/energy"][0] = -0.3
    with pytest.raises(checkpoint.RunFileError, match="checksum"):
        checkpoint.read_table(run_file)


def test_xarray_opens_both_groups(run_file):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    with xarray.open_dataset(run_file, engine="h5netcdf", group="results") as data:
        assert float(data["energy"].sel(temperature=1.0)) == -0.2
        assert data["energy"].attrs["units"] == "J"
        assert data["structure_factor"].dims == ("temperature", "q")
        assert float(data["correlation"].sel(temperature=1.0, distance=1.41421)) == 0.05
    with xarray.open_dataset(run_file, engine="h5netcdf", group="history") as history:
        assert history["energy"].dims == ("step",) and float(history["beta"][2]) == 1.0


def test_pandas_reads_the_csv_and_the_columns(run_file):
    pandas = pytest.importorskip("pandas")
    table = checkpoint.read_table(run_file)
    frame = pandas.read_csv(io.StringIO(csv_text(table)))
    assert frame["energy"].tolist() == [-0.1, -0.2]
    assert frame["structure_factor(0.5,0)"].isna().tolist() == [False, True]
    with h5py.File(run_file) as file:
        one_dimensional = {name: item[:] for name, item in file["results"].items() if item.shape == (2,)}
    assert pandas.DataFrame(one_dimensional).set_index("temperature")["energy"].loc[1.0] == -0.2


def test_words_and_pairs_are_coordinates():
    """Terms of the energy and operators have words; dimers two kinds and a displacement, in three dimensions with z."""
    rows = [{"temperature": 1.0, "energy_terms": {"J1": [-0.1, 0.01], "h": [0.2, 0.0]},
             "operators": {"own": [0.5, 0.1]},
             "dimer_correlation": {"0,0,0.5,1": [0.1, 0.0], "0,1,-1,0": [0.2, 0.0]},
             "correlation_vector": {"1,0": [-0.1, 0.0], "1,1,1": [0.1, 0.0]}, "binder_ratio": {"0,0": [0.1, 0.0]}}]
    found = labels.columns(rows)
    assert found["energy_term"][1].tolist() == [b"J1", b"h"] and found["energy_terms"][2] == "J"
    assert found["operators"][0] == ("temperature", "operator") and found["operators_error"][1].tolist() == [[0.1]]
    assert found["dimer_dx"][1].tolist() == [0.5, -1.0] and found["dimer_b"][1].tolist() == [0.0, 1.0]
    assert found["dz"][1].tolist() == [0.0, 1.0] and found["order_qx"][1].tolist() == [0.0]
