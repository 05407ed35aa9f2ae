"""Commented inputs and the reference of all options."""

import dataclasses

import pytest

from hpc_nqs.settings import templates
from hpc_nqs.settings.parsing import SECTIONS, parse_settings, read_tables


@pytest.mark.parametrize("task", ["thermal", "ground_state", "hubbard"])
def test_the_template_is_an_input_and_shows_every_option(task):
    text = templates.text(task)
    settings = parse_settings(read_tables(text))
    assert settings.lattice.lengths in ((4, 4), (2, 3))
    assert all(len(line) <= 100 for line in text.splitlines())
    uncommented = "\n".join(
        line[1:] if line.startswith("#") and line[1:2] not in (" ", "") else line
        for line in text.splitlines()
        if not any(f"{key} =" in line for key in ("betas", "mu", "box"))
    )
    again = parse_settings(read_tables(uncommented))
    assert again == settings.with_seed(1), "the commented lines are the defaults"


def test_the_reference_has_every_option_with_its_default():
    text = templates.text("reference")
    for name, kind in SECTIONS.items():
        assert f"### [{name}]" in text
        for field in dataclasses.fields(kind):
            assert f"| `{field.name}` |" in text
            assert field.metadata["description"] and field.metadata["allowed"]


def test_a_template_that_does_not_exist():
    with pytest.raises(ValueError, match="allowed"):
        templates.text("nothing")


def test_options_of_the_default_method_are_shown():
    lines = templates.text("thermal").splitlines()
    assert '#clock = "energy"' in lines
    assert not [line for line in lines if line.startswith("#trotter_order")]
