"""The registry of models: what is read from it, and that nothing outside a model's own file knows its name."""

import ast
import functools
import inspect
import pickle
from pathlib import Path

import numpy as np
import pytest

from hpc_nqs.hamiltonians import MODELS, Heisenberg, TransverseFieldIsing, build_model
from hpc_nqs.hamiltonians.electron_model import ElectronModel
from hpc_nqs.hamiltonians.matrices import to_sparse
from hpc_nqs.hamiltonians.model import BondTerms, Match, Model
from hpc_nqs.hamiltonians.parameter import BONDS_XYZ, CELL_BONDS, CELL_BONDS_XYZ, PLACES, Parameter
from hpc_nqs.importers.spin_terms import SpinTerms, input_text
from hpc_nqs.lattices import lattice as lattices
from hpc_nqs.observables.diagonal import build_observables
from hpc_nqs.reports.text import describe
from hpc_nqs.settings import parsing, templates
from hpc_nqs.settings.model_section import joined, model_section
from hpc_nqs.settings.parsing import SettingsError, parse_settings, read_tables
from hpc_nqs.settings.system import build

PACKAGE = Path(__file__).parents[2] / "hpc_nqs"
KNOWS_A_NAME = set()
CHAIN = {"lattice": {"kind": "chain", "lengths": [6]}, "thermal": {"betas": [1.0]}}


class PlanarMagnet(Model):
    """H = sum_b J_b [SxSx + SySy] - Gamma sum_i Sx_i: exchange and a transverse field."""

    word = "planar"
    title = "planar magnet"
    summary = "XY in a field along x"
    latex = r"H = \sum_{(ij)} J_{ij} \left[ S^x_i S^x_j + S^y_i S^y_j \right] - \Gamma \sum_i S^x_i"
    parameters = (
        Heisenberg.parameters[0],
        Parameter("field_x", 0.0, symbol="Gamma", term="-Gamma sum Sx", shown_at_default=False),
    )
    not_all_zero = ("couplings", "field_x")
    spin = 0.5
    has_exchange = True

    @classmethod
    def build(cls, lattice, **given):
        from hpc_nqs.hamiltonians.bonds import coupled_bonds
        from hpc_nqs.hamiltonians.spin_model import SpinModel

        values, n = cls.completed(given), lattice.n_sites
        sites, strength, shells = coupled_bonds(lattice, values["couplings"])
        flips = np.arange(n), np.full(n, -values["field_x"] / 2)
        return SpinModel.of_terms(cls.word, n, cls.spin, exchange=(sites, strength / 2, shells), flips=flips)

    @classmethod
    def match(cls, terms):
        if terms.is_ising or not terms.is_xxz or any(matrix[2][2] for matrix in terms.pairs.values()):
            return None
        problems = ["a field along z"] if any(terms.fields["z"]) else []
        return Match({"field_x": terms.uniform("x")}, (), problems)


@pytest.fixture
def third_model(monkeypatch):
    """The planar magnet in the registry; sections are made when they are imported, hence again here."""
    monkeypatch.setitem(MODELS, PlanarMagnet.word, PlanarMagnet)
    monkeypatch.setitem(parsing.SECTIONS, "model", model_section(MODELS))


def strings(source):
    """Yield (line, text) of every string constant that is no docstring, parts of f-strings included."""
    tree = ast.parse(source)
    documented = [node for node in ast.walk(tree) if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))]
    docstrings = {id(node.body[0].value) for node in documented if ast.get_docstring(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def names_of_models(path, source):
    """Return the places where a module names a model that is not its own, as "path:line word"."""
    # by the ends of the paths: the tests read the sources and import what is installed
    own = {word for word, model in MODELS.items() if path.parts[-2:] == Path(inspect.getfile(model)).parts[-2:]}
    found = [(line, word) for line, text in strings(source) for word in MODELS if word in text and word not in own]
    return [f"{path}:{line} {word}" for line, word in found]


def test_only_its_own_file_knows_the_name_of_a_model():
    paths = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}
    naming = {name for name, path in paths.items() if names_of_models(path, path.read_text())}
    assert naming == KNOWS_A_NAME


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('"""About tfim."""\n\ndef f():\n    """Of tfim."""', False),
        ('x = kind == "tfim"', True),
        ('x = f"the model tfim of {n}"', True),
        ("from hpc_nqs.hamiltonians import Heisenberg", False),
        ('def f():\n    x = 1\n    "heisenberg"', True),
    ],
)
def test_the_search_for_names_sees_what_it_should(source, found):
    assert bool(names_of_models(PACKAGE / "settings/sections.py", source)) == found


