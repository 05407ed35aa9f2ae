"""One ring at one temperature, measured batch by batch until its errors are small enough."""

import dataclasses
import struct
import zlib

from hpc_nqs.thermal.measured_row import is_accurate
from hpc_nqs.thermal.rings.chains import RingChains
from hpc_nqs.thermal.rings.meter import RingSums, ring_row
from hpc_nqs.wavefunctions.link_functions import sampling_density, without_zeros

WARM_UP = 100  # sweeps from a straight ring
LEAST_BATCHES = 8  # before errors are trusted


class RingMeasurement:
    """A ring of R links of one kernel.

    Parameters
    ----------
    state : ThermalState
        With the kernel's parameters; they are read once.
    observables : Observables
    team : Team
    seed, n_chains : int
    beta : float
        R b / 2.
    n_links : int
        R.
    energy : float
        About the energy per site.
    n_batch, n_samples : int
        Rings of a batch and at most in all, over all ranks.
    accuracy : float
        Relative statistical error of c, chi and S(q) that is small enough; 0 takes all samples.
    """

    def __init__(self, state, observables, team, seed, n_chains, beta, n_links, energy, n_batch, n_samples, accuracy):
        self.observables, self.team, self.beta, self.n_links = observables, team, beta, n_links
        self.model, self.accuracy = state.model, accuracy
        self.n_per_chain = max(1, -(-n_batch // n_chains))
        self.n_batches = max(1, -(-n_samples // (self.n_per_chain * n_chains)))
        density, kernel = sampling_density(state.wavefunction), without_zeros(state.wavefunction)
        averages = dataclasses.replace(state, wavefunction=kernel).ring_averages(observables)
        spans = () if averages is None else averages.spans(n_links)
        self.n_beside = len(spans)
        self.chains = RingChains(
            team, n_chains, seed, number_of(beta, n_links), state.system, kernel, density, n_links, averages,
        )
        n_sites = state.model.n_sites
        centre = energy * state.model.n_lattice_sites
        self.sums = RingSums(n_sites, observables, n_chains, n_links, centre, spans)
        self.n_done = 0
        self.is_warm = False

    def pilot(self):
        """Warm the chains up and return the row of a first batch, which does not count afterwards.  *Collective*."""
        self._warm_up()
        self.sums.add(self.chains.rings(self.n_per_chain), self.chains.first, 0, self.team)
        row = self.row()
        self.sums.sums[:] = 0
        self.chains.counts[:] = 0
        return row

    def _warm_up(self):
        if not self.is_warm:
            self.chains.sample(1, WARM_UP)
            self.chains.counts[:] = 0
            self.is_warm = True

    def advance(self):
        """Measure one more batch.  *Collective*."""
        self._warm_up()
        self.sums.add(self.chains.rings(self.n_per_chain), self.chains.first, self.n_done, self.team)
        self.n_done += 1

    def is_finished(self):
        """Return whether there are samples enough.  *Collective*."""
        if self.n_done >= self.n_batches:
            return True
        return self.n_done >= LEAST_BATCHES and is_accurate(self.row(), self.accuracy)

    def row(self):
        """Return the row of the samples so far.  *Collective*."""
        sums = self.sums.over_ranks(self.team)
        row = ring_row(sums, self.observables, self.model, self.n_links, self.sums.centre, self.beta, self.n_beside)
        return row | {"acceptance": self.chains.acceptance()}

    def continues(self, state):
        """Return whether a state is that of this ring, with the same columns."""
        return state is not None and (state["beta"], state["n_links"], state.get("n_columns")) == self._key()

    def _key(self):
        return self.beta, self.n_links, self.sums.sums.shape[1]

    def state(self):
        """Return what `restore` takes over, on rank 0; None elsewhere.  *Collective*."""
        sums, chains = self.sums.over_ranks(self.team), self.chains.state()
        if chains is None:
            return None
        return {
            **dict(zip(("beta", "n_links", "n_columns"), self._key(), strict=True)),
            "sums": sums, "centre": self.sums.centre,
            "n_done": self.n_done, "is_warm": self.is_warm, "coefficients": self.sums.controls.stored(),
            **chains,
        }

    def restore(self, state):
        """Take over a state, whose arrays are given on rank 0.  *Collective*."""
        self.chains.restore(state)
        self.sums.centre, self.n_done, self.is_warm = state["centre"], state["n_done"], state["is_warm"]
        self.sums.controls.restore(self.team.broadcast_object(state["coefficients"] if self.team.is_root else None))
        if self.team.is_root:
            self.sums.sums[:] = state["sums"]


def number_of(beta, n_links):
    """Return the number by which the random numbers of a ring are known."""
    return (zlib.crc32(struct.pack("d", beta)) & 0xFFFFFF) * 32 + n_links
