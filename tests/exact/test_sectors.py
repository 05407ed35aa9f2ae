"""The ground state is the lowest of all sectors, or the row says of which one; against matrices made here."""

import itertools

import numpy as np
import pytest

import hpc_nqs
from hpc_nqs import cli, tasks
from hpc_nqs.exact.table import rows_beside
from hpc_nqs.ground_state.sectors import polarized_energy, search_of
from hpc_nqs.parallel.team import Team
from hpc_nqs.reports.text import table_text
from hpc_nqs.reports.verdict import judge
from hpc_nqs.runs import run_file
from hpc_nqs.runs.recorder import Recorder
from hpc_nqs.settings.system import build

ALL, ONE = "all sectors searched", "sector"


def ring(n, step=1):
    return sorted({tuple(sorted((i, (i + step) % n))) for i in range(n)})


def triangular_3x3():
    """Return the 27 bonds of the periodic triangular lattice of 3x3 sites, i = x + 3 y."""
    steps = ((1, 0), (0, 1), (1, 1))
    sites = itertools.product(range(3), repeat=2)
    bonds = {tuple(sorted((x + 3 * y, (x + a) % 3 + 3 * ((y + b) % 3)))) for x, y in sites for a, b in steps}
    assert len(bonds) == 27
    return sorted(bonds)


def lowest_energy(n, bonds, delta=1.0, field=0.0):
    """Return e of the ground state of sum J (SxSx + SySy + delta SzSz) - h sum Sz; bonds (i, j) or (i, j, J)."""
    states = np.arange(2**n)
    spins = ((states[:, None] >> np.arange(n)) & 1) - 0.5
    h = np.diag(-field * spins.sum(axis=1))
    for i, j, *coupling in bonds:
        strength = coupling[0] if coupling else 1.0
        h[states, states] += strength * delta * spins[:, i] * spins[:, j]
        apart = states[spins[:, i] != spins[:, j]]
        h[apart ^ ((1 << i) | (1 << j)), apart] += strength / 2
    return np.linalg.eigvalsh(h)[0] / n


def settings_of(lengths, kind="chain", model=None, boundary="periodic", **sections):
    lattice = {"kind": kind, "lengths": lengths, "boundary": boundary}
    sections = {"run": {"task": "ground_state", "seed": 1}, "lattice": lattice} | sections
    return hpc_nqs.make_input(model={"kind": "heisenberg"} | (model or {}), **sections)


FRUSTRATED_6 = [*ring(6), *((i, j, 0.3) for i, j in ring(6, 2))]
SEARCHED = {
    # name: (settings, exact energy per site, momenta of the ground states or None)
    "ring_5": (settings_of([5]), lowest_energy(5, ring(5)), ([1], [4])),
    "ring_7": (settings_of([7]), lowest_energy(7, ring(7)), ([2], [5])),
    "triangular_3x3": (settings_of([3, 3], "triangular"), lowest_energy(9, triangular_3x3()), None),
    "frustrated": (settings_of([6], model={"couplings": [1.0, 0.3]}), lowest_energy(6, FRUSTRATED_6), ([3],)),
    "open_5": (
        settings_of([5], model={"couplings": [1.0, 0.6]}, boundary="open"),
        lowest_energy(5, [(0, 1), (1, 2), (2, 3), (3, 4), (0, 2, 0.6), (1, 3, 0.6), (2, 4, 0.6)]), None,
    ),
    "odd_xxz": (settings_of([5], model={"anisotropy": 0.5}), lowest_energy(5, ring(5), 0.5), ([1], [4])),
    "field": (settings_of([6], model={"field_z": -1.0}), lowest_energy(6, ring(6), field=-1.0), None),
    "saturated": (settings_of([4], model={"field_z": 10.0}), lowest_energy(4, ring(4), field=10.0), ([0],)),
    "easy_axis_ferromagnet": (settings_of([6], model={"anisotropy": -1.5}), lowest_energy(6, ring(6), -1.5), ([0],)),
}


