"""Quantum numbers of a state as characters of the symmetry group of its lattice and its spins.

A symmetry acts on a configuration as one of the `SignedPermutations`; a state of character chi has
Psi(g s) = chi(g) Psi(s), so that sum_g chi(g)^* Psi(g s) projects onto it ([SYM] JPCM 33, 174003 (2021), eq. (8)).
With momentum K a translation of all spins by r multiplies the state by e^{-i K r}; sources g[i] = site at r_i + r are
that translation.

In the Marshall basis Psi = R Psi_rotated, R(s) the product of the spins of sublattice -1, so the rotated state has the
character chi(g) R(s) / R(g s), a sign that is the same for all configurations of a sector.
"""

from dataclasses import dataclass
from math import lcm

import numpy as np

from hpc_nqs.symmetry.signed_permutations import SignedPermutations
from hpc_nqs.symmetry.site_permutations import compose, orthogonal_matrices, point_group, translations

# Signs of the generators: a rotation by the smallest angle and a reflection in the axis along the first direction.
IRREPS = {"A1": (1, 1), "A2": (1, -1), "B1": (-1, 1), "B2": (-1, -1)}


@dataclass(frozen=True)
class Sector:
    """Quantum numbers in words; None where they are left to the network.

    Attributes
    ----------
    momentum : tuple of int or None
        Per direction of the lattice, in units of 2 pi / L.
    point_group : str or None
        A one-dimensional representation of the point group, a key of `IRREPS`.
    spin_parity : int or None
        Eigenvalue of the flip of all spins.
    sz : float or None
        Total Sz.
    unshared : bool or None
        Nothing is shared, so that no other quantum number is imposed.
    orbital_parity : tuple of int or None
        Of electrons whose orbitals form groups that they leave in pairs alone: whether the number of electrons in each
        group is even, 0, or odd, 1.
    """

    momentum: tuple | None = None
    point_group: str | None = None
    spin_parity: int | None = None
    sz: float | None = None
    unshared: bool | None = None
    orbital_parity: tuple | None = None


def every_sector(lattice, parities=(1, -1)):
    """Return all pairs of momentum and spin parity as `Sector`s; of K and -K, which have equal levels, the first.

    Parameters
    ----------
    lattice : Lattice
    parities : sequence of int or None
        None alone where the flip of all spins is no symmetry.

    Raises
    ------
    ValueError
        The lattice has no translations.
    """
    if not any(lattice.wraps):
        raise ValueError('ground_state.sectors = "all": the system has no translations')
    found, n_directions = {}, len(lattice.lengths)
    for step in lattice.steps():
        opposite = tuple(-k % length for k, length in zip(step, lattice.grid, strict=True))
        if opposite not in found:
            found[step] = [Sector(step[:n_directions], None, parity) for parity in parities]
    return [sector for pair in found.values() for sector in pair]


def has_real_characters(momentum, lattice):
    """Return whether translations multiply a state of this momentum, or of none, by 1 and -1 alone."""
    return momentum is None or all(2 * k % length == 0 for k, length in zip(momentum, lattice.grid, strict=False))


