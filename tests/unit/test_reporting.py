"""Tables and the progress line: widths, digits, absent values, JSON and CSV for programs."""

import csv
import io
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc_nqs.observables.molar_units import MolarUnits
from hpc_nqs.reports import lost, planning
from hpc_nqs.reports import text as reporting
from hpc_nqs.reports.numbers import duration, value_text
from hpc_nqs.runs.progress import Progress, format_line

ROW = {
    "temperature": 0.5,
    "beta": 2.0,
    "energy": -0.412345,
    "energy_error": 0.0003,
    "specific_heat": 0.31,
    "specific_heat_error": 0.002,
    "specific_heat_slope": 0.30,
    "entropy": 0.4,
    "entropy_error": 0.001,
    "free_energy": -0.6,
    "susceptibility": 0.07,
    "susceptibility_error": 0.001,
    "structure_factor": {"1,1": [1.2, 0.01], "1,0": [0.3, 0.002]},
    "tdvp_residual": 0.002,
    "layer_energy_difference": 0.0001,
    "acceptance": 0.4,
    "r_hat": 1.01,
}
SETTINGS = {
    "lattice": {"kind": "square", "lengths": [4, 4], "boundary": "periodic"},
    "model": {"kind": "heisenberg", "couplings": [1.0, 0.5], "anisotropy": 1.0, "field_z": 0.0},
}
TABLE = {
    "rows": [ROW],
    "settings": SETTINGS,
    "n_ranks": 2,
    "seconds": 123.4,
    "finished": True,
    "n_sites": 16,
    "task": "thermal",
    "format": 1,
}


def table(*rows, **changes):
    return TABLE | {"rows": list(rows)} | changes


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (-0.412345, 0.0003, "-0.41235(30)"),
        (-0.412345, 0.0002999, "-0.41235(30)"),
        (1.2, 0.01, "1.200(10)"),
        (1.2, 0.00996, "1.200(10)"),
        (123.4, 12.0, "123(12)"),
        (123.4, 1.26, "123.4(13)"),
        (12345.0, 260.0, "12345(260)"),
        (0.5, 0.0, "0.50000"),
        (0.5, None, "0.50000"),
        (0.5, math.nan, "0.50000"),
        (0.25, 1e-15, "0.250000000000"),
        (-1e-9, 0.01, "0.000(10)"),
        (-1e-9, None, "0.00000"),
        (1e65, 0.0003, "1e+65 +- 0.0003"),
        (0.0, 2.2e-309, "0.000000000000"),
    ],
)
def test_errors_stand_in_brackets(value, error, text):
    assert value_text(value, error) == text


@given(value=st.floats(-1e6, 1e6), error=st.floats(1e-9, 1e6))
def test_bracket_notation_gives_value_and_error_back(value, error):
    text = value_text(value, error)
    number, _, digits = text.rstrip(")").partition("(")
    unit = 10.0 ** -len(number.partition(".")[2])
    assert abs(float(number) - value) <= 0.51 * unit + 1e-15 * abs(value)
    assert abs(float(digits) * unit - error) <= 0.06 * error


def test_the_text_table_fits_80_columns_and_has_every_value():
    rows = [ROW | {"temperature": 1 / 3, "energy": -123.4, "energy_error": 2e-6}, ROW | {"temperature": 1e-6}]
    rows[0]["structure_factor"] = {f"{q},0.333333": [1.0, 1e-5] for q in range(8)}
    text = reporting.table_text(table(*rows), exact_rows=[{"energy": -123.0, "entropy": 0.4}, {"energy": 0.1}])
    assert max(map(len, text.splitlines())) <= 80
    for part in (
        "Heisenberg, J1 = 1, J2 = 0.5 on square 4x4, 16 sites",
        "finished, 2 rows, 2 min 03 s, 2 ranks",
        "-123.4000000(20)",
    ):
        assert part in text
    for heading in (
        "T",
        "e",
        "c",
        "c slope",
        "s",
        "chi",
        "residual",
        "e - exact",
        "s - exact",
        "S(7,0.333333)",
        "r_hat",
        "accept",
    ):
        assert any(heading in line.split("  ") or heading in line for line in text.splitlines()), heading
    assert "c - exact" not in text


