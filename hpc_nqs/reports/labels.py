"""Words of figures: titles of axes with units, wave vectors, swept parameters, names of files."""

from fractions import Fraction

from hpc_nqs.hamiltonians import MODELS
from hpc_nqs.hamiltonians.parameter import CELL_BONDS, OF_CELLS
from hpc_nqs.observables.molar_units import UNITS
from hpc_nqs.reports.series import QUANTITIES
from hpc_nqs.reports.text import describe, given_title
from hpc_nqs.reports.units import MOLAR
from hpc_nqs.settings.sweep import moving_entry

MAX_DENOMINATOR = 64  # of wave vectors in units of pi
# of quantities over wave vectors
LETTERS = {"structure_factor": "S", "charge_structure_factor": "N", "binder_ratio": "U_4"}
LETTERS |= {"chirality_structure_factor": r"X_\chi"}
GREEK = ("Gamma", "Delta", "mu")
WORDS = {"field_z": "field", "field": "transverse field", "anisotropy": "anisotropy", "mu": "chemical potential"}
FEWEST_SETTINGS = 4  # lines of a title


def plain_label(name):
    """Return a file name as a label: matplotlib hides a leading _ and typesets what stands between $."""
    return name.lstrip("_").replace("$", r"\$") or "run"


def energy_symbol(tables):
    """Return what energies are in units of: "J" or, of electrons, "t" where the first coupling is 1, else "energy".

    `MOLAR` where all tables are converted to such units.
    """
    if tables and all(MOLAR in table for table in tables):
        return MOLAR
    found = dict.fromkeys(_symbol_of(table.get("settings", {}).get("model", {})) for table in tables)
    return next(iter(found)) if len(found) == 1 else "J" if not found else "energy"


def _symbol_of(given):
    model = MODELS.get(given.get("kind"))
    if model is None:
        return "J"
    first = model.parameters[0]  # of every model the coupling that sets the scale
    sizes = first.as_tuple(given.get(first.name, first.default))
    return first.symbol if sizes and abs(sizes[0]) == 1.0 else "energy"


def in_units(unit, symbol):
    """Return the unit of an axis in brackets, "J" in it replaced by a symbol; "" for pure numbers.

    What has no unit of its own among `MOLAR` ones is in units of the couplings.
    """
    symbol = "J" if symbol == MOLAR else symbol
    return f"  [{unit.replace('J', symbol)}]" if unit else ""


def quantity_title(quantity, symbol, narrow=False):
    """Return the title of the axis of one of `series.QUANTITIES`, of a narrow figure its letter alone."""
    title, letter, unit = QUANTITIES[quantity]
    if symbol == MOLAR and quantity in UNITS:
        return (letter if narrow else f"{title.replace(' per site', '')}  {letter}") + f"  [{UNITS[quantity]}]"
    return (letter if narrow else f"{title}  {letter}") + in_units(unit, symbol)


def temperature_title(symbol):
    """Return the title of an axis of temperatures."""
    return "temperature  $T$" + ("  [K]" if symbol == MOLAR else in_units("J", symbol))


def unit_behind(symbol):
    """Return the unit of a temperature behind a number: kelvin or none."""
    return " K" if symbol == MOLAR else ""


def correlation_title(quantity, key, symbol="J"):
    """Return the title of the axis of S(q) and the like, of a term of e, an operator, or the correlation of a shell."""
    if quantity in LETTERS:
        return f"${LETTERS[quantity]}({vector_text(key)})$"
    if quantity == "energy_terms":
        unit = f"  [{UNITS[quantity]}]" if symbol == MOLAR else in_units("J", symbol)
        return f"$e$ of {plain_label(key)}{unit}"
    if quantity == "operators":
        return rf"$\langle$ {plain_label(key)} $\rangle$"
    return f"$\\langle S^z_i S^z_j\\rangle$, shell {key}"


def time_title(vector):
    """Return the title of the axis of C(q, tau), of the local correlation for None."""
    if vector is None:
        return r"$\langle S^z_i(\tau)\, S^z_i\rangle$"
    return f"$C({vector_text(vector)}; \\tau)$"


