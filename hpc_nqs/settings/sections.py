"""The sections of the input file: every option once, with its default, its meaning and what it allows.

The input reference, the commented inputs of `hpc-nqs init` and the error messages are made from these lines.
"""

import dataclasses

from hpc_nqs.hamiltonians import MODELS
from hpc_nqs.settings.ground_state_section import MAX_ENERGY
from hpc_nqs.settings.lattice_section import MAX_CELLS
from hpc_nqs.settings.model_section import model_section
from hpc_nqs.settings.operator_tables import operator_tables
from hpc_nqs.settings.rules import (
    auto_or,
    energy_with_unit,
    integer,
    list_of,
    number,
    option,
    range_or,
    sorted_numbers,
    text,
    word,
)
from hpc_nqs.settings.wave_vectors import wave_vectors

WHOLE_PAIRS = 36  # sites up to which the pair function of a ground state shares no translations

_TEMPERATURES = range_or(list_of(number(1 / MAX_ENERGY, MAX_ENERGY), 1, 10000, distinct=True), 10000)
_ISING = ", ".join(model.word for model in MODELS.values() if not model.has_exchange)
_NUMERICAL, _ANALYTIC = ("method", ("numerical",)), ("method", ("analytic",))


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """What is computed."""

    task: str = option(word("thermal", "ground_state"), "thermal", about="what to compute")
    seed: int | None = option(
        integer(0, 2**63 - 1),
        None,
        about="seed of all random streams; omitted: drawn once, printed and stored",
        example=1,
    )
    checkpoint_minutes: float = option(
        number(0.0, 1e5), 10.0, about="time between two checkpoints, 0: after every step", unit="minutes"
    )
    threads: int = option(integer(1, 1024), 1, about="threads of every rank; the chains and the results are the same")
    title: str = option(text(), "", about="what figures and reports are headed with; empty: model and lattice")


ModelSettings = model_section(MODELS)


@dataclasses.dataclass(frozen=True)
class WavefunctionSettings:
    """The network."""

    kind: str = option(
        word("auto", "rbm", "clusters", "pair_rbm", "dbm", "permanent", "hafnian", "determinant"),
        "auto",
        about="wave function; clusters are tables over small clusters, pair_rbm is a pair product times an RBM (of "
        "electrons with tables over pairs of orbitals), dbm a deep network that starts as a Trotter network, permanent "
        "an exchange permanent times tables over clusters, hafnian (Jx != Jy, fields along x) an exchange hafnian "
        "times such tables, determinant (electrons) determinants with backflow times tables over orbitals",
    )
    alpha: float | str = option(
        auto_or(number(0.0, 1000.0, above=True)), "auto", about="hidden units per visible unit, per slice"
    )
    slices: int | str = option(
        auto_or(integer(1, 64)),
        "auto",
        about="learned slices, 1 is one network, more are kept for old runs; dbm: Trotter slices at the start",
    )
    symmetries: tuple[str, ...] | str = option(
        auto_or(list_of(word("translation", "point_group", "layer_exchange", "spin_flip"), 0, 4, distinct=True)),
        "auto",
        about="symmetries shared by the hidden units, [] for none",
    )
    bond_features: bool | str = option(
        word("auto", True, False), "auto", about="feed sigma_i * ancilla_i as a third layer of inputs"
    )
    cluster_size: int | str = option(
        auto_or(integer(2, 6)),
        "auto",
        about="sites of the connected clusters of clusters, permanent and hafnian at most 4; orbitals of determinant "
        "at most 3",
    )
    exchange_radius: int | str = option(
        auto_or(integer(1, 1000)),
        "auto",
        about="largest number of exchange bonds between the two sites of an exchange in a permanent; auto: any",
    )
    sublattice: tuple[int, ...] | str = option(
        auto_or(list_of(integer(1, MAX_CELLS), 1, 3)),
        "auto",
        about="cells after which the pair function of a projected pair_rbm repeats, per direction: fewer are cheaper "
        f"and less accurate; auto: all cells up to {WHOLE_PAIRS} sites, beyond 2 where their number is even",
    )
    parameters: str = option(word("auto", "real", "complex"), "auto", about="type of the parameters")
    marshall: bool | str = option(
        word("auto", True, False),
        "auto",
        about="rotate one sublattice so that bipartite exchange is negative; without exchange the sites of a "
        "negative transverse field",
    )


