"""Batches of samples at a reported temperature: until it is accurate enough, or the run has to stop."""

from dataclasses import dataclass

from hpc_nqs.thermal.measured_row import is_accurate


@dataclass(frozen=True)
class Batches:
    """How many batches are made.

    Attributes
    ----------
    least, most : int
    accuracy : float
        Relative error of c, chi and S(q) at which no more than those made are wanted.
    """

    least: int
    most: int
    accuracy: float

    def measured(self, sample, stops, made):
        """Yield batches of (samples, evaluation), fewer if the run has to stop.

        Parameters
        ----------
        sample : callable
            Returns the next batch.
        stops : callable
            Returns whether the run has to stop; asked between batches.
        made : list
            Is as long as batches have been made and holds the last one alone, *in place*; empty after a stop.
        """
        for batch in range(self.most):
            if batch and stops():
                made.clear()
                return
            made[:] = [None] * batch + [sample()]
            yield made[-1]

    def are_enough(self, n_made, row_so_far):
        """Return whether the batches made are enough; `row_so_far` gives the row of these.  *Collective*."""
        return self.least <= n_made < self.most and is_accurate(row_so_far(), self.accuracy)
