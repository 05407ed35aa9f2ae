"""Who may import whom: folders stand on lines, arrows point down, and MPI, HDF5 and matplotlib each stay in one module.

The source is parsed, not run, so imports inside functions count too.
"""

import ast
import importlib.util
import re
from pathlib import Path

import pytest

import hpc_nqs

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "hpc_nqs"

# From the top down, as in docs/developers/architecture.md. A module may import from its own folder, from folders below,
# and from folders on its own line as long as no circle of folders arises.
LINES = """
11  __init__ __main__
10  api results cli
 9  tasks benchmarks
 8  thermal
 7  ground_state path_integral
 6  runs
 5  exact experiments importers reports
 4  reconfiguration settings
 3  sampling observables
 2  hilbert wavefunctions
 1  kernels hamiltonians lattices symmetry statistics parallel version
"""
LEVEL = {folder: int(level) for level, *folders in map(str.split, LINES.strip().splitlines()) for folder in folders}

# The only module that may import each of these, and whether it must wait until a function is called.
OWNERS = {"mpi4py": ("parallel.team", True), "h5py": ("runs.run_file", False), "matplotlib": ("reports.figures", False)}
# Modules that move arrays and know no physics, and what else of the package each may import.
MOVERS = {
    "parallel.team": ("parallel.",),
    "parallel.launchers": (),
    "runs.run_file": ("runs.labelled_arrays", "runs.older_files", "parallel.processor", "version"),
    "runs.stopping": (),
    "runs.recorder": ("runs.run_file", "runs.stopping", "runs.watching"),
    "runs.watching": (),
}
MAX_LINES, MAX_FUNCTION_LINES = 400, 60


def modules():
    """Return {dotted name within the package: source}; a folder's own name stands for its `__init__`."""
    paths = {path.relative_to(PACKAGE).with_suffix(""): path for path in PACKAGE.rglob("*.py")}
    return {(".".join(name.parts).removesuffix(".__init__")): path.read_text() for name, path in sorted(paths.items())}


def imported_names(name, source):
    """Yield (dotted name, whether at module level) of everything that a module of this name imports."""
    tree = ast.parse(source)
    at_module_level = set(map(id, tree.body))
    package = ["hpc_nqs", *name.split(".")[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) + 1 - node.level] if node.level else [])
            base = ".".join(filter(None, [base, node.module]))
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for imported in names:
            yield imported, id(node) in at_module_level


def complaints(name, source):
    """Return what is wrong with the imports of the module `name`, relative to the package, one sentence each."""
    own = name.split(".")[0]
    for imported, at_module_level in imported_names(name, source):
        top, _, rest = imported.partition(".")
        if top in OWNERS:
            owner, lazily = OWNERS[top]
            if name != owner:
                yield f"{name} imports {top}; only {owner} may"
            elif lazily and at_module_level:
                yield f"{name} imports {top} when it is imported; it must wait until it is needed"
        if top != "hpc_nqs":
            continue
        target = rest.split(".")[0] if rest.split(".")[0] in LEVEL else "__init__"
        if LEVEL[target] > LEVEL[own]:
            yield f"{name} imports {rest or top}, which stands above it"
        if rest.startswith("reports.figures") and at_module_level:
            yield f"{name} imports reports.figures when it is imported, but matplotlib may be missing"
        if name in MOVERS and not rest.startswith(MOVERS[name] or "nothing"):
            yield f"{name} imports {rest}; it moves arrays and knows no physics"
        if LEVEL[own] <= LEVEL["reconfiguration"] and own != "settings" and target == "settings":
            yield f"{name} imports {rest}; below the drivers values are arguments, not settings"
        if rest.startswith("kernels.reference") and not name.startswith(("kernels.reference", "benchmarks")):
            yield f"{name} imports kernels.reference, which is for tests and comparisons"


def folder_arrows():
    """Return {folder: set of the other folders it imports from}."""
    arrows = {folder: set() for folder in LEVEL}
    for name, source in modules().items():
        for imported, _ in imported_names(name, source):
            own, target = name.split(".")[0], imported.removeprefix("hpc_nqs.").split(".")[0]
            if imported.startswith("hpc_nqs.") and target in LEVEL and target != own:
                arrows[own].add(target)
    return arrows


def circles(arrows):
    """Return the folders that can be reached from themselves."""
    reached = {folder: set(targets) for folder, targets in arrows.items()}
    for _ in arrows:
        reached = {folder: targets.union(*(reached[t] for t in targets)) for folder, targets in reached.items()}
    return {folder for folder, targets in reached.items() if folder in targets}


def test_every_folder_has_its_line():
    folders = {name.split(".")[0] for name in modules()}
    assert folders <= set(LEVEL), f"say in LINES where {sorted(folders - set(LEVEL))} belong"
    assert set(LEVEL) == folders


