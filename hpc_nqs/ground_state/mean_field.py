"""Nearly free electrons as a start of paired states, and the momentum that they suggest."""

import numpy as np

from hpc_nqs.hamiltonians.marshall import two_colouring
from hpc_nqs.symmetry.site_permutations import parity, translations

ORDER = 0.5  # staggered field, over the largest hop
# Random potential, over the largest hop, with exact sums and with chains: it opens open shells and holds all momenta.
# Chains are better off with a start that is smooth, exact sums with one that has no symmetry to be caught in.
DISORDER = {True: 0.5, False: 0.1}
NOISE = {True: 0.2, False: 0.02}  # of the pair function, relative to its largest value
SAME_LEVEL = 1e-6  # over the largest hop


def one_electron_matrix(model):
    """Return h (n_levels, n_levels): hops and energies of orbitals, means over both spins, without repulsions."""
    m = model.n_levels
    matrix = np.zeros((m, m))
    hops = len(model.exchange_sites) // 2  # spin down has the same ones
    for (p, q), element in zip(model.exchange_sites[:hops].tolist(), model.exchange_element[:hops], strict=True):
        matrix[p, q] += element
        matrix[q, p] += element
    repulsion = np.zeros(2 * m)  # c s_p s_q + c s_p + c s_q is that of n_p n_q alone
    np.add.at(repulsion, model.pair_sites.ravel(), np.repeat(model.pair_coupling, 2))
    return matrix + np.diag(2 * (model.site_field - repulsion).reshape(2, m).mean(axis=0))


def paired_mean_field(model, stream, is_exact, shared=None):
    """Return (f | phi) (n_levels, n_levels + n_unpaired) of a Slater determinant with weak antiferromagnetic order.

    f = sum_k phi_k^up phi_k^down over the lowest levels of h +- w, w a staggered field where hops have two sublattices
    and a random one elsewhere, with a weak random potential and a little noise; unpaired electrons have the levels
    above the pairs.  With attraction w has one sign for both spins, and pairs stay on their site.

    Parameters
    ----------
    model : ElectronModel
        Canonical.
    stream : numpy.random.Generator
    is_exact : bool
        Sums over all configurations.
    shared : (order, n_levels) intp, optional
        Translations over which f and its noise are averaged.
    """
    m, n_pairs, n_rows = model.n_levels, min(model.filling), max(model.filling)
    matrix = one_electron_matrix(model)
    scale = np.abs(model.exchange_element).max(initial=0.0) or 1.0
    bonds = model.exchange_sites[: len(model.exchange_sites) // 2]
    colours = two_colouring(m, bonds, np.ones(len(bonds), dtype=bool))
    field = stream.choice([-1.0, 1.0], m) if colours is None else colours.astype(np.float64)
    potential = DISORDER[is_exact] * stream.uniform(-1, 1, m)
    signs = (1, 1) if model.pair_coupling.sum() < 0 else (1, -1)
    vectors = [np.linalg.eigh(matrix + np.diag(scale * (potential + sign * ORDER * field)))[1] for sign in signs]
    pairs = vectors[0][:, :n_pairs] @ vectors[1][:, :n_pairs].T
    pairs /= np.abs(pairs).max(initial=1e-300)
    noise = NOISE[is_exact] * stream.standard_normal((m, n_rows - n_pairs + m))
    pairs += noise[:, :m]
    if shared is not None:
        pairs = sum(pairs[image[:, None], image] for image in shared) / np.sqrt(len(shared))
    return np.concatenate([pairs, vectors[0][:, n_pairs:n_rows] + noise[:, m:]], axis=1)


def likely_momentum(lattice, model):
    """Return the momentum, per direction in units of 2 pi / L, that the ground state probably has.

    That of the filled shells of free electrons; of a half-filled bipartite lattice with repulsion that of E. H. Lieb,
    PRL 62, 1201 (1989): there the ground state has, on configurations of one electron per site, the signs of Marshall's
    rule; zero for other open shells.  None where the model does not have all translations of the lattice.
    """
    steps = lattice.steps() if any(lattice.wraps) else []
    if len(steps) < 2 or len(translations(lattice, model)) != len(steps):
        return None
    momentum = []
    for direction in range(len(lattice.lengths)):
        step = lattice.translated(lattice.wraps[direction] * np.eye(len(lattice.grid))[direction])
        sign = _sign_of_singly_occupied(step, model)
        sign = _sign_of_shells(step, model) if sign is None else sign
        momentum.append(lattice.grid[direction] // 2 if sign < 0 and lattice.grid[direction] % 2 == 0 else 0)
    return tuple(momentum)


def _sign_of_singly_occupied(step, model):
    """Return the character of a translation (n_sites,) at half filling of a bipartite lattice; None elsewhere."""
    n = model.n_lattice_sites
    bonds = model.exchange_sites[: len(model.exchange_sites) // 2]
    colours = two_colouring(n, bonds, np.ones(len(bonds), dtype=bool)) if model.n_orbitals == 1 else None
    if colours is None or model.n_up != model.n_down or 2 * model.n_up != n:
        return None
    sign = parity(step)  # of the operators, in the order of the sites
    return sign if np.array_equal(colours[step], colours) else sign * (-1) ** model.n_down


def _sign_of_shells(step, model):
    """Return the sign of the character of a translation in the Fermi sea; 1 where a shell is open."""
    levels, vectors = np.linalg.eigh(one_electron_matrix(model))
    units = model.on_units(step)[0][: model.n_levels]
    scale, sign = max(np.abs(levels).max(), 1e-300), 1
    for n in model.filling:
        if 0 < n < len(levels) and levels[n] - levels[n - 1] < SAME_LEVEL * scale:
            return 1
        filled = vectors[:, :n]
        sign *= -1 if n and np.linalg.det(filled.T @ filled[units]) < 0 else 1
    return sign
