"""Conserved quantities of tables: M and M^2 commute with H, and their means follow the textbook clock.

For a quantity Q that commutes with H, d<Q>/dbeta = -Cov(Q, H) holds for every state, thermal or not.  The clock
"energy" of `evolution` hurries where the state explains little, and with it would hurry <M^2>: the susceptibility of
4x4 sites at T = 0.25 J came out as 0.18 of the exact one.  So the velocity x is split, orthogonally in the metric S,

    x = U a + y,   a = -(U^T S U)^{-1} U^T F,

where ln |Psi| changes by M^2 (and M, in a field) along the columns of U.  U a keeps its pace and moves <Q> as exact
evolution does; only the rest y is hurried.
"""

import numpy as np

SINGULAR = 1e-10  # of the variance of M^2 relative to its largest: no configuration with another M is left


def conserved_directions(model, n_first, factor):
    """Return the directions of M^2 and, in a field along z, of M in the parameters of a product state, (n_params, n).

    Parameters
    ----------
    model : SpinModel
    n_first : int
        Number of parameters in front of those of the tables.
    factor : CorrelatorProduct
        Its tables hold all pairs of sites.
    """
    terms = [_pair_product] if model.spin_flip_symmetric else [_pair_product, _pair_sum]
    return np.stack([np.concatenate([np.zeros(n_first), factor.values(term)]) for term in terms], axis=1)


def _pair_product(units, spins):
    """Return s_i s_j of both layers: over all pairs (sum s)^2 and a constant."""
    return float(spins[0] * spins[1] + spins[2] * spins[3]) if len(units) == 4 else 0.0


def _pair_sum(units, spins):
    """Return s_i + s_j, of the ancilla spins with the opposite sign: over all pairs sum s and a factor."""
    return float(spins[0] + spins[1] - spins[2] - spins[3]) if len(units) == 4 else 0.0


def split(directions, velocity):
    """Split a velocity into what moves conserved quantities and the rest.  *Collective* if `velocity.apply` is.

    Parameters
    ----------
    directions : (n_params, n)
    velocity : Velocity

    Returns
    -------
    along : (n_params,)
        U a, see the module.
    rest : (n_params,)
        y, orthogonal to U.
    power : float
        -F.(U a), the part of `velocity.power` that `along` delivers.
    """
    products = np.stack([velocity.apply(np.ascontiguousarray(column)) for column in directions.T], axis=1)
    gram, wanted = directions.T @ products, -directions.T @ velocity.force
    scale = np.abs(directions).max(axis=0) ** 2
    kept = np.diagonal(gram) > SINGULAR * scale
    if not kept.all():
        directions, products, wanted = directions[:, kept], products[:, kept], wanted[kept]
        gram = gram[np.ix_(kept, kept)]
    inverse = np.linalg.pinv(gram, rcond=SINGULAR, hermitian=True)
    pace = inverse @ wanted
    rest = velocity.x - directions @ (inverse @ (products.T @ velocity.x))
    return directions @ pace, rest, float(wanted @ pace)