@given(
    st.dictionaries(
        st.sampled_from([*ROW, "new_meter", "note"]), st.none() | st.floats() | st.integers(-(10**9), 10**9), max_size=8
    )
)
def test_any_row_fits_80_columns(changes):
    changes = {key: value for key, value in changes.items() if key != "structure_factor"}
    text = reporting.table_text(table(ROW | changes, {"temperature": 3.0}))
    assert max(map(len, text.splitlines())) <= 80
    json.loads(reporting.json_text(table(ROW | changes)), parse_constant=pytest.fail)


def test_a_table_without_rows():
    text = reporting.table_text(table(finished=False))
    assert "not finished, 0 rows" in text
    assert reporting.csv_text(table()) == ""


def test_exact_tables_say_so_and_have_no_errors():
    text = reporting.table_text(table({"temperature": 1.0, "energy": -0.5}, method="exact"))
    assert text.splitlines()[1] == "exact diagonalization, 1 row, 2 min 03 s"
    assert text.endswith("Per site, in units of the couplings.\n")
    text = " ".join(reporting.table_text(TABLE).split())
    assert "(12) is the statistical error of the last digits" in text
    assert "systematic" not in text and "lost" not in text


@pytest.mark.parametrize(
    ("value", "error", "systematic", "text"),
    [
        (-0.4896012, 0.00018, 0.0012, "-0.4896(2)[12]"),
        (0.2204, 0.0019, 0.0174, "0.220(2)[17]"),
        (0.0051231, 0.0000718, 0.0000098, "0.005123(72)[10]"),
        (0.6904728, 0.0000091, 0.00022, "0.69047(1)[22]"),
        (0.690473, 0.000006, 0.0022, "0.6905[22]"),  # what has no digit is left out
        (0.690473, 0.0, 0.0022, "0.6905[22]"),
        (0.690473, 0.0022, None, "0.6905(22)"),
        (0.690473, 0.0022, 0.0, "0.6905(22)"),
        (69.3, 13.0, 69.0, "69(13)[69]"),
        (690.3, 13.0, 690.0, "690(13)[690]"),
        (0.9951, 0.00996, 0.001, "0.995(10)[1]"),
    ],
)
def test_two_errors_stand_in_two_kinds_of_brackets(value, error, systematic, text):
    assert value_text(value, error, systematic=systematic) == text


LOST_ROW = {"temperature": 0.25, "beta": 4.0, "energy": -0.4, "energy_error": 0.01, "energy_systematic": 0.03}
LOST_ROW |= {"specific_heat": 0.3, "specific_heat_error": 0.1, "specific_heat_systematic": 0.12}
LOST_ROW |= {"entropy": 0.01, "entropy_error": 0.02, "structure_factor": {"1,1": [0.9, 0.1], "0,0": [0.1, 0.01]}}
LOST_ROW |= {"structure_factor_systematic": {"1,1": 0.1, "0,0": 0.06}}


def test_a_number_with_half_its_value_of_error_is_marked():
    lines = reporting.table_text(table(LOST_ROW)).splitlines()
    text = "\n".join(lines)
    assert "0.30(10)[12]?" in text, "sqrt(0.1^2 + 0.12^2) > 0.3 / 2"
    assert "0.010(20)" in text and "0.010(20)?" not in text, "s may vanish"
    assert "0.90(10)[10]" in text and "0.90(10)[10]?" not in text and "0.100(10)[60]?" in text
    assert "? lost" in text
    assert "?" not in reporting.table_text(table(LOST_ROW | {"specific_heat": 0.32, "structure_factor": {}}))


def test_where_the_energy_is_lost_all_of_the_row_is():
    lost_row = LOST_ROW | {"energy_systematic": 0.2}
    assert lost.is_lost(lost_row, "energy") and lost.is_lost(lost_row, "structure_factor", "1,1")
    assert lost.is_lost(lost_row, "entropy") and not lost.is_lost(LOST_ROW, "entropy")
    assert not lost.is_lost({"energy": -0.5}, "energy"), "without an error nothing is lost"
    assert not lost.is_lost({"energy": -0.5}, "susceptibility")


