"""Moments of order parameters m_q = (1/N) sum_j e^{iqr_j} Sz_j, and Binder's ratio of them.

U_4 = 1 - <|m_q|^4> / (3 <|m_q|^2>^2)  (K. Binder, Z. Phys. B 43, 119 (1981)) is 2/(3N) at infinite temperature for real
e^{iqr} and 2/3 where |m_q| does not fluctuate.  The order parameter is that of Sz; no mean is subtracted in fields.
"""

from dataclasses import dataclass

import numpy as np

SECOND, FOURTH = "second_moment", "fourth_moment"  # columns of every wave vector
ENTRIES = ("order_parameter_squared", "order_parameter_fourth", "binder_ratio")  # of tables, keys are wave vectors


@dataclass(frozen=True, eq=False)
class OrderParameters:
    """|m_q|^2 and |m_q|^4 of wave vectors.

    Attributes
    ----------
    phases : dict of str: (n_images, n_sites) complex128
        e^{iqr} by the key "qx,qy"; several rows, over which is averaged: the images under a group.
    """

    phases: dict

    @classmethod
    def of_waves(cls, phases, n_sites):
        """Return those of q = 0 and of phases (n_sites,) by their keys."""
        waves = {"0,0": np.ones(n_sites, dtype=np.complex128)} | phases
        return cls({key: np.asarray(phase)[None] for key, phase in waves.items()})

    def averaged(self, images):
        """Return the means over a group of the sites, `SignedPermutations`; flips of all spins change nothing."""
        places = np.unique(np.argsort(images.sources, axis=1), axis=0)
        found = {}
        for key, rows in self.phases.items():
            moved = np.concatenate([rows[:, row] for row in places])
            moved = np.round(moved * moved[:, :1].conj(), 12)  # a phase of all sites changes nothing
            found[key] = moved
        return OrderParameters(found)

    @property
    def names(self):
        """Names and keys of `columns`."""
        return [(name, key) for key in self.phases for name in (SECOND, FOURTH)]

    def columns(self, sz):
        """Return |m_q|^2 and |m_q|^4 of configurations Sz (n, n_sites), a list of (n,) float64."""
        found = []
        for rows in self.phases.values():
            distinct, counts = np.unique(rows, axis=0, return_counts=True)
            squares = np.abs(sz @ distinct.T / sz.shape[1]) ** 2
            found += [squares @ (counts / counts.sum()), squares**2 @ (counts / counts.sum())]
        return found

    def row(self, estimate, first):
        """Return {name: {key: [value, error]}} of `ENTRIES`.

        Parameters
        ----------
        estimate : callable
            Function of rows of means, (n, n_columns), to (value, error), as `Statistics.estimate`.
        first : int
            The first of `columns` among the means.
        """
        found = {name: {} for name in ENTRIES}
        for number, key in enumerate(self.phases):
            second = first + 2 * number
            functions = (
                lambda means, second=second: means[:, second],
                lambda means, second=second: means[:, second + 1],
                lambda means, second=second: binder_ratio(means[:, second], means[:, second + 1]),
            )
            for name, function in zip(ENTRIES, functions, strict=True):
                found[name][key] = list(estimate(function))
        return found


def binder_ratio(second, fourth):
    """Return 1 - <m^4> / (3 <m^2>^2), arrays broadcast; 0 where <m^2> vanishes."""
    squared = np.square(second)
    return np.where(squared > 0, 1 - fourth / np.where(squared > 0, 3 * squared, 1.0), 0.0)
