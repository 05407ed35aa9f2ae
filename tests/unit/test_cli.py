"""The command line: exit codes, sentences instead of tracebacks, and what each command prints."""

import errno
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hpc_nqs
from hpc_nqs.cli import parser as cli
from hpc_nqs.parallel import team as parallel
from hpc_nqs.runs import recorder
from hpc_nqs.runs import run_file as checkpoint
from hpc_nqs.settings.parsing import SettingsError, read_settings

COMMANDS = ("run", "resume", "measure", "show", "plot", "report", "exact", "check", "init", "import", "sweep", "bench")


# The package that is tested is also the one that processes in other folders find.
PACKAGE_PATH = {"PYTHONPATH": str(Path(hpc_nqs.__file__).parents[1])}


def python_m(*arguments, environment, cwd, before=""):
    """Run the command line in a process of its own, after the statements `before`."""
    start = (
        ["-m", "hpc_nqs"]
        if not before
        else ["-c", f"import sys; {before}\nfrom hpc_nqs.cli.parser import main; sys.exit(main())"]
    )
    command = [sys.executable, *start, *map(str, arguments)]
    return subprocess.run(
        command, env=environment | PACKAGE_PATH, cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )


# ---------------------------------------------------------------- exit codes, in processes of their own


def test_exit_codes(folder, clean_environment):
    def code(*arguments):
        done = python_m(*arguments, environment=clean_environment, cwd=folder)
        assert "Traceback" not in done.stderr
        return done.returncode

    assert code("show", "run.h5") == 0
    assert code("show", "nothing.h5") == 2
    assert code("run", "input.toml", "-o", "run.h5") == 1
    assert code("exact", "input.toml", "--set", "thermal.temperatures=[-1]") == 2
    assert code("fly") == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["show", "run.h5", "--exact"],
        ["plot", "run.h5"],
        ["exact", "input.toml"],
        ["init"],
    ],
)
def test_commands_that_work_without_mpi(folder, clean_environment, arguments):
    done = python_m(*arguments, environment=clean_environment, cwd=folder, before="sys.modules['mpi4py'] = None")
    assert done.returncode == 0, done.stderr


def test_help_imports_neither_mpi_nor_hdf5_nor_matplotlib(folder, clean_environment):
    heavy = {"mpi4py", "h5py", "matplotlib", "scipy"}
    watch = f"import atexit; atexit.register(lambda: print(sorted({heavy} & set(sys.modules))))"
    done = python_m("run", "--help", environment=clean_environment, cwd=folder, before=watch)
    assert done.returncode == 0 and done.stdout.endswith("[]\n")


def test_a_launcher_that_starts_singletons_is_noticed(folder, clean_environment):
    done = python_m(
        "run", "input.toml", "-o", "new.h5", environment=clean_environment | {"OMPI_COMM_WORLD_SIZE": "4"}, cwd=folder
    )
    assert done.returncode == 1
    assert "announced 4 processes" in done.stderr and "Traceback" not in done.stderr
    assert not (folder / "new.h5").exists()


def test_a_missing_mpi_library_is_one_sentence(folder, clean_environment):
    environment = clean_environment | {"OMPI_COMM_WORLD_SIZE": "2"}
    done = python_m(
        "run", "input.toml", "-o", "new.h5", environment=environment, cwd=folder, before="sys.modules['mpi4py'] = None"
    )
    assert done.returncode == 1
    assert "no MPI library" in done.stderr and done.stderr.count("\n") == 1


