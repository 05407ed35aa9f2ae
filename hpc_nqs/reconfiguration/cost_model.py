"""What a step costs: arithmetic, memory and messages of its parts, on any number of ranks.

Counts of multiply-adds, bytes and messages follow from the sizes of the system alone; a `Machine` turns them into
seconds.  The automatic choice of the solver rests on this and has to be the same on every rank, so it uses the
standard `Machine` and never a measurement.  `hpc-nqs bench` measures the numbers of a machine.
"""

import math
from dataclasses import dataclass, replace

ITERATIONS = 200  # products with S that conjugate gradients are taken to need
EFFICIENT = 0.7  # parallel efficiency down to which ranks are recommended
SET_UP = 8  # products with O before and after the iterations: centring, diagonal of S, force, residuals
MESSAGES = 4  # of an iteration of conjugate gradients: a sum, a collection, twice the numbers of all ranks
# Passes over the vectors of an iteration on every rank, and over its part of them.
WHOLE_VECTORS, SHARED_VECTORS = 8, 14
PASSES = 12  # over the matrix between samples: filling, panels read again, substitutions (measured at 6x6)
BASE_MEMORY = 100e6  # bytes of Python and its libraries
PANEL, CHUNK = 128, 32  # columns factorized at a time, rows dealt out at a time: those of `distributed_cholesky`
SOLVERS = ("dense", "cg", "sample_space")
MAX_SAMPLES = 8192  # of an automatic choice of sample_space: 1.5 GiB for the matrix where it is on one rank


@dataclass(frozen=True)
class Machine:
    """A core and the network between ranks.

    Attributes
    ----------
    rate : float
        Multiply-adds per second of one core, at most.
    bandwidth : float
        Bytes per second between one core and memory.
    latency, network : float
        Seconds per message, bytes per second that a rank receives.
    ratio, product, special : float
        Part of `rate` that the ratio kernel and matrix products reach; seconds per hyperbolic tangent or logarithm.
    """

    rate: float = 2e10
    bandwidth: float = 1e10
    latency: float = 2e-6
    network: float = 5e9
    ratio: float = 0.45
    product: float = 0.7
    special: float = 1e-8


@dataclass(frozen=True)
class StepSizes:
    """The sizes that the cost of one step follows from.

    Attributes
    ----------
    n_samples, n_chains : int
        Over all ranks.
    n_proposals : int
        Proposals per sample.
    n_terms : int
        Off-diagonal terms of all Hamiltonians; half of them are taken to act.
    n_entries : int
        Rows of the tables.
    n_hidden, n_inputs, n_params : int
    width : int
        1 for real, 2 for complex parameters.
    is_factored : bool
        The log-derivatives are products of slopes and inputs (no sharing).
    same_shift : bool
        All parameters have the same diagonal shift.
    n_images : int
        Terms of a projection, 1 without.
    n_stages : int
        Evaluations and solutions per step.
    """

    n_samples: int
    n_chains: int
    n_proposals: int
    n_terms: int
    n_entries: int
    n_hidden: int
    n_inputs: int
    n_params: int
    width: int
    is_factored: bool
    same_shift: bool = False
    n_images: int = 1
    n_stages: int = 1

    @property
    def factor(self):
        """Real multiply-adds of one multiply-add."""
        return self.width**2

    @property
    def ratio(self):
        """Multiply-adds of one ratio: 2.5 or 8.5 per hidden unit."""
        return (8.5 if self.width == 2 else 2.5) * self.n_hidden * self.n_images


def solver_cost(sizes, solver, n_ranks=1, iterations=ITERATIONS):
    """Return (multiply-adds, bytes from memory, messages, bytes received) of one solution of S x = -F on one rank."""
    here, p = sizes.n_samples / n_ranks, sizes.n_params
    number, depth = 8 * sizes.width, math.ceil(math.log2(n_ranks)) if n_ranks > 1 else 0
    product = here * sizes.n_hidden * sizes.n_inputs * sizes.width  # O v of one vector, or O itself
    if solver == "sample_space":
        return _sample_space_cost(sizes, n_ranks, product, depth)
    if solver == "dense":
        arithmetic = product + sizes.factor * (here * p**2 / 2 + p**3 / 6)
        return arithmetic, number * p**2, 6 * depth, 2 * number * p**2 * bool(depth)
    sent = iterations * 2 * number * p * bool(depth)
    vectors = number * p * (WHOLE_VECTORS + SHARED_VECTORS / n_ranks)
    messages = MESSAGES * iterations * depth
    if sizes.is_factored:
        moved = here * (4 * number * sizes.n_hidden + 16 * sizes.n_inputs) + vectors
        return (2 * iterations + SET_UP) * product, iterations * moved, messages, sent
    return product, iterations * (here * p * number + vectors), messages, sent


