"""The report, the verdicts behind it and the charts for terminals."""

import html.parser
import math

import numpy as np
import pytest

from hpc_nqs.cli import parser as cli
from hpc_nqs.reports import html as report_page
from hpc_nqs.reports import verdict as judgement
from hpc_nqs.reports.charts import charts
from hpc_nqs.reports.sample_size import LEAST, POOR, warning

SETTINGS = {
    "lattice": {"kind": "square", "lengths": [4, 4], "boundary": "periodic"},
    "model": {"kind": "heisenberg", "couplings": [1.0, 0.5]},
    "wavefunction": {"kind": "auto", "symmetries": "auto"},
    "thermal": {"clock": "energy"},
}
GOOD_ROW = {
    "energy": -0.3,
    "energy_error": 0.001,
    "specific_heat": 0.2,
    "specific_heat_error": 0.01,
    "specific_heat_slope": 0.21,
    "specific_heat_slope_error": 0.01,
    "entropy_error": 0.001,
    "tdvp_residual": 0.01,
    "layer_energy_difference": 1e-4,
    "r_hat": 1.01,
}


def table(**changed):
    rows = [GOOD_ROW | {"temperature": t, "beta": 1 / t, "entropy": 0.69 - 0.2 / t} | changed for t in (2.0, 1.0, 0.5)]
    return {"rows": rows, "settings": SETTINGS, "n_sites": 16, "finished": True, "seconds": 12.0, "n_ranks": 2}


HISTORY = {
    "beta": np.array([0.1, 0.5, 1.0]),
    "effective_fraction": np.array([0.9, 0.5, 0.4]),
    "seconds": np.array([1.0, 2.0, 4.0]),
    "n_rejected": np.array([0.0, 1.0, 0.0]),
}


def grades(made_up, history=HISTORY):
    return {verdict.meter: verdict.grade for verdict in judgement.judge(made_up, history)}


def test_a_good_run_is_good():
    found = grades(table())
    cannot_fail = {"specific heat two ways", "energy on the two layers"}  # by the clock, by symmetry
    assert {meter for meter, grade in found.items() if grade == "open"} == cannot_fail
    assert set(found.values()) == {"good", "open"}
    grade, sentence = judgement.overall(judgement.judge(table(), HISTORY))
    assert grade == "good" and "do not prove" in sentence


@pytest.mark.parametrize(
    ("changed", "meter", "grade"),
    [
        ({"tdvp_residual": 0.05}, "residual", "look"),
        ({"tdvp_residual": 0.5}, "residual", "bad"),
        ({"specific_heat": 0.6}, "specific heat two ways", "bad"),
        ({"specific_heat": 0.29}, "specific heat two ways", "look"),
        ({"entropy": -0.1}, "entropy", "bad"),
        ({"entropy": 0.8}, "entropy", "bad"),
        ({"r_hat": 1.2}, "split R-hat", "bad"),
        ({"energy_systematic": 0.001}, "systematic error", "good"),
        ({"energy_systematic": 0.1}, "systematic error", "bad"),
    ],
)
def test_each_meter_is_judged(changed, meter, grade):
    assert grades(table(**changed))[meter] == grade
    expected = "good" if grade == "good" else grade
    assert judgement.overall(judgement.judge(table(**changed), HISTORY))[0] == expected


@pytest.mark.parametrize(("n_samples", "grade"), [(LEAST * 10, None), (LEAST * 10 - 1, "look"), (POOR * 10 - 1, "bad")])
def test_a_residual_of_too_few_samples_says_nothing(n_samples, grade):
    """A run of ten parameters; a residual that is bad though it is measured too small stays bad."""
    resolved = {"thermal": {}, "sampling": {"n_samples": n_samples}, "wavefunction": {"n_params": 10}}
    made_up = table() | {"resolved": resolved}
    found = grades(made_up)
    assert found["residual"] == ("look" if grade else "good") and found.get("samples of a step") == grade
    assert ("can follow" in words_of(made_up, "residual")) == (grade is None)
    assert grades(table(tdvp_residual=0.5) | {"resolved": resolved})["residual"] == "bad"
    expected = f"Raise sampling.n_samples to {10 * LEAST}." if grade else ""
    assert warning(resolved).endswith(expected) and bool(warning(resolved)) == bool(expected)


@pytest.mark.parametrize(
    "resolved",
    [
        {"sampling": {"n_samples": 10}, "wavefunction": {"n_params": 10}},  # of a ground state
        {"thermal": {}, "sampling": {"n_configurations": 10}, "wavefunction": {"n_params": 10}},
        {},
    ],
)
def test_other_runs_have_no_samples_of_a_step(resolved):
    assert warning(resolved) == "" and "samples of a step" not in grades(table() | {"resolved": resolved})


def words_of(made_up, meter, history=HISTORY):
    return next(verdict.words for verdict in judgement.judge(made_up, history) if verdict.meter == meter)