def test_wrong_input_under_mpiexec_is_reported_once(folder, mpiexec):
    done = mpiexec(
        2,
        sys.executable,
        "-m",
        "hpc_nqs",
        "run",
        "input.toml",
        "-o",
        "new.h5",
        "--set",
        "lattice.kind=square",
        cwd=folder,
        env=PACKAGE_PATH,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("1 problem in the input") == 1
    assert not (folder / "new.h5").exists()


def test_a_closed_pipe_ends_quietly(folder, clean_environment):
    command = f"{shlex.quote(sys.executable)} -m hpc_nqs init reference | head -n 1"
    done = subprocess.run(
        command,
        shell=True,
        env=clean_environment | PACKAGE_PATH,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "### [run]\n" and done.stderr == ""


# ---------------------------------------------------------------- run and resume


def test_run_writes_beside_the_input_and_prints_the_table(folder, driver, capsys):
    assert cli.main(["run", "input.toml"]) == 0
    ((settings, output, resume_from),) = driver.calls
    assert settings == read_settings("input.toml")
    assert (output, resume_from) == ("input.h5", None)
    out = capsys.readouterr().out
    assert "Heisenberg, J1 = 1 on chain 6, 6 sites" in out and out.endswith("results are in input.h5\n")


def test_run_with_changes(folder, driver):
    assert (
        cli.main(["run", "input.toml", "-o", "other.h5", "--set", "model.couplings=[1, 0.3]", "--set", "run.seed=5"])
        == 0
    )
    settings, output, _ = driver.calls[0]
    assert settings.model.couplings == (1.0, 0.3) and settings.run.seed == 5 and output == "other.h5"


def test_run_refuses_to_overwrite(folder, driver, capsys):
    before = (folder / "run.h5").read_bytes()
    assert cli.main(["run", "input.toml", "-o", "run.h5"]) == 1
    assert "run.h5 exists" in capsys.readouterr().err
    assert (folder / "run.h5").read_bytes() == before and driver.calls == []
    assert cli.main(["run", "input.toml", "-o", "run.h5", "--overwrite"]) == 0
    assert len(driver.calls) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["run", "nothing.toml"], 2, "input file nothing.toml: No such file or directory"),
        (["run", "."], 2, "input file .: Is a directory"),
        (["run", "run.h5"], 2, "run.h5 looks like a run file"),
        (["run", "input.toml", "-o", "no/where.h5"], 1, "there is no folder no for where.h5"),
        (["run", "input.toml", "-o", "input.toml", "--overwrite"], 1, "input.toml is the input itself"),
        (["run", "input.toml", "-o", ".", "--overwrite"], 1, ". is a folder"),
        (
            ["run", "input.toml", "--set", "model.kind=tfin"],
            2,
            'model.kind = "tfin": allowed is "heisenberg", "tfim", "xyz", "hubbard" or "kanamori"',
        ),
        (["run", "input.toml", "--set", "lattice.lengths=[4, 4]"], 2, "lattice.lengths = [4, 4]: chain needs 1 length"),
        (
            ["run", "input.toml", "--set", "wavefunction.slices=5"],
            2,
            "wavefunction.slices = 5: not available in this version",
        ),
        (["resume", "nothing.h5"], 2, "there is no run file nothing.h5"),
        (["resume", "input.toml"], 2, "input.toml is not a run file"),
        (
            ["resume", "run.h5", "--set", "lattice.lengths=[8]"],
            2,
            "lattice.lengths = [8]: cannot change when a run continues; allowed is [6]",
        ),
        (["resume", "run.h5", "--set", "thermal.temperatures=[]"], 2, "thermal.temperatures = []"),
    ],
)
def test_errors_before_the_run(folder, driver, capsys, arguments, code, sentence):
    files = sorted(folder.iterdir())
    assert cli.main(arguments) == code
    captured = capsys.readouterr()
    assert sentence in captured.err and captured.out == ""
    assert driver.calls == [] and sorted(folder.iterdir()) == files


def test_all_problems_are_printed(folder, driver, capsys):
    assert cli.main(["run", "input.toml", "--set", "a=1", "--set", "run.sead=1", "--set", "sampling.n_samples=-1"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "hpc-nqs: 3 problems in the input, nothing was written"
    assert len(lines) == 4 and all(line.startswith("  ") for line in lines[1:])


def test_a_stopped_run_says_how_to_continue(folder, driver, capsys):
    driver.outcome = 75
    assert cli.main(["run", "input.toml"]) == 75
    out = capsys.readouterr().out
    assert "not finished" in out and "hpc-nqs resume input.h5" in out


def test_resume_continues_from_the_file_alone(folder, driver):
    (folder / "input.toml").unlink()
    assert cli.main(["resume", "run.h5", "--set", "thermal.temperatures=[1.0, 0.1]"]) == 0
    ((settings, output, resume_from),) = driver.calls
    assert settings.thermal.temperatures == (2.0, 1.0, 0.5, 0.1) and settings.run.seed == 1
    assert output == resume_from == "run.h5"


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "input.h5.part"),
            1,
            "the disk is full (No space left on device) for input.h5.part",
        ),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 1, "the disk is full (Disk quota exceeded)"),
        (
            PermissionError(errno.EACCES, "Permission denied", "x/input.h5"),
            1,
            "x/input.h5 cannot be used (Permission denied)",
        ),
        (MemoryError(), 1, "not enough memory"),
        (checkpoint.RunFileError("run.h5 is damaged"), 2, "run.h5 is damaged"),
        (recorder.UnwritableError("no room for run.h5"), 1, "no room for run.h5"),
        (SettingsError(["sampling.n_chains = 3: wrong"]), 2, "sampling.n_chains = 3: wrong"),
        (KeyboardInterrupt(), 1, "interrupted"),
    ],
)
def test_errors_of_the_run(folder, driver, capsys, error, code, sentence):
    driver.outcome = error
    assert cli.main(["run", "input.toml"]) == code
    assert sentence in capsys.readouterr().err


