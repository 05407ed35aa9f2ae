"""Twin of the sum of the images of a pair product: every image a determinant of its own."""

import numpy as np

from hpc_nqs.kernels.reference.amplitudes import CANCELLED, Amplitude


class PairSumAmplitude(Amplitude):
    """Psi = (-1)^inv sum_g c_g det[f_g(u_a, d_b)]; inv counts the pairs with a down spin before an up spin."""

    width = 1

    def __init__(self, tables, coefficients, image_params, exchanges, n_params, n_unpaired=0):
        n = tables.shape[1]
        self.n_visible, self.n_params, self.n_unpaired = n - abs(n_unpaired), n_params, n_unpaired
        self.tables = np.moveaxis(tables, 3, 1).reshape(-1, n, n)  # (n_images, n, n)
        self.image_params = np.moveaxis(image_params, 3, 1).reshape(-1, n, n)
        self.coefficients = coefficients.ravel()

    def sides(self, visible):
        """Return the sites of the rows and of the columns, extra ones beside unpaired spins included."""
        extra = np.full(abs(self.n_unpaired), -1 if self.n_unpaired > 0 else 1)
        spins = np.concatenate([visible, extra])
        return np.flatnonzero(spins > 0), np.flatnonzero(spins < 0)

    def terms(self, visible):
        """Return (c_g phi(g s) / e^largest, largest) of one configuration."""
        up, down = self.sides(visible)
        inversions = np.sum(down[None, :] < up[:, None])
        signs, logarithms = np.linalg.slogdet(self.tables[:, up[:, None], down])
        largest = logarithms[self.coefficients != 0].max()
        return (-1) ** inversions * self.coefficients * signs * np.exp(logarithms - largest), largest

    def log_psi(self, visible):
        """Return ln Psi, -inf where the images cancel."""
        terms, largest = self.terms(visible)
        total = terms.sum()
        if abs(total) <= CANCELLED * np.abs(terms).sum():
            return complex(-np.inf)
        return complex(largest + np.log(abs(total)), np.pi * (total < 0))

    def log_derivs(self, visible):
        """Return sum_g c_g phi(g s) sum_ab (F_g^{-1})_ba [k behind f_g(u_a, d_b)] / Psi, 0 at a zero."""
        pairs = np.ix_(*self.sides(visible))
        out, (terms, _) = np.zeros(2 + 2 * self.n_params), self.terms(visible)
        if np.isfinite(self.log_psi(visible)):
            for table, params, term in zip(self.tables, self.image_params, terms, strict=True):
                if term:
                    np.add.at(out, params[pairs], term / terms.sum() * np.linalg.inv(table[pairs]).T)
        return out[2::2] - out[3::2]
