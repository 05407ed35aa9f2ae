"""Layers of rings: what chains of rings propose, where they start, and the links between the layers."""

from dataclasses import dataclass

import numpy as np

from hpc_nqs.hilbert.purification import random_layer


@dataclass(frozen=True)
class RingMoves:
    """What the chains of rings propose.

    Attributes
    ----------
    terms : (n_terms, 3) intp
        The move of one off-diagonal term on the first layer of a link, on the second, and on both.
    lines : (n_lines,) intp
        The move that flips one site on both layers of a link; together they change the magnetization.  Of electrons
        that exchanges two orbitals on both layers which no hops connect.
    """

    terms: np.ndarray
    lines: np.ndarray


def ring_moves(system):
    """Return the `RingMoves` of a doubled system."""
    model, proposals = system.model, system.proposals
    n_terms, n_flips = len(model.off_diagonal_elements), len(model.flip_sites)
    joint = proposals[2 * n_terms : 3 * n_terms - n_flips]
    lines = proposals[3 * n_terms :]
    if n_flips:  # they change the magnetization already
        joint = np.concatenate([joint, system.site_moves[model.flip_sites]])
        lines = proposals[:0] if n_flips == system.n_sites else system.site_moves
    terms = np.stack([proposals[:n_terms], proposals[n_terms : 2 * n_terms], joint], axis=1)
    return RingMoves(np.ascontiguousarray(terms), np.ascontiguousarray(lines))


def straight_ring(system, n_links, stream):
    """Return the links (n_links, n_visible) int8 of a random ring at infinite temperature: all layers are equal."""
    return links_of(np.tile(random_layer(system, stream), (n_links, 1)), system.opposite_pairs)


def links_of(layers, opposite_pairs):
    """Return the visible units (..., n_links, 2 n_sites) of the links of rings of layers (..., n_links, n_sites)."""
    following = np.roll(layers, -1, axis=-2)
    return np.concatenate([layers, -following if opposite_pairs else following], axis=-1).astype(np.int8)
