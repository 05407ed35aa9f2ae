"""Larger clusters that hold those of tables: one look-up gives the terms of all clusters within.

Sums over clusters are linear in the tables.  A larger cluster with all its codes takes over the terms of the clusters
within it, each shared evenly with the other larger ones that hold it: two rows of three sites of a square lattice hold
17 of the 19 tetrominoes, all trominoes and four of five pairs up to a knight's move.  4x4 sites: 48 clusters per
configuration in place of 520, a site is in 20 in place of 109.

What is left are pairs of sites far from each other.  For these every site has a field of its four spin states,

    f_i(s) = sum_j T_ij(s, s_j),

so that a change of one site costs a difference of two numbers.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

MAX_SITES = 6  # of a larger cluster: 4096 codes, 32 KiB, stay in the fast caches
MAX_CODES = 2**15  # of all larger clusters


@dataclass(frozen=True)
class ClusterCover:
    """Larger clusters, and pairs of sites that none of them holds.

    Attributes
    ----------
    first_unit : (n_clusters + 1,) intp
        The units of cluster c are units[first_unit[c] : first_unit[c + 1]], lowest bit first.
    units : (n,) intp
    first_code : (n_clusters,) intp
        Where the table of a cluster begins; a multiple of its length.
    shares : (n_codes, n_params) sparse float64
        What every parameter adds to every code.
    pair_param : (4 n_sites, 4 n_sites) int32 or (0, 0)
        1 + k of the parameter behind T_ij(s, t) at (4 i + s, 4 j + t), bit 0 of s set where sigma is up, bit 1 where
        the ancilla is; 0: none.
    """

    first_unit: np.ndarray
    units: np.ndarray
    first_code: np.ndarray
    shares: csr_array
    pair_param: np.ndarray


def cluster_cover(kinds, first_param, site_images, n_visible):
    """Return the `ClusterCover` of tables.

    Parameters
    ----------
    kinds : list of Correlators
    first_param : (n_kinds,) integers
        The parameter of the first class of every kind.
    site_images : (order, n_sites) intp or None
        A group under which every kind is closed and its classes are invariant; with None kinds stay as they are.
    n_visible : int
    """
    n_sites = n_visible // 2
    held = _Clusters([kind for kind in kinds if _is_of_sites(kind, n_sites)])
    larger = [] if site_images is None else _larger_clusters(held, site_images)
    found = set().union(*(kinds_within for _, kinds_within in larger))
    left = [kind for k, kind in enumerate(held.kinds) if k not in found]
    pairs = [kind for kind in left if kind.units.shape[1] == 4]
    alone = [kind for kind in kinds if not _is_of_sites(kind, n_sites)]
    alone += [kind for kind in left if kind.units.shape[1] > 4]
    first = {id(kind): start for kind, start in zip(kinds, first_param, strict=True)}
    tables = [(kind.units, [(kind, np.arange(kind.units.shape[1]), 1.0)]) for kind in alone]
    tables += [_table(held, *each, site_images) for each in larger]
    tables.sort(key=lambda table: -table[0].shape[1])  # each then begins at a multiple of its length
    n_params = int(max(start + kind.classes.max() + 1 for kind, start in zip(kinds, first_param, strict=True)))
    lengths = [1 << units.shape[1] for units, _ in tables]
    counts = [len(units) for units, _ in tables]
    sizes = np.repeat([units.shape[1] for units, _ in tables], counts)
    return ClusterCover(
        first_unit=np.concatenate([[0], np.cumsum(sizes)]).astype(np.intp),
        units=np.concatenate([np.zeros(0, np.intp), *(units.ravel() for units, _ in tables)]).astype(np.intp),
        first_code=np.repeat(np.cumsum([0, *lengths])[:-1], counts).astype(np.intp),
        shares=_shares(tables, first, n_params),
        pair_param=_pair_param(pairs, first, n_sites),
    )


def _is_of_sites(kind, n_sites):
    """Return whether units are some sites, two or more, then the same on the other layer."""
    half = kind.units.shape[1] // 2
    return half > 1 and np.array_equal(kind.units[:, half:], kind.units[:, :half] + n_sites)


class _Clusters:
    """Kinds of clusters of sites, known by their sites.

    Parameters
    ----------
    kinds : list of Correlators
    """

    def __init__(self, kinds):
        self.kinds = kinds
        self.rows = [kind.units[:, : kind.units.shape[1] // 2] for kind in kinds]
        # of the sites of a cluster: its kind and its row
        self.of = {
            frozenset(sites): (k, row) for k, rows in enumerate(self.rows) for row, sites in enumerate(rows.tolist())
        }
        self.sizes = sorted({rows.shape[1] for rows in self.rows})

    def inside(self, sites):
        """Yield (kind, row) of the clusters within some sites."""
        for size in self.sizes:
            for part in itertools.combinations(sites, size):
                if frozenset(part) in self.of:
                    yield self.of[frozenset(part)]

    def within(self, sites):
        """Return the numbers of the kinds of which some sites hold a cluster, a set."""
        return {k for k, _ in self.inside(sites)}

    def n_look_ups(self, k):
        """Return the units of all clusters of a kind: what one flip of every unit looks up."""
        return self.rows[k].size


def _orbit(sites, site_images):
    """Return the images of some sites, each once and themselves first, (n, n_sites) in corresponding order."""
    images = site_images[:, list(sites)]
    _, first = np.unique(np.sort(images, axis=1), axis=0, return_index=True)
    return images[np.sort(first)]


def _n_images(sites, site_images):
    """Return how many different images some sites have."""
    fixed = np.all(np.sort(site_images[:, list(sites)], axis=1) == np.sort(sites), axis=1)
    return len(site_images) // np.count_nonzero(fixed)


def _larger_clusters(held, site_images):
    """Return the larger clusters that together hold all but some pairs, one of each kind.

    Returns
    -------
    list of (tuple of int, set of int)
        Its sites, and the kinds whose terms it takes over.
    """
    left, larger, n_codes = set(range(len(held.kinds))), [], 0
    while True:
        big = [k for k in left if held.rows[k].shape[1] > 2]
        if not big:
            return larger
        start = max(big, key=lambda k: (held.rows[k].shape[1], -k))
        sites = tuple(sorted(held.rows[start][0].tolist()))
        if n_codes + 4**MAX_SITES <= MAX_CODES:
            sites = _grown(sites, held, left, site_images)
        n_codes += 4 ** len(sites)
        larger.append((sites, held.within(sites) & left))
        left = left - held.within(sites)


def _grown(sites, held, left, site_images):
    """Return the union of a cluster with others that saves most look-ups."""
    gain = _gain(sites, held, left, site_images)
    while True:
        unions = {
            tuple(sorted(set(sites).union(row)))
            for k in left if held.rows[k].shape[1] > 2
            for row in held.rows[k].tolist() if not set(sites).isdisjoint(row)
        }
        unions = sorted(union for union in unions if len(sites) < len(union) <= MAX_SITES)
        gains = [_gain(union, held, left, site_images) for union in unions]
        if not gains or max(gains) <= gain:
            return sites
        sites, gain = unions[int(np.argmax(gains))], max(gains)


def _gain(sites, held, left, site_images):
    """Return how many look-ups one of the images of some sites replaces on average."""
    saved = sum(held.n_look_ups(k) for k in held.within(sites) & left)
    return saved / (_n_images(sites, site_images) * len(sites))


def _table(held, sites, taken, site_images):
    """Return (units of the images, [(kind, bits of a cluster within, its share)]) of a larger cluster.

    `taken` are the numbers of the kinds whose terms it takes over.
    """
    orbit = _orbit(sites, site_images)
    place, size = {site: b for b, site in enumerate(sites)}, len(sites)
    inside = [each for each in held.inside(sites) if each[0] in taken]
    n_of_kind, parts = np.bincount([k for k, _ in inside], minlength=len(held.kinds)), []
    for k, row in inside:
        bits = np.array([place[site] for site in held.rows[k][row].tolist()])
        share = len(held.rows[k]) / (len(orbit) * n_of_kind[k])
        parts.append((held.kinds[k], np.concatenate([bits, bits + size]), share))
    n_sites = site_images.shape[1]
    return np.concatenate([orbit, orbit + n_sites], axis=1), parts


def _shares(tables, first, n_params):
    """Return `ClusterCover.shares`."""
    rows, columns, values, start = [], [], [], 0
    for units, parts in tables:
        codes = np.arange(1 << units.shape[1])
        for kind, bits, share in parts:
            inner = (((codes[:, None] >> bits) & 1) << np.arange(len(bits))).sum(axis=1)
            rows.append(start + codes)
            columns.append(first[id(kind)] + kind.classes[inner])
            values.append(np.full(len(codes), share))
        start += len(codes)
    if not rows:
        return csr_array((0, n_params))
    entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
    return csr_array(entries, shape=(start, n_params))


def _pair_param(pairs, first, n_sites):
    """Return `ClusterCover.pair_param`."""
    if not pairs:
        return np.zeros((0, 0), dtype=np.intc)
    param, states = np.zeros((n_sites, 4, n_sites, 4), dtype=np.intc), np.arange(4)
    for kind in pairs:
        # a code has the bits sigma_i, sigma_j, ancilla_i, ancilla_j
        of_i, of_j = (states & 1) + ((states & 2) << 1), ((states & 1) << 1) + ((states & 2) << 2)
        block = 1 + first[id(kind)] + kind.classes[of_i[:, None] + of_j]
        for i, j in kind.units[:, :2].tolist():
            param[i, :, j], param[j, :, i] = block, block.T
    return param.reshape(4 * n_sites, 4 * n_sites)