@dataclasses.dataclass(frozen=True)
class SamplingSettings:
    """Markov chains."""

    method: str = option(
        word("auto", "metropolis", "exact_sum", "cluster", "gibbs"),
        "auto",
        about="exact_sum replaces chains by the sum over all states of a small system; auto: where that is cheaper; "
        "analytic method: cluster (loops, space-time clusters; auto) or "
        f"gibbs ({_ISING}: all units of a layer at once, in Trotter steps)",
    )
    n_samples: int | str = option(auto_or(integer(2, 10**10)), "auto", about="samples per step, over all ranks")
    n_chains: int | str = option(auto_or(integer(1, 10**7)), "auto", about="Markov chains, over all ranks")
    n_warm_up: int = option(
        integer(0, 10**9), 100, about="sweeps of every new chain before its first sample", unit="sweeps"
    )
    sweeps_per_sample: int | str = option(
        auto_or(integer(1, 10**6)), "auto", about="sweeps between two samples of a chain", unit="sweeps"
    )
    exponent: float | str = option(
        auto_or(number(0.5, 1.0)), "auto", about="chains sample |Psi|^(2 exponent), averages are reweighted"
    )


@dataclasses.dataclass(frozen=True)
class ReconfigurationSettings:
    """The linear equations of one step."""

    solver: str = option(word("auto", "dense", "cg", "sample_space"), "auto", about="how S update = F is solved")
    regularization: str = option(
        word("auto", "soft_cut", "diag_shift"), "auto", about="how small eigenvalues of S are tamed"
    )
    soft_cut: float | str = option(
        auto_or(number(0.0, 1.0)),
        "auto",
        about="spectral cut relative to the largest eigenvalue; auto: 1e-8 to 1e-5 by the state",
    )
    diag_scale: float | str = option(
        auto_or(number(0.0, 1.0)),
        "auto",
        about="diagonal shift relative to the diagonal of S; auto: 1e-4; for ground states "
        "1e-6 with exact sums and 3e-3 with fewer than four samples per parameter",
    )
    diag_shift: float = option(
        number(0.0, 1e6),
        0.0,
        about="diagonal shift of all parameters alike, added to the relative one; without diag_scale "
        "it makes sample_space of a network without sharing cheap",
    )
    tolerance: float = option(number(0.0, 1.0, above=True), 1e-6, about="relative residual at which cg stops")


