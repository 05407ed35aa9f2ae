"""Units of experiments: kelvin, emu/mol and J/(mol K), from results per site in units of the couplings.

With E the unit of energy of the input in kelvin (1 where couplings are given in kelvin),

    T[K] = E T,    c[J/(mol K)] = R c,    chi[emu/mol] = (N_A g^2 mu_B^2 / k_B) chi / E,

N_A mu_B^2 / k_B = 0.3751 emu K/mol: a free spin, chi = 1/(4 T), has the Curie constant 0.0938 g^2 emu K/mol.  A mole is
one of spins.
"""

import re

from scipy import constants

_ERG_PER_GAUSS = 1e3  # in one J/T
_ERG = 1e7  # in one J

GAS_CONSTANT = constants.R  # J/(mol K)
CURIE = (
    constants.N_A * (constants.physical_constants["Bohr magneton"][0] * _ERG_PER_GAUSS) ** 2 / (constants.k * _ERG)
)  # emu K/mol, of g = 1 and chi = 1/T
KELVIN = {
    "K": 1.0,
    "meV": 1e-3 * constants.e / constants.k,
    "eV": constants.e / constants.k,
    "cm^-1": constants.h * constants.c * 100.0 / constants.k,
    "THz": constants.h * 1e12 / constants.k,
}
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
