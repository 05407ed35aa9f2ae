"""What a release must agree on: the number of the version, the archives' contents, the list of findings."""

import re
from pathlib import Path

import pytest

import hpc_nqs

ROOT = Path(__file__).parents[2]
PLACES = {
    "CITATION.cff": r"^version: (\S+)$",
    "CHANGELOG.md": r"^## \[(\S+)\] - ",
    "jobscripts/conda/recipe.yaml": r'^  version: "(\S+)"$',
}


@pytest.mark.parametrize("name", PLACES)
def test_there_is_one_version(name):
    found = re.search(PLACES[name], (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
    assert found and found[1] == hpc_nqs.__version__


def test_the_recipe_needs_what_the_package_needs():
    recipe = (ROOT / "jobscripts/conda/recipe.yaml").read_text(encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    needed = re.findall(r'"([\w-]+)(>=[\d.]+)', re.search(r"^dependencies = (.*)$", project, re.MULTILINE)[1])
    needed += re.findall(r'"(setuptools|Cython)(>=[\d.]+)', project)
    assert len(needed) == 6
    for package, least in needed:
        assert f"- {package.lower()} {least}" in recipe


def test_the_list_of_findings_is_whole():
    listed = re.findall(r"^\| `(\w+\.sh)` \|", (ROOT / "docs/developers/findings.md").read_text("utf-8"), re.MULTILINE)
    assert listed == sorted(path.name for path in (ROOT / "findings").glob("*"))


@pytest.mark.parametrize("path", sorted((ROOT / "findings").glob("*.sh")), ids=lambda path: path.stem)
def test_a_finding_pins_what_it_installs_and_says_what_was_seen(path):
    text = path.read_text(encoding="utf-8")
    installed = re.search(r"pip\" install --quiet --disable-pip-version-check (.*)$", text, re.MULTILINE)[1].split()
    assert installed and all("==" in package for package in installed)
    heading = text.partition("\nset -euo pipefail\n")[0]
    assert "mktemp -d" in text and "# Seen: " in heading and f"bash findings/{path.name}" in heading
    assert "hpc_nqs" not in text and "hpc-nqs" not in text
