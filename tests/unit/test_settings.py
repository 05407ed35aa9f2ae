"""Settings: what is accepted, what is refused and in which words, and the way back to TOML."""

import copy
import dataclasses
import math

import pytest

from hpc_nqs.hamiltonians import MODELS
from hpc_nqs.settings import parsing as S
from hpc_nqs.settings.not_available import refuse_runs
from hpc_nqs.settings.parsing import SettingsError, parse_settings, read_settings, read_tables
from hpc_nqs.settings.system import validate
from hpc_nqs.settings.toml_text import format_tables, format_value

MINIMAL = {
    "lattice": {"kind": "square", "lengths": [4, 4]},
    "model": {"kind": "heisenberg", "couplings": [1.0, 0.5]},
    "thermal": {"temperatures": [2.0, 1.0, 0.5]},
}
FULL = MINIMAL | {
    "run": {"task": "thermal", "seed": 7, "checkpoint_minutes": 1},
    "wavefunction": {
        "kind": "rbm",
        "alpha": 2,
        "slices": 1,
        "symmetries": ["translation"],
        "bond_features": True,
        "marshall": "auto",
    },
    "sampling": {"n_samples": 512, "n_chains": 16, "exponent": 0.5, "method": "exact_sum"},
    "reconfiguration": {"solver": "cg", "tolerance": 1e-8},
    "ground_state": {"momentum": [1, 0], "spin_parity": -1},
    "observables": {"structure_factor": [[1], [1, 1]]},
}


def changed(*changes, base=MINIMAL):
    """Return a copy of the input with (section, key, value) set; a value of None removes the key."""
    data = copy.deepcopy(base)
    for section, key, value in changes:
        data.setdefault(section, {})[key] = value
        if value is None:
            del data[section][key]
    return data


def problems_of(data, overrides=()):
    with pytest.raises(SettingsError) as caught:
        parse_settings(data, overrides)
    return caught.value.problems


def test_the_shortest_input_is_complete():
    settings = parse_settings(MINIMAL)
    assert settings.run.task == "thermal" and settings.run.seed is None
    assert settings.model.couplings == (1.0, 0.5)
    assert settings.thermal.report_betas == (0.5, 1.0, 2.0)


@pytest.mark.parametrize(
    "data", [MINIMAL, FULL, changed(("thermal", "betas", [0.3, 0.1]), ("thermal", "temperatures", None))]
)
def test_round_trip_is_exact(data):
    settings = parse_settings(data)
    assert parse_settings(read_tables(settings.to_toml())) == settings
    assert parse_settings(settings.to_dict()) == settings


def test_every_default_is_written_back():
    tables = read_tables(parse_settings(changed(("run", "seed", 1))).to_toml())
    only_elsewhere = {"bonds_file", "bonds", "n_sites", "positions", "periods", "box", "coupling", "field", "betas"}
    only_elsewhere |= {"dtau", "trotter_order", "entropy"}  # analytic
    others = [kind for word, kind in MODELS.items() if word != tables["model"]["kind"]]
    only_elsewhere |= {part.name for kind in others for part in kind.parameters} - set(tables["model"])
    for name, kind in S.SECTIONS.items():
        assert {field.name for field in dataclasses.fields(kind)} - only_elsewhere == set(tables[name]), name


def test_written_settings_of_a_tfim_have_no_heisenberg_keys():
    settings = parse_settings(MINIMAL | {"model": {"kind": "tfim", "field": 3}})
    assert settings.to_dict()["model"] == {"kind": "tfim", "coupling": 1.0, "field": 3.0, "field_z": 0.0}
    assert settings.model.keywords() == settings.to_dict()["model"]


def test_every_problem_is_reported_at_once():
    problems = problems_of(
        {
            "latice": {},
            "lattice": {"kind": "square", "lenghts": [4, 4]},
            "model": {"kind": "tfim", "couplings": [1.0]},
            "sampling": {"n_samples": True, "n_chains": "7"},
            "thermal": {"temperatures": [1.0, -2.0], "betas": [1.0]},
        }
    )
    for part in (
        "latice: unknown section, did you mean lattice",
        "lattice.lenghts: unknown key, did you mean lengths",
        "lattice.lengths is missing",
        'model.couplings = [1.0]: only for kind = "heisenberg", not "tfim"',
        'sampling.n_samples = true: allowed is "auto" or an integer from 2 to',
        'sampling.n_chains = "7": allowed is "auto" or an integer from 1 to',
        "thermal.temperatures = [1.0, -2.0] (entry 2 is wrong): allowed is",
    ):
        assert any(problem.startswith(part) for problem in problems), part
    assert len(problems) == 7


