"""The wave functions that a cooling has passed: parameters and their slopes at every step, and all in between.

Rings take their kernels from it, and `thermal.passed_state` the states that are measured afterwards.

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
    heats : (n,) float64
        -dE/dbeta there in units of Var(H), see `Evolution.heat`; not a number where it is not known.
    """

    def __init__(self):
        self.betas, self.params, self.slopes, self.heats = np.zeros(0), None, None, np.zeros(0)

    def __len__(self):
        return len(self.betas)

    @property
    def coldest(self):
        """The largest inverse temperature, 0 where there is none."""
        return float(self.betas[-1]) if len(self) else 0.0

    def add(self, beta, params, slope, heat=np.nan):
        """Add a point; points that are not hotter, of a path that was left, make way."""
        kept = self.betas < beta * (1 - 1e-12)
        kept &= np.arange(len(self), 0, -1) < MAX_NUMBERS // (2 * len(params))
        before = (part[kept] for part in (self.params, self.slopes)) if len(self) else (params[:0],) * 2
        self.params, self.slopes = (
            np.concatenate([np.reshape(rows, (-1, len(params))), part[None]])
            for rows, part in zip(before, (params, slope), strict=True)
        )
        self.betas, self.heats = np.append(self.betas[kept], beta), np.append(self.heats[kept], heat)

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
        if not self.holds(beta):
            raise ValueError(f"beta = {beta}; the path holds {self.betas[:1]} to {self.betas[-1:]}")
        k = int(np.clip(np.searchsorted(self.betas, beta), 1, max(1, len(self) - 1)))
        if len(self) == 1:
            return self.params[0].copy()
        length = self.betas[k] - self.betas[k - 1]
        t = (beta - self.betas[k - 1]) / length
        first, last = self.params[k - 1 : k + 1]
        ends = (1 - t) * self.slopes[k - 1] * length - t * self.slopes[k] * length + (2 * t - 1) * (last - first)
        return (1 - t) * first + t * last + t * (1 - t) * ends

    def arrays(self):
        """Return what `restore` takes over."""
        points = {"params": self.params, "slopes": self.slopes, "heats": self.heats} if len(self) else {}
        return {"betas": self.betas} | points

    def restore(self, arrays):
        """Take over what `arrays` returned."""
        self.betas = np.asarray(arrays["betas"], dtype=np.float64)
        self.params, self.slopes = arrays.get("params"), arrays.get("slopes")
        self.heats = np.asarray(arrays.get("heats", np.full(len(self), np.nan)))  # not in older files
