"""The program from Python: input, run, resume and results in code; public names and their docstrings."""

import inspect
import pydoc
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hpc_nqs
from hpc_nqs.settings.overrides import override_texts

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
    with pytest.raises(AttributeError, match="public names are LauncherError, ReferenceDataError, Run, RunFileError"):
        hpc_nqs.magic  # noqa: B018
    code = "import hpc_nqs; hpc_nqs.exact"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "exact results are those of hpc_nqs.diagonalize" in done.stderr
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


@pytest.mark.parametrize("name", [name for name in hpc_nqs.__all__ if name.islower() and name[0] != "_"])
def test_public_functions_have_type_hints(name):
    signature = inspect.signature(getattr(hpc_nqs, name))
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(each.annotation is not inspect.Parameter.empty for each in signature.parameters.values())


def test_type_checkers_are_told():
    assert (Path(hpc_nqs.__file__).parent / "py.typed").exists()
    source = Path(hpc_nqs.__file__).read_text()
    imported = source.partition("if TYPE_CHECKING:")[2].partition(")")[0]
    names = set(re.findall(r"\w+", imported.partition("(")[2]))
    assert names == set(hpc_nqs.__all__) - {"__version__"} and set(dir(hpc_nqs)) == set(hpc_nqs.__all__)


def test_help_of_the_package_names_everything():
    text = pydoc.plain(pydoc.render_doc(hpc_nqs))
    missing = [name for name in hpc_nqs.__all__ if name not in text and name != "__version__"]
    assert not missing and "on_result" in text and "\n    UnwritableError\n" in text
    assert issubclass(hpc_nqs.ReferenceDataError, ValueError) and issubclass(hpc_nqs.LauncherError, RuntimeError)


# ---------------------------------------------------------------- results as people use them


def made_up_run(rows, task="thermal"):
    settings = hpc_nqs.make_input(**SECTIONS)
    table = {"rows": rows, "task": task, "n_sites": 4, "finished": True, "settings": settings.to_dict(), "seconds": 2.0}
    return hpc_nqs.Run("some/run.h5", settings, table, {}, {})


ROWS = [
    {"temperature": t, "beta": 1 / t, "energy": -0.1 / t, "energy_error": 0.001, "susceptibility": 0.1}
    | {"structure_factor": {"1,0": [0.3 / t, 0.01], "0.666667,0": [0.2, 0.02], "-0.5,0": [0.4, 0.0]}}
    | {"structure_factor_systematic": {"1,0": 0.003, "0.666667,0": 0.004}, "tau": 3.0, "autocorrelation": 1.0}
    for t in (2.0, 1.0)
]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("T", [2.0, 1.0]),
        ("e", [-0.05, -0.1]),
        ("e_error", [0.001, 0.001]),
        ("chi", [0.1, 0.1]),
        ("S(1,0)", [0.15, 0.3]),
        ("S(pi)", [0.15, 0.3]),
        ("S(pi, 0)", [0.15, 0.3]),
        ("S(2pi/3,0)", [0.2, 0.2]),
        ("S(0.666667)_error", [0.02, 0.02]),
        ("S(-pi/2,0)", [0.4, 0.4]),
        ("S(-0.5)", [0.4, 0.4]),
        ("S(2/3)_systematic", [0.004, 0.004]),
        ("tau", [3.0, 3.0]),
    ],
)
def test_short_names_are_the_headings_of_the_table(name, values):
    run = made_up_run(ROWS)
    assert run[name].tolist() == pytest.approx(values) and name in run


ABSENT = ["c", "S", "S(0,pi)", "S(pi/2)", "S(1,0,1)", "S(0,0,0,0)", "S(x)", "S(1/0)", "S()", "N(1,0)", "_error"]
ABSENT += ["", "zz"]


@pytest.mark.parametrize("name", ABSENT)
def test_names_that_are_not_there(name):
    run = made_up_run(ROWS)
    with pytest.raises(KeyError, match="there are temperature, beta, energy"):
        run[name]
    assert name not in run and 3 not in run
    with pytest.raises(TypeError):
        iter(run)


def test_a_run_in_a_shell_and_in_a_notebook():
    run = made_up_run([row | {"energy": -0.1, "remark": "<b>"} for row in ROWS])
    assert repr(run) == "<Run run.h5: Heisenberg, J1 = 1 on chain 4, 4 sites; finished, 2 rows, 2 s, T = 2 to 1>"
    page = run._repr_html_()
    assert "<b>Heisenberg, J1 = 1 on chain 4, 4 sites</b>" in page and "<th>chi</th>" in page
    assert "<td>-0.1000(10)</td>" in page and "&lt;b&gt;" in page, "what is in the file is no markup"
    assert "There are no results yet." in made_up_run([])._repr_html_()
    assert "exact" in repr(hpc_nqs.diagonalize(hpc_nqs.make_input(**SECTIONS)))


