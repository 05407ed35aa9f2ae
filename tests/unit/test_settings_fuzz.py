"""Settings: whatever is typed gives settings or a list of problems, never anything else."""

import copy
import dataclasses

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hpc_nqs.settings import parsing as S
from hpc_nqs.settings import templates
from hpc_nqs.settings.parsing import SettingsError, parse_settings, read_tables
from hpc_nqs.settings.toml_text import format_tables

# A valid input with every key written.
FULL = parse_settings(read_tables(templates.text("thermal")), ["run.seed=1"]).to_dict()

plain_values = st.recursive(
    st.none().map(lambda _: "auto")
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.dates()
    | st.just(400).map(lambda power: 10**power),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=6,
)
options = st.sampled_from(
    [(name, field.name) for name, kind in S.SECTIONS.items() for field in dataclasses.fields(kind)]
)
places = options | st.tuples(st.text(max_size=8), st.text(max_size=8))


@hypothesis_settings(max_examples=300, deadline=None)
@given(
    changes=st.lists(st.tuples(places, plain_values), max_size=4),
    sections=st.dictionaries(st.sampled_from(list(S.SECTIONS)), plain_values, max_size=1),
)
def test_no_input_gives_anything_but_settings_or_their_error(changes, sections):
    data = copy.deepcopy(FULL) | sections
    for (section, key), value in changes:
        if isinstance(data.setdefault(section, {}), dict):
            data[section][key] = value
    try:
        settings = parse_settings(data, folder="/nonexistent")
    except SettingsError as error:
        assert error.problems and all(isinstance(problem, str) and "\n" not in problem for problem in error.problems)
    else:
        assert parse_settings(read_tables(settings.to_toml())) == settings


TEXT = format_tables(FULL)


@hypothesis_settings(max_examples=300, deadline=None)
@given(position=st.integers(0, len(TEXT)), length=st.integers(0, 12), insertion=st.text(max_size=6))
def test_no_damaged_text_gives_anything_but_settings_or_their_error(position, length, insertion):
    damaged = TEXT[:position] + insertion + TEXT[position + length :]
    try:
        parse_settings(read_tables(damaged.encode("utf-8", "surrogatepass")), folder="/nonexistent")
    except SettingsError as error:
        assert error.problems


@hypothesis_settings(max_examples=200, deadline=None)
@given(
    override=st.text(max_size=12)
    | st.tuples(options, st.text(max_size=8)).map(lambda pair: f"{pair[0][0]}.{pair[0][1]}={pair[1]}")
)
def test_no_override_gives_anything_but_settings_or_their_error(override):
    try:
        parse_settings(FULL, [override], folder="/nonexistent")
    except SettingsError as error:
        assert error.problems
