"""What rings are sampled from and measured on in place of a state: softened where its links vanish or change sign."""

import numpy as np

from hpc_nqs.wavefunctions.backflow_determinant import BackflowDeterminant
from hpc_nqs.wavefunctions.exchange_hafnian import ExchangeHafnian
from hpc_nqs.wavefunctions.exchange_permanent import ExchangePermanent
from hpc_nqs.wavefunctions.product import Product
from hpc_nqs.wavefunctions.softened_determinant import ZERO, SoftenedDeterminant
from hpc_nqs.wavefunctions.softened_hafnian import SoftenedHafnian
from hpc_nqs.wavefunctions.softened_permanent import SHARE, SoftenedPermanent, has_competing_signs, has_site_signs


def sampling_density(wavefunction, share=SHARE):
    """Return the wave function whose modulus links of rings are sampled from, for one at its present parameters.

    Every exchange permanent or hafnian whose matchings compete is softened, by `share`, hafnians that lose pairs, too,
    and every determinant of electrons; a wave function without one is its own density.
    """
    if isinstance(wavefunction, ExchangePermanent) and has_competing_signs(wavefunction.exchange()):
        return SoftenedPermanent(wavefunction, share)
    if isinstance(wavefunction, ExchangeHafnian):
        softens = wavefunction.loses_pairs or hafnian_has_competing_signs(wavefunction)
        return SoftenedHafnian(wavefunction, share) if softens else wavefunction
    if isinstance(wavefunction, BackflowDeterminant):
        return SoftenedDeterminant(wavefunction)
    return _of_factors(lambda factor: sampling_density(factor, share), wavefunction)


def without_zeros(wavefunction):
    """Return the kernel that rings are measured on: the same but for zeros of determinants and of some hafnians.

    Those of hafnians that lose pairs of sites; see `softened_determinant`.
    """
    if isinstance(wavefunction, BackflowDeterminant):
        return SoftenedDeterminant(wavefunction, ZERO, is_density=False)
    if isinstance(wavefunction, ExchangeHafnian) and wavefunction.loses_pairs:
        return SoftenedHafnian(wavefunction, ZERO, is_density=False)
    return _of_factors(without_zeros, wavefunction)


def _of_factors(function, wavefunction):
    """Return a product with `function` of both factors, or the wave function itself where that changes nothing."""
    if isinstance(wavefunction, Product):
        first, second = function(wavefunction.first), function(wavefunction.second)
        if first is not wavefunction.first or second is not wavefunction.second:
            return Product(first, second)
    return wavefunction


def hafnian_has_competing_signs(hafnian):
    """Whether matchings of some configuration of an `ExchangeHafnian` may have products of both signs.

    Sites with spin up and with spin down are different ones then.  Being matched with none is being matched with one
    more site, which is there as often as it is needed: r and q must have the signs of both sites with that.
    """
    (antiparallel, parallel), alone = hafnian.factors(), np.tile(hafnian.singles(), 2)
    between = np.block([[parallel, antiparallel], [antiparallel, parallel]])
    if not alone.any():
        return has_competing_signs(between)
    return not has_site_signs(np.block([[between, alone[:, None]], [alone, np.zeros((1, 1))]]))
