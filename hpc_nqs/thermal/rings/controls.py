"""Control variates of rings: sums over samples whose mean is known to be zero, from one move on one layer each.

A move of H on layer l changes the links before and behind it alone: its ratio is r = r_before r_behind, one of the two
ratios that local energies have anyway.  W is the product of all links with its sign, D the density that is sampled.
With the rest of the ring fixed, for any f

    (W / D) (f - [f + r f'] / [1 + |r|]),  f' after the move,

has the mean zero over D: a ring and its partner together have the weight |W| + |W'|.  With f = 1 this is
2 |r| / (1 + |r|) where the sign changes: what the sign owes to one move.  f may be any function of the links that
the move does not touch, and the local energy of the move itself.  4x4 sites, J2 = 0.5, R = 4 at T = 0.5: at equal rings
the variance of the sign is 4.4 times smaller, that of e 3.6 and of Var(H) 2.1 times.
"""

import numpy as np

# of all columns: sums over moves of 1, energy and product of energies elsewhere, own energy, own times elsewhere
N_CONTROLS = 5
LEAST_SAMPLES = 50  # per control, before coefficients are fitted
RTOL = 1e-10  # of the fit
ROUNDING = 1e-300


def move_sums(ratios, elements):
    """Return sums over the moves of H on every layer, each (n_rings, n_links) float64.

    Parameters
    ----------
    ratios : (n_rings, n_links, 2, n_terms) float64
        Phi(moved) / Phi of every link for the terms of H on its first and on its second layer, 0: not allowed.
    elements : (n_terms,) float64
        Of H.

    Returns
    -------
    signs : 2 |r| / (1 + |r|) summed over the moves that change the sign of the ring
    exchanges : (e / 2) (r_before + r_behind) (|r| - 1) / (|r| + 1) summed over all
    """
    behind, before = ratios[:, :, 0], np.roll(ratios[:, :, 1], 1, axis=1)
    products = behind * before
    sizes = np.abs(products)
    shares = 1 / (1 + sizes)
    signs = np.sum(2 * sizes * shares, axis=2, where=products < 0)
    return signs, 0.5 * ((behind + before) * ((sizes - 1) * shares)) @ elements