@pytest.mark.parametrize(
    ("entropy", "error", "systematic", "grade"),
    [
        (-0.0009, 0.0, 0.0, "bad"),
        (-0.0009, 0.001, 0.0, "look"),
        (-0.0009, 0.0, 0.001, "look"),
        (0.6935, 0.001, 0.0, "look"),
    ],
)
def test_an_entropy_outside_its_range_is_not_between(entropy, error, systematic, grade):
    changed = {"entropy": entropy, "entropy_error": error, "entropy_systematic": systematic}
    made_up = table(**changed)
    assert grades(made_up)["entropy"] == grade
    assert "Between" not in words_of(made_up, "entropy")


@pytest.mark.parametrize("clock", ["time", "energy"])
@pytest.mark.parametrize(("gap", "grade"), [(0.003, "good"), (0.012, "look"), (0.018, "look")])
def test_specific_heats_standard_errors_apart_do_not_agree(gap, grade, clock):
    """Errors of 0.001 on c = 0.2: 3 of them apart agree; 12 and 18 do not, though 6 and 9 % may do."""
    heats = {"specific_heat": 0.2 + gap, "specific_heat_error": 0.0006, "specific_heat_slope": 0.2}
    made_up = table(**heats, specific_heat_slope_error=0.0008)
    made_up["settings"] = SETTINGS | {"thermal": {"clock": clock}}
    assert grades(made_up)["specific heat two ways"] == ("open" if clock == "energy" else grade)
    words = words_of(made_up, "specific heat two ways")
    assert ("agree" in words) == (grade == "good")
    assert ("standard errors" in words) == (grade != "good")


def test_a_slope_below_its_error_is_no_meter():
    assert "specific heat two ways" not in grades(table(specific_heat_slope=0.01, specific_heat_slope_error=0.02))


def test_exact_sums_have_no_chains_and_no_few_samples():
    history = HISTORY | {"effective_fraction": np.array([0.9, 0.01, 0.4])}
    found = grades(table(energy_error=0.0, r_hat=1.0), history)
    assert "effective samples" not in found and "split R-hat" not in found


def test_an_entropy_that_rises_when_cooling_is_bad():
    rising = table()
    rising["rows"][2]["entropy"] = 0.68
    assert grades(rising)["entropy"] == "bad"


def test_few_effective_samples_and_an_unfinished_run_ask_for_a_look():
    history = HISTORY | {"effective_fraction": np.array([0.9, 0.01, 0.4])}
    assert grades(table(), history)["effective samples"] == "look"
    assert grades(table() | {"finished": False})["run"] == "look"


def test_layers_are_a_meter_only_without_layer_exchange():
    free = table(layer_energy_difference=0.1)
    assert grades(free)["energy on the two layers"] == "open"
    free["settings"] = SETTINGS | {"wavefunction": {"symmetries": ["translation"]}}
    assert grades(free)["energy on the two layers"] == "look"


def test_a_run_without_rows():
    empty = table() | {"rows": []}
    assert grades(empty) == {"results": "bad"}
    assert "No temperature" in report_page.html(empty, {}, {}, {}, name="run.h5")


def test_a_table_without_temperatures_or_meters():
    ground_state = {"rows": [{"energy": -0.5, "energy_error": 0.001}], "settings": SETTINGS, "finished": True}
    assert judgement.judge(ground_state) == []
    assert "no meters" in report_page.html(ground_state, {}, {}, {}, name="run.h5")


@pytest.mark.parametrize(("v_score", "grade"), [(1e-5, "good"), (5e-3, "look"), (0.05, "bad")])
def test_the_worst_v_score_judges_a_ground_state_run(v_score, grade):
    rows = [{"energy": -0.5, "v_score": value, "r_hat": 1.0} for value in (1e-6, v_score)]
    found = grades({"task": "ground_state", "rows": rows, "settings": SETTINGS, "finished": False}, history={})
    assert found == {"run": "look", "V-score": grade, "split R-hat": "good"}


def test_chains_that_stand_still_judge_a_ground_state_run():
    rows = [{"energy": -0.5, "v_score": 0.0, "acceptance": value} for value in (0.3, 0.0)]
    table_of_levels = {"task": "ground_state", "rows": rows, "settings": SETTINGS, "finished": True}
    assert grades(table_of_levels)["acceptance"] == "bad"
    assert "acceptance" not in grades(table_of_levels | {"rows": rows[:1]})


@pytest.mark.parametrize(("n_samples", "found"), [(4.0, "look"), (40.0, None)])
def test_few_samples_behind_a_lanczos_step(n_samples, found):
    rows = [{"energy": -0.5, "v_score": 0.0, "lanczos_samples": value} for value in (500.0, n_samples)]
    table_of_levels = {"task": "ground_state", "rows": rows, "settings": SETTINGS, "finished": True}
    assert grades(table_of_levels).get("Lanczos step") == found


