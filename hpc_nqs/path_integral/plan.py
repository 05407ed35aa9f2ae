"""What an analytic run samples and will take: temperatures, Trotter steps, samples, units of its networks."""

import numpy as np

from hpc_nqs.hamiltonians.marshall import marshall
from hpc_nqs.path_integral.continuous import ContinuousWorldLines
from hpc_nqs.path_integral.ladder import ladder, reduced_beta, slice_numbers
from hpc_nqs.path_integral.trotter import trotter_product, unit_counts
from hpc_nqs.reconfiguration.cost_model import BASE_MEMORY
from hpc_nqs.settings.system import build

# by whether the model has exchange: in units of 1 / largest coupling, of the network of a run file and of block Gibbs
# updates; samples per temperature, and dtau if there are any, at beta = 1 / largest coupling
DTAU = {True: (0.2, 0.14, 0.1), False: (0.1, 0.07, 0.05)}
N_CHAINS = 32
SAMPLES_TIMES_SITES = {True: 2**24, False: 3 * 2**23}
LADDER_SHARE = 4  # between the reported temperatures that many times fewer samples


def points(settings, model):
    """Return (dtau list, reported betas, betas of the ladder); no dtau: continuous time."""
    scale = model.largest_coupling
    dtaus = settings.thermal.dtau
    if dtaus == "auto":
        dtaus = network_dtaus(settings, model) if sampler_of(settings) == "gibbs" else ()
    betas = settings.thermal.report_betas
    return dtaus, betas, ladder(model.has_exchange, scale, betas) if settings.thermal.entropy else []


def network_dtaus(settings, model):
    """Return the list of dtau whose smallest one is that of the network in the run file."""
    if settings.thermal.dtau != "auto":
        return settings.thermal.dtau
    return tuple(dtau / model.largest_coupling for dtau in DTAU[model.has_exchange])


def n_chains_of(settings):
    """Return the number of chains, over all ranks."""
    return N_CHAINS if settings.sampling.n_chains == "auto" else settings.sampling.n_chains


def sampler_of(settings):
    """Return "cluster" or "gibbs"."""
    return "cluster" if settings.sampling.method == "auto" else settings.sampling.method


class Workload:
    """The ensembles of a run, and the work of each: nodes of world lines, or sites and break-ups, times samples.

    Parameters
    ----------
    settings : Settings
    model : SpinModel
        Marshall-rotated where possible.

    Attributes
    ----------
    ensembles : list of (beta, n_slices)
        In the order of the run.
    is_continuous : bool
    sweeps : int
        Per sample.
    """

    def __init__(self, settings, model):
        self.settings, self.model = settings, model
        self.dtaus, self.betas, self.ladder = points(settings, model)
        all_betas = sorted([*self.betas, *self.ladder])
        self.ensembles = [(beta, m) for beta in all_betas for m in slice_numbers(beta, self.dtaus)]
        self.is_continuous = not len(self.dtaus)
        if self.is_continuous:
            self._break_ups_per_beta = ContinuousWorldLines(model, 1.0).rate
        else:
            one = trotter_product(model, self.dtaus[0], 1, settings.thermal.trotter_order)
            self._nodes_per_slice = max(1, 2 * unit_counts(one)["deep"])  # of ket and bra
        wanted = settings.sampling.sweeps_per_sample
        self.sweeps = 1 if wanted == "auto" else wanted
        self._chains = n_chains_of(settings)

    def nodes(self, beta, n_slices):
        """Return the nodes of the world lines of an ensemble; in continuous time sites and tried break-ups."""
        if self.is_continuous:
            return self.model.n_sites + self._break_ups_per_beta * beta
        return self._nodes_per_slice * n_slices

    def samples(self, beta):
        """Return the wished samples of an ensemble, over all chains."""
        per_point = self.per_temperature(beta)
        return per_point if beta in self.betas else per_point / LADDER_SHARE

    def per_temperature(self, beta):
        """Return the wished samples of a reported temperature (and dtau); a low one has longer world lines."""
        if self.settings.sampling.n_samples != "auto":
            return self.settings.sampling.n_samples
        longer = np.sqrt(max(1.0, reduced_beta(beta, self.model.largest_coupling)))
        return SAMPLES_TIMES_SITES[self.model.has_exchange] / self.model.n_sites / longer

    def work(self, beta, n_slices, n_samples=0):
        """Return the work of an ensemble that has `n_samples` samples already."""
        sweeps = max(0.0, self.samples(beta) - n_samples) * self.sweeps
        warm_up = 0 if n_samples else self._chains * self.settings.sampling.n_warm_up
        return (sweeps + warm_up) * self.nodes(beta, n_slices)

    def left(self, finished, here=None):
        """Return the work that is left.

        Parameters
        ----------
        finished : callable
            (beta, n_slices) -> bool
        here : (beta, n_slices, n_samples), optional
            The ensemble that is being sampled.
        """
        some = {here[:2]: here[2]} if here else {}
        return sum(self.work(*point, some.get(point, 0)) for point in self.ensembles if not finished(*point))


