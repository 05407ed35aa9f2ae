"""The README is true: its input reference, its links, the commands and the programs in it.

The slow test types every command into a shell, in the folder of a fresh copy with an environment of its own, as a
reader would. Blocks that need what a reader may not have are marked by a comment line above them.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hpc_nqs.cli import parser as cli
from hpc_nqs.hamiltonians import MODELS
from hpc_nqs.settings import templates

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"(<!-- [^\n]*-->\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ASSETS_LIMIT = 300_000  # bytes


def blocks(language, marked=False):
    """Return the texts of the code blocks of a language, in order; `marked` ones have a comment line above."""
    return [text for mark, found, text in BLOCK.findall(README) if found == language and bool(mark) == marked]


def commands():
    """Return the hpc-nqs commands of all shell blocks as lists of words, without launchers and redirections."""
    found = []
    for text in blocks("sh") + blocks("sh", marked=True):
        text = re.sub(r"<<'EOF'\n.*?\nEOF\n", "\n", text, flags=re.DOTALL)
        for line in text.splitlines():
            words = shlex.split(line, comments=True)
            if "hpc-nqs" in words:
                words = words[words.index("hpc-nqs") + 1 :]
                found.append(words[: words.index(">")] if ">" in words else words)
    return found


def test_the_input_reference_is_that_of_the_program():
    start, end = README.index("### [run]\n"), README.index("## File format")
    assert README[start:end].rstrip() + "\n" == templates.text("reference"), (
        "paste the output of `hpc-nqs init reference` again"
    )


def test_the_conventions_hold_every_hamiltonian():
    conventions = README[README.index("## Conventions") :]
    for model in MODELS.values():
        line = rf"^    {model.word} +{re.escape(model.formula())}(  |$)"
        assert re.search(line, conventions, re.MULTILINE), model.word


def test_every_command_can_be_parsed():
    parsed = [cli.build_parser().parse_args(words) for words in commands()]
    assert len(parsed) >= 15


def test_every_command_of_the_program_is_in_the_table():
    table = README[README.index("| command | does |") : README.index("Exit codes:")]
    listed = set(re.findall(r"^\| `([\w-]+)", table, re.MULTILINE))
    (subparsers,) = [action for action in cli.build_parser()._actions if hasattr(action, "choices") and action.choices]
    assert listed == set(subparsers.choices)
    for name, parser in subparsers.choices.items():
        (line,) = [line for line in table.splitlines() if line.startswith(f"| `{name} ")]
        for flag in re.findall(r"--[\w-]+", line.split("` |")[0]):
            assert flag in parser._option_string_actions, f"{name} has no {flag}"


def test_links_lead_somewhere_and_assets_are_small():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    missing = [link for link in links if not link.startswith("http") and not (ROOT / link).exists()]
    assert missing == []
    assert sum(path.stat().st_size for path in (ROOT / "assets").iterdir()) < ASSETS_LIMIT


def test_options_named_in_the_text_exist():
    text = re.sub(r"## From Python.*?(?=^## )", "", README, flags=re.MULTILINE | re.DOTALL)  # there `run` is a variable
    sections = "run|lattice|model|wavefunction|sampling|reconfiguration|thermal|observables"
    named = set(re.findall(rf"`((?:{sections})\.\w+)", text))
    named = {name for name in named if not (ROOT / "jobscripts" / name).exists()}
    options, section = set(), ""
    for heading, key in re.findall(r"^### \[(\w+)\]|^\| `(\w+)` \|", templates.text("reference"), re.MULTILINE):
        section = heading or section
        options.add(f"{section}.{key}")
    assert len(named) > 5 and named <= options, sorted(named - options)


def test_the_page_on_the_architecture_names_every_folder_on_its_line():
    page = (ROOT / "docs" / "developers" / "architecture.md").read_text()
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", page, re.MULTILINE)
    stated = {name: int(line) for line, names in rows for name in re.findall(r"`(?:thermal/)?(\w+)(?:/|\.py)`", names)}
    folders = {path.parent.name for path in (ROOT / "hpc_nqs").glob("*/__init__.py")}
    assert folders <= set(stated)
    enforced = (ROOT / "tests" / "unit" / "test_imports.py").read_text()
    for line, names in re.findall(r"^ ?(\d+)  (.+)$", enforced, re.MULTILINE):
        assert all(stated[name] == int(line) for name in names.split()), line


def copy_of_the_sources(folder):
    """Copy what git tracks, or everything but builds where there is no git."""
    target = folder / "hpc nqs"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        ignored = shutil.ignore_patterns(".*", "build", "*.so", "*.h5", "__pycache__", "*.egg-info")
        return shutil.copytree(ROOT, target, ignore=ignored)
    for name in filter(None, listed.stdout.split("\0")):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target / name)
    return target


@pytest.mark.slow
def test_every_command_runs_as_written(tmp_path, clean_environment):
    """About fifteen minutes on two cores, installations included; needs a package index."""
    python = tmp_path / "bin" / "python3"
    python.parent.mkdir()
    python.symlink_to(getattr(sys, "_base_executable", sys.executable))
    environment = {key: value for key, value in clean_environment.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment["PATH"] = f"{python.parent}{os.pathsep}{environment['PATH']}"
    steps = []
    for mark, language, text in BLOCK.findall(README):
        if mark or language not in ("sh", "python"):
            continue
        steps.append(text if language == "sh" else f"python <<'END_OF_PROGRAM'\n{text}END_OF_PROGRAM\n")
    done = subprocess.run(
        ["bash", "-c", "set -euxo pipefail\n" + "\n".join(steps)],
        cwd=copy_of_the_sources(tmp_path),
        env=environment,
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    made = {path.name for path in (tmp_path / "hpc nqs").iterdir()}
    assert {"tfim.png", "j1j2.pdf", "j1j2-convergence.pdf", "j1j2.html", "field.png", "work", "column.pdf"} <= made
