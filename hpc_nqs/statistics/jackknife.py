"""Sums over blocks of samples that every rank fills for its own chains, and jackknife error bars from them."""

import numpy as np


class BlockSums:
    """Weighted sums of several quantities over blocks of samples, for chains distributed over ranks.

    Blocks depend on the *global* chain index alone. Fewer chains than `n_blocks`: each chain is cut into equally many
    contiguous stretches, just enough to reach `n_blocks`. More chains: one block per chain up to 4 `n_blocks`, beyond
    that groups of neighbouring chains. As long as no block spans two chains every number is written by one rank only,
    and the sum over ranks does not depend on their number to the last bit.

    A stretch should be long against the autocorrelation time; whole chains (n_chains >= n_blocks) need no such
    condition.

    Attributes
    ----------
    sums : (n_blocks, 2 + n_quantities) float64, C-contiguous
        Columns sum w, sum w^2, sum w q. Additive over ranks: sum it *in place* once, when all samples were added.
    """

    def __init__(self, n_chains, n_samples, n_quantities, n_blocks=64, is_exact=False):
        """Lay out the blocks of n_chains (over all ranks) times n_samples (per chain).

        Exact sums have no error, so one configuration is enough for them: the only one of a small sector.

        Raises
        ------
        ValueError
            Fewer than two samples in all (one of exact sums), or fewer than two blocks.
        """
        least = 1 if is_exact else 2
        if n_chains < 1 or n_samples < 1 or n_chains * n_samples < least:
            raise ValueError(f"{n_chains} chains of {n_samples} samples; allowed: at least {least} samples in all")
        if n_blocks < 2:
            raise ValueError(f"n_blocks = {n_blocks}; allowed: 2 or more")
        self.n_chains, self.n_samples, self.n_quantities = n_chains, n_samples, n_quantities
        self.is_exact = is_exact
        self.n_stretches = min(n_samples, -(-n_blocks // n_chains))
        self.n_groups = n_chains if n_chains <= 4 * n_blocks else n_blocks
        self.sums = np.zeros((self.n_groups * self.n_stretches, 2 + n_quantities))

    def block_of(self, chain, sample):
        """Return the block of sample `sample` of the chain of global index `chain`; arrays broadcast."""
        group = np.asarray(chain) * self.n_groups // self.n_chains
        return group * self.n_stretches + np.asarray(sample) * self.n_stretches // self.n_samples

    def add(self, chains, values, weights=None, first_sample=0):
        """Add samples of this rank's chains to `sums`.

        Parameters
        ----------
        chains : (n_local,) int
            Global chain indices; may be empty.
        values : (n_local, n_new, n_quantities) real
            `n_new` consecutive samples of every chain.
        weights : (n_local, n_new), optional
            Importance weights, with one common factor on all ranks. One if not given.
        first_sample : int
            Index within the chain of the first of them.

        Raises
        ------
        ValueError
            Wrong shapes, indices outside the layout, or negative or non-finite numbers.
        """
        chains = np.asarray(chains, dtype=np.intp)
        values = np.asarray(values)
        if np.iscomplexobj(values):
            raise ValueError("values is complex; pass real and imaginary parts as two quantities")
        n_new = values.shape[1] if values.ndim == 3 else 0
        if values.shape != (chains.size, n_new, self.n_quantities):
            raise ValueError(f"values has shape {values.shape}; wanted ({chains.size}, n_new, {self.n_quantities})")
        if chains.size and not (0 <= chains.min() and chains.max() < self.n_chains):
            raise ValueError(f"chain indices {chains.min()} to {chains.max()}; allowed: 0 to {self.n_chains - 1}")
        if not 0 <= first_sample <= self.n_samples - n_new:
            raise ValueError(
                f"samples {first_sample} to {first_sample + n_new - 1}; allowed: 0 to {self.n_samples - 1}"
            )
        weights = np.ones((chains.size, n_new)) if weights is None else np.asarray(weights, dtype=np.float64)
        if weights.shape != (chains.size, n_new):
            raise ValueError(f"weights has shape {weights.shape}; wanted {(chains.size, n_new)}")
        if not (np.isfinite(values).all() and np.isfinite(weights).all() and (weights >= 0.0).all()):
            raise ValueError("values and weights must be finite, and weights not negative")
        stretches = self.block_of(0, np.arange(first_sample, first_sample + n_new))
        cuts = np.flatnonzero(np.diff(stretches, prepend=-1, append=-1))
        # Chain by chain: the order of additions, hence the last bit, does not depend on which chains share a rank.
        for c, chain in enumerate(chains):
            for start, stop in zip(cuts[:-1], cuts[1:], strict=True):
                row = self.sums[self.block_of(chain, first_sample + start)]
                part = weights[c, start:stop]
                row[:2] += part.sum(), part @ part
                row[2:] += part @ values[c, start:stop]

    def jackknife(self):
        """Return the `Jackknife` of the sums as they are now: of all samples once they are summed over ranks."""
        return Jackknife(self.sums[:, 0], self.sums[:, 2:], self.is_exact)

    @property
    def effective_sample_size(self):
        """Kish's effective number of samples (sum w)^2 / sum w^2; 0 without samples."""
        total, squares = self.sums[:, 0].sum(), self.sums[:, 1].sum()
        return float(total**2 / squares) if squares > 0.0 else 0.0


class Jackknife:
    """Smooth functions of weighted means, with the bias removed and an error from leaving out one block at a time.

    Attributes
    ----------
    n_blocks : int
        Blocks that hold any weight.
    means : (n_quantities,) float64
        sum w q / sum w over all blocks.
    """

    def __init__(self, block_weight_sums, block_sums, is_exact=False):
        """Take sum w (n_blocks,) and sum w q (n_blocks, n_quantities) per block; exact sums have means alone.

        Raises
        ------
        ValueError
            Wrong shapes, non-finite or negative weights, or, but for exact sums, fewer than two blocks that hold any
            weight.
        """
        weights = checked_weights(np.asarray(block_weight_sums, dtype=np.float64))
        sums = np.asarray(block_sums, dtype=np.float64)
        if weights.ndim != 1 or sums.ndim != 2 or len(sums) != len(weights):
            raise ValueError(
                f"block sums {weights.shape} and {sums.shape}; wanted (n_blocks,) and (n_blocks, n_quantities)"
            )
        if not np.isfinite(sums).all():
            raise ValueError("block_sums has entries that are not finite")
        filled = weights > 0.0
        weights, sums = weights[filled], sums[filled]
        self.n_blocks = len(weights)
        if self.n_blocks < 2 and not is_exact:
            raise ValueError("an error needs at least two blocks that hold any weight; 1 found")
        self.means = sums.sum(axis=0) / weights.sum()
        if is_exact:
            return
        # Leaving block j out moves a mean by -w_j (m_j - m) / (W - w_j); written so, no large sums are subtracted.
        residuals = sums - weights[:, None] * self.means
        self._replicas = self.means - residuals / (weights.sum() - weights)[:, None]

    def estimate(self, function=None):
        """Estimate a function of the means.

        Parameters
        ----------
        function : callable, optional
            means (n, n_quantities) -> (n,) or (n, ...), acting on each row alone, as in
            ``lambda means: means[:, 1] - means[:, 0] ** 2``. Called once. The means themselves if not given.

        Returns
        -------
        value, error : float64 or arrays of shape (...)
            value = B f(all) - (B - 1) mean_j f(without j), error^2 = (B - 1) mean_j (f(without j) - their mean)^2,
            with B blocks. The error is itself known to a fraction 1 / sqrt(2 (B - 1)).

        Raises
        ------
        ValueError
            The function does not return one entry per row.
        """
        rows = np.concatenate([self.means[None], self._replicas])
        results = np.asarray(rows if function is None else function(rows), dtype=np.float64)
        if results.shape[:1] != (self.n_blocks + 1,):
            raise ValueError(f"function returned shape {results.shape}; wanted one entry per row, {self.n_blocks + 1}")
        # From the differences to f(all): their mean is the bias, free of cancellation.
        differences = results[1:] - results[0]
        shift = differences.mean(axis=0)
        error = np.sqrt((self.n_blocks - 1) * ((differences - shift) ** 2).mean(axis=0))
        return results[0] - (self.n_blocks - 1) * shift, error


def checked_weights(weights):
    """Return the weights; raise ValueError if any is negative or not finite, or all are zero."""
    if not (np.isfinite(weights).all() and (weights >= 0.0).all() and weights.any()):
        raise ValueError("weights must be finite, not negative and not all zero")
    return weights


class Statistics:
    """Functions of means with jackknife errors; without error where the sum over configurations is exact."""

    def __init__(self, jackknife, is_exact):
        self.jackknife, self.is_exact = jackknife, is_exact

    @property
    def means(self):
        """Means of the quantities over all samples, (n_quantities,) float64."""
        return self.jackknife.means

    @property
    def n_columns(self):
        """Number of `means`."""
        return len(self.means)

    def estimate(self, function):
        """Return (value, error) of `function`, rows of means to numbers."""
        if self.is_exact:
            return float(function(self.jackknife.means[None])[0]), 0.0
        value, error = self.jackknife.estimate(function)
        return float(value), float(error)


class SignedStatistics(Statistics):
    """Functions of <sign value> / <sign>, the sign in the last column of the means."""

    @property
    def means(self):
        """Means of value times sign over the mean sign, (n_columns,)."""
        return _unsigned(self.jackknife.means[None])[0]

    def estimate(self, function):
        """Return (value, error) of `function`, rows of means to numbers."""
        return super().estimate(lambda means: function(_unsigned(means)))


def _unsigned(means):
    return means[:, :-1] / means[:, -1:]