class Balance(html.parser.HTMLParser):
    """Notes tags that are opened and not closed, and everything that would be fetched."""

    def __init__(self):
        super().__init__()
        self.open, self.fetched = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "br", "hr"):
            self.open.append(tag)
        attributes = dict(attrs)
        links = [attributes.get(name) or "" for name in ("src", "href", "xlink:href")]
        self.fetched += [link for link in links if link and not link.startswith("#")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_complete_and_fetches_nothing():
    settings = SETTINGS | {"run": {"seed": 7}}
    page = report_page.html(
        table(tdvp_residual=0.5) | {"settings": settings},
        HISTORY,
        {"version": "0.1.0", "commit": "abc123", "n_ranks": 2, "n_chains": 64},
        {"Figure": '<svg viewBox="0 0 1 1"></svg>'},
        name="my <run>.h5",
        exact_rows=[{"energy": -0.31, "specific_heat": 0.2, "entropy": 0.6}] * 3,
    )
    reader = Balance()
    reader.feed(page)
    assert reader.open == [] and reader.fetched == [] and "<script" not in page
    for part in (
        "Heisenberg, J1 = 1, J2 = 0.5 on square 4x4, 16 sites",
        "Do not quote these numbers",
        "e - exact",
        "abc123",
        "seed = 7",
        "PRL 127, 060601 (2021)",
        "PRX 11, 031034 (2021)",
        "mpiexec -n 2 hpc-nqs run",
        "my &lt;run&gt;.h5",
        '<svg viewBox="0 0 1 1">',
    ):
        assert part in page, part


def test_the_report_command(folder, capsys):
    pytest.importorskip("matplotlib")
    assert cli.main(["report", "run.h5", "--exact"]) == 0
    assert capsys.readouterr().out == "report written to run.html\n"
    page = (folder / "run.html").read_text()
    reader = Balance()
    reader.feed(page)
    assert page.count("<svg") == 3 and reader.fetched == []


def test_the_input_comes_back_from_the_run_file(folder, capsys):
    assert cli.main(["show", "run.h5", "--toml"]) == 0
    (folder / "again.toml").write_text(capsys.readouterr().out)
    assert cli.main(["exact", "again.toml", "--json"]) == 0


# ---------------------------------------------------------------- charts in plain characters


def test_charts_fit_and_put_points_where_they_belong():
    rows = [{"temperature": t, "energy": -1 / t, "specific_heat": 1 / t, "specific_heat_slope": t} for t in (4, 2, 1)]
    text = charts(rows)
    lines = text.splitlines()
    assert text.isascii() and max(map(len, lines)) <= 80
    left = [line[:39].rstrip() for line in lines]
    assert left[1].startswith("  -0.25 |") and left[1].endswith("*"), "the highest energy, at the right"
    lowest = next(line for line in left if line.startswith("     -1 |"))
    assert lowest.index("*") == 9, "the lowest energy at the lowest temperature"
    assert "T = 1" in text and "(log)" in text
    right = "\n".join(line[41:] for line in lines)
    assert right.count("*") == 3 and right.count("o") >= 2


def test_charts_need_three_points_and_survive_odd_numbers():
    rows = [{"temperature": t, "energy": -0.5, "specific_heat": math.nan} for t in (1.0, 0.9, 0.8)]
    assert charts(rows[:2]) == ""
    assert "(log)" not in charts(rows), "a narrow range of temperatures is linear"
    assert charts([]) == ""


def test_show_draws_charts(folder, capsys):
    assert cli.main(["show", "run.h5", "--charts"]) == 0
    out = capsys.readouterr().out
    assert "e(T)" in out and max(map(len, out.splitlines())) <= 80


def test_physics_stands_before_the_meters(monkeypatch):
    monkeypatch.setattr(report_page, "paragraph", lambda table, about: "How it was done.")
    rows = [row | {"r_hat": 1.01, "acceptance": 0.25, "acceptance_error": 0.001} for row in table()["rows"]]
    made_up = table() | {"rows": rows, "resolved": {"thermal": {"clock": "time"}, "wavefunction": {"n_params": 7}}}
    drawings = {"Thermodynamics": "<svg>physics</svg>", "Convergence": "<svg>steps</svg>"}
    page = report_page.html(made_up, HISTORY, {"version": "1", "spin_convention": "S"}, drawings, name="run.h5")
    order = [">Results<", "physics", "<th>e</th>", ">Meters<", "steps", "<th>r_hat</th>"]
    places = [page.index(words) for words in [*order, ">Methods<", "n_params = 7", ">Timings<"]]
    assert places == sorted(places)
    assert page.count("<th>r_hat</th>") == page.count("<th>e</th>") == 1
    assert "clock = &quot;energy&quot;  # &quot;time&quot;" in page, "settings with what became of them"
    assert "spin convention" in page


def test_numbers_of_samples_have_no_decimals():
    from hpc_nqs.reports.columns import aligned_columns

    (block,) = aligned_columns([{"temperature": 1.0, "effective_samples": 4096.7312}])
    assert ["effective samples", "4097"] in block