@dataclasses.dataclass(frozen=True)
class ThermalSettings:
    """Temperatures, and how they are reached from infinite temperature."""

    method: str = option(
        word("numerical", "analytic"), "numerical", about="numerical (method II) or analytic (method I) purification"
    )
    temperatures: tuple[float, ...] = option(
        sorted_numbers(_TEMPERATURES, True),
        (),
        about="results are reported exactly here",
        unit="energy",
        example=(2.0, 1.0, 0.5),
    )
    betas: tuple[float, ...] = option(
        sorted_numbers(_TEMPERATURES, False),
        (),
        about="instead of temperatures",
        unit="1/energy",
        example=(0.5, 1.0, 2.0),
    )
    beta_0: float | str = option(
        auto_or(number(0.0, MAX_ENERGY, above=True)),
        "auto",
        about="inverse temperature of the analytic seed",
        unit="1/energy",
        only_for=_NUMERICAL,
    )
    start: str = option(
        text(),
        "",
        about="run file whose deep Boltzmann machine is the start (analytic method, or kind dbm), empty: none",
        only_for=_NUMERICAL,
    )
    step_tolerance: float | str = option(
        auto_or(number(0.0, 10.0, above=True)),
        "auto",
        about="error per step that sets the step size",
        only_for=_NUMERICAL,
    )
    max_dtau: float | str = option(
        auto_or(number(0.0, MAX_ENERGY, above=True)),
        "auto",
        about="largest imaginary-time step; auto: 0.05 over the largest coupling or field",
        unit="1/energy",
        only_for=_NUMERICAL,
    )
    clock: str = option(
        word("energy", "time"),
        "energy",
        about="what beta follows: energy (dE/dbeta = -Var H holds along the path) or time (beta is twice the imaginary "
        "time)",
        only_for=_NUMERICAL,
    )
    n_samples_report: int | str = option(
        auto_or(integer(2, 10**10)),
        "auto",
        about="samples at each reported temperature, over all ranks; auto: as many as accuracy asks for",
        only_for=_NUMERICAL,
    )
    dtau: tuple[float, ...] | str = option(
        auto_or(sorted_numbers(list_of(number(0.0, MAX_ENERGY, above=True), 1, 16, distinct=True), True)),
        "auto",
        about="auto: continuous time; Trotter steps: an extrapolation in dtau^2, the nearest at or below that divide "
        "beta / 2 are taken",
        unit="1/energy",
        only_for=_ANALYTIC,
    )
    trotter_order: int = option(
        word(1, 2), 2, about="order of the Trotter product, of the network in the file too", only_for=_ANALYTIC
    )
    entropy: bool = option(
        word(True, False),
        True,
        about="sample temperatures in between for the integral of e, which gives entropy and free energy",
        only_for=_ANALYTIC,
    )
    rings: tuple[int, ...] | str = option(
        auto_or(sorted_numbers(list_of(integer(2, 16), 1, 15, distinct=True), False)),
        "auto",
        about="links R of rings of one cooled state, b = 2 beta / R, from which low temperatures are measured; 2: the "
        "state itself",
        only_for=_NUMERICAL,
    )
    accuracy: float = option(
        number(0.0, 1.0), 0.01,
        about="relative statistical error of c, chi and S(q) at which a temperature has samples enough; 0 takes all",
        only_for=_NUMERICAL,
    )
    sign_floor: float = option(
        number(0.0, 1.0), 0.05, about="average sign below which the analytic method stops and rings are not measured"
    )

    @property
    def report_betas(self):
        """Inverse temperatures of the results, smallest first (highest temperature first)."""
        return self.betas or tuple(1.0 / temperature for temperature in self.temperatures)

    @property
    def report_temperatures(self):
        """Temperatures of the results, highest first."""
        return self.temperatures or tuple(1.0 / beta for beta in self.betas)


@dataclasses.dataclass(frozen=True)
class ObservablesSettings:
    """What is measured besides the thermodynamics."""

    structure_factor: tuple[tuple[float, ...], ...] = option(
        wave_vectors(), (), about="wave vectors of S(q)", unit="pi"
    )
    correlations: bool = option(
        word(True, False), False, about="measure <Sz_i Sz_j> against distance, too, in thermal runs"
    )
    correlation_vectors: bool = option(
        word(True, False), False, about="measure <Sz_i Sz_j> of magnets by displacement, too, in thermal runs"
    )
    moments: bool = option(
        word(True, False),
        False,
        about="measure m_q^2, m_q^4 and the Binder ratio of magnets, q = 0 and those of structure_factor, in ground "
        "states and thermal runs (numerical method)",
    )
    energy_terms: bool = option(
        word(True, False),
        False,
        about="measure what every coupling and field of a magnet contributes to e, and <Sx> in a transverse field, in "
        "ground states and thermal runs (numerical method)",
    )
    dimers: bool = option(
        word(True, False),
        False,
        about="measure connected correlations of S_i.S_j of bonds of nearest neighbours, in ground states and "
        "thermal runs (numerical method)",
    )
    chirality: bool = option(
        word(True, False),
        False,
        about="measure correlations of S_i.(S_j x S_k) of the smallest triangles, in ground states and thermal runs "
        "(numerical method)",
    )
    operators: tuple = option(
        operator_tables(),
        (),
        about="operators of one's own, their means, in ground states and thermal runs (numerical method)",
    )
    imaginary_time: bool = option(
        word(True, False),
        False,
        about="measure S^z correlations in imaginary time, too, in thermal runs (numerical method); of electrons "
        "with mu beta G(k, beta/2), in runs from one cooled state",
    )


@dataclasses.dataclass(frozen=True)
class UnitsSettings:
    """Units of printed tables and figures; the input and the run file are in units of the couplings."""

    J: str = option(
        energy_with_unit(),
        "",
        about='unit of energy of the input, "98.2 K" or "8.5 meV": tables and figures have T in K, c in J/(mol K), chi '
        "in emu/mol; empty: in units of the couplings",
    )
    g: float = option(number(0.0, 1e3, above=True), 2.0, about="g factor of chi in emu/mol")