def test_every_folder_is_a_package():
    """A folder without `__init__.py` is silently left out of the wheel."""
    assert [str(path.parent) for path in PACKAGE.rglob("*.py") if not (path.parent / "__init__.py").exists()] == []


def test_imports_point_down():
    found = [complaint for name, source in modules().items() for complaint in complaints(name, source)]
    assert found == []


def test_folders_form_no_circle():
    assert circles(folder_arrows()) == set()
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == {"b", "c"}


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("thermal.driver", "from mpi4py import MPI", "only parallel.team may"),
        ("parallel.team", "from mpi4py import MPI", "wait until it is needed"),
        ("parallel.team", "def start():\n    from mpi4py import MPI", None),
        ("reports.text", "import h5py.h5f", "only runs.run_file may"),
        ("cli.parser", "def f():\n    import matplotlib.pyplot", "only reports.figures may"),
        ("cli.commands", "from hpc_nqs.reports import figures", "matplotlib may be missing"),
        ("wavefunctions.rbm", "from hpc_nqs.sampling import chains", "stands above it"),
        ("wavefunctions.rbm", "from hpc_nqs.kernels.rbm import RBMAmplitude", None),
        ("reconfiguration.dense", "from hpc_nqs.runs.progress import Progress", "stands above it"),
        ("reconfiguration.dense", "from ..thermal import driver", "stands above it"),
        ("reconfiguration.dense", "from . import tridiagonal", None),
        ("reconfiguration.dense", "from hpc_nqs.settings.parsing import Settings", "not settings"),
        ("thermal.driver", "def run():\n    from hpc_nqs.exact.diagonalization import levels", None),
        ("exact.table", "from hpc_nqs.thermal import driver", "stands above it"),
        ("thermal.driver", "from hpc_nqs.kernels import reference", "for tests and comparisons"),
        (
            "wavefunctions.rbm",
            "from hpc_nqs.kernels.reference.amplitudes import RBMAmplitude",
            "for tests and comparisons",
        ),
        ("runs.run_file", "from hpc_nqs.lattices.lattice import Lattice", "knows no physics"),
        ("runs.run_file", "import hpc_nqs", "stands above it"),
        ("runs.run_file", "from hpc_nqs.version import __version__", None),
    ],
)
def test_the_checker_sees_what_it_should(name, source, expected):
    found = list(complaints(name, source))
    assert bool(found) == (expected is not None)
    assert expected is None or any(expected in complaint for complaint in found)


def functions(source):
    """Yield (name, number of lines) of every function."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            yield node.name, node.end_lineno - node.lineno + 1


def test_modules_and_functions_stay_short():
    sources = {
        path: path.read_text() for path in [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.pyx"), *ROOT.glob("csrc/*")]
    }
    assert {str(path) for path, text in sources.items() if text.count("\n") > MAX_LINES} == set()
    long = [(name, f) for name, text in modules().items() for f, n in functions(text) if n > MAX_FUNCTION_LINES]
    assert long == []


def test_kernels_import_kernels_only():
    sources = [*PACKAGE.glob("kernels/*.pyx"), *PACKAGE.glob("kernels/*.pxd")]
    for path in sources:
        imported = re.findall(r"^\s*(?:from|c?import)\s+(hpc_nqs\S*|mpi4py\S*|h5py\S*)", path.read_text(), re.MULTILINE)
        assert [name for name in imported if not name.startswith("hpc_nqs.kernels")] == [], path.name
        assert not re.search(r"^\s*(from|c?import)\b.*\breference\b", path.read_text(), re.MULTILINE), path.name


def test_c_leaves_know_neither_python_nor_mpi():
    for path in [*ROOT.glob("csrc/*.c"), *ROOT.glob("csrc/*.h")]:
        assert re.findall(r"#\s*include\s*[<\"](Python|numpy/|mpi)", path.read_text()) == [], path.name


def test_the_installed_package_has_every_module():
    """Of the sources and no other: a folder without `__init__`, or a stale build, would show here."""
    installed = Path(importlib.util.find_spec("hpc_nqs").origin).parent
    wanted = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")}
    assert {path.relative_to(installed).as_posix() for path in installed.rglob("*.py")} == wanted
    kernels = {path.stem for path in PACKAGE.glob("kernels/*.pyx")}
    assert {path.name.partition(".")[0] for path in installed.glob("kernels/*.so")} == kernels


def test_job_scripts_use_public_names_only():
    """They live outside of the package and are copied to clusters: modules may move, public names may not."""
    for path in [path for path in ROOT.glob("jobscripts/*") if path.is_file()]:
        text = path.read_text()
        assert re.findall(r"from hpc_nqs\S* import|import hpc_nqs\.\S+", text) == [], path.name
        assert set(re.findall(r"\bhpc_nqs\.(\w+)\(", text)) <= set(hpc_nqs.__all__), path.name