def test_arrays_and_numbers_of_numpy_are_taken_everywhere(tmp_path):
    settings = hpc_nqs.make_input(
        run={"seed": np.int64(1)},
        lattice={"kind": np.str_("chain"), "lengths": np.array([4])},
        model={"kind": "heisenberg", "couplings": np.array([1.0]), "field_z": np.float32(0.5)},
        thermal={"temperatures": np.linspace(2.0, 1.0, 2)},
        observables={"structure_factor": np.array([[1.0], [0.5]]), "correlations": np.bool_(True)},
    )
    assert settings.lattice.lengths == (4,) and settings.thermal.temperatures == (2.0, 1.0)
    assert settings.model.field_z == 0.5 and settings.run.seed == 1 and settings.observables.correlations is True
    path = tmp_path / "run.h5"
    hpc_nqs.run(settings, path)
    longer = hpc_nqs.resume(path, {"thermal.temperatures": np.array([0.8])})
    assert longer["T"].tolist() == [2.0, 1.0, 0.8]
    other = {"observables": {"structure_factor": np.array([[0.5]])}}
    again = hpc_nqs.measure(path, other, temperatures=np.float64(1.0))
    assert again["T"].tolist() == [1.0] and again["S(pi/2)"].shape == (1,)
    assert again["S(0.5)"] == pytest.approx(longer["S(0.5)"][1], rel=1e-10)
    exact = longer.exact()
    assert exact["T"].tolist() == [2.0, 1.0, 0.8] and longer["e"] == pytest.approx(exact["e"], abs=0.01)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"model.field_z": 0.1, "run.seed": np.int64(3)}, ["model.field_z=0.1", "run.seed=3"]),
        ({"model": {"couplings": np.array([1.0, 0.5])}}, ["model.couplings=[1.0, 0.5]"]),
        ({"wavefunction.kind": "rbm", "run.seed": 3}, ['wavefunction.kind="rbm"', "run.seed=3"]),
        ({"observables.correlations": True}, ["observables.correlations=true"]),
        ("run.seed=3", ["run.seed=3"]),
        (("run.seed=3", "model.field_z=0.1"), ["run.seed=3", "model.field_z=0.1"]),
        ({}, []),
    ],
)
def test_changes_of_settings_as_code_gives_them(overrides, expected):
    assert override_texts(overrides) == expected


def test_changes_that_no_input_can_hold():
    with pytest.raises(hpc_nqs.SettingsError) as caught:
        override_texts({"model.field_z": object(), "seed": 3, "run.seed": None})
    first, second, third = caught.value.problems
    assert first.startswith("model.field_z = <object") and "allowed are numbers" in first
    assert second == "seed = 3: write section.key, for example model.field_z" and "run.seed = None" in third


def test_figures_from_python(tmp_path):
    pytest.importorskip("matplotlib")
    run = made_up_run(ROWS)
    figure = run.plot(exact=True, path=tmp_path / "run.png", others=[hpc_nqs.diagonalize(run.settings)])
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")
    assert [text.get_text() for text in figure.legends[0].get_texts()][:2] == ["run", "exact"]
    assert len(run.plot("correlations").axes) == 3
    with pytest.raises(ValueError, match="page imaginary_time: no correlations in imaginary time were measured"):
        run.plot("imaginary_time")
    pages = "thermodynamics, correlations, structure_factor, convergence"
    with pytest.raises(ValueError, match=f"page energies: allowed are {pages}"):
        run.plot("energies")
    with pytest.raises(ValueError, match="label: 1 for 2 runs; allowed is one for each"):
        run.plot(others=run, labels="one")
    figure = run.plot(others=hpc_nqs.diagonalize(run.settings), labels=["a", "b"])
    assert [text.get_text() for text in figure.legends[0].get_texts()][:2] == ["a", "b"]
    assert len(run.plot("lattice").axes) == 1
    with pytest.raises(ValueError, match="page lattice: one run alone is drawn"):
        run.plot("lattice", others=run)
    with pytest.raises(ValueError, match="width 90: allowed is"):
        run.plot(width=90)
    with pytest.raises(hpc_nqs.ReferenceDataError, match="No such file"):
        run.plot(references=["nothing.json"])
    with pytest.raises(ValueError, match="runs of one task at a time"):
        run.plot(others=[made_up_run(ROWS, task="ground_state")])
    (tmp_path / "qmc.csv").write_text("temperature,energy\n1.0,-0.1\n")
    figure = run.plot(references=[tmp_path / "qmc.csv"])
    assert "qmc" in [text.get_text() for text in figure.legends[0].get_texts()]
    with pytest.raises(ValueError, match="reference data have temperatures, which page convergence has not"):
        run.plot("convergence", references=[tmp_path / "qmc.csv"])