def vector_text(key):
    """Return a wave vector, "1,0.5" in units of pi, as mathematical text."""
    return ", ".join(multiple_of_pi(part) for part in key.split(","))


def multiple_of_pi(part):
    r"""Return one component of a wave vector, "0.5" in units of pi, as mathematical text such as \pi/2."""
    number = float(part)
    fraction = Fraction(number).limit_denominator(MAX_DENOMINATOR)
    if abs(float(fraction) - number) > 1e-5:  # keys have six digits
        return rf"{part}\pi"
    if fraction == 0:
        return "0"
    sign, size = "-" if fraction < 0 else "", abs(fraction.numerator)
    over = f"/{fraction.denominator}" if fraction.denominator > 1 else ""
    return f"{sign}{'' if size == 1 else size}\\pi{over}"


def page_title(tables):
    """Return the titles of the inputs and the systems of the tables, each once."""
    titles = filter(None, (given_title(table.get("settings", {})) for table in tables))
    systems = (describe(table.get("settings", {}), table.get("n_sites")) for table in tables)
    lines = list(dict.fromkeys([*map(plain_label, titles), *systems]))
    return "\n".join(lines[:FEWEST_SETTINGS] + (["..."] if len(lines) > FEWEST_SETTINGS else []))


def swept_title(settings, names):
    """Return the system of a sweep without the parameters `names` ("model.field") that differ between its runs."""
    left = {section: dict(table) if isinstance(table, dict) else table for section, table in settings.items()}
    for section, _, key in (name.partition(".") for name in names):
        left.get(section, {}).pop(key, None)
    system = describe(left) if "kind" in left.get("model", {}) else ""
    title = given_title(settings)
    return "\n".join(filter(None, [title and plain_label(title), system]))


def parameter_title(name, values, symbol):
    """Return the title of the axis of a swept parameter: the letter of the model with its unit, else its key.

    Parameters
    ----------
    name : str
        "section.key".
    values : list
        What the input holds; of a list with one entry that differs, such as couplings, this entry is meant.
    symbol : str
        Of `energy_symbol`.
    """
    letter, unit, words = _letter_of(name, values)
    if not letter:
        return plain_label(name.partition(".")[2].replace("_", " "))
    return " ".join(filter(None, [words, f"${letter}$"])) + in_units("J" if unit == "energy" else unit, symbol)


def value_title(name, values, place):
    """Return "letter = value" of a swept parameter."""
    letter, _, _ = _letter_of(name, values)
    shown = f"{place:g}" if isinstance(place, (int, float)) and not isinstance(place, bool) else str(place)
    return f"${letter} = {shown}$" if letter else f"{plain_label(name.partition('.')[2])} = {plain_label(shown)}"


def _letter_of(name, values):
    """Return (letter as mathematical text, unit, words) of a parameter of a model; empty for other settings."""
    section, _, key = name.partition(".")
    parameters = {each.name: each for model in MODELS.values() for each in model.parameters}
    if section != "model" or key not in parameters or not parameters[key].symbol:
        return "", "", ""
    parameter, place = parameters[key], ""
    if parameter.is_list:
        moving = moving_entry(values)
        if moving is None:
            return "", "", ""
        if parameter.kind in OF_CELLS:
            return _letter_of_bond(parameter, values, moving), parameter.unit, ""
        place = f"_{moving + 1}"
    letter = parameter.symbol.removesuffix("_i")
    letter = f"\\{letter}" if letter in GREEK else letter
    return letter + place, parameter.unit, WORDS.get(key, "")


def _letter_of_bond(parameter, values, moving):
    """Return J(R1,R2) of the bond between cells whose coupling alone differs; empty for other lists of cells."""
    is_coupling = moving_entry([value[moving] for value in values]) == len(values[0][moving]) - 1
    return parameter.marks(values[0])[moving] if parameter.kind == CELL_BONDS and is_coupling else ""