def marshall_momentum(lattice, model, n_up):
    """Return the momentum, per direction in units of 2 pi / L, of a state that is positive in the basis of `model`.

    That is the ground state of an unfrustrated magnet (Marshall's sign rule), and a guess for a frustrated one;
    None where the model does not have all translations of the lattice.
    """
    steps = lattice.steps()
    if len(steps) < 2 or len(translations(lattice, model)) != len(steps):
        return None
    momentum = []
    for direction in range(len(lattice.lengths)):
        image = lattice.translated(lattice.wraps[direction] * np.eye(len(lattice.grid))[direction])
        momentum.append(0 if marshall_sign(image, model, n_up) > 0 else lattice.grid[direction] // 2)
    return tuple(momentum)


def marshall_point_group(lattice, model, n_up):
    """Return the representation of the point group to which a state positive in the basis of `model` belongs.

    At zero momentum; None where there is no point group, or none that leaves the model alone.
    """
    for name in IRREPS:
        try:
            images, coefficients = projector(Sector(None, name, None), lattice, model, n_up)
        except ValueError:
            continue
        if len(images) > 1 and (coefficients == 1).all():
            return name
    return None


def projector(sector, lattice, model, n_up):
    """Return the images and coefficients c_g = chi(g)^* that project onto a sector.

    Parameters
    ----------
    sector : Sector
    lattice : Lattice
    model : SpinModel
        In the basis of the state.
    n_up : int or None

    Returns
    -------
    images : SignedPermutations
        The identity first.
    coefficients : (order,) complex128
        Exactly real where all are real.

    Raises
    ------
    ValueError
        The system does not have the symmetry, or the representation does not exist there.
    """
    n = model.n_sites
    images, characters = np.arange(n, dtype=np.intp)[None, :], np.ones(1, dtype=np.complex128)
    if sector.momentum is not None:
        images, characters = _translation_characters(sector.momentum, lattice, model)
    if sector.point_group is not None:
        rotations, signs = _point_group_characters(sector, lattice, model)
        images = np.concatenate([compose(rotation, images) for rotation in rotations])
        characters = np.concatenate([sign * characters for sign in signs])
    characters = characters * np.array([marshall_sign(image, model, n_up) for image in images])
    images = SignedPermutations(images)
    if sector.spin_parity is not None:
        if not model.spin_flip_symmetric or (n_up is not None and 2 * n_up != n):
            raise ValueError(
                f"ground_state.spin_parity = {sector.spin_parity}: the flip of all spins is no symmetry of this sector "
                "(it needs Sz = 0 and no field along z)"
            )
        flipped = sector.spin_parity * marshall_sign(None, model, n_up)
        images = images.with_negated()
        characters = np.concatenate([characters, flipped * characters])
    coefficients = characters.conj()
    if np.abs(coefficients.imag).max() < 1e-12:
        coefficients = np.round(coefficients.real).astype(np.complex128)
    return images, coefficients


def marshall_sign(image, model, n_up):
    """Return R(g s) R(s), +1 or -1, of a site permutation, or of the flip of all spins for image None.

    Raises
    ------
    ValueError
        The permutation neither keeps nor exchanges the two sublattices.
    """
    colours = model.sublattice
    if colours is None:
        return 1.0
    if image is None:
        return (-1.0) ** int(np.sum(colours < 0))
    products = colours[image] * colours
    if np.all(products == 1):
        return 1.0
    if np.all(products == -1):
        return (-1.0) ** (model.n_sites - n_up)
    raise ValueError(
        "a lattice symmetry neither keeps nor exchanges the sublattices; set wavefunction.marshall = false"
    )


def _padded(momentum, lattice):
    """Return the momentum with an entry for every primitive vector."""
    return (*momentum, *(0,) * len(lattice.grid))[: len(lattice.grid)]


def _translation_characters(momentum, lattice, model):
    if not any(lattice.wraps):
        raise ValueError(
            f"ground_state.momentum = {list(momentum)}: the system has no translations; allowed is \"auto\""
        )
    momentum = _padded(momentum, lattice)
    for direction, (k, wrap) in enumerate(zip(momentum, lattice.wraps, strict=True)):
        if k and not wrap:
            raise ValueError(
                f"ground_state.momentum = {list(momentum)}: direction {direction + 1} is not periodic; "
                "its entry must be 0"
            )
    steps = lattice.steps()
    images = [lattice.translated(step) for step in steps]
    if len(translations(lattice, model)) != len(steps):
        raise ValueError(f"ground_state.momentum = {list(momentum)}: not every translation leaves the model unchanged")
    common = lcm(*lattice.grid)
    units = [k * (common // length) for k, length in zip(momentum, lattice.grid, strict=True)]
    turns = [sum(unit * n for unit, n in zip(units, step, strict=True)) for step in steps]
    angles = np.array(turns) % common
    characters = np.exp(-2j * np.pi * angles / common)
    return np.array(images, dtype=np.intp), np.where(2 * angles % common == 0, np.round(characters.real), characters)


def _point_group_characters(sector, lattice, model):
    """Return the elements of the little group of the momentum and their signs in a one-dimensional representation."""
    name = sector.point_group
    if lattice.vectors is not None and len(lattice.vectors) > 2:
        raise ValueError(
            f'ground_state.point_group = "{name}": representations are those of rotations in a plane; in three '
            'dimensions allowed are "auto" and "none"'
        )
    group = point_group(lattice, model)
    if lattice.vectors is None or len(group) == 1:
        raise ValueError(f'ground_state.point_group = "{name}": the system has no point group')
    matrices = [_matrix(lattice, image) for image in group]
    kept = [
        place
        for place, matrix in enumerate(matrices)
        if sector.momentum is None or _keeps(matrix, sector.momentum, lattice)
    ]
    signs = _signs([matrices[place] for place in kept], *IRREPS[name])
    if signs is None:
        raise ValueError(
            f'ground_state.point_group = "{name}": the little group of the momentum has no such representation; '
            "A1 always exists"
        )
    return group[kept], signs


def _matrix(lattice, image):
    """Return the orthogonal matrix of a point operation: positions[image] - centre = M (positions - centre)."""
    near = lattice.displacement(0, np.arange(lattice.n_sites))
    order = np.argsort(np.linalg.norm(near, axis=1), kind="stable")
    chosen = order[1 : 1 + min(len(order) - 1, 6)]
    source, target = near[chosen], lattice.displacement(image[0], image[chosen])
    for matrix in orthogonal_matrices(2):
        if np.abs(lattice.minimum_image(source @ matrix.T - target)).max() < 1e-6:
            if _maps_sites(lattice, image, matrix):
                return matrix
    raise ValueError("a point operation of the lattice is no rotation and no reflection")


def _maps_sites(lattice, image, matrix):
    near = lattice.displacement(0, np.arange(lattice.n_sites))
    moved = lattice.displacement(image[0], image)
    return np.abs(lattice.minimum_image(near @ matrix.T - moved)).max() < 1e-6


def _keeps(matrix, momentum, lattice):
    """Return whether M K = K up to a reciprocal vector: e^{i K M a} = e^{i K a} for all lattice vectors a."""
    vectors = lattice.vectors[np.array(lattice.wraps)]
    fractions = np.array([k / length for k, length in zip(_padded(momentum, lattice), lattice.grid, strict=True)])
    turned = np.linalg.solve(lattice.vectors.T, (vectors @ matrix.T).T).T @ fractions
    straight = np.linalg.solve(lattice.vectors.T, vectors.T).T @ fractions
    return bool(np.all(np.abs((turned - straight) - np.round(turned - straight)) < 1e-9))


def _signs(matrices, rotation_sign, reflection_sign):
    """Return chi of rotations and reflections that form a group, or None where it is no representation.

    chi(smallest rotation) = rotation_sign, chi(reflection whose axis is nearest to the first direction) =
    reflection_sign.
    """
    determinants = np.array([round(np.linalg.det(matrix)) for matrix in matrices])
    angles = np.array([np.arctan2(matrix[1, 0], matrix[0, 0]) for matrix in matrices]) % (2 * np.pi)
    angles = np.where(angles > 2 * np.pi - 1e-6, 0.0, angles)
    proper, improper = determinants > 0, determinants < 0
    n_rotations = int(proper.sum())
    smallest = 2 * np.pi / n_rotations
    if (rotation_sign < 0 and n_rotations % 2) or (reflection_sign < 0 and not improper.any()):
        return None
    start = angles[improper].min() if improper.any() else 0.0
    powers = np.round(np.where(proper, angles, angles - start) / smallest).astype(int)
    return np.where(proper, 1, reflection_sign) * np.where(powers % 2, rotation_sign, 1)
