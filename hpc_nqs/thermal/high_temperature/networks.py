"""Networks that represent e^{-beta_0 H/2} Psi(0) to first order in beta_0, written down by hand.

Starting sampled imaginary-time evolution at infinite temperature fails (zeros of Psi, vanishing tangent
vectors); starting at a small beta_0 from these networks does not: docs/theory/high_temperature.md.
"""

import numpy as np
import scipy.linalg

from hpc_nqs.hamiltonians.matrices import pair_matrix
from hpc_nqs.wavefunctions.rbm import Feature

JASTROW_CENTRE = 2.0  # weight on the central site of a Jastrow unit; tanh is nearly saturated there
MISMATCH_CENTRE = 1.0  # weight of m_i in its own mismatch unit
FEATURE_SIZE = 0.08  # largest weight of a free feature when group order times number of pairs is FEATURE_ORDER
FEATURE_ORDER = 6
NOISE = 0.005


def seed_features(purification, site_images, layer_exchange, beta_0, paired=False, is_complex=False):
    """Return the features of the seed and its visible bias.

    Parameters
    ----------
    site_images : (order, n_sites) intp
        Lattice symmetries; one feature stands for all sites they connect.
    layer_exchange : bool
        Whether the images of a feature include those on the other layer.
    beta_0 : float
    paired : bool
        The network multiplies a pair product, which then holds the exchange part.
    is_complex : bool
        The network has complex parameters.

    Returns
    -------
    features : list of Feature
    input_bias : (n_inputs,) float64 or None
    """
    model = purification.model
    centres = _orbit_representatives(site_images)
    layers = (0,) if layer_exchange else (0, 1)
    if paired:
        features = []
    elif model.conserves_sz:
        features = [_bell_feature(purification, i, beta_0, is_complex) for i in centres]
    else:
        features = [_field_feature(purification, i, beta_0, is_complex) for i in centres]
    couplings = ising_couplings(model, paired)
    features += [_jastrow_feature(purification, couplings, i, layer, beta_0) for i in centres for layer in layers]
    if purification.bond_features:
        features += [_mismatch_feature(purification, i) for i in centres]
    return features, field_bias(purification, beta_0)


def _orbit_representatives(site_images):
    """Return the smallest site of every orbit of the lattice group."""
    return np.unique(site_images.min(axis=0))


def exchange_amplitudes(model, beta_0):
    """Return the amplitudes a (n_sites, n_sites) of one mismatched pair of sites in e^{-beta_0 H/2} Psi(0).

    a = exp(-beta_0 E / 2) off the diagonal, E the matrix of exchange elements: -beta_0 E_ik / 2 on a bond, products
    of two and more exchanges beyond.  Without the small amplitudes beyond the bonds Psi would vanish there, chains
    would never visit these configurations, and the force on them would be lost.
    """
    elements = pair_matrix(model.n_sites, model.exchange_sites, model.exchange_element)
    amplitudes = scipy.linalg.expm(-0.5 * beta_0 * elements)
    np.fill_diagonal(amplitudes, 0.0)
    return amplitudes


def _bell_feature(purification, i, beta_0, is_complex):
    """Opposite-spin Bell pair at site i with couplings to its surroundings.

    See docs/theory/high_temperature.md, "Bell units".
    cos[pi/4 (s_i + a_i) + sum_k eps_k (s_k + a_k)], sin^2(2 eps_k) = a_ik where the amplitude a_ik of two
    mismatched sites is positive; an isolated mismatch has none.  Negative amplitudes (frustrated bonds) take real
    couplings, sinh^2(2 eps_k) = -a_ik; they exist with complex parameters only.
    """
    n = purification.n_sites
    amplitudes = exchange_amplitudes(purification.model, beta_0)[i]
    root = np.sqrt(np.abs(amplitudes))
    couplings = np.where(amplitudes > 0, 0.5j * np.arcsin(np.minimum(root, 1.0)), 0.5 * np.arcsinh(root))
    couplings[i] = 0.25j * np.pi
    weights = np.zeros(purification.n_inputs, dtype=np.complex128)
    weights[:n] = weights[n : 2 * n] = couplings
    return Feature(weights) if is_complex else Feature(weights.imag, imaginary=True)


def _field_feature(purification, i, beta_0, is_complex):
    """Gate 5.1: <s|e^{beta_0 Gamma sx / 2}|a> as one hidden unit, W = arcosh(coth(beta_0 Gamma / 2)) / 2.

    A negative element (Gamma < 0, not rotated) takes imaginary couplings: cos[v (s - a) / 2] is 1 for equal spins and
    cos v = -tanh(beta_0 abs(Gamma) / 2) for opposite ones.
    """
    n, model = purification.n_sites, purification.model
    gamma = -model.flip_element[list(model.flip_sites).index(i)]
    weights = np.zeros(purification.n_inputs)
    if gamma < 0:
        angle = np.arccos(np.tanh(0.5 * beta_0 * gamma))
        weights[[i, i + n]] = 0.5 * angle, -0.5 * angle
        return Feature(1j * weights) if is_complex else Feature(weights, imaginary=True)
    weights[[i, i + n]] = 0.5 * np.arccosh(1.0 / np.tanh(0.5 * beta_0 * gamma))
    return Feature(weights)


