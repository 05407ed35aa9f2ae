"""The program from Python: input, run, resume and results in code; public names and their docstrings."""

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hpc_nqs

SECTIONS = {
    "run": {"seed": 1},
    "lattice": {"kind": "chain", "lengths": [4]},
    "model": {"kind": "heisenberg"},
    "thermal": {"temperatures": [2.0, 1.0]},
    "observables": {"structure_factor": [[1]]},
}


def test_an_input_runs_and_gives_arrays(tmp_path):
    settings = hpc_nqs.make_input(**SECTIONS)
    run = hpc_nqs.run(settings, tmp_path / "run.h5")
    exact = hpc_nqs.diagonalize(settings)
    assert run.finished and run["temperature"].tolist() == [2.0, 1.0]
    assert run["energy"] == pytest.approx(exact["energy"], abs=0.01)
    assert run["structure_factor"].shape == (2, 1) and run["qx"].tolist() == [1.0]
    assert run.history["beta"].shape == run.history["energy"].shape
    assert run.columns["structure_factor(1,0)"] == run["structure_factor"][:, 0].tolist()
    assert run.network["exchange"].ndim == 2 and run.about["n_ranks"] == 1
    assert "Heisenberg" in run.to_text() and run.to_csv().startswith("temperature,") and run.to_json().startswith("{")

    again = hpc_nqs.load(tmp_path / "run.h5")
    assert again.settings == settings and np.array_equal(again["energy"], run["energy"])
    with pytest.raises(KeyError, match="there are temperature, beta, energy"):
        again["magic"]
    with pytest.raises(FileExistsError, match="overwrite=True"):
        hpc_nqs.run(settings, tmp_path / "run.h5")

    longer = hpc_nqs.resume(tmp_path / "run.h5", ["thermal.temperatures=[2.0, 1.0, 0.8]"])
    assert longer["temperature"].tolist() == [2.0, 1.0, 0.8]
    assert longer["energy"][:2].tolist() == run["energy"].tolist()
    with pytest.raises(hpc_nqs.SettingsError, match="cannot change"):
        hpc_nqs.resume(tmp_path / "run.h5", ["model.couplings=[2.0]"])


PROGRAM = """
import hpc_nqs
from mpi4py import MPI
import sys

settings = hpc_nqs.make_input(
    run={"seed": 1}, lattice={"kind": "chain", "lengths": [4]}, model={"kind": "heisenberg"},
    thermal={"temperatures": [2.0]},
)
run = hpc_nqs.run(settings, "run.h5")
sys.stdout.write(f"{MPI.COMM_WORLD.rank} {run.table['n_ranks']} {run['energy'].shape}\\n")
"""


def test_a_program_under_mpiexec_gets_the_results_on_all_ranks(tmp_path, mpiexec):
    (tmp_path / "program.py").write_text(PROGRAM)
    path = {"PYTHONPATH": str(Path(hpc_nqs.__file__).parents[1])}
    done = mpiexec(2, sys.executable, "program.py", cwd=tmp_path, env=path)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == ["0 2 (1,)", "1 2 (1,)"]


def test_problems_of_an_input_in_code():
    with pytest.raises(hpc_nqs.SettingsError) as caught:
        hpc_nqs.make_input(lattice={"kind": "chain"}, model={"kind": "potts"})
    assert len(caught.value.problems) == 3


def test_inputs_from_files(tmp_path):
    (tmp_path / "input.toml").write_text(hpc_nqs.make_input(**SECTIONS).to_toml())
    assert hpc_nqs.read_input(tmp_path / "input.toml") == hpc_nqs.make_input(**SECTIONS)
    assert hpc_nqs.read_input(tmp_path / "input.toml", ["run.seed=5"]).run.seed == 5


def test_what_is_not_there():
    with pytest.raises(AttributeError, match="public names are LauncherError, Run, RunFileError"):
        hpc_nqs.magic  # noqa: B018
    with pytest.raises(hpc_nqs.RunFileError):
        hpc_nqs.load("nothing.h5")


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, hpc_nqs; print(sorted({'mpi4py', 'h5py', 'numpy', 'scipy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


def public_objects():
    """Return (name, object) of the public names and of the public methods of public classes."""
    found = []
    for name in hpc_nqs.__all__:
        thing = getattr(hpc_nqs, name)
        if name == "__version__":
            continue
        found.append((name, thing))
        if inspect.isclass(thing) and thing.__module__.startswith("hpc_nqs"):
            members = vars(thing).items()
            found += [(f"{name}.{key}", member) for key, member in members if key == "__getitem__" or key[0] != "_"]
    return [(name, thing) for name, thing in found if callable(thing) or isinstance(thing, property)]


@pytest.mark.parametrize(("name", "thing"), public_objects())
def test_docstrings_of_the_public_names_are_complete(name, thing):
    text = inspect.getdoc(thing)
    assert text and text.splitlines()[0].endswith("."), f"{name}: the first line is a sentence"
    if isinstance(thing, property) or inspect.isclass(thing):
        return
    parameters = [key.lstrip("*") for key in inspect.signature(thing).parameters if key not in ("self", "name", "path")]
    missing = [key for key in parameters if key not in text]
    assert not missing, f"{name}: say what {missing} are"
    source = inspect.getsource(thing)
    raises = [part.split("(")[0].split()[0] for part in source.split("        raise ")[1:]]
    unsaid = [error for error in raises if error.isidentifier() and error not in text]
    assert not unsaid, f"{name}: say that it raises {unsaid}"
