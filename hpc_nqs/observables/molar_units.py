"""Units of experiments: kelvin, emu/mol and J/(mol K), from results per site in units of the couplings.

With E the unit of energy of the input in kelvin (1 where couplings are given in kelvin),

    T[K] = E T,    c[J/(mol K)] = R c,    chi[emu/mol] = (N_A g^2 mu_B^2 / k_B) chi / E,

N_A mu_B^2 / k_B = 0.3751 emu K/mol: a free spin, chi = 1/(4 T), has the Curie constant 0.0938 g^2 emu K/mol.  A mole is
one of spins.
"""

import re
from dataclasses import dataclass

# CODATA 2022; all but the Bohr magneton are exact.
_BOLTZMANN, _CHARGE, _PLANCK, _LIGHT = 1.380649e-23, 1.602176634e-19, 6.62607015e-34, 299792458.0
_AVOGADRO, _BOHR_MAGNETON = 6.02214076e23, 9.2740100657e-24
_ERG_PER_GAUSS, _ERG = 1e3, 1e7  # in one J/T, in one J

GAS_CONSTANT = _AVOGADRO * _BOLTZMANN  # J/(mol K)
CURIE = _AVOGADRO * (_BOHR_MAGNETON * _ERG_PER_GAUSS) ** 2 / (_BOLTZMANN * _ERG)  # emu K/mol, of g = 1, chi = 1/T
KELVIN = {
    "K": 1.0,
    "meV": 1e-3 * _CHARGE / _BOLTZMANN,
    "eV": _CHARGE / _BOLTZMANN,
    "cm^-1": _PLANCK * _LIGHT * 100.0 / _BOLTZMANN,
    "THz": _PLANCK * 1e12 / _BOLTZMANN,
}
ENERGIES = ("energy", "energy_terms", "free_energy", "layer_energy_difference", "grand_potential")
ENERGIES += ("energy_lanczos", "energy_extrapolated")
UNITS = {
    "temperature": "K",
    **dict.fromkeys(ENERGIES, "J/mol"),
    **dict.fromkeys(("specific_heat", "specific_heat_slope", "entropy"), "J/(mol K)"),
    **dict.fromkeys(("susceptibility", "static_susceptibility"), "emu/mol"),
}
FACTORS = "molar_factors"  # key of a converted row
_ENERGY = re.compile(r"\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*(\S+)\s*")


def kelvin_of(text):
    """Return an energy such as "98.2 K" or "8.5 meV" in kelvin, k_B T of the same size.

    Raises
    ------
    ValueError
        When the text is no positive number with one of the units K, meV, eV, cm^-1 and THz.
    """
    match = _ENERGY.fullmatch(text)
    try:
        energy = float(match[1]) * KELVIN[match[2]]
    except (TypeError, KeyError, ValueError):
        energy = 0.0
    if not 0 < energy < float("inf"):
        units = ", ".join(KELVIN)
        raise ValueError(f'{text!r}: allowed is a positive number with a unit, as in "98.2 K"; units: {units}')
    return energy


@dataclass(frozen=True)
class MolarUnits:
    """Factors from results in units of the couplings to those per mole of sites.

    Attributes
    ----------
    kelvin : float
        The unit of energy of the input, E / k_B.
    g : float
    """

    kelvin: float
    g: float

    @property
    def factors(self):
        """Return {quantity: factor} of what changes; everything else has no unit."""
        energy, susceptibility = GAS_CONSTANT * self.kelvin, CURIE * self.g**2 / self.kelvin
        return {
            "temperature": self.kelvin,
            **dict.fromkeys(ENERGIES, energy),
            **dict.fromkeys(("specific_heat", "specific_heat_slope", "entropy"), GAS_CONSTANT),
            **dict.fromkeys(("susceptibility", "static_susceptibility"), susceptibility),
        }

    def converted(self, row):
        """Return a row of a table with its numbers in these units, and the factors under `FACTORS`."""
        factors = self.factors
        return {name: _times(value, factors.get(quantity_of(name), 1.0)) for name, value in row.items()} | {
            FACTORS: factors
        }


def quantity_of(name):
    """Return the quantity that a column belongs to: itself, or what its error is one of."""
    for ending in ("_error", "_systematic"):
        name = name.removesuffix(ending)
    return name


def _times(value, factor):
    """Return numbers, alone, with an error or in a dict, times a factor."""
    if factor == 1.0:
        return value
    if isinstance(value, dict):
        return {key: _times(entry, factor) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_times(entry, factor) for entry in value]
    return value * factor if isinstance(value, (int, float)) and not isinstance(value, bool) else value
