"""200 malformed inputs given to the commands: a list of problems and exit code 2, never a traceback or a file."""

import contextlib
import io
import os
from pathlib import Path

from hypothesis import HealthCheck, assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hpc_nqs.cli import parser as cli
from hpc_nqs.settings import templates
from hpc_nqs.settings.parsing import parse_settings, read_tables
from hpc_nqs.settings.toml_text import format_tables

TEXT = format_tables(parse_settings(read_tables(templates.text("thermal")), ["run.seed=1"]).to_dict())
LINES = TEXT.splitlines()

values = st.sampled_from(
    ["-1", "0", "1e99", "nan", "inf", "[]", "[[]]", "{}", '""', '"auto"', "true", "1979-05-27", "[1, 2, 3]"]
    + ["99999999999"]
)
mutations = st.one_of(
    st.tuples(st.just("drop"), st.integers(0, len(LINES) - 1), st.none()),
    st.tuples(st.just("repeat"), st.integers(0, len(LINES) - 1), st.none()),
    st.tuples(st.just("value"), st.integers(0, len(LINES) - 1), values),
    st.tuples(st.just("key"), st.integers(0, len(LINES) - 1), st.text(max_size=6)),
    st.tuples(st.just("insert"), st.integers(0, len(TEXT)), st.text(max_size=6)),
    st.tuples(st.just("cut"), st.integers(0, len(TEXT)), st.integers(1, 40)),
)


def mutated(text, mutation):
    """Return the TOML text with one change."""
    kind, position, extra = mutation
    if kind in ("insert", "cut"):
        inserted, skipped = (extra, 0) if kind == "insert" else ("", extra)
        return text[:position] + inserted + text[position + skipped :]
    lines = text.splitlines() or [""]
    position %= len(lines)
    key, equals, value = lines[position].partition("=")
    lines[position : position + 1] = {
        "drop": [],
        "repeat": [lines[position]] * 2,
        "value": [f"{key}= {extra}"],
        "key": [f"{key.strip()}{extra} {equals}{value}"],
    }[kind]
    return "\n".join(lines)


@hypothesis_settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=st.lists(mutations, min_size=1, max_size=3), command=st.sampled_from(["run", "check"]))
def test_malformed_inputs_are_problems_not_tracebacks(folder, driver, changes, command):
    text = TEXT
    for change in changes:
        text = mutated(text, change)
    (folder / "input.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
    files = sorted(os.listdir(folder))
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        code = cli.main([command, "input.toml"])
    if code == 0 and command == "run":
        Path("input.h5").unlink()
    assert sorted(os.listdir(folder)) == files
    assume(code != 0)  # the change has left a valid input
    assert code == 2
    assert output.getvalue() == ""
    assert errors.getvalue().startswith("hpc-nqs: ") and "nothing was written" in errors.getvalue()
    assert "Traceback" not in errors.getvalue()