@pytest.mark.parametrize("model", [*MODELS.values(), PlanarMagnet], ids=lambda model: model.word)
def test_a_model_says_all_of_itself(model):
    names = [parameter.name for parameter in model.parameters]
    assert len(set(names)) == len(names) and set(model.not_all_zero) <= set(names)
    assert model.formula().startswith("H = ") and not set(model.formula()) & set("\\{}")
    assert all(parameter.symbol in model.formula() for parameter in model.parameters)
    built = model.build(lattices.build("chain", [6]), **({"mu": 0.0} if model.ensembles else {}))
    assert built.kind == model.word
    assert built.has_exchange == model.has_exchange
    assert isinstance(built, ElectronModel) if model.of_electrons else built.spin == model.spin


@pytest.mark.parametrize("model", [each for each in MODELS.values() if not each.of_electrons])
def test_breaking_the_spin_flip_is_declared(model):
    """By every parameter of the models that have the symmetry without it."""
    lattice = lattices.build("chain", [4])
    for parameter in model.parameters:
        numbers = {CELL_BONDS: 1, CELL_BONDS_XYZ: 3, BONDS_XYZ: 3}.get(parameter.kind, 0)
        entry = (1, 0, 0, 0)[: PLACES[parameter.kind][0]] if numbers else ()
        listed = ((*entry, *[0.7] * numbers),) if numbers else (0.7,)
        value = listed if parameter.is_list else 0.7
        assert model.build(lattice, **{parameter.name: value}).spin_flip_symmetric != parameter.breaks_spin_flip


def test_plain_text_of_a_formula():
    assert TransverseFieldIsing.formula() == "H = -J sum_<ij> sz_i sz_j - Gamma sum_i sx_i - h sum_i sz_i"
    assert PlanarMagnet.formula() == "H = sum_(ij) J_ij [ Sx_i Sx_j + Sy_i Sy_j ] - Gamma sum_i Sx_i"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "tfim", "anisotropy": 1.0}, "model.anisotropy: tfim has no such parameter; allowed are coupling, "),
        ({"couplings": []}, r"model.couplings = \[\]: 1 to 3 couplings, of first to third neighbours"),
        ({"kind": "tfim", "field": float("nan")}, "model.field = nan: allowed are finite numbers"),
    ],
)
def test_wrong_values_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        build_model(lattices.build("chain", [6]), **values)


def test_settings_survive_a_copy_between_processes():
    settings = parse_settings(CHAIN | {"model": {"kind": "tfim", "field": 0.3}})
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_a_third_model_needs_no_other_edit(third_model):
    settings = parse_settings(CHAIN | {"model": {"kind": "planar", "couplings": [1.0, 0.5], "field_x": 0.4}})
    assert settings.to_dict()["model"] == {"kind": "planar", "field_x": 0.4, "couplings": [1.0, 0.5]}
    assert parse_settings(read_tables(settings.to_toml())) == settings
    lattice, model = build(settings)
    assert model.largest_coupling == 1.0 and not model.conserves_sz
    np.testing.assert_allclose(to_sparse(model).toarray(), planar_matrix(lattice, (1.0, 0.5), 0.4), atol=1e-14)
    assert describe(settings.to_dict()) == "planar magnet, J1 = 1, J2 = 0.5, Gamma = 0.4 on chain 6"
    names = build_observables(settings, lattice, model).names
    assert [key for name, key in names if name == "neighbour_correlation"] == ["1", "2"]


def planar_matrix(lattice, couplings, field_x):
    """H of the planar magnet from Kronecker products; site 0 is the lowest bit."""
    x, y = np.array([[0, 1], [1, 0]]) / 2, np.array([[0, 1j], [-1j, 0]]) / 2

    def product(**operators):
        factors = (operators.get(f"s{site}", np.eye(2)) for site in reversed(range(lattice.n_sites)))
        return functools.reduce(np.kron, factors)

    bonds = [(i, j, coupling) for shell, coupling in enumerate(couplings, 1) for i, j in lattice.bonds(shell)]
    exchange = sum(coupling * product(**{f"s{i}": axis, f"s{j}": axis}) for i, j, coupling in bonds for axis in (x, y))
    return exchange - field_x * sum(product(**{f"s{i}": x}) for i in range(lattice.n_sites))


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ({"kind": "planar", "field": 1.0}, 'model.field = 1.0: only for kind = "tfim", not "planar"'),
        ({"kind": "tfim", "couplings": [1.0]}, 'only for kind = "heisenberg" or "planar", not "tfim"'),
        ({"kind": "foo"}, '"foo": allowed is "heisenberg", "tfim", "xyz", "hubbard", "kanamori" or "planar"'),
        ({"kind": "planar", "couplings": [0.0], "field_x": 0.0}, "couplings or field_x must differ from zero"),
        ({"kind": "planar", "couplings": [1.0, 0.5, 0.2]}, "coupling 0.2 of shell 3"),
    ],
)
def test_mistakes_about_a_third_model_are_explained(third_model, model, problem):
    with pytest.raises(SettingsError) as caught:
        build(parse_settings(CHAIN | {"lattice": {"kind": "chain", "lengths": [5]}, "model": model}))
    assert problem in str(caught.value)


