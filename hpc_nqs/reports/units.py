"""Tables in the units of their section [units]: kelvin, J/mol, J/(mol K) and emu/mol where it is given."""

from hpc_nqs.observables.molar_units import FACTORS, MolarUnits, kelvin_of

MOLAR = "molar_units"  # key of a converted table


def units_of(table):
    """Return the `MolarUnits` of a table that is not converted, or None."""
    given = table.get("settings", {}).get("units", {})
    return MolarUnits(kelvin_of(given["J"]), float(given.get("g", 2.0))) if given.get("J") else None


def in_its_units(table):
    """Return a table in the units that its settings ask for: itself where they ask for none."""
    units = units_of(table)
    if units is None or MOLAR in table:
        return table
    return table | {"rows": [units.converted(row) for row in table["rows"]], MOLAR: units}


def rows_beside(rows, table):
    """Return exact or other computed rows in the units of a table that `in_its_units` returned."""
    units = table.get(MOLAR)
    return rows if units is None or rows is None else [units.converted(row) for row in rows]


def legend(table):
    """Return what stands below a table of numbers about their units."""
    units = table.get(MOLAR)
    if units is None:
        return "Per site, in units of the couplings"
    given = table["settings"]["units"]
    return (
        f"Per mole of sites, with J = {given['J']} and g = {units.g:g}: T in K, e and f in J/mol, c and s in "
        "J/(mol K), chi in emu/mol; other columns in units of the couplings"
    )


def factor(table, quantity):
    """Return by what a quantity of a table was multiplied."""
    rows = table.get("rows") or [{}]
    return rows[0].get(FACTORS, {}).get(quantity, 1.0)