NAN, INFINITY = math.nan, math.inf


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("run", "task", "dynamics"),
        ("run", "seed", -1),
        ("run", "seed", 1.0),
        ("run", "seed", 2**63),
        ("run", "checkpoint_minutes", "often"),
        ("run", "checkpoint_minutes", -1.0),
        ("lattice", "kind", "cube"),
        ("lattice", "kind", 4),
        ("lattice", "lengths", []),
        ("lattice", "lengths", [4, 0]),
        ("lattice", "lengths", [4, -4]),
        ("lattice", "lengths", [4.0, 4]),
        ("lattice", "lengths", [4, True]),
        ("lattice", "lengths", [100, 100]),
        ("lattice", "lengths", 4),
        ("lattice", "lengths", [2, 2, 2, 2]),
        ("lattice", "box", [2, 2]),
        ("lattice", "box", [[2.5, 0], [0, 2]]),
        ("lattice", "positions", [[0.0, 0.0]]),
        ("lattice", "boundary", "twisted"),
        ("lattice", "boundary", ["open", 1]),
        ("lattice", "bonds_file", "bonds.txt"),
        ("model", "kind", "kitaev"),
        ("model", "couplings", []),
        ("model", "couplings", [0.0, 0.0]),
        ("model", "couplings", [NAN]),
        ("model", "couplings", [1.0, INFINITY]),
        ("model", "couplings", 1.0),
        ("model", "couplings", [1.0, 1.0, 1.0, 1.0]),
        ("model", "anisotropy", True),
        ("model", "field", 1.0),
        ("model", "field_z", 1e300),
        ("wavefunction", "alpha", 0),
        ("wavefunction", "alpha", NAN),
        ("wavefunction", "slices", 0),
        ("wavefunction", "slices", "many"),
        ("wavefunction", "symmetries", ["rotation"]),
        ("wavefunction", "symmetries", ["translation", "translation"]),
        ("wavefunction", "symmetries", "translation"),
        ("wavefunction", "bond_features", 1),
        ("wavefunction", "marshall", "yes"),
        ("sampling", "n_samples", 1),
        ("sampling", "n_samples", 100.0),
        ("sampling", "n_chains", False),
        ("sampling", "n_warm_up", -1),
        ("sampling", "exponent", 0.4),
        ("sampling", "exponent", 1.1),
        ("reconfiguration", "solver", "lu"),
        ("reconfiguration", "soft_cut", -1e-4),
        ("reconfiguration", "tolerance", 0.0),
        ("thermal", "temperatures", []),
        ("thermal", "temperatures", [1.0, 0.0]),
        ("thermal", "temperatures", [1.0, 1]),
        ("thermal", "temperatures", [INFINITY]),
        ("thermal", "temperatures", 1.0),
        ("thermal", "temperatures", ["1.0"]),
        ("thermal", "temperatures", [1e-300]),
        ("thermal", "betas", [1.0]),
        ("thermal", "beta_0", 0.6),
        ("thermal", "beta_0", 0.0),
        ("thermal", "step_tolerance", 0.0),
        ("thermal", "max_dtau", -0.1),
        ("thermal", "dtau", [0.1]),
        ("sampling", "method", "cluster"),
        ("sampling", "method", "gibbs"),
        ("ground_state", "momentum", [0.5]),
        ("ground_state", "spin_parity", 0),
        ("observables", "structure_factor", [1, 1]),
        ("observables", "structure_factor", [[1, 1, 1, 1]]),
        ("observables", "structure_factor", [[]]),
        ("observables", "structure_factor", [[1], [1, 0]]),
        ("observables", "structure_factor", [[NAN, 0]]),
        ("observables", "structure_factor", "some"),
        ("observables", "structure_factor", {"path": [[0, 0]]}),
        ("observables", "structure_factor", {"path": [[0, 0], [1, 0]], "n": 3}),
        ("observables", "operators", [{"name": "a"}]),
        ("observables", "operators", [{"name": "1", "terms": [{"sites": [0], "ops": "z"}]}]),
        ("observables", "operators", [{"name": "a", "terms": [{"sites": [0, 0], "ops": "zz"}]}]),
        ("observables", "operators", [{"name": "a", "terms": [{"sites": [0, 1], "ops": "z"}]}]),
        ("observables", "operators", [{"name": "a", "terms": [{"sites": [0], "ops": "q"}]}]),
        ("observables", "operators", 2 * [{"name": "a", "terms": [{"sites": [0], "ops": "z"}]}]),
    ],
)
def test_a_wrong_value_is_named(section, key, value):
    problems = problems_of(changed((section, key, value)))
    assert len(problems) == 1
    assert problems[0].startswith(("thermal.temperatures and thermal.betas", f"{section}.{key} = "))
    assert any(word in problems[0] for word in ("allowed", "only for", "both given", "must"))