def test_right_values_of_the_issue():
    values = [SEARCHED[name][1] for name in ("ring_5", "ring_7", "triangular_3x3")]
    assert values == pytest.approx([-0.373607, -0.407883, -0.583333], abs=1e-6)


@pytest.mark.parametrize("name", SEARCHED)
def test_the_ground_state_is_the_lowest_of_all_sectors(name, tmp_path):
    settings, energy, momenta = SEARCHED[name]
    (row,) = hpc_nqs.run(settings, tmp_path / "run.h5").table["rows"]
    assert row["energy"] == pytest.approx(energy, abs=1e-6)
    assert row["lowest_of"] == ALL
    assert momenta is None or row["momentum"] in momenta


def test_the_field_chooses_sz(tmp_path):
    values = {name: hpc_nqs.run(SEARCHED[name][0], tmp_path / name).table["rows"][0] for name in ("field", "saturated")}
    assert values["field"]["sz"] == -1.0 and values["saturated"]["sz"] == 2.0
    lattice, model = build(SEARCHED["saturated"][0])
    assert polarized_energy(model) == (pytest.approx(4 * 0.25 - 10 * 2), 2.0)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_fields_that_differ_are_searched_at_both_signs_of_sz(sign, tmp_path):
    """The field of a single site may win over the sum of all fields: Sz = -1, where the sum points up."""
    fields = [sign * field for field in (3.0, -0.8, -0.7, -0.8)]
    settings = settings_of([4], model={"couplings": [0.3], "site_fields": fields})
    (row,) = hpc_nqs.run(settings, tmp_path / "run.h5").table["rows"]
    levels = hpc_nqs.diagonalize(settings).table["rows"]
    lowest = min(levels, key=lambda level: level["energy"])
    assert row["energy"] == pytest.approx(lowest["energy"], abs=1e-6)
    assert row["lowest_of"] == ALL and row["sz"] == lowest["sz"] == -sign


@pytest.mark.parametrize(
    ("settings", "n_sectors", "lowest_of"),
    [
        (settings_of([6]), 1, ALL),  # Marshall's rule names the sector
        (settings_of([6], model={"kind": "tfim"}), 1, ALL),
        (settings_of([6], ground_state={"momentum": [0]}), 1, ONE),
        (settings_of([5], ground_state={"momentum": "none"}), 1, ONE),
        (settings_of([5], sampling={"method": "metropolis"}), 1, ONE),
        (settings_of([6, 6], "square", model={"couplings": [1.0, 0.5]}), 1, ONE),
        (settings_of([6, 6], "square"), 1, ALL),
        (settings_of([6], wavefunction={"marshall": False, "symmetries": ["translation"]}), 1, ONE),
        (settings_of([5], ground_state={"sectors": "all"}), 3, ONE),
        (settings_of([4], ground_state={"sectors": "all"}), 4, ONE),
        (settings_of([4, 3], "triangular"), 14, ALL),
    ],
)
def test_what_a_row_is_the_lowest_of(settings, n_sectors, lowest_of):
    search = search_of(settings, *build(settings))
    assert (len(search.sectors), search.lowest_of) == (n_sectors, lowest_of)
    asked = settings.ground_state.momentum != "auto" or settings.ground_state.sectors != "auto"
    assert bool(search.remark) == (lowest_of == ONE and not asked)


@pytest.mark.parametrize(
    ("wavefunction", "guess"),
    [({}, "(momentum = [0])"), ({"symmetries": ["translation"]}, "shared over translations mean momentum 0")],
)
def test_a_guessed_sector_is_named_in_text_and_verdict(wavefunction, guess, tmp_path):
    settings = settings_of(
        [5], wavefunction=wavefunction, sampling={"method": "metropolis", "n_samples": 256, "n_chains": 8},
        ground_state={"n_steps": 3, "n_samples_final": 512},
    )
    table = hpc_nqs.run(settings, tmp_path / "run.h5").table
    assert table["rows"][0]["lowest_of"] == ONE and table["rows"][0]["momentum"] == [0]
    assert guess in " ".join(table_text(table).split())
    assert [(each.value, each.grade) for each in judge(table) if each.meter == "sector"] == [("a guess", "look")]


