"""Who may import whom: arrows point down, and MPI, HDF5 and matplotlib each stay in one module.

The source is parsed, not run, so imports inside functions count too.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "hpc_nqs"

# From the bottom up. A module may import from its own layer and from those below it.
LAYERS = [
    {"kernels"},
    {"bonds", "cluster_expansion", "cluster_seed", "conserved", "deep_units", "flux", "gates", "lattice", "machine", "models", "moves"}
    | {"purification", "quantum_numbers", "seed", "spin_system", "symmetry", "thread_pool"}
    | {"tridiagonal", "trotter", "wavefunctions", "worldlines"},
    {"ansatz", "blocks", "chains", "control_variates", "cost_model", "deep_ansatz", "deep_pairs", "deep_sum", "ensembles"}
    | {"conjugate_gradients", "enumeration", "estimators", "extrapolation", "isotropy", "level_meter", "linear", "log_derivatives", "measurement"}
    | {"observables", "ring_meter", "rings"}
    | {"row_blocks", "sample_space", "spin_ansatz", "thermodynamics", "umbrella"}
    | {"contradictions", "labels", "options", "sections", "settings", "systematic", "toml_text"},
    {"checkpoint", "correlations", "deep", "descent", "evaluation", "evolution", "level_plan", "lower_states"}
    | {"parallel", "path_table", "progress", "reconfiguration", "recorder", "reporting", "start", "summed_evolution"}
    | {"stopping", "thermal_plan", "thermal_table", "threads"},
    {"computation", "ground_state", "path_integral", "thermal"},
    {"bench", "exact", "exact_table", "plotting", "roofline", "sectors", "tasks", "templates"}
    | {"carry_over", "curves", "expert_mode", "judgement", "panels", "report_page", "standard_mode", "sweep", "terminal_plot"}
    | {"variance_limit"},
    {"__main__", "api", "cli", "commands", "figure_commands", "launch", "outcomes", "sources", "sweep_commands"},
]
LEVEL = {module: level for level, modules in enumerate(LAYERS) for module in modules}
DRIVERS = LEVEL["thermal"]

# The only module that may import each of these, and whether it must wait until a function is called.
OWNERS = {"mpi4py": ("parallel", True), "h5py": ("checkpoint", False), "matplotlib": ("plotting", False)}


def imported_names(tree):
    """Return (dotted name, whether at module level) of everything a module imports, absolute and relative."""
    at_module_level = set(map(id, tree.body))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ("hpc_nqs." if node.level else "") + (node.module or "")
            names = [f"{base.rstrip('.')}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            yield name, id(node) in at_module_level


def complaints(name, source):
    """Return what is wrong with the imports of the module `name`, relative to the package, one sentence each."""
    own = name.split(".")[0]
    for imported, at_module_level in imported_names(ast.parse(source)):
        top, _, rest = imported.partition(".")
        if top in OWNERS:
            owner, lazily = OWNERS[top]
            if name != owner:
                yield f"{name} imports {top}; only {owner} may"
            elif lazily and at_module_level:
                yield f"{name} imports {top} when it is imported; it must wait until it is needed"
        target = rest.split(".")[0]
        if top != "hpc_nqs" or not rest or target not in LEVEL:
            continue
        if LEVEL[target] > LEVEL[own]:
            yield f"{name} imports {target}, which stands above it"
        if target == "plotting" and at_module_level:
            yield f"{name} imports plotting when it is imported, but matplotlib may be missing"
        mover = own in ("parallel", "checkpoint", "stopping") or own == "recorder" and target not in ("checkpoint", "stopping")
        if mover and target not in ("labels", "machine", "thread_pool"):
            yield f"{name} imports {target}; it moves arrays and knows no physics"
        if rest.startswith("kernels.reference") and LEVEL[own] <= DRIVERS:
            yield f"{name} imports kernels.reference, which is for tests and comparisons"


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
        if name != "__init__":
            yield name, path.read_text()


def test_every_module_has_its_layer():
    unplaced = {name.split(".")[0] for name, _ in modules()} - set(LEVEL)
    assert not unplaced, f"say in LAYERS where {sorted(unplaced)} belong"


def test_imports_point_down():
    placed = [(name, source) for name, source in modules() if name.split(".")[0] in LEVEL]
    assert [complaint for name, source in placed for complaint in complaints(name, source)] == []


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("thermal", "from mpi4py import MPI", "only parallel may"),
        ("parallel", "from mpi4py import MPI", "wait until it is needed"),
        ("parallel", "def start():\n    from mpi4py import MPI", None),
        ("reporting", "import h5py.h5f", "only checkpoint may"),
        ("cli", "def f():\n    import matplotlib.pyplot", "only plotting may"),
        ("commands", "from hpc_nqs import plotting", "matplotlib may be missing"),
        ("wavefunctions.rbm", "from hpc_nqs import chains", "stands above it"),
        ("wavefunctions.rbm", "from hpc_nqs.kernels.rbm import RBMAmplitude", None),
        ("linear", "from hpc_nqs.parallel import Team", "stands above it"),
        ("linear", "from .parallel import Team", "stands above it"),
        ("thermal", "def run():\n    from hpc_nqs.exact import levels", "stands above it"),
        ("thermal", "from hpc_nqs.kernels import reference", "for tests and comparisons"),
        ("wavefunctions.rbm", "from hpc_nqs.kernels.reference import RBMAmplitude", "for tests and comparisons"),
        ("kernels.other", "from hpc_nqs.kernels import reference", "for tests and comparisons"),
        ("checkpoint", "from hpc_nqs.lattice import Lattice", "knows no physics"),
        ("checkpoint", "import hpc_nqs", None),
    ],
)
def test_the_checker_sees_what_it_should(name, source, expected):
    found = list(complaints(name, source))
    assert len(found) == (expected is not None)
    assert expected is None or expected in found[0]


def test_kernels_import_kernels_only():
    sources = [*PACKAGE.glob("kernels/*.pyx"), *PACKAGE.glob("kernels/*.pxd")]
    for path in sources:
        imported = re.findall(r"^\s*(?:from|c?import)\s+(hpc_nqs\S*|mpi4py\S*|h5py\S*)", path.read_text(), re.MULTILINE)
        assert [name for name in imported if not name.startswith("hpc_nqs.kernels")] == [], path.name
        assert not re.search(r"^\s*(from|c?import)\b.*\breference\b", path.read_text(), re.MULTILINE), path.name


def test_c_leaves_know_neither_python_nor_mpi():
    for path in [*ROOT.glob("csrc/*.c"), *ROOT.glob("csrc/*.h")]:
        assert re.findall(r"#\s*include\s*[<\"](Python|numpy/|mpi)", path.read_text()) == [], path.name