@pytest.mark.parametrize(
    ("section", "key"), [("lattice", "kind"), ("lattice", "lengths"), ("model", "kind"), ("thermal", "temperatures")]
)
def test_a_missing_value_is_named(section, key):
    assert [
        problem
        for problem in problems_of(changed((section, key, None)))
        if problem.startswith(f"{section}.{key} is missing")
    ]


@pytest.mark.parametrize(
    ("section", "key", "value", "instead"),
    [
        ("wavefunction", "slices", 5, '"1 to 4"'),
    ],
)
def test_what_is_promised_but_not_there_is_refused(section, key, value, instead):
    (problem,) = problems_of(changed((section, key, value)))
    assert problem == f"{section}.{key} = {format_value(value)}: not available in this version; allowed is {instead}"


def test_a_start_brings_its_own_temperature_and_network():
    changes = (("thermal", "start", "other.h5"), ("thermal", "beta_0", 0.1), ("wavefunction", "kind", "rbm"))
    kind, beta_0 = problems_of(changed(*changes))
    assert kind.startswith('wavefunction.kind = "rbm": thermal.start is a deep Boltzmann machine')
    assert beta_0.startswith("thermal.beta_0 = 0.1: thermal.start brings its own temperature")


def test_a_start_is_looked_for_beside_the_input(tmp_path):
    settings = parse_settings(changed(("thermal", "start", "other.h5")), folder=tmp_path)
    assert settings.thermal.start == str(tmp_path / "other.h5")
    assert parse_settings(settings.to_dict()) == settings


def test_temperatures_are_sorted_highest_first():
    settings = parse_settings(changed(("thermal", "temperatures", [0.5, 2, 1.0])))
    assert settings.thermal.temperatures == (2.0, 1.0, 0.5)
    assert settings.thermal.report_temperatures == (2.0, 1.0, 0.5)


def test_betas_are_sorted_smallest_first():
    settings = parse_settings(changed(("thermal", "temperatures", None), ("thermal", "betas", [4, 1.0])))
    assert settings.thermal.report_betas == (1.0, 4.0)
    assert settings.thermal.report_temperatures == (1.0, 0.25)


def test_overrides():
    overrides = [
        "model.couplings=[1, 0.2]",
        "lattice.boundary=open",
        "run.seed = 3",
        "wavefunction.marshall=false",
        'sampling.method="exact_sum"',
    ]
    settings = parse_settings(MINIMAL, overrides)
    assert settings.model.couplings == (1.0, 0.2)
    assert settings.lattice.boundary == "open"
    assert settings.run.seed == 3
    assert settings.wavefunction.marshall is False
    assert settings.sampling.method == "exact_sum"
    assert parse_settings(MINIMAL).model.couplings == (1.0, 0.5)


def test_an_override_of_betas_replaces_temperatures():
    settings = parse_settings(MINIMAL, ["thermal.betas=[1.0, 8.0]"])
    assert settings.thermal.betas == (1.0, 8.0) and settings.thermal.temperatures == ()


@pytest.mark.parametrize(
    "override",
    [
        "",
        "=",
        "model",
        "model=1",
        "model.=1",
        ".kind=1",
        "model.field_z",
        "thermal.max_dtau=",
        "run.seed=nan",
        "run.seed=1\nx=2",
    ],
)
def test_a_wrong_override_is_a_problem(override):
    assert len(problems_of(MINIMAL, [override])) == 1


@pytest.mark.parametrize(
    "text", ["[lattice", "a = ", b"\xff\xfe", "x = " + "[" * 5000, "x = " + "9" * 5000, "[a]\nb=1\nb=2"]
)
def test_what_is_not_toml_is_a_problem(text):
    with pytest.raises(SettingsError, match="not valid TOML|UTF-8"):
        read_tables(text)


def test_read_settings_from_a_file(tmp_path):
    path = tmp_path / "input.toml"
    path.write_text(format_tables(MINIMAL))
    assert read_settings(path, ["run.seed=2"]) == parse_settings(MINIMAL).with_seed(2)


