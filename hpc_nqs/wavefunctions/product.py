"""Product of two wave functions."""

import numpy as np

from hpc_nqs.kernels.product import ProductAmplitude
from hpc_nqs.wavefunctions.wavefunction import Wavefunction


class Product(Wavefunction):
    """Product of two wave functions with real parameters, those of `first` in front."""

    def __init__(self, first, second):
        self.first, self.second = first, second
        self.n_visible, self.width, self.is_complex = first.n_visible, first.width, first.is_complex

    @property
    def params(self):
        """Parameters of the first factor, then of the second, (n_params,)."""
        return np.concatenate([self.first.params, self.second.params])

    @params.setter
    def params(self, values):
        split = self.first.n_params
        self.first.params, self.second.params = values[:split].copy(), values[split:].copy()

    @property
    def n_params(self):
        """Number of parameters."""
        return self.first.n_params + self.second.n_params

    @property
    def n_units(self):
        """Units of both factors."""
        return self.first.n_units + self.second.n_units

    def unprojected(self):
        """Return the product without the projection of its second factor, of which the first one needs none."""
        return Product(self.first, self.second.unprojected())

    def arrays(self):
        """Return the arrays of both factors."""
        return {**self.first.arrays(), **self.second.arrays()}

    def amplitude(self, moves):
        """Return the compiled amplitude at the present parameters."""
        return ProductAmplitude(self.first.amplitude(moves), self.second.amplitude(moves))