def _sample_space_cost(sizes, n_ranks, product, depth):
    """Return `solver_cost` of the sample space: products between samples, factorization in panels, two substitutions.

    Complex matrices are three real products; every rank factorizes every diagonal block, and has whole chunks of rows.
    """
    n, number, planes = sizes.n_samples, 8 * sizes.width, 2 * sizes.width - 1
    here = min(n, CHUNK * math.ceil(n / (CHUNK * n_ranks)))
    n_panels, width = math.ceil(n / PANEL), min(n, PANEL)
    if sizes.is_factored and sizes.same_shift:
        gram = here * n / 2 * (sizes.n_inputs + planes * sizes.n_hidden) + SET_UP * product
        passed = 8 * n * (sizes.n_inputs + sizes.width * sizes.n_hidden + 6)
    else:
        gram = here * n * sizes.n_params * sizes.factor + product
        passed = n * sizes.n_params * number
    cholesky = here * n * (planes * n / 6 + sizes.factor * width / 4) + sizes.factor * n * width**2 / 6
    sent = (passed + number * n * (n / 2 + width)) * (1 - 1 / n_ranks)
    return gram + cholesky, PASSES * here * n * number, 10 * n_panels * depth, sent


def seconds(cost, machine):
    """Return the seconds of (multiply-adds, bytes from memory, messages, bytes sent)."""
    arithmetic, moved, messages, sent = cost
    busy = arithmetic / (machine.product * machine.rate) + moved / machine.bandwidth
    return busy + messages * machine.latency + sent / machine.network


def solver_seconds(sizes, n_ranks=1, machine=None):
    """Return {solver: seconds of one solution} of the three solvers at a diagonal shift."""
    machine = machine or Machine()
    return {solver: seconds(solver_cost(sizes, solver, n_ranks), machine) for solver in SOLVERS}


def cheapest_solver(sizes):
    """Return "cg" or "sample_space", which takes less time on one standard core.

    The dense form is left to systems small enough for a spectral cut: it holds n_params^2 numbers on every rank.
    """
    costs = solver_seconds(sizes)
    return "sample_space" if sizes.n_samples <= MAX_SAMPLES and costs["sample_space"] < costs["cg"] else "cg"


def step_seconds(sizes, solver, n_ranks=1, machine=None, iterations=ITERATIONS):
    """Return {part: seconds} of one step on n_ranks ranks of one core each.

    The parts are "tables", "sampling", "energies" and "solution"; the rank with most chains counts.  Half of the
    proposals are taken to be allowed, and all of those accepted, as at high temperature.
    """
    machine = machine or Machine()
    chains = -(-sizes.n_chains // n_ranks)
    here = sizes.n_samples * chains / sizes.n_chains
    ratio = sizes.ratio / (machine.ratio * machine.rate)
    rebuilt = sizes.n_images * sizes.n_hidden * (
        sizes.width * sizes.n_inputs / (machine.product * machine.rate) + 2 * sizes.width * machine.special
    )
    update = 2.8 * ratio
    balanced = replace(sizes, n_samples=round(here * n_ranks))
    return {
        "tables": sizes.n_stages * sizes.n_entries * sizes.n_hidden * 2 * sizes.width * machine.special,
        "sampling": here * sizes.n_proposals * 0.5 * (ratio + update),
        "energies": sizes.n_stages * here * (0.5 * sizes.n_terms * ratio + rebuilt),
        "solution": sizes.n_stages * seconds(solver_cost(balanced, solver, n_ranks, iterations), machine),
    }


def predicted(sizes, solver, rank_counts, machine=None):
    """Return {n_ranks: seconds of one step}."""
    return {n: sum(step_seconds(sizes, solver, n, machine).values()) for n in rank_counts}


def recommended_ranks(sizes, solver, machine=None):
    """Return (n_ranks, efficiency): the largest power of two up to the number of chains that is still efficient."""
    best, alone = (1, 1.0), sum(step_seconds(sizes, solver, 1, machine).values())
    n_ranks = 2
    while n_ranks <= min(sizes.n_chains, 2**14):
        efficiency = alone / n_ranks / sum(step_seconds(sizes, solver, n_ranks, machine).values())
        if efficiency >= EFFICIENT:
            best = n_ranks, efficiency
        n_ranks *= 2
    return best


def memory(sizes, solver, tables, n_ranks=1):
    """Return the bytes of one rank: `tables`, samples, and what the solver holds."""
    n, here, item = sizes.n_samples, sizes.n_samples / n_ranks, 8 * sizes.width
    held = {
        "dense": 3 * item * sizes.n_params**2,
        "cg": 8 * item * sizes.n_params,
        "sample_space": 8 * (2 * sizes.width - 1) * here * n + 48 * PANEL * n + 8 * item * sizes.n_params,
    }[solver]
    if sizes.is_factored:
        derivatives = 3 * here * (item * sizes.n_hidden + 16 * sizes.n_inputs)
    else:
        derivatives = here * item * sizes.n_params if solver != "dense" else 0
    return BASE_MEMORY + tables + here * (sizes.n_proposals + 64) + held + derivatives


def plan_of_costs(sizes, solver, tables):
    """Return what `hpc-nqs check` says about solver, memory, time and ranks, {what: number or text}.

    Parameters
    ----------
    tables : float
        Bytes of the tables of all moves.
    """
    costs = ", ".join(f"{name} {value:.2g}" for name, value in solver_seconds(sizes).items())
    n_ranks, efficiency = recommended_ranks(sizes, solver)
    return {
        "solver": f"{solver} (s per solution on one standard core, with a shift: {costs})",
        "memory per rank (MB, one rank)": round(memory(sizes, solver, tables) / 1e6),
        "ranks": f"up to {n_ranks} (predicted parallel efficiency {efficiency:.0%}, at most one rank per chain)",
    }