def test_bonds_file_becomes_part_of_the_settings(tmp_path):
    (tmp_path / "bonds.txt").write_text("0 1 1\n1 2 0.5\n2 0 1\n")
    path = tmp_path / "input.toml"
    path.write_text(
        format_tables(
            MINIMAL | {"lattice": {"kind": "custom", "bonds_file": "bonds.txt"}, "model": {"kind": "heisenberg"}}
        )
    )
    settings = read_settings(path)
    assert settings.lattice.bonds_file == ""
    assert {tuple(bond) for bond in settings.lattice.bonds} in (
        {(0, 1, 1), (1, 2, 0.5), (2, 0, 1)},
        {(0, 1, 1), (1, 2, 0.5), (0, 2, 1)},
    )
    assert [type(bond[2]) for bond in settings.lattice.bonds].count(float) == 1
    assert parse_settings(read_tables(settings.to_toml())) == settings
    assert validate(settings) == []


@pytest.mark.parametrize("content", [None, "0 1\n", "0 0 1\n", "0 1 x\n", "-1 0 1\n", ""])
def test_a_wrong_bonds_file_is_a_problem(tmp_path, content):
    if content is not None:
        (tmp_path / "bonds.txt").write_text(content)
    with pytest.raises(SettingsError, match="lattice.bonds_file"):
        parse_settings(MINIMAL | {"lattice": {"kind": "custom", "bonds_file": "bonds.txt"}}, folder=tmp_path)


def test_custom_lattice_without_bonds():
    assert any(
        "lattice.bonds is missing" in problem for problem in problems_of(MINIMAL | {"lattice": {"kind": "custom"}})
    )


@pytest.mark.parametrize(
    ("lattice", "n_sites"),
    [
        ({"kind": "square", "lengths": [64, 64]}, 4096),
        ({"kind": "kagome", "box": [[20, 2], [-2, 18]]}, 1092),
        ({"kind": "custom", "bonds": [[k, k + 1, 1] for k in range(1024)]}, 1025),
        ({"kind": "custom", "bonds": [[0, 1, 1]], "n_sites": 1025}, 1025),
    ],
)
def test_runs_of_states_on_huge_lattices_are_refused(lattice, n_sites):
    settings = parse_settings(MINIMAL | {"lattice": lattice})
    with pytest.raises(ValueError, match=f"lattice: {n_sites} sites; allowed are up to 1024; thermal.method = "):
        refuse_runs(settings)
    refuse_runs(parse_settings(MINIMAL | {"lattice": lattice}, ["thermal.method=analytic"]))


def test_what_may_change_when_a_run_continues():
    stored = parse_settings(FULL)
    longer = parse_settings(FULL, ["thermal.temperatures=[1.0, 0.1]", "sampling.n_samples=1024"])
    assert S.changed_foundations(stored, longer) == []
    problems = S.changed_foundations(
        stored, parse_settings(FULL, ["model.couplings=[1.0]", "wavefunction.alpha=3", "run.seed=8"])
    )
    assert [problem.split(" ")[0] for problem in problems] == ["run.seed", "model.couplings", "wavefunction.alpha"]


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ([("model", "couplings", [1.0, 0.5]), ("lattice", "kind", "chain"), ("lattice", "lengths", [2])], "model"),
        ([("lattice", "kind", "chain"), ("lattice", "lengths", [4, 4])], "lattice"),
        (
            [("lattice", "kind", "triangular"), ("wavefunction", "marshall", True), ("model", "couplings", [1.0])],
            "wavefunction.marshall = true",
        ),
        ([("lattice", "boundary", "open"), ("wavefunction", "symmetries", ["translation"])], "wavefunction.symmetries"),
        ([("sampling", "method", "exact_sum")], 'sampling.method = "exact_sum": allowed up to 12 sites, here are 16'),
    ],
)
def test_problems_that_only_the_lattice_sees(changes, part):
    (problem,) = validate(parse_settings(changed(*changes)))
    assert problem.startswith(part)


def test_validate_accepts_the_minimal_input():
    assert validate(parse_settings(MINIMAL)) == []


def test_defaults_pass_their_own_rules():
    for name, kind in S.SECTIONS.items():
        for field in dataclasses.fields(kind):
            if field.default is dataclasses.MISSING or field.default in (None, (), ""):
                continue
            assert field.metadata["rule"].convert(field.default) == field.default, f"{name}.{field.name}"
