"""The README and the pages of docs/ are true: links, commands, keys, the programs in them.

The slow tests type every command into a shell, in the folder of a fresh copy with an environment of its own, as a
reader would, and every cell of the notebooks into Python. Blocks that need what a reader may not have are marked by a
comment line above them.
"""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hpc_nqs.api import Run
from hpc_nqs.cli import parser as cli
from hpc_nqs.hamiltonians import MODELS
from hpc_nqs.runs.labelled_arrays import KEYS, UNITS, quantity_of
from hpc_nqs.settings import templates
from hpc_nqs.settings.parsing import SECTIONS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text()
PAGES = {
    path.relative_to(DOCS).as_posix(): path.read_text()
    for path in sorted(DOCS.rglob("*.md"))
    if "_build" not in path.parts
}
TEXTS = {"README.md": README, **{f"docs/{name}": text for name, text in PAGES.items()}}
NOTEBOOKS = [name for name, text in PAGES.items() if text.startswith("---\nfile_format: mystnb")]
# Pages that are typed after the README, in this order: later ones use files of earlier ones.
TYPED_FIRST = ["tutorials/first_runs.md", "guide/commands.md"]
BLOCK = re.compile(r"(<!-- [^\n]*-->\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TREE = re.compile(r"^```\{toctree\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ASSETS_LIMIT = 300_000  # bytes
README_LIMIT, LINE_LIMIT = 200, 400


def commands():
    """Return the hpc-nqs commands of all shell blocks as lists of words, without launchers and redirections."""
    found = []
    for text in TEXTS.values():
        for _, language, block in BLOCK.findall(text):
            block = re.sub(r"<<'EOF'\n.*?\nEOF\n", "\n", block, flags=re.DOTALL) if language == "sh" else ""
            for line in block.splitlines():
                words = shlex.split(line, comments=True)
                if "hpc-nqs" in words:
                    words = words[words.index("hpc-nqs") + 1 :]
                    found.append(words[: words.index(">")] if ">" in words else words)
    return found


def anchors(text):
    """Return the anchors that GitHub and MyST make of the headings of a page."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+?)\s*$", text, re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]


def entries(name):
    """Return the pages that the tables of contents of a page name; "*" stands for the rest of its folder."""
    found = []
    for block in TREE.findall(PAGES[name]):
        for entry in (line.strip() for line in block.splitlines() if line.strip() and not line.startswith(":")):
            folder = Path(name).parent
            found += [
                other
                for other in PAGES
                if (DOCS / other).match((DOCS / folder / f"{entry}.md").as_posix()) and other != name
            ]
    return found


def test_the_readme_is_short():
    assert len(README.splitlines()) <= README_LIMIT


@pytest.mark.parametrize("name", TEXTS)
def test_lines_can_be_read(name):
    long = [k for k, line in enumerate(TEXTS[name].splitlines(), 1) if len(line) > LINE_LIMIT]
    assert not long, f"{name}: lines longer than {LINE_LIMIT} characters: {long}"


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_somewhere(name):
    prose = re.sub(r"^```.*?^```|`[^`\n]+`", "", TEXTS[name], flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if "://" in link:
            continue
        target, _, place = link.partition("#")
        path = ((ROOT / name).parent / target).resolve() if target else ROOT / name
        assert path.exists(), link
        assert not place or place in anchors(path.read_text()), link


def test_assets_are_small():
    assert sum(path.stat().st_size for path in (ROOT / "assets").iterdir()) < ASSETS_LIMIT


def test_every_page_is_reached_from_the_index():
    reached, waiting = set(), ["index.md"]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += entries(name)
    assert reached == set(PAGES)


def test_the_input_reference_has_every_key():
    """What Sphinx shows is made of what the program prints; here it is looked at before Sphinx does."""
    path = DOCS / "_ext" / "definition_lists.py"
    spec = importlib.util.spec_from_file_location("definition_lists", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sections = re.split(r"^### \[(\w+)\]$", module.as_definitions(templates.text("reference")), flags=re.MULTILINE)
    shown = dict(zip(sections[1::2], sections[2::2], strict=True))
    assert list(shown) == list(SECTIONS)
    for name, kind in SECTIONS.items():
        definitions = re.findall(
            r"^`(\w+)`\n: \S.*\.<br>\n  (?:default|no default|required)\S* .*\S$|^`(\w+)`\n: .*\.<br>\n  required; .*$",
            shown[name],
            re.MULTILINE,
        )
        assert [first or second for first, second in definitions] == list(kind.__dataclass_fields__)
    assert "{input-reference}" in PAGES["guide/inputs.md"]


def test_the_conventions_hold_every_hamiltonian():
    page = re.sub(r"\\(?:begin|end)\{aligned\}|\{\}&|\\\\\n&", "", PAGES["guide/conventions.md"])  # lines of a long one
    formulas = [" ".join(found.split()) for found in re.findall(r"\$\$(.*?)\$\$", page, re.DOTALL)]
    for model in MODELS.values():
        assert model.latex in formulas, model.word
        assert f"`{model.word}`" in page


def test_the_columns_hold_every_quantity():
    missing = {quantity_of(name) for name in (*UNITS, *KEYS)} - {"dtau", "ln", "seconds", "tau"}
    missing = {name for name in missing if f"`{name}`" not in PAGES["guide/columns.md"]}
    assert not missing


def test_every_command_can_be_parsed():
    parsed = [cli.build_parser().parse_args(words) for words in commands()]
    assert len(parsed) >= 25


def test_every_command_of_the_program_is_in_the_table():
    page = PAGES["guide/commands.md"]
    table = page[page.index("| command | does |") : page.index("Exit codes:")]
    listed = set(re.findall(r"^\| `([\w-]+)", table, re.MULTILINE))
    (subparsers,) = [action for action in cli.build_parser()._actions if hasattr(action, "choices") and action.choices]
    assert listed == set(subparsers.choices)
    for name, parser in subparsers.choices.items():
        (line,) = [line for line in table.splitlines() if line.startswith(f"| `{name} ")]
        for flag in re.findall(r"--[\w-]+", line.split("` |")[0]):
            assert flag in parser._option_string_actions, f"{name} has no {flag}"


def test_options_named_in_the_text_exist():
    texts = {name: text for name, text in TEXTS.items() if not name.startswith("docs/developers/")}
    named = set(re.findall(rf"`((?:{'|'.join(SECTIONS)})\.\w+)`", "\n".join(texts.values())))
    of_python = {f"run.{name}" for name in (*vars(Run), *Run.__dataclass_fields__)}
    named = {name for name in named - of_python if not (ROOT / "jobscripts" / name).exists()}
    options = {f"{section}.{key}" for section, kind in SECTIONS.items() for key in kind.__dataclass_fields__}
    assert len(named) > 20 and named <= options, sorted(named - options)


def test_the_page_on_the_architecture_names_every_folder_on_its_line():
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", PAGES["developers/architecture.md"], re.MULTILINE)
    stated = {name: int(line) for line, names in rows for name in re.findall(r"`(?:thermal/)?(\w+)(?:/|\.py)`", names)}
    folders = {path.parent.name for path in (ROOT / "hpc_nqs").glob("*/__init__.py")}
    assert folders <= set(stated)
    enforced = (ROOT / "tests" / "unit" / "test_imports.py").read_text()
    for line, names in re.findall(r"^ ?(\d+)  (.+)$", enforced, re.MULTILINE):
        assert all(stated[name] == int(line) for name in names.split()), line


def test_examples_are_listed():
    listed = re.findall(
        r"^\| \[([^]]+)\]\(\.\./\.\./jobscripts/examples/\1\)", PAGES["guide/examples.md"], re.MULTILINE
    )
    assert sorted(listed) == sorted(path.name for path in (ROOT / "jobscripts" / "examples").iterdir())


def copy_of_the_sources(folder):
    """Copy what git tracks, or everything but builds where there is no git."""
    target = folder / "hpc nqs"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        ignored = shutil.ignore_patterns(".*", "build", "_build", "*.so", "*.h5", "__pycache__", "*.egg-info")
        return shutil.copytree(ROOT, target, ignore=ignored)
    for name in filter(None, listed.stdout.split("\0")):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target / name)
    return target


def typed():
    """Return the blocks of the README and of all pages as one shell program; Python is one program per page."""
    steps = []
    for name in ["README.md", *(f"docs/{page}" for page in [*TYPED_FIRST, *sorted(set(PAGES) - set(TYPED_FIRST))])]:
        found = [(language, text) for mark, language, text in BLOCK.findall(TEXTS[name]) if not mark]
        steps += [f'cd "$home"; echo typing {name}', *(text for language, text in found if language == "sh")]
        program = "".join(text for language, text in found if language == "python")
        steps += [f"python -P <<'END_OF_PROGRAM'\n{program}END_OF_PROGRAM\n"] if program else []
    return "set -euxo pipefail\nhome=$PWD\n" + "\n".join(steps)


@pytest.mark.slow
def test_every_command_runs_as_written(tmp_path, clean_environment):
    """About twenty minutes on two cores, installations included; needs a package index."""
    python = tmp_path / "bin" / "python3"
    python.parent.mkdir()
    python.symlink_to(getattr(sys, "_base_executable", sys.executable))
    environment = {key: value for key, value in clean_environment.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment["PATH"] = f"{python.parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-c", typed()],
        cwd=copy_of_the_sources(tmp_path),
        env=environment,
        capture_output=True,
        text=True,
        timeout=7200,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    made = {path.name for path in (tmp_path / "hpc nqs").iterdir()}
    assert {"tfim.png", "j1j2.pdf", "j1j2-convergence.pdf", "j1j2.html", "field.png", "work", "column.pdf"} <= made


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_cells_of_notebooks_run(name, tmp_path, clean_environment):
    """Up to two minutes each on an idle core."""
    cells = CELL.findall(PAGES[name])
    assert len(cells) >= 3
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(cells)],
        cwd=tmp_path,
        env={**clean_environment, "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
