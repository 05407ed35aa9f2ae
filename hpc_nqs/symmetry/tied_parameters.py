"""Which entries of a table of weights have one parameter, because symmetries map them onto each other."""

import numpy as np


def tie(group, n_slots, fixed=None, starts=None):
    """Return the parameter behind every slot when f_s = sign_gs f_(source_gs) shall hold for all elements g.

    A slot is anything that holds one number f: a weight, the value of a pair, an entry of a table.  An orbit of slots
    has one parameter; where elements of the group connect a slot with minus itself, f = 0 on its whole orbit.

    Parameters
    ----------
    group : SignedPermutations, or iterable of (sources, signs)
        What every element, or every one of a set of generators, does to the slots: (n_slots,) intp and +1/-1,
        (n_slots,) or one number.  Rows are looked at one after the other, so that they need not all be in memory.
    n_slots : int
    fixed : (n_slots,) bool, optional
        Slots without a parameter; the elements map them among themselves.
    starts : (n_slots,) bool, optional
        One slot of every orbit, such as `orbit_starts` gives; only their own images are joined to them.  For a group
        the orbits are the same.  A gauge may leave signs of its elements open, so that those of products differ: then
        f of a start and one element give f of the image, and f = 0 only where an element takes a start to minus itself
        or two of them disagree.

    Returns
    -------
    (n_slots,) intp
        The signed 1 + k of the parameter behind every slot, as kernels take it: f_s = sign params[k].  0 where symmetry
        forbids f, or where the slot is fixed.

    Notes
    -----
    The sign is that relative to one slot of the orbit, and parameters are numbered in the order of these slots.  Which
    one it is follows from the order of the elements: when one connects two orbits, slots s visited in ascending order,
    that of s stays and that of its source is lost.  Parameters of networks in run files are numbered like this; those
    of pairs and tables in the order of the `starts`, which stay.

    Callers differ in what acts on their slots: the stabilizer of a weight vector, which depends on the values of the
    weights (`wavefunctions.rbm.tied_parameters`); the whole group on products of two entries (pair products); the
    stabilizer of a cluster on its codes (`correlator_product.code_classes`).  Deep networks (`unit_columns`) keep
    parameters that their symmetries would forbid, so that their labels are joined elsewhere.
    """
    label = np.arange(1, n_slots + 1)
    if fixed is not None:
        label[fixed] = 0
    for sources, signs in group:
        met = signs * label[sources]
        apart = np.flatnonzero(label != met if starts is None else (label != met) & starts)
        if len(apart):
            label = _joined(label, dict.fromkeys(zip(label[apart].tolist(), met[apart].tolist(), strict=True)))
    return compact(label)


def _joined(label, equal):
    """Return signed labels after those of every pair in `equal` became one; 0 for those equal to their negatives."""
    parent = list(range(len(label) + 1))  # signed; of a label that stays, itself

    def stays(signed):
        """Return the signed label that has taken the place of `signed`; shortens the path to it."""
        root, sign, path = abs(signed), 1 if signed > 0 else -1, []
        while abs(parent[root]) != root:
            path.append((root, sign))
            sign, root = (sign if parent[root] > 0 else -sign), abs(parent[root])
        for passed, sign_before in path:
            parent[passed] = sign_before * sign * root
        return sign * root

    for keep, drop in equal:
        keep, drop = stays(keep), stays(drop)
        if keep == drop:
            continue
        if keep == -drop or keep == 0 or drop == 0:
            parent[abs(keep)] = parent[abs(drop)] = 0
        else:
            parent[abs(drop)] = keep if drop > 0 else -keep
    return np.array([stays(signed) for signed in label.tolist()], dtype=np.intp)


def orbit_starts(group, n_slots):
    """Return whether each slot is the first of its orbit, (n_slots,) bool; `group` as in `tie`, no generators."""
    first = np.arange(n_slots)
    for sources, _ in group:
        np.minimum(first, sources, out=first)
    return first == np.arange(n_slots)


def compact(label):
    """Return signed labels numbered 1, 2, ... without gaps and in the same order; 0 stays."""
    distinct = np.unique(np.abs(label[label != 0]))
    return np.where(label == 0, 0, np.sign(label) * (1 + np.searchsorted(distinct, np.abs(label)))).astype(np.intp)


def first_slots(tied):
    """Return the first slot of every parameter, (n_params,) intp, for `tied` as `tie` returns it."""
    labels, first = np.unique(np.abs(tied), return_index=True)
    return first[labels > 0]