def resolved(settings, workload):
    """Return what "auto" became, {section: {key: value}} in the words of the input, with the sizes of the networks."""
    lowest = workload.betas[-1]
    slices = slice_numbers(lowest, workload.dtaus)
    return {
        "sampling": {
            "method": sampler_of(settings),
            "n_chains": n_chains_of(settings),
            "n_samples": int(workload.per_temperature(lowest)),
            "sweeps_per_sample": workload.sweeps,
        },
        "thermal": {
            "dtau": [float(dtau) for dtau in workload.dtaus] or 0.0,
            "slices_lowest": [] if workload.is_continuous else [int(m) for m in slices],
            "between": len(workload.ladder),
            "networks": len(workload.ensembles),
            "nodes": int(workload.nodes(lowest, slices[-1])),
            "positive": not workload.model.has_positive_exchange,
        },
    }


def resolution(settings):
    """Return `resolved` of an input."""
    lattice, model = build(settings)
    return resolved(settings, Workload(settings, marshall(model, lattice)))


def plan(settings):
    """Return what a run of `settings` will take, as {what: number or text}."""
    lattice, model = build(settings)
    model = marshall(model, lattice)
    workload = Workload(settings, model)
    lowest, is_continuous = workload.betas[-1], workload.is_continuous
    slices = slice_numbers(lowest, network_dtaus(settings, model))
    one = trotter_product(model, lowest / (2 * slices[-1]), 1, settings.thermal.trotter_order)
    counts = unit_counts(one)
    deep, hidden = counts["deep"] * slices[-1], (counts["hidden"] - model.n_sites) * slices[-1] + model.n_sites
    n_gates = slices[-1] * sum(len(one.terms[k].sites) for k, _ in one.step)
    steps = {
        "slices at the lowest temperature": ", ".join(map(str, slices)),
        "dtau at the lowest temperature": ", ".join(f"{lowest / (2 * m):.4g}" for m in slices),
    }
    which = "network in the file" if is_continuous else "largest network"
    time = "in continuous time" if is_continuous else "in steps of dtau, extrapolated"
    lines = "break-ups tried per sweep, and sites" if is_continuous else "sites of world lines"
    return {
        "method": f"analytic (world lines of a deep network {time})",
        "sites": model.n_sites,
        "sampler": sampler_of(settings),
        "sign of the weights": "both" if model.has_positive_exchange else "positive",
        **({} if is_continuous else steps),
        f"gates ({which})": n_gates,
        f"deep units ({which})": deep,
        f"hidden units ({which})": hidden,
        f"{lines} (lowest temperature)": round(workload.nodes(lowest, slices[-1])),
        "temperatures between for the entropy": len(workload.ladder),
        "ensembles sampled": len(workload.ensembles),
        "chains": n_chains_of(settings),
        "samples per temperature" + ("" if is_continuous else " and dtau"): int(workload.per_temperature(lowest)),
        "sweeps per sample": workload.sweeps,
        "sweeps of the run": int(sum(workload.samples(beta) for beta, _ in workload.ensembles)) * workload.sweeps,
        "memory per rank (MB, one rank)": round((BASE_MEMORY + memory(settings, workload)) / 1e6),
    }


def memory(settings, workload):
    """Return the bytes of world lines, samples and network of the lowest temperature, on one rank."""
    lowest = workload.betas[-1]
    n_slices = slice_numbers(lowest, network_dtaus(settings, workload.model))[-1]
    one = trotter_product(workload.model, lowest / (2 * n_slices), 1, settings.thermal.trotter_order)
    units = n_slices * unit_counts(one)["deep"]
    n_vectors, n_chains = 1 + len(settings.observables.structure_factor), n_chains_of(settings)
    if workload.is_continuous:  # kinks of every chain; nodes, events and sums of one
        room = 2 * workload.nodes(lowest, 0)
        return n_chains * room * 12 + room * (16 * n_vectors + 44) + 3 * 24 * 12 * units
    nodes = 2 * units
    return n_chains * nodes * 2 + nodes * (16 * n_vectors + 40) + 3 * 24 * 12 * units