def test_a_correlation_is_measured_by_the_largest():
    row = {"correlation": {"1": [-0.1, 0.01], "2": [0.0, 0.01]}, "correlation_systematic": {"1": 0.0, "2": 0.04}}
    assert not lost.is_lost(row, "correlation", "2")
    assert lost.is_lost(row | {"correlation_systematic": {"1": 0.0, "2": 0.05}}, "correlation", "2")


def test_systematic_errors_of_keys_are_columns_of_csv():
    (line,) = csv.DictReader(io.StringIO(reporting.csv_text(table(LOST_ROW))))
    assert float(line["structure_factor_systematic(1,1)"]) == 0.1
    assert "structure_factor_systematic_error(1,1)" not in line


def test_remarks_on_untrustworthy_rows():
    assert "Residual" not in reporting.table_text(TABLE)
    text = reporting.table_text(table(ROW | {"tdvp_residual": 0.2, "r_hat": 1.2}, ROW))
    assert "Residual above 0.1 at 1 of 2 temperatures" in text
    assert "r_hat above 1.05 at 1 of 2 temperatures" in text
    assert reporting.table_remarks([{"v_score": 0.09}, {"v_score": None}]) == []
    (remark,) = reporting.table_remarks([{"v_score": 0.2}, {"v_score": 1e-3}])
    assert remark.startswith("V-score above 0.1 at 1 of 2 states")


def test_json_is_the_promised_table():
    data = json.loads(reporting.json_text(TABLE))
    assert data == TABLE
    assert list(data) == ["format", "task", "n_sites", "finished", "seconds", "n_ranks", "settings", "rows"]


def test_json_leaves_out_what_is_not_finite():
    data = json.loads(
        reporting.json_text(
            table({"temperature": 1.0, "energy": math.nan, "entropy": None, "r_hat": math.inf, "acceptance": 0.0})
        )
    )
    assert data["rows"] == [{"temperature": 1.0, "acceptance": 0.0}]


