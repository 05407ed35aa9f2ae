"""No command writes onto one of its inputs or onto a run file; every way to name an output is tried."""

import os
import subprocess
import sys

import pytest

import hpc_nqs
from hpc_nqs.cli import parser as cli

SWEEP = """
[sweep]
"thermal.beta_0" = [0.1, 0.2]
"""


@pytest.fixture
def before(folder):
    """A folder with input.toml, run.h5, other.h5, other.toml, a sweep and reference data; the bytes of all files."""
    (folder / "other.h5").write_bytes((folder / "run.h5").read_bytes())
    (folder / "a.png").write_bytes((folder / "run.h5").read_bytes())  # `run input.toml -o a.png` makes such a name
    (folder / "other.toml").write_text("[run]\n")
    (folder / "sweep.toml").write_text((folder / "input.toml").read_text() + SWEEP)
    (folder / "reference.svg").write_text("temperature,energy\n1.0,-0.1\n")
    os.symlink("run.h5", folder / "link.svg")
    os.link(folder / "run.h5", folder / "hard.svg")
    return contents(folder)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


WRITING = {
    "plot onto the run of that name": (["plot", "a.png"], "a.png is the input itself"),
    "plot onto another run": (["plot", "run.h5", "-o", "a.png"], "a.png is a run file"),
    "plot through a link": (["plot", "run.h5", "-o", "link.svg"], "link.svg is the input itself"),
    "plot through a hard link": (["plot", "run.h5", "-o", "hard.svg"], "hard.svg is the input itself"),
    "plot onto the reference": (
        ["plot", "run.h5", "--reference", "reference.svg", "-o", "reference.svg"],
        "reference.svg is the input itself",
    ),
    "all pages": (["plot", "other.h5", "--page", "all", "-o", "b.png"], "b-convergence.png is a run file"),
    "report onto the run": (["report", "run.h5", "-o", "run.h5"], "run.h5 is the input itself"),
    "report onto another run": (["report", "run.h5", "-o", "other.h5"], "other.h5 is a run file"),
    "report onto an input": (["report", "run.h5", "-o", "input.toml"], "input.toml is an input"),
    "report into nowhere": (["report", "run.h5", "-o", "no/a.html"], "there is no folder no"),
    "run onto its input": (["run", "input.toml", "-o", "input.toml", "--overwrite"], "input.toml is the input itself"),
    "run onto another input": (
        ["run", "input.toml", "-o", "other.toml", "--overwrite"],
        "other.toml is not a run file",
    ),
    "run onto a run": (["run", "input.toml", "-o", "other.h5"], "other.h5 exists"),
    "run onto its own start": (
        ["run", "input.toml", "-o", "run.h5", "--overwrite", "--set", "thermal.start=run.h5"],
        "run.h5 is the input itself",
    ),
    "run removes its own start": (
        ["run", "input.toml", "-o", "gone.h5", "--set", "thermal.start=gone.h5.previous"],
        "would replace gone.h5.previous",
    ),
    "collect onto the sweep": (
        ["sweep", "collect", "sweep.toml", "-o", "sweep.toml"],
        "sweep.toml is the input itself",
    ),
    "collect onto a run": (["sweep", "collect", "sweep.toml", "-o", "a.png"], "a.png is a run file"),
}


@pytest.mark.parametrize("name", WRITING)
def test_nothing_is_written_onto_inputs_and_runs(folder, before, driver, capsys, name):
    pytest.importorskip("matplotlib")
    arguments, sentence = WRITING[name]
    if name == "all pages":
        (folder / "b-convergence.png").write_bytes((folder / "run.h5").read_bytes())
    if name == "run removes its own start":
        (folder / "gone.h5.previous").write_bytes((folder / "run.h5").read_bytes())
    before = contents(folder)
    assert cli.main(arguments) == 1
    message = capsys.readouterr().err
    assert sentence in message and message.count("\n") == 1
    assert contents(folder) == before and driver.calls == []


@pytest.mark.parametrize(
    "arguments", [["show", "run.h5"], ["check", "input.toml"], ["exact", "input.toml"], ["show", "run.h5", "--csv"]]
)
def test_what_is_printed_does_not_go_onto_the_input(folder, arguments):
    target = arguments[1]
    before = (folder / target).read_bytes()
    with open(folder / target, "ab") as stream:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-m", "hpc_nqs", *arguments],
            cwd=folder, stdout=stream, stderr=subprocess.PIPE, text=True, env=environment, timeout=60,
        )
    assert done.returncode == 1 and f"the output goes onto {target}" in done.stderr
    assert (folder / target).read_bytes() == before


def test_figures_and_pages_replace_their_like(folder, capsys):
    pytest.importorskip("matplotlib")
    for _ in range(2):
        assert cli.main(["plot", "run.h5", "-o", "a.png"]) == 0
        assert cli.main(["report", "run.h5"]) == 0


def test_a_run_replaces_a_run_or_an_empty_file_when_asked(folder, driver):
    (folder / "empty.h5").touch()
    for name in ("run.h5", "empty.h5"):
        assert cli.main(["run", "input.toml", "-o", name]) == 1
        assert cli.main(["run", "input.toml", "-o", name, "--overwrite"]) == 0


def test_from_python_too(folder):
    settings = hpc_nqs.read_input("input.toml")
    before = contents(folder)
    for name in ("input.toml", "."):
        with pytest.raises(FileExistsError):
            hpc_nqs.run(settings, name, overwrite=True)
    with pytest.raises(FileExistsError):
        hpc_nqs.run(settings, "no/run.h5")
    assert contents(folder) == before
