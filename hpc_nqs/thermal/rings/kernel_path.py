"""The wave functions that a cooling has passed: parameters and their slopes at every step, and all in between.

Between two steps parameters are cubic in beta (Hermite), of the same order as the steps.
"""

import numpy as np

MAX_NUMBERS = 2**22  # that are kept, 32 MiB; the hottest go first


class KernelPath:
    """Parameters along a cooling.

    Attributes
    ----------
    betas : (n,) float64, increasing
    params, slopes : (n, n_params)
        Parameters and d params / d beta there.
    """

    def __init__(self):
        self.betas, self.params, self.slopes = np.zeros(0), None, None

    def __len__(self):
        return len(self.betas)

    @property
    def coldest(self):
        """The largest inverse temperature, 0 where there is none."""
        return float(self.betas[-1]) if len(self) else 0.0

    def add(self, beta, params, slope):
        """Add a point; points that are not hotter, of a path that was left, make way."""
        kept = self.betas < beta * (1 - 1e-12)
        kept &= np.arange(len(self), 0, -1) < MAX_NUMBERS // (2 * len(params))
        before = (part[kept] for part in (self.params, self.slopes)) if len(self) else (params[:0],) * 2
        self.params, self.slopes = (
            np.concatenate([np.reshape(rows, (-1, len(params))), part[None]])
            for rows, part in zip(before, (params, slope), strict=True)
        )
        self.betas = np.append(self.betas[kept], beta)

    def holds(self, beta):
        """Return whether an inverse temperature lies between the first and the last point."""
        return len(self) > 0 and bool(self.betas[0] * (1 - 1e-9) <= beta <= self.betas[-1] * (1 + 1e-9))

    def at(self, beta):
        """Return the parameters (n_params,) at an inverse temperature.

        Raises
        ------
        ValueError
            It lies outside the path.
        """
        k, t, length = self._place(beta)
        if not length:
            return self.params[0].copy()
        first, last = self.params[k - 1 : k + 1]
        ends = (1 - t) * self.slopes[k - 1] * length - t * self.slopes[k] * length + (2 * t - 1) * (last - first)
        return (1 - t) * first + t * last + t * (1 - t) * ends

    def slope_at(self, beta):
        """Return d params / d beta (n_params,) at an inverse temperature, of the same cubic; raises as `at` does."""
        k, t, length = self._place(beta)
        if not length:
            return self.slopes[0].copy()
        change = (self.params[k] - self.params[k - 1]) / length
        ends = (1 - t) * (1 - 3 * t) * self.slopes[k - 1] + t * (3 * t - 2) * self.slopes[k]
        return 6 * t * (1 - t) * change + ends

    def _place(self, beta):
        """Return the point behind `beta`, how far it is from the one before, 0 to 1, and the distance of the two.

        The distance is zero where there is one point alone.
        """
        if not self.holds(beta):
            raise ValueError(f"beta = {beta}; the path holds {self.betas[:1]} to {self.betas[-1:]}")
        if len(self) == 1:
            return 0, 0.0, 0.0
        k = int(np.clip(np.searchsorted(self.betas, beta), 1, len(self) - 1))
        length = self.betas[k] - self.betas[k - 1]
        return k, (beta - self.betas[k - 1]) / length, length

    def arrays(self):
        """Return what `restore` takes over."""
        return {"betas": self.betas} | ({"params": self.params, "slopes": self.slopes} if len(self) else {})

    def restore(self, arrays):
        """Take over what `arrays` returned."""
        self.betas = np.asarray(arrays["betas"], dtype=np.float64)
        self.params, self.slopes = arrays.get("params"), arrays.get("slopes")
