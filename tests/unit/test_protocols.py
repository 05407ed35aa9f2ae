"""Every implementation of a protocol declares it and has all of its members, with the same arguments."""

import importlib
import inspect
from pathlib import Path

import pytest

import hpc_nqs
from hpc_nqs.hilbert.system import System
from hpc_nqs.reconfiguration.solvers import Solver
from hpc_nqs.runs.computation import Driver
from hpc_nqs.sampling.sampler import Sampler
from hpc_nqs.thermal.evolution import Evolution
from hpc_nqs.wavefunctions.wavefunction import Wavefunction

PACKAGE = Path(hpc_nqs.__file__).parent
PROTOCOLS = {
    System: {"Purification", "SpinSystem", "ElectronSystem", "JointUnits"},
    Wavefunction: {
        "RBM", "PairProduct", "SpinPairs", "CorrelatorProduct", "MismatchFactor", "ExchangePermanent",
        "ExchangeHafnian", "SoftenedHafnian", "SoftenedPermanent", "Product", "ProjectedState", "VariationalDBM",
        "BackflowDeterminant", "SoftenedDeterminant", "PairDeterminant", "PairSum",
    },
    Sampler: {"Chains", "Enumeration", "Rings", "RingEnumeration", "KetBraChains"},
    Evolution: {"AdaptiveEvolution", "PermanentEvolution", "HafnianEvolution", "RingEvolution", "SummedEvolution"},
    Driver: {"Cooling", "Levels", "Optimization", "PathIntegral"},
    Solver: {"SoftCut", "Cholesky", "DistributedCholesky", "ConjugateGradients", "SampleSpace"},
}
BASES = {"ExactSampler", "Computation", "ShiftedSolver", "Softened"}  # share code, complete no protocol
CASES = [(protocol, name) for protocol, names in PROTOCOLS.items() for name in sorted(names)]


def all_classes():
    """Return {name: class} of every class that the package defines in Python."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(("hpc_nqs", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        if name.startswith(("hpc_nqs.reports.figures", "hpc_nqs.__main__", "hpc_nqs.kernels")):
            continue
        module = importlib.import_module(name)
        found |= {n: c for n, c in vars(module).items() if inspect.isclass(c) and c.__module__ == name}
    return found


CLASSES = all_classes()


def members(protocol):
    """Return {name: function, property or None for a plain attribute} that the protocol asks for."""
    annotated = dict.fromkeys(inspect.get_annotations(protocol))
    public = {name: member for name, member in vars(protocol).items() if not name.startswith("_")}
    return annotated | {name: m for name, m in public.items() if callable(m) or isinstance(m, property)}


def assigned_names(cls):
    """Return the names that the code of a class, its bases included, sets on instances or defines."""
    names = set()
    for each in cls.__mro__:
        if each is object or getattr(each, "_is_protocol", False):
            continue
        names |= set(vars(each)) | set(inspect.get_annotations(each))
        for line in inspect.getsource(each).splitlines():
            for target in line.partition(" = ")[0].split(",") if " = " in line else ():
                names |= {part.strip().removeprefix("self.") for part in target.split(" = ") if "self." in part}
    return names


@pytest.mark.parametrize(("protocol", "name"), CASES, ids=[f"{p.__name__}-{n}" for p, n in CASES])
def test_an_implementation_has_every_member(protocol, name):
    cls = CLASSES[name]
    assert protocol in cls.__mro__, f"{name} does not declare {protocol.__name__}"
    for member, wanted in members(protocol).items():
        assert member in assigned_names(cls), f"{name} lacks {member}"
        if inspect.isfunction(wanted):
            own, asked = inspect.signature(getattr(cls, member)), inspect.signature(wanted)
            assert list(own.parameters) == list(asked.parameters), f"{name}.{member}{own} where {asked} is asked for"


def test_the_lists_above_are_complete():
    for protocol, names in PROTOCOLS.items():
        declared = {n for n, c in CLASSES.items() if protocol in c.__mro__ and c is not protocol}
        assert declared - BASES == names, protocol.__name__


def test_the_check_sees_a_missing_member():
    class Broken(Sampler):
        n_chains = first = 0
        is_exact = True

    assert set(members(Sampler)) - assigned_names(Broken) == {"sample", "warm_up", "acceptance", "state", "restore"}