def test_the_planar_magnet_may_be_all_field(third_model):
    """It has the keys of another model that asks for couplings; its own rule counts."""
    settings = parse_settings(CHAIN | {"model": {"kind": "planar", "couplings": [0.0], "field_x": 1.0}})
    assert build(settings)[1].largest_coupling == 0.5


def test_block_gibbs_sampling_is_for_models_without_exchange(third_model):
    analytic = {"thermal": {"betas": [1.0], "method": "analytic"}, "sampling": {"method": "gibbs"}}
    for word, model in MODELS.items():
        tables = CHAIN | analytic | {"model": {"kind": word}}
        if model.has_exchange:
            with pytest.raises(SettingsError, match=r'allowed is "auto", "cluster"$'):
                parse_settings(tables)
        else:
            assert parse_settings(tables).sampling.method == "gibbs"


def test_the_reference_lists_a_third_model(third_model):
    rows = {line.split("`")[1]: line for line in templates.reference().splitlines() if line.startswith("| `")}
    assert "field_x" in rows and "Gamma of -Gamma sum Sx (planar) (only for kind = xyz, planar)" in rows["field_x"]
    assert "J > 0 antiferromagnetic (only for kind = heisenberg, planar)" in rows["couplings"]
    kinds = "heisenberg, tfim, xyz, hubbard, kanamori"
    meaning = f"h of -h sum Sz (heisenberg, xyz, hubbard, kanamori) or -h sum sz (tfim) (only for kind = {kinds})"
    assert meaning in rows["field_z"]


def test_terms_of_other_programs_become_the_model_that_has_them(third_model):
    def imported(jz, field_x, field_z=0.0):
        terms = SpinTerms(6, ("chain", (6,)))
        for i in range(6):
            terms.add_pair(i, (i + 1) % 6, np.diag([1.0, 1.0, jz]))
        terms.fields["x"], terms.fields["z"] = [field_x] * 6, [field_z] * 6
        return read_tables(input_text(terms, []))["model"]

    assert imported(0.0, 0.4) == {"kind": "planar", "couplings": [1.0], "field_x": 0.4}
    assert imported(0.0, 0.0) == {"kind": "heisenberg", "couplings": [1.0], "anisotropy": 0.0, "field_z": 0.0}
    general = {f"couplings_{axis}": [1.0] for axis in "xy"} | {"couplings_z": [0.0]}
    assert imported(0.0, 0.4, field_z=0.2) == {"kind": "xyz"} | general | {"field_x": 0.4, "field_z": 0.2}


def test_couplings_that_no_model_has_are_refused(monkeypatch):
    for word in ("tfim", "xyz"):
        monkeypatch.delitem(MODELS, word)
    terms = SpinTerms(2)
    terms.add_pair(0, 1, np.diag([0.0, 0.0, 1.0]))
    with pytest.raises(SettingsError, match="those of no model here; there are heisenberg"):
        input_text(terms, [])
    assert Model.match(BondTerms({}, {}, 0.0)) is None


def test_models_that_disagree_about_a_key_are_refused():
    class Other(PlanarMagnet):
        word = "other"
        parameters = (Parameter("couplings", (2.0,), symbol="J", term="bonds"),)

    with pytest.raises(ValueError, match="model.couplings: heisenberg and other have different defaults or units"):
        model_section({"heisenberg": Heisenberg, "other": Other})


def test_a_key_with_different_letters_is_explained_for_each_model():
    class Other(PlanarMagnet):
        word = "other"
        parameters = (PlanarMagnet.parameters[0], Parameter("field", 1.0, symbol="B", term="-B sum Sx"))

    section = model_section({"tfim": TransverseFieldIsing, "other": Other})
    about = section.__dataclass_fields__["field"].metadata["description"]
    assert about == "Gamma of -Gamma sum sx (Pauli matrices) (tfim) or B of -B sum Sx (other)"


def test_words_are_joined():
    assert [joined("a"), joined("ab"), joined("abc")] == ["a", "a or b", "a, b or c"]