def _jastrow_feature(purification, couplings, i, layer, beta_0):
    """Half of e^{-beta_0 sum c s_i s_k / 2} on one layer: cosh(A s_i + sum_k w_k s_k).

    With tanh A close to 1 and small w the unit is e^{tanh(A) s_i sum w_k s_k}; each bond belongs to the units
    of both its ends, each layer carries half of the factor: w_k = -beta_0 c_ik / (8 tanh A).
    """
    n = purification.n_sites
    weights = np.zeros(purification.n_inputs)
    for (a, b), coupling in couplings.items():
        if i in (a, b):
            k = b if a == i else a
            weights[k + layer * n] -= beta_0 * coupling / (8 * np.tanh(JASTROW_CENTRE))
    weights[i + layer * n] = JASTROW_CENTRE
    return Feature(weights)


def _mismatch_feature(purification, i):
    """cosh(A m_i + 0): constant, but its derivatives couple m_i to every other m_k and give m_i a bias.

    Mismatched sites attract or repel each other through it from the first step on.
    """
    weights = np.zeros(purification.n_inputs)
    weights[2 * purification.n_sites + i] = MISMATCH_CENTRE
    return Feature(weights, bias=0.0)


def ising_couplings(model, paired=False):
    """Return {(i, j): c} of sum c s_i s_j; with a pair product without the part that its determinant holds.

    An antiparallel bond gets det = 1 + x^2 from the pairings of the seed, which is e^{-beta_0 c s s / 2} with
    c = exchange element / 2 (all of it at Delta = 1); see docs/theory/high_temperature.md, "Ising part".
    """
    couplings = {}
    for (i, j), coupling in zip(model.pair_sites.tolist(), model.pair_coupling, strict=True):
        couplings[i, j] = couplings.get((i, j), 0.0) + coupling
    if paired:
        for (i, j), element in zip(model.exchange_sites.tolist(), model.exchange_element, strict=True):
            couplings[i, j] = couplings.get((i, j), 0.0) - element / 2
    return couplings


def seed_pairings(purification, beta_0):
    """Return the pairings of the seed and the signs between the layers.

    See docs/theory/high_temperature.md, "Seed of the pair product".
    f(sigma_i, sigma_k) = x and f(ancilla_i, ancilla_k) = -x with x^2 = -a_ik give two mismatched sites the
    amplitude a_ik; a positive amplitude takes equal signs on the two layers.

    Returns
    -------
    seeds : dict of (int, int): float
        On both layers.
    layer_sign : dict of (int, int): int
    """
    n = purification.n_sites
    amplitudes = exchange_amplitudes(purification.model, beta_0)
    seeds, layer_sign = {}, {}
    for i, j in zip(*np.triu_indices(n, 1), strict=True):
        x = np.sqrt(abs(amplitudes[i, j]))
        layer_sign[i, j] = 1 if amplitudes[i, j] > 0 else -1
        seeds[i, j], seeds[i + n, j + n] = x, layer_sign[i, j] * x
    return seeds, layer_sign


def field_bias(purification, beta_0):
    """Return the biases (n_inputs,) of e^{-beta_0 sum h_i s_i / 2}, half on each layer; None without such a field."""
    model, n = purification.model, purification.n_sites
    if model.spin_flip_symmetric:
        return None
    bias = np.zeros(purification.n_inputs)
    bias[:n] = -0.25 * beta_0 * model.site_field
    bias[n : 2 * n] = -bias[:n] if purification.opposite_pairs else bias[:n]
    return bias


def free_features(purification, lattice, order, n_pairs, stream):
    """Return pairs (w, i w) of random localized features: the state changes at fourth order only.

    See docs/theory/high_temperature.md, "Paired features".

    Parameters
    ----------
    order : int
        Order of the symmetry group; more images want smaller weights.
    n_pairs : int
    stream : numpy.random.Generator
    """
    n = purification.n_sites
    size = FEATURE_SIZE * min(1.0, (FEATURE_ORDER / (order * n_pairs)) ** 0.25)
    features = []
    for _ in range(n_pairs):
        centre = int(stream.integers(n))
        envelope = np.tile(size * np.exp(-lattice.distances()[centre]), purification.n_inputs // n)
        weights = envelope * stream.standard_normal(purification.n_inputs)
        for imaginary in (False, True):
            noise = 1.0 + NOISE * stream.standard_normal(purification.n_inputs)
            features.append(Feature(weights * noise, imaginary=imaginary))
    return features