@pytest.mark.parametrize(("n", "parities"), [(4, {1, -1}), (5, {None})])
def test_all_sectors_of_a_ring(n, parities, tmp_path, capsys):
    """Ring of 4: two pairs of momentum and parity have no states; of 5: there is no parity."""
    settings = settings_of([n], ground_state={"sectors": "all", "n_steps": 80})
    rows = hpc_nqs.run(settings, tmp_path / "run.h5").table["rows"]
    assert {row.get("spin_parity") for row in rows} == parities
    assert ("skipped" in capsys.readouterr().err) == (n == 4)
    assert min(row["energy"] for row in rows) == pytest.approx(lowest_energy(n, ring(n)), abs=1e-3)


def test_exact_beside_a_claim_is_the_lowest_level_of_all(tmp_path, capsys):
    path = tmp_path / "run.h5"
    hpc_nqs.run(settings_of([5], ground_state={"momentum": [0], "n_steps": 60}), path)
    table = run_file.read_table(path)
    assert rows_beside(table)[0]["energy"] == pytest.approx(-0.15, abs=1e-9)
    claim = table | {"rows": [table["rows"][0] | {"lowest_of": ALL}]}
    assert rows_beside(claim)[0]["energy"] == pytest.approx(lowest_energy(5, ring(5)), abs=1e-9)
    old = {name: value for name, value in table["rows"][0].items() if name != "lowest_of"}
    settings = table["settings"] | {"ground_state": table["settings"]["ground_state"] | {"momentum": "auto"}}
    beside = rows_beside(table | {"settings": settings, "rows": [old]})
    assert beside[0]["energy"] == pytest.approx(-0.373607, abs=1e-6)
    assert cli.main(["show", str(path), "--exact"]) == 0
    assert "lowest of sector" in capsys.readouterr().out


class StopAfter:
    """A request to stop at a number of looks."""

    def __init__(self, n_looks):
        self.n_looks = n_looks

    def __call__(self, *_):
        self.n_looks -= 1
        return self.n_looks < 0


def test_a_search_that_is_stopped_goes_on_to_the_same_result(tmp_path, monkeypatch):
    settings, path, team = SEARCHED["ring_5"][0], tmp_path / "parts.h5", Team.serial()
    whole = hpc_nqs.run(settings, tmp_path / "whole.h5").table["rows"]
    for n_looks in (5, 70):
        monkeypatch.setattr(Recorder, "after_step", stopping_at(n_looks, Recorder.after_step))
        code = tasks.run(settings, team, str(path), resume_from=str(path) if path.exists() else None)
        monkeypatch.undo()
        assert code == 75
    assert tasks.run(settings, team, str(path), resume_from=str(path)) == 0
    assert run_file.read_table(path)["rows"] == whole
    assert tasks.run(settings, team, str(path), resume_from=str(path)) == 0
    assert run_file.read_table(path)["rows"] == whole


def stopping_at(n_looks, after_step):
    request = StopAfter(n_looks)

    def stops(self, run):
        if request():
            self.save(run)
            return True
        return after_step(self, run)

    return stops


def test_a_search_that_does_not_converge_does_not_claim_the_ground_state(tmp_path):
    """With seed 1 the real state of 3x2 sites ends at a node; e = -0.508796 is missed by 0.04, the row says so."""
    (settings, claims) = settings_of([3, 2], kind="square"), []
    for seed in (1, 3):
        changed = hpc_nqs.make_input(**settings.to_dict() | {"run": {"task": "ground_state", "seed": seed}})
        table = hpc_nqs.run(changed, tmp_path / f"{seed}.h5").table
        (row,) = table["rows"]
        exact = rows_beside(table)[0]["energy"]
        claims.append((row["lowest_of"] == ALL, row["converged"], row["energy"] < exact + 1e-5))
        assert ("did not converge" in table.get("remark", "")) == (not row["converged"])
    assert claims == [(False, False, False), (True, True, True)]