def test_csv_is_flat():
    lines = list(csv.DictReader(io.StringIO(reporting.csv_text(table(ROW, {"temperature": 0.25, "energy": -0.5})))))
    assert float(lines[0]["energy"]) == ROW["energy"]
    assert float(lines[0]["structure_factor(1,0)"]) == 0.3
    assert float(lines[0]["structure_factor_error(1,0)"]) == 0.002
    assert lines[1]["entropy"] == "" and lines[1]["temperature"] == "0.25"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "Heisenberg, J1 = 1, J2 = 0.5 on square 4x4"),
        (
            {"model": {"kind": "tfim", "coupling": 1.0, "field": 3.0}},
            "transverse-field Ising, J = 1, Gamma = 3 on square 4x4",
        ),
        (
            {"lattice": {"kind": "chain", "lengths": [8], "boundary": "open"}},
            "Heisenberg, J1 = 1, J2 = 0.5 on chain 8, open",
        ),
        ({"lattice": {"kind": "custom", "bonds": [[0, 1, 1]]}}, "Heisenberg, J1 = 1, J2 = 0.5 on custom lattice"),
    ],
)
def test_the_system_in_one_line(changes, text):
    assert reporting.describe(SETTINGS | changes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.1234, "0.123 s"),
        (59.6, "60 s"),
        (99.96, "100 s"),
        (3599.7, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (4 * 86400 + 4000, "4 d 01 h"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_plan():
    assert reporting.plan_text({"n_sites": 16, "memory_per_rank": "12 MB", "cost": 1234567, "x": 0.125}) == (
        "  n sites          16\n  memory per rank  12 MB\n  cost             1,234,567\n  x                0.125\n"
    )


class Terminal(io.StringIO):
    """A terminal that remembers every visible line."""

    def isatty(self):
        return True

    def screen(self):
        """Return what a reader sees: carriage returns overwrite."""
        lines = []
        for written in self.getvalue().split("\n"):
            line = ""
            for part in written.split("\r"):
                line = part + line[len(part) :]
            lines.append(line.rstrip())
        return lines


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


STATE = {"beta_end": 4.0, "energy": -0.41234, "energy_error": 0.0003, "acceptance": 0.4, "residual": 0.002}


def test_the_live_line_is_rewritten_in_place():
    stream, clock = Terminal(), Clock()
    progress = Progress(0, stream, clock=clock)
    progress.update(step=1, beta=0.1, **STATE)
    clock.now = 0.01
    progress.update(step=2, beta=0.2, **STATE)
    assert "step 2" not in stream.getvalue()
    clock.now = 10.0
    progress.update(step=3, beta=1.1, seconds_left=lambda: 29.2, **STATE)
    assert stream.screen() == ["step 3  beta 1.1/4  T 0.9091  e -0.41234(30)  29 s left  residual 0.002"]
    progress.update(step=4, beta=4.0, beta_end=4.0, seconds_left=lambda: 0.0)
    progress.message("checkpoint written")
    progress.close()
    assert stream.screen() == ["checkpoint written", "step 4  beta 4/4  T 0.25  0 s left", ""]


def test_a_log_file_gets_one_line_every_interval_and_the_last_state():
    stream, clock = io.StringIO(), Clock()
    with Progress(0, stream, interval=30.0, clock=clock) as progress:
        for step in range(1, 10):
            progress.update(step=step, beta=0.1 * step, **STATE)
            clock.now += 10.0
    lines = stream.getvalue().splitlines()
    assert [line.split("  ")[0] for line in lines] == ["step 1", "step 4", "step 7", "step 9"]
    assert "\r" not in stream.getvalue()


def test_other_ranks_are_silent():
    stream = Terminal()
    with Progress(1, stream) as progress:
        progress.update(step=1, beta=0.1, **STATE)
        progress.message("x")
    assert stream.getvalue() == ""


def test_a_closed_terminal_does_not_end_the_run():
    stream = Terminal()
    progress = Progress(0, stream)
    real_write = stream.write
    stream.write = lambda text: (_ for _ in ()).throw(OSError("gone"))
    progress.update(step=1, beta=0.1, **STATE)
    stream.write = real_write
    progress.close()
    assert stream.getvalue() == ""


numbers = st.none() | st.floats() | st.floats(-10, 10)


@given(
    step=st.integers(0, 10**12),
    beta=st.floats(0.0, 1e300),
    values=st.fixed_dictionaries(dict.fromkeys(["energy", "energy_error", "acceptance", "residual"], numbers)),
    left=st.none() | st.floats(0.0, 1e12),
)
def test_the_line_never_exceeds_79_columns(step, beta, values, left):
    line = format_line(step, beta, 1e300, values, left)
    assert len(line) <= 79 and line.isprintable()


@pytest.mark.parametrize(("with_mu", "name"), [(True, "e - mu n"), (False, "e")])
def test_the_line_says_where_the_energy_holds_mu(with_mu, name):
    line = format_line(3, 0.5, 2.0, {"energy": -0.9, "with_mu": with_mu}, None)
    assert line == f"step 3  beta 0.5/2  T 2  {name} -0.9"


def test_the_line_is_in_the_units_of_the_input():
    units = MolarUnits(50.0, 2.0)
    line = format_line(3, 0.5, 2.0, {"energy": -0.9, "energy_error": 0.01}, None, units)
    assert line == "step 3  T 100/25 K  e -374.2(42) J/mol"
    assert len(format_line(10**12, 1e-300, 1e300, {"energy": -1e300}, 1e12, units)) <= 79


def test_pairs_of_numbers_are_limits_of_some_keys_alone():
    resolved = {"sampling": {"exponent": [0.5, 1.0]}, "ground_state": {"momentum": [0, 0]}}
    given = {"sampling": {"exponent": "auto"}, "ground_state": {"momentum": "auto"}}
    assert planning.chosen(resolved, given) == {
        "sampling.exponent": "0.5 to 1, as the samples ask for", "ground_state.momentum": "[0, 0]"
    }