class RingControls:
    """The control variates of rings of R links, and their coefficients.

    Parameters
    ----------
    n_links : int
        R.

    Attributes
    ----------
    coefficients : (N_CONTROLS + 1, n_columns) float64 or None
        Of the controls that all columns share, and of the own one of every column; None before `fit`.
    """

    def __init__(self, n_links):
        self.n_links, self.coefficients = n_links, None
        layer, side = np.indices((n_links, 2))
        link = (layer - side) % n_links  # of the energy of a layer: behind it, before it
        moved = np.arange(n_links)[:, None, None]
        self.energies = (link != moved) & (link != (moved - 1) % n_links)  # untouched by a move on layer `moved`
        across = opposite(n_links)
        both = self.energies[:, :, :, None] & np.roll(self.energies, -across, axis=1)[:, :, None, :]
        self.products = both & (link[:, :, None] != np.roll(link, -across, axis=0)[:, None, :])

    def shared(self, rings, centre):
        """Return the controls of all columns but for the factor W / D, (n_chains, n_per_chain, N_CONTROLS) float64."""
        behind, before = rings.first - centre, np.roll(rings.second, 1, axis=2) - centre
        energies = np.stack([behind, before], axis=3)  # (..., layer, side)
        pairs = energies[..., None] * np.roll(energies, -opposite(self.n_links), axis=2)[..., None, :]
        elsewhere = _means(energies, self.energies, "cnls,mls->cnm")
        products = _means(pairs, self.products, "cnlst,mlst->cnm")
        sums = [rings.sign_sums, rings.sign_sums * elsewhere, rings.sign_sums * products]
        sums += [rings.exchange_sums, rings.exchange_sums * elsewhere]
        return np.stack([each.sum(axis=2) for each in sums], axis=2)

    def own(self, rings, observed):
        """Return the own control of columns that are means over layers but for W / D, in their shape.

        Parameters
        ----------
        rings : RingBatch
        observed : (n_chains, n_per_chain, n_links, n_columns) float64
        """
        elsewhere = (observed.sum(axis=2, keepdims=True) - observed) / (self.n_links - 1)
        return np.einsum("cnm,cnmk->cnk", rings.sign_sums, elsewhere)

    def own_of_links(self, rings, values, spans):
        """Return the own control of columns that are means over stretches of links, as `own`.

        Parameters
        ----------
        rings : RingBatch
        values : (n_chains, n_per_chain, n_links, n_columns) float64
            Of the stretches that begin with each link.
        spans : (n_columns,) integers
            Links of a stretch; a column whose stretches every move touches has no control.
        """
        found = np.zeros((*values.shape[:2], values.shape[3]))
        for span in np.unique(spans[spans < self.n_links - 1]):
            chosen = values[..., spans == span]
            touched = sum(np.roll(chosen, shift, axis=2) for shift in range(span + 1))
            elsewhere = (chosen.sum(axis=2, keepdims=True) - touched) / (self.n_links - 1 - span)
            found[..., spans == span] = np.einsum("cnm,cnmk->cnk", rings.sign_sums, elsewhere)
        return found

    def fit(self, columns, shared, own, n_chains, first_chain, team):
        """Find the coefficients from the columns of a first batch, all with the factor W / D.  *Collective*.

        Too few samples leave all coefficients zero.

        Parameters
        ----------
        columns, own : (n_local, n_per_chain, n_columns) float64
        shared : (n_local, n_per_chain, N_CONTROLS) float64
        n_chains, first_chain : int
            Chains over all ranks, and the first one of this rank.
        team : Team
        """
        n_per_chain, n_columns = columns.shape[1:]
        self.coefficients = np.zeros((N_CONTROLS + 1, n_columns))
        if n_chains * n_per_chain < LEAST_SAMPLES * (N_CONTROLS + 1):
            return
        # every chain in a row of its own: the sums do not depend on the number of ranks
        controls = np.concatenate([shared, own], axis=2)
        n_controls = N_CONTROLS + n_columns
        products = np.zeros((n_chains, N_CONTROLS, n_controls + n_columns))
        squares, totals = np.zeros((n_chains, 2, n_columns)), np.zeros((n_chains, n_controls + n_columns))
        for c, (values, those) in enumerate(zip(columns, controls, strict=True)):
            everything = np.concatenate([those, values], axis=1)
            products[first_chain + c] = those[:, :N_CONTROLS].T @ everything
            squares[first_chain + c] = np.sum(own[c] * own[c], axis=0), np.sum(own[c] * values, axis=0)
            totals[first_chain + c] = everything.sum(axis=0)
        for array in (products, squares, totals):
            team.sum_in_place(array)
        products, squares, totals = products.sum(axis=0), squares.sum(axis=0), totals.sum(axis=0)
        means = totals / (n_chains * n_per_chain)
        products -= np.outer(totals[:N_CONTROLS], means)
        of_own, of_column = slice(N_CONTROLS, n_controls), slice(n_controls, None)
        squares[0] -= totals[of_own] * means[of_own]
        squares[1] -= totals[of_own] * means[of_column]
        for k in range(n_columns):
            self.coefficients[:, k] = _solved(products, squares, k, n_controls)

    def apply(self, columns, shared, own):
        """Return the columns minus their control variates, all with the factor W / D."""
        return columns - shared @ self.coefficients[:-1] - own * self.coefficients[-1]

    def stored(self):
        """Return the coefficients as an array, without rows before `fit`."""
        return np.zeros((0, 0)) if self.coefficients is None else self.coefficients

    def restore(self, stored):
        """Take over what `stored` returned."""
        self.coefficients = np.array(stored) if len(stored) else None


def opposite(n_links):
    """Return how many layers apart the energies of a product are."""
    return 1 if n_links == 3 else n_links // 2


def _means(values, mask, subscripts):
    """Return means over the entries of a mask for every moved layer; zero where there are none."""
    counts = mask.reshape(len(mask), -1).sum(axis=1)
    return np.einsum(subscripts, values, mask.astype(np.float64)) / np.maximum(counts, 1)


def _solved(products, squares, column, n_controls):
    """Return the coefficients of one column from centred sums of products."""
    matrix = np.zeros((N_CONTROLS + 1, N_CONTROLS + 1))
    matrix[:-1, :-1] = products[:, :N_CONTROLS]
    matrix[:-1, -1] = matrix[-1, :-1] = products[:, N_CONTROLS + column]
    matrix[-1, -1] = squares[0, column]
    right = np.append(products[:, n_controls + column], squares[1, column])
    scale = np.sqrt(np.maximum(np.diag(matrix), ROUNDING))
    return np.linalg.lstsq(matrix / np.outer(scale, scale), right / scale, rcond=RTOL)[0] / scale
