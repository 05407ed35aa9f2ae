"""Deep Boltzmann machines at the start of the cooling: a Trotter network, from a run file or made on the spot."""

import numpy as np

from hpc_nqs.hamiltonians.marshall import marshall
from hpc_nqs.hilbert.purification import purify
from hpc_nqs.path_integral.trotter import network_of, trotter_product
from hpc_nqs.sampling.enumeration import MAX_AUTO, MAX_VISIBLE
from hpc_nqs.settings.parsing import SettingsError
from hpc_nqs.symmetry.site_permutations import site_symmetries
from hpc_nqs.thermal.choices import DEEP, SITE_SYMMETRIES, choose_symmetries
from hpc_nqs.thermal.deep.dbm_state import SampledDeepState, SummedDeepState
from hpc_nqs.thermal.deep.ket_bra_chains import joint_units, with_deep_units
from hpc_nqs.thermal.deep.unit_columns import joined, shared_entries, with_reach, without_bell_pairs
from hpc_nqs.thermal.deep.unit_sum import support
from hpc_nqs.wavefunctions.dbm import DBM
from hpc_nqs.wavefunctions.variational_dbm import VariationalDBM

DTAU = 0.05  # of the Trotter slices made on the spot, in units of the inverse of the largest coupling
N_SLICES = 2


def build_deep_state(settings, lattice, model, start=None):
    """Return the `ThermalState` of a deep Boltzmann machine.

    Parameters
    ----------
    settings : Settings
    lattice : Lattice
    model : SpinModel
        Unrotated.
    start : dict, optional
        Arrays of the network to start from, with its "beta" and "n_slices", and "shares" where they are those of an
        earlier run with variational deep units.  None: a Trotter network is made.

    Raises
    ------
    SettingsError
        Deep units that can neither be summed nor sampled, or not in the way that is asked for.
    """
    choice = settings.wavefunction
    model = model if choice.marshall is False else marshall(model, lattice)
    symmetries = choose_symmetries(choice, DEEP, lattice, model)
    site_images = site_symmetries(lattice, model, [s for s in symmetries if s in SITE_SYMMETRIES])
    layer_exchange, is_complex = "layer_exchange" in symmetries, choice.parameters == "complex"
    if start is None:
        n_slices = N_SLICES if choice.slices == "auto" else choice.slices
        beta_0 = _beta_0(settings.thermal, model, n_slices)
        start = network_of(trotter_product(model, beta_0 / (2 * n_slices), n_slices), 6).arrays()
        start |= {"beta": beta_0, "n_slices": n_slices}
    network = DBM.from_arrays(start)
    if "shares" not in start:
        network = with_reach(joined(without_bell_pairs(network)))
    is_exact = _sums_exactly(settings.sampling, network)
    shares = start["shares"] if "shares" in start else shared_entries(network, site_images, layer_exchange)
    wavefunction = VariationalDBM(network, shares, is_complex)
    system = purify(model, bond_features=False)
    return (SummedDeepState if is_exact else SampledDeepState)(
        lattice=lattice, model=model, system=system if is_exact else with_deep_units(system, network),
        wavefunction=wavefunction, symmetries=symmetries, order=len(site_images) * (2 if layer_exchange else 1),
        beta_0=float(start["beta"]), is_exact=is_exact, n_slices=int(start["n_slices"]),
    )


def _beta_0(thermal, model, n_slices):
    if thermal.beta_0 != "auto":
        return thermal.beta_0
    return min(2 * n_slices * DTAU / model.energy_scale, 0.5 * min(thermal.report_betas))


def _sums_exactly(sampling, dbm):
    """Return whether deep units are summed; SettingsError where they can be neither summed nor sampled as asked."""
    method, constrained = sampling.method, bool(np.any(np.imag(dbm.couplings)))
    units = f"{dbm.n_visible} visible and {dbm.n_deep} deep units"
    few = 2.0 ** (dbm.n_visible + dbm.n_deep) <= MAX_AUTO
    problem = None
    if method == "metropolis" and constrained:
        problem = (
            "the network has constraints (imaginary couplings), which flips of single units cannot keep and whose "
            'zeros hide the force; allowed is "exact_sum" on few sites; larger ones: wavefunction.slices or '
            'thermal.method = "analytic"'
        )
    elif method == "exact_sum" or constrained or few:
        try:
            if dbm.n_visible > MAX_VISIBLE:
                raise ValueError(f"{units}; at most {MAX_VISIBLE} visible ones can be summed")
            support(dbm)
        except ValueError as error:
            problem = str(error)
    else:
        try:
            joint_units(dbm)
        except ValueError as error:
            problem = str(error)
    if problem:
        raise SettingsError([f'sampling.method = "{method}": {problem}'])
    return method == "exact_sum" or (method == "auto" and (constrained or few))
