"""The theory pages hold together, and the places in the code that cite them name pages and sections that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = "docs/theory"
PAGES = {path.name: path.read_text() for path in sorted((ROOT / FOLDER).glob("*.md"))}
BIBLIOGRAPHY = (ROOT / FOLDER / "references.bib").read_text()
SUFFIXES = (".py", ".pyx", ".pxd", ".c", ".h")
TITLE = r"""(?:"[^"]+"|'[^']+')"""
CITATION = re.compile(rf"{FOLDER}/([\w-]+\.\w+)((?:(?:, and |, | and ){TITLE})*)")
OLD_CITATION = re.compile(r"[tT]heory( section)? ?\d")


def sources():
    """Return the texts of all source files by path, without the C that Cython made."""
    found = {}
    for folder in ("hpc_nqs", "csrc", "tests"):
        for path in sorted((ROOT / folder).rglob("*")):
            generated = path.suffix == ".c" and path.with_suffix(".pyx").exists()
            if path.suffix in SUFFIXES and not generated:
                found[path.relative_to(ROOT).as_posix()] = path.read_text()
    return found


def joined(text):
    """Return a text with its line breaks, and the comment signs after them, as single spaces."""
    return re.sub(r"[ \t]*\n[ \t]*(?:#|\*(?!/)|//)?[ \t]*", " ", text)


def cited(text):
    """Return (page, [section titles]) of every citation in the text of a source file."""
    found = CITATION.findall(joined(text))
    return [(page, [title[1:-1] for title in re.findall(TITLE, titles)]) for page, titles in found]


def headings(text):
    """Return the headings of a page, without those inside of code blocks."""
    return re.findall(r"^#+ (.+?)\s*$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)


def anchor(heading):
    """Return the anchor that GitHub and MyST make of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def unknown(citations):
    """Return the citations of pages and sections that do not exist, in words."""
    problems = []
    for page, titles in citations:
        if page not in PAGES:
            problems.append(f"there is no page {page}")
            continue
        known = headings(PAGES[page])
        problems += [f'{page} has no section "{title}"' for title in titles if title not in known]
    return problems


def test_references_are_those_that_are_cited():
    keys = re.findall(r"^@\w+\{([^,\s]+),", BIBLIOGRAPHY, re.MULTILINE)
    assert len(keys) == len(set(keys))
    texts = [path.read_text() for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts]
    groups = [group for text in texts for group in re.findall(r"\{cite:\w+\}`([^`]+)`", text)]
    assert {key.strip() for group in groups for key in group.split(",")} == set(keys)


@pytest.mark.parametrize("entry", re.findall(r"^@\w+\{.*?^\}", BIBLIOGRAPHY, re.MULTILINE | re.DOTALL))
def test_references_can_be_found(entry):
    fields = set(re.findall(r"^\s*(\w+)\s*=", entry, re.MULTILINE))
    assert {"author", "title", "journal", "volume", "pages", "year"} <= fields
    assert fields & {"doi", "eprint"}


@pytest.mark.parametrize("page", PAGES)
def test_page(page):
    """A page has one title, distinct headings, closed formulas, and links and section titles that exist."""
    text, titles = PAGES[page], headings(PAGES[page])
    assert text.startswith("# ") and len(re.findall(r"^# ", text, re.MULTILINE)) == 1
    assert len(titles) == len(set(titles))
    assert text.count("$") % 2 == 0 and len(re.findall(r"^\$\$$", text, re.MULTILINE)) % 2 == 0
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        name, _, place = target.partition("#")
        path = (ROOT / FOLDER / name).resolve() if name else ROOT / FOLDER / page
        assert path.exists(), target
        if place:
            assert place in map(anchor, headings(path.read_text())), target
    named = re.findall(rf"\]\(([\w-]+\.md)\)((?:, {TITLE})*)", joined(text))
    assert not unknown([(name, [title[1:-1] for title in re.findall(TITLE, quoted)]) for name, quoted in named])


def test_index_names_all_pages():
    listed = re.findall(r"^\| \[[^\]]+\]\(([\w-]+\.md)\)", PAGES["index.md"], re.MULTILINE)
    assert sorted(listed) == sorted(set(PAGES) - {"index.md"})


def test_code_cites_pages_and_sections_that_exist():
    texts = sources()
    problems = {name: unknown(cited(text)) for name, text in texts.items()}
    assert not {name: found for name, found in problems.items() if found}


def test_code_cites_nothing_else():
    """No section numbers of a note that is not in the repository."""
    left = {name: OLD_CITATION.search(joined(text)) for name, text in sources().items()}
    assert not {name: found[0] for name, found in left.items() if found}


@pytest.mark.parametrize(
    "text, citations, n_problems",
    [
        (f'# {FOLDER}/reconfiguration.md, "Soft cut".', [("reconfiguration.md", ["Soft cut"])], 0),
        (f"({FOLDER}/gates.md,\n    'World\n    lines' and 'Sign')", [("gates.md", ["World lines", "Sign"])], 0),
        (f"/* {FOLDER}/reconfiguration.md, \"Ratios without\n * transcendental functions\" */", None, 0),
        (f"{FOLDER}/gates.md; {FOLDER}/index.md", [("gates.md", []), ("index.md", [])], 0),
        (f'{FOLDER}/reconfiguration.md, "Hard cut"', [("reconfiguration.md", ["Hard cut"])], 1),
        (f"{FOLDER}/recipes.md", [("recipes.md", [])], 1),
    ],
)
def test_citations_are_found(text, citations, n_problems):
    found = cited(text)
    assert found and (citations is None or found == citations)
    assert len(unknown(found)) == n_problems