def test_a_bug_keeps_its_traceback(folder, driver):
    driver.outcome = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        cli.main(["run", "input.toml"])


class TwoRanks(parallel.Team):
    """Rank 1 of 2, to which rank 0 has broadcast `received`."""

    received = None

    def __init__(self):
        super().__init__()
        self.rank, self.size, self.is_root = 1, 2, False
        self.aborted = None

    def broadcast_object(self, value):
        return self.received if value is None else value

    def check_agreement(self, text, what):
        pass

    def abort(self, message, code=1):
        self.aborted = (message, code)
        raise SystemExit(code)


def test_other_ranks_end_quietly_with_the_code_of_rank_0(folder, driver, monkeypatch, capsys):
    team = TwoRanks()
    team.received = 2
    monkeypatch.setattr(parallel, "start", lambda: team)
    assert cli.main(["run", "input.toml"]) == 2
    assert capsys.readouterr().err == "" and driver.calls == []


def test_an_error_of_one_rank_ends_all(folder, driver, monkeypatch, capsys):
    team = TwoRanks()
    team.received = (read_settings("input.toml"), "out.h5")
    monkeypatch.setattr(parallel, "start", lambda: team)
    driver.outcome = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(SystemExit):
        cli.main(["run", "input.toml"])
    message, code = team.aborted
    assert "disk is full" in message and code == 1


def test_other_ranks_print_nothing(folder, driver, monkeypatch, capsys):
    team = TwoRanks()
    team.received = (read_settings("input.toml"), "out.h5")
    monkeypatch.setattr(parallel, "start", lambda: team)
    assert cli.main(["run", "input.toml"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_an_example_and_fits_80_columns(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as caught:
        cli.main([command, "--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert f"hpc-nqs {command}" in out.partition("example:")[2]
    assert max(map(len, out.splitlines())) <= 80


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0 and capsys.readouterr().out.startswith("hpc-nqs ")


# ---------------------------------------------------------------- the first five minutes


def test_an_old_python_is_one_sentence():
    """The check stands before anything that an old Python cannot read."""
    source = (Path(hpc_nqs.__file__).parent / "__main__.py").read_text()
    source = source.replace("sys.version_info <", "(3, 9) <").replace("% sys.version_info[:2]", "% (3, 9)")
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == "hpc-nqs: needs Python 3.11 or newer, this is Python 3.9\n"


def test_missing_kernels_are_one_sentence(folder, clean_environment):
    """The sources without a build, as in the folder of a clone."""
    ignored = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree(Path(hpc_nqs.__file__).parent, folder / "hpc_nqs", ignore=ignored)
    command = [sys.executable, "-m", "hpc_nqs", "check", "input.toml"]
    environment = {**clean_environment, "PYTHONPATH": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "the compiled part is missing (there are no compiled kernels in" in done.stderr
    assert "pip install ." in done.stderr and done.stderr.count("\n") == 1


def test_a_missing_dependency_is_one_sentence(folder, clean_environment):
    hidden = "sys.modules['scipy'] = None"
    done = python_m("exact", "input.toml", environment=clean_environment, cwd=folder, before=hidden)
    assert done.returncode == 1
    assert done.stderr.startswith("hpc-nqs: scipy") and "pip install ." in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["plot", "report"])
def test_a_folder_that_cannot_be_written_is_one_sentence(folder, capsys, monkeypatch, command):
    plotting = pytest.importorskip("hpc_nqs.reports.figures")

    def refuse(*arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied", "figures/run")

    monkeypatch.setattr(plotting, "save", refuse)
    monkeypatch.setattr(Path, "write_text", refuse)
    assert cli.main([command, "run.h5"]) == 1
    message = capsys.readouterr().err
    assert message == (
        "hpc-nqs: figures/run cannot be used (Permission denied); choose another place, for results with -o\n"
    )


def test_paths_with_spaces(folder, driver, capsys):
    place = folder / "my results"
    place.mkdir()
    driver.outcome = 75
    assert cli.main(["run", "input.toml", "-o", f"{place}/a run.h5"]) == 75
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "continue with" in line]
    assert shlex.split(line.partition("continue with: ")[2]) == ["hpc-nqs", "resume", f"{place}/a run.h5"]
    assert cli.main(["show", f"{place}/a run.h5"]) == 0


def test_the_first_help_says_where_to_start(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    out = capsys.readouterr().out
    assert "hpc-nqs init > input.toml" in out and max(map(len, out.splitlines())) <= 80
