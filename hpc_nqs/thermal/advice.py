"""Which method suits a magnet, in sentences that follow from what is computed here: signs of H and of short trials."""

import numpy as np

from hpc_nqs.exact.diagonalization import MAX_SITES
from hpc_nqs.exact.electrons import MAX_UNITS
from hpc_nqs.hamiltonians import XYZ
from hpc_nqs.hamiltonians.electron_model import ElectronModel
from hpc_nqs.hamiltonians.marshall import marshall
from hpc_nqs.path_integral.trial import sign_trial
from hpc_nqs.settings.system import build

_OF_COMPONENTS = (
    "One state has no sign problem; rings of several links may have a sign, which is measured before they are. The "
    "numbers in square brackets estimate the variational error."
)


def advice(settings):
    """Return what to know about the method of a thermal run, as a list of sentences."""
    lattice, model = build(settings)
    if isinstance(model, ElectronModel):
        return _of_electrons(model)
    if settings.model.kind == XYZ.word:
        return [_OF_COMPONENTS, *_of_size(model)]
    rotated = marshall(model, lattice)
    has_sign = bool(np.any(np.concatenate([rotated.exchange_element, rotated.flip_element]) > 0))
    analytic = settings.thermal.method == "analytic"
    found = _frustrated(settings, lattice, model, analytic) if has_sign else [_positive(settings)]
    if not analytic and model.conserves_sz:
        found += _of_slices(settings.wavefunction)
    return found + _of_size(model)


def _of_size(model):
    """Return the sentence about exact results of a magnet, in a list."""
    if model.n_sites > MAX_SITES:
        return []
    return [f"With {model.n_sites} sites `hpc-nqs exact` gives all of it exactly."]


def _of_slices(choice):
    """Return the sentence about learned slices of a magnet that conserves Sz, in a list; others are not measured."""
    if choice.kind == "dbm" or choice.slices in ("auto", 1):  # slices of dbm are those of its start
        return []
    return [
        f"wavefunction.slices = {choice.slices}: the default state and rings of it are more accurate in the same time; "
        "leave wavefunction.slices out."
    ]


def _of_electrons(model):
    found = [
        "One state has no sign problem; rings of several links have a sign, which is measured before they are. The "
        "numbers in square brackets estimate the variational error."
    ]
    if model.n_sites <= MAX_UNITS:
        found.append(f"With {model.n_sites} spin-orbitals `hpc-nqs exact` gives all of it exactly.")
    return found


def _positive(settings):
    if settings.thermal.method == "analytic":
        steps = settings.thermal.dtau != "auto" or settings.sampling.method == "gibbs"
        of_steps = ", and that of dtau is extrapolated away" if steps else ""
        return f"No sign problem: the errors are statistical{of_steps}."
    return (
        'No sign problem: thermal.method = "analytic" has no variational error here. This run has one; the numbers '
        "in square brackets estimate it."
    )


def _frustrated(settings, lattice, model, analytic):
    trial, floor = sign_trial(settings, lattice, model), settings.thermal.sign_floor
    found, lowest = [], 1 / settings.thermal.report_betas[-1]
    if trial.lost is not None:
        above = "" if np.isinf(trial.kept) else f" between T = {trial.kept:.3g} and {trial.lost:.3g}"
        found.append(
            f"Frustrated: positive and negative weights of the analytic method cancel. In a short trial its average "
            f"sign fell below {floor:g}{above or f' above T = {trial.lost:.3g}'}."
        )
        if analytic:
            found.append('An analytic run stops there; thermal.method = "numerical" goes on.')
    elif trial.kept <= lowest * (1 + 1e-9):
        found.append(
            f"Frustrated, but in a short trial the average sign of the analytic method was {trial.sign:.2g} at T = "
            f'{lowest:.3g}: thermal.method = "analytic" has no variational error, at about {trial.sign**-2:.0f} times '
            "the samples of a sign-free magnet."
        )
    else:
        found.append(
            f"Frustrated: in a short trial the average sign of the analytic method was {trial.sign:.2g} at T = "
            f"{trial.kept:.3g}, and it falls below."
        )
    if not analytic:
        found.append("The numerical method has no sign problem; its variational error stands in square brackets.")
    return found
