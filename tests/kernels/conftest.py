"""Wave functions of every kind on small rings, compiled and as NumPy twins made from the same arguments."""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from hpc_nqs.hamiltonians.marshall import marshall
from hpc_nqs.hilbert.moves import Moves
from hpc_nqs.hilbert.purification import input_images, purify
from hpc_nqs.hilbert.spins import spin_system
from hpc_nqs.kernels.reference import amplitudes as reference
from hpc_nqs.kernels.reference import hafnian, pair_sum, samples
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.symmetry.quantum_numbers import Sector, projector
from hpc_nqs.symmetry.signed_permutations import SignedPermutations
from hpc_nqs.symmetry.site_permutations import site_symmetries
from hpc_nqs.wavefunctions.correlator_product import CorrelatorProduct, connected_clusters, correlators
from hpc_nqs.wavefunctions.exchange_hafnian import ExchangeHafnian
from hpc_nqs.wavefunctions.exchange_permanent import ExchangePermanent
from hpc_nqs.wavefunctions.mismatch_factor import MismatchFactor
from hpc_nqs.wavefunctions.pair_product import PairProduct
from hpc_nqs.wavefunctions.pair_sum import PairSum
from hpc_nqs.wavefunctions.product import Product
from hpc_nqs.wavefunctions.projection import ProjectedState
from hpc_nqs.wavefunctions.rbm import RBM, Feature
from hpc_nqs.wavefunctions.softened_permanent import SoftenedPermanent
from hpc_nqs.wavefunctions.spin_pair_product import SpinPairs

HEISENBERG, TFIM = {"kind": "heisenberg"}, {"kind": "tfim"}
XYZ = {"kind": "xyz", "couplings_x": [1.0, 0.3], "couplings_y": [0.4, -0.2], "couplings_z": [0.7]}
XY = {"kind": "xyz", "couplings_x": [1.0], "couplings_y": [-1.0], "couplings_z": [0.0]}  # pairs alone, no exchange
ALL = ("translation", "point_group", "layer_exchange", "spin_flip")
# name: (sites of the ring, model, kind of state, symmetries, options of `make`)
CASES = {
    "heisenberg": (6, HEISENBERG, "rbm", ALL, {}),
    "plain": (5, HEISENBERG | {"anisotropy": 0.4, "field_z": 0.3}, "rbm", (), {"bond_features": False, "bias": True}),
    "translation": (6, HEISENBERG, "rbm", ("translation",), {"bias": True, "n_features": 5}),
    "complex": (5, HEISENBERG, "rbm", ("translation", "layer_exchange"), {"is_complex": True, "bias": True}),
    "complex_plain": (4, HEISENBERG, "rbm", (), {"is_complex": True, "bond_features": False}),
    "signed": (6, HEISENBERG, "rbm", ("layer_exchange", "spin_flip"), {"antisymmetric": True}),
    "signed_complex": (4, HEISENBERG, "rbm", ("layer_exchange",), {"antisymmetric": True, "is_complex": True}),
    "signed_bias": (5, HEISENBERG | {"field_z": 0.3}, "rbm", ("layer_exchange",), {"bias": True}),
    "tfim": (5, TFIM, "rbm", ALL, {}),
    "tfim_field": (4, TFIM | {"field_z": 0.3}, "rbm", ("translation",), {"bias": True}),
    "tfim_complex": (4, TFIM, "rbm", ("layer_exchange",), {"is_complex": True, "bond_features": False}),
    "pair": (6, HEISENBERG | {"couplings": [1.0, 0.5]}, "pair", ("translation",), {}),
    "pair_rbm": (6, HEISENBERG | {"couplings": [1.0, 0.5]}, "pair_rbm", ("translation", "layer_exchange"), {}),
    "clusters": (6, HEISENBERG, "clusters", ALL, {}),
    "clusters_field": (5, HEISENBERG | {"field_z": 0.3}, "clusters", ("translation", "layer_exchange"), {}),
    "clusters_tfim": (5, TFIM, "clusters", ("point_group",), {"bond_features": False}),
    "clusters_rbm": (6, HEISENBERG, "clusters_rbm", ("translation",), {}),
    "clusters_mismatches": (6, HEISENBERG, "clusters_mismatches", ("translation",), {}),
    "clusters_permanent": (8, HEISENBERG, "clusters_permanent", ("translation", "point_group"), {}),
    "permanent": (8, HEISENBERG | {"couplings": [1.0, 0.5]}, "permanent", ("translation",), {}),
    "permanent_radius": (10, HEISENBERG | {"couplings": [1.0, 0.5]}, "permanent", ("translation",), {"radius": 2}),
    "clusters_permanent_radius": (8, HEISENBERG, "clusters_permanent", ("translation",), {"radius": 3}),
    "permanent_field": (7, HEISENBERG | {"field_z": 0.3}, "permanent", (), {}),
    "permanent_softened": (8, HEISENBERG | {"couplings": [1.0, 0.5]}, "permanent", ("translation",), {"share": 0.3}),
    "permanent_softened_radius": (10, HEISENBERG, "permanent", ("translation",), {"radius": 3, "share": 0.1}),
    "clusters_permanent_softened": (8, HEISENBERG, "clusters_permanent", ("translation",), {"radius": 3, "share": 0.3}),
    "hafnian": (7, XYZ, "hafnian", ("translation",), {"bond_features": False}),
    "hafnian_field": (6, XYZ | {"field_z": 0.3}, "hafnian", (), {"bond_features": False}),
    "hafnian_pairs": (6, XY, "hafnian", ("translation",), {"bond_features": False}),
    "hafnian_limit": (7, XYZ, "hafnian", ("translation",), {"bond_features": False, "max_sites": 4}),
    "hafnian_singles": (6, XYZ | {"field_x": 0.4}, "hafnian", (), {"bond_features": False, "singles": True}),
    "clusters_hafnian": (6, XYZ, "clusters_hafnian", ("translation", "point_group"), {"bond_features": False}),
    "spins": (7, TFIM, "rbm", ("translation",), {"sector": Sector(), "bias": True}),
    "projected": (6, HEISENBERG, "rbm", (), {"sector": Sector((3,), None, -1), "bias": True, "n_features": 3}),
    "projected_complex": (5, TFIM, "rbm", (), {"sector": Sector((1,)), "bias": True, "is_complex": True}),
    "projected_reflected": (6, HEISENBERG, "rbm", (), {"sector": Sector((0,), "B1"), "is_complex": True, "bias": True}),
    "projected_pair_rbm": (8, HEISENBERG | {"couplings": [1.0, 0.5]}, "pair_rbm", (), {"sector": Sector((4,))}),
    "projected_pairs": (8, HEISENBERG | {"couplings": [1.0, 0.5]}, "pair_sum", (), {"sector": Sector((4,), "A1")}),
    "projected_triplets": (10, HEISENBERG, "pair_sum", ("translation",), {"sector": Sector((0,), None, 1)}),
    "projected_unpaired": (9, HEISENBERG, "pair_sum", ("translation",), {"sector": Sector((0,), "A1", sz=1.5)}),
    "projected_unpaired_down": (8, HEISENBERG, "pair_sum", ("translation",), {"sector": Sector((1,), sz=-1.0)}),
}
PAIRS = [name for name in CASES if name.startswith("pair")]
PROJECTED = [name for name in CASES if name.startswith("projected")]
PERMANENTS = [name for name in CASES if name.startswith(("permanent", "hafnian"))]
CLUSTERS = [name for name in CASES if name.startswith("clusters")]
NETWORKS = [name for name in CASES if name not in PAIRS + PROJECTED + PERMANENTS + CLUSTERS]


@dataclass
class System:
    """A wave function, what acts on it, and some configurations (n, n_visible)."""

    wavefunction: object
    purification: object
    configurations: np.ndarray

    def __post_init__(self):
        self.move_list = self.purification.moves
        self.moves = self.move_list.kernel()
        self.amplitude = self.wavefunction.amplitude(self.move_list)

    @property
    def hamiltonians(self):
        return list(self.purification.hamiltonians)

    def amplitude_at(self, params):
        """Return the amplitude at other parameters."""
        self.wavefunction.params = params
        return self.wavefunction.amplitude(self.move_list)

    def path(self, n, seed=0):
        """Return n random moves."""
        return np.random.default_rng(seed).integers(0, len(self.moves), size=n).astype(np.intp)


def random_network(
    purification, images, stream, n_features=4, bias=False, is_complex=False, antisymmetric=False
):
    """Return an RBM with real and imaginary features, and all kinds of biases where `bias`.

    Weights that are `antisymmetric` in the layers share parameters with both signs; those of m_i are fixed at 0.
    """
    features, size = [], 0.2 * min(1.0, (5 / len(images)) ** 0.5)  # few angles come near zeros of cos
    for f in range(n_features):
        weights = size * stream.standard_normal(purification.n_inputs)
        if antisymmetric and f < 2:
            sigma, ancilla, bonds = np.split(weights, 3)
            ancilla[:], bonds[:] = -sigma, 0
        hidden = size * stream.standard_normal() if bias and f != 1 else None
        features.append(Feature(weights, imaginary=f % 2 == 1, bias=hidden))
    input_bias = size * stream.standard_normal(purification.n_inputs) if bias else None
    network = RBM(features, images, purification.n_visible, input_bias, is_complex)
    if is_complex:
        network.params = network.params + 0.5j * size * stream.standard_normal(network.n_params)
    return network


def random_pairs_product(purification, images, stream):
    """Return a pair product close enough to Bell pairs for all determinants to be well conditioned."""
    images = images.restricted(np.arange(purification.n_visible)).unsigned().distinct()
    product = PairProduct(images, {}, {})
    product.params = 0.3 * stream.standard_normal(product.n_params)
    return product


def random_permanent(site_images, stream, radius=None):
    """Return a permanent whose entries have both signs, on a ring those of sites no more than `radius` apart."""
    sites = np.arange(site_images.shape[1])
    steps = np.abs(sites[:, None] - sites)
    within = None if radius is None else np.minimum(steps, len(sites) - steps) <= radius
    permanent = ExchangePermanent(site_images, np.zeros((len(sites),) * 2), within)
    permanent.params = stream.choice([-1, 1], permanent.n_params) * (0.2 + stream.random(permanent.n_params))
    return permanent


def random_hafnian(site_images, stream, max_sites=20, singles=False):
    """Return a hafnian whose entries have both signs."""
    n_sites = site_images.shape[1]
    hafnian = ExchangeHafnian(site_images, np.ones((2, n_sites, n_sites)), np.full(n_sites, float(singles)))
    hafnian.params = stream.choice([-1, 1], hafnian.n_params) * (0.2 + stream.random(hafnian.n_params))
    return hafnian.limited(max_sites)


def random_tables(purification, site_images, images, stream):
    """Return random tables over all pairs of sites and all connected clusters of three and four."""
    n = purification.n_sites
    clusters = [(i, j) for i in range(n) for j in range(i)]
    for size in (3, 4):
        clusters += connected_clusters(purification.model.pair_sites, size)
    factor = CorrelatorProduct(correlators(clusters, site_images, images.restricted(np.arange(2 * n))), 2 * n)
    factor.params = 0.3 * stream.standard_normal(factor.n_params)
    return factor


def make(n_sites, model, kind, symmetries, options, n_configurations=21):
    """Return the `System` of a case; always the same one."""
    options = {"bond_features": True} | options
    settings = parse_settings(
        {"lattice": {"kind": "chain", "lengths": [n_sites]}, "model": model, "thermal": {"betas": [1.0]}}
    )
    lattice, model = build(settings)
    model = marshall(model, lattice) if kind == "rbm" else model
    if "sector" in options:
        return make_spins(lattice, model, kind, symmetries, options, n_configurations)
    purification = purify(model, options.pop("bond_features"))
    site_images = site_symmetries(lattice, model, [name for name in symmetries if name in ALL[:2]])
    images = input_images(purification, site_images, "layer_exchange" in symmetries, "spin_flip" in symmetries)
    stream = np.random.default_rng(7)
    wavefunction = None
    if kind in ("rbm", "pair_rbm", "clusters_rbm"):
        wavefunction = random_network(purification, images, stream, **options)
    if kind.endswith("permanent"):
        wavefunction = permanent = random_permanent(site_images, stream, options.get("radius"))
        if "share" in options:
            wavefunction = SoftenedPermanent(permanent, options["share"])
    if kind.endswith("hafnian"):
        wavefunction = random_hafnian(site_images, stream, **options)
    if kind.startswith("clusters"):
        if kind == "clusters_mismatches":
            amplitudes = stream.random((n_sites, n_sites))
            wavefunction = MismatchFactor((amplitudes + amplitudes.T) * (1 - np.eye(n_sites)))
        tables = random_tables(purification, site_images, images, stream)
        wavefunction = tables if wavefunction is None else Product(wavefunction, tables)
    if kind.startswith("pair"):
        pairs = random_pairs_product(purification, images, stream)
        wavefunction = pairs if wavefunction is None else Product(wavefunction, pairs)
    draw = random_configurations(purification, stream)
    pairing = getattr(wavefunction, "second", wavefunction).pairing() if kind.startswith("pair") else None
    kept = [visible for visible in draw(20 * n_configurations) if pairing is None or well_conditioned(pairing, visible)]
    if "max_sites" in options:
        kept = [visible for visible in kept if wavefunction.n_mismatched(visible[None])[0] <= options["max_sites"]]
    if "radius" in options:
        kept = [visible for visible in kept if has_matching(permanent, visible)]
    return System(wavefunction, purification, np.array(kept[:n_configurations]))


def make_spins(lattice, model, kind, symmetries, options, n_configurations):
    """Return the `System` of a case without ancilla spins, projected onto its sector."""
    options = {name: value for name, value in options.items() if name != "bond_features"}
    sector, stream, n = options.pop("sector"), np.random.default_rng(7), model.n_sites
    system = spin_system(model, sector.sz)
    images = SignedPermutations(site_symmetries(lattice, model, symmetries))
    wavefunction = random_network(system, images, stream, **options)
    if kind == "pair_rbm":
        start = stream.standard_normal((n, n)) / (1 + lattice.distances()) ** 2
        wavefunction = Product(wavefunction, SpinPairs(SignedPermutations.identity(n), start))
    images, coefficients = projector(sector, lattice, model, system.n_up)
    if kind == "pair_sum":
        group = SignedPermutations(np.array([np.arange(n), np.roll(np.arange(n), 2)]))
        singlets = sector.spin_parity is None
        start = stream.standard_normal((n, n)) / (1 + lattice.distances()) ** (2 if singlets else 1)
        unpaired = 2 * system.n_up - n
        orbitals = stream.standard_normal((abs(unpaired), n)) if unpaired else None
        state = PairSum(group, start, images, coefficients.real, singlets, orbitals, unpaired > 0)
        wavefunction = Product(wavefunction, state)
    elif len(images) > 1:
        wavefunction = ProjectedState(wavefunction, images, coefficients)
    drawn = random_configurations(system, stream)(40 * n_configurations)
    kept = [spins for spins in drawn if allowed_by_symmetry(spins, images, coefficients)]
    if kind == "pair_sum":
        kept = [spins for spins in kept if far_from_zeros(wavefunction.second, spins)]
    return System(wavefunction, system, np.array(kept[:n_configurations]))


def allowed_by_symmetry(spins, images, coefficients):
    """Whether the sector has an amplitude at a configuration: its stabilizer has the character 1."""
    stabilizer = np.all(images.apply(spins) == spins, axis=1)
    return np.allclose(coefficients[stabilizer], coefficients[0])


def random_configurations(purification, stream):
    """Return a function n -> n random configurations of the sector of the model."""
    if isinstance(purification.n_up, tuple):
        numbers = [n for (n,) in purification.n_up]
        drawn = lambda: np.arange(purification.n_visible) < stream.choice(numbers)  # noqa: E731
        return lambda n: [stream.permutation(2 * drawn().astype(np.int8) - 1) for _ in range(n)]
    n_up = purification.n_visible // 2 if purification.n_up is None else purification.n_up
    spins = np.repeat(np.array([1, -1], dtype=np.int8), [n_up, purification.n_visible - n_up])
    if purification.model.conserves_sz:
        return lambda n: [stream.permutation(spins) for _ in range(n)]
    return lambda n: [stream.choice(spins, size=purification.n_visible) for _ in range(n)]


def well_conditioned(pairing, visible):
    """Whether the pairs of a configuration have a determinant that can be compared to many digits."""
    return np.linalg.cond(pairing[np.ix_(np.flatnonzero(visible > 0), np.flatnonzero(visible < 0))]) < 1e4


def far_from_zeros(pairs, spins):
    """Whether the images of a sum of pair products do not cancel to a few digits."""
    lanes = pairs._lanes
    tables = lanes.spread(pairs.pairing())
    twin = pair_sum.PairSumAmplitude(
        tables, lanes.coefficients, pairs._image_params, None, pairs.n_params, pairs.n_unpaired
    )
    terms, _ = twin.terms(spins)
    return abs(terms.sum()) > 0.2 * np.abs(terms).sum()


def has_matching(permanent, visible):
    """Whether pairs with a parameter match all mismatched sites of a configuration: its permanent is not zero."""
    sigma, ancilla = np.split(visible, 2)
    between = permanent.pair_param[np.ix_((sigma > 0) & (ancilla > 0), (sigma < 0) & (ancilla < 0))] != 0
    return np.all(maximum_bipartite_matching(csr_array(between)) >= 0)


@pytest.fixture
def system():
    """Return a function: name of a case, or the arguments of `make`, to the compiled `System`."""
    return lambda case, **options: make(*(CASES[case] if isinstance(case, str) else case), **options)


@pytest.fixture
def twin(monkeypatch):
    """Return a function like `system` that makes the same system of NumPy twins."""
    places = {
        "hpc_nqs.wavefunctions.rbm.RBMAmplitude": reference.RBMAmplitude,
        "hpc_nqs.wavefunctions.pair_product.PairAmplitude": reference.PairAmplitude,
        "hpc_nqs.wavefunctions.product.ProductAmplitude": reference.ProductAmplitude,
        "hpc_nqs.wavefunctions.correlator_product.CorrelatorAmplitude": reference.CorrelatorAmplitude,
        "hpc_nqs.wavefunctions.mismatch_factor.MismatchAmplitude": reference.MismatchAmplitude,
        "hpc_nqs.wavefunctions.exchange_permanent.PermanentAmplitude": reference.PermanentAmplitude,
        "hpc_nqs.wavefunctions.exchange_hafnian.HafnianAmplitude": hafnian.HafnianAmplitude,
        "hpc_nqs.wavefunctions.softened_permanent.SoftenedPermanentAmplitude": reference.SoftenedPermanentAmplitude,
        "hpc_nqs.hilbert.moves.MoveSet": reference.MoveSet,
        "hpc_nqs.wavefunctions.spin_pair_product.PairAmplitude": reference.PairAmplitude,
        "hpc_nqs.wavefunctions.projection.ProjectedAmplitude": reference.ProjectedAmplitude,
        "hpc_nqs.wavefunctions.pair_sum.PairSumAmplitude": pair_sum.PairSumAmplitude,
        "hpc_nqs.hilbert.system.Hamiltonian": samples.Hamiltonian,
        "hpc_nqs.hilbert.spins.Hamiltonian": samples.Hamiltonian,
    }

    def build_twin(case, **options):
        with monkeypatch.context() as patch:
            for place, replacement in places.items():
                patch.setattr(place, replacement)
            return make(*(CASES[case] if isinstance(case, str) else case), **options)

    return build_twin


def pytest_generate_tests(metafunc):
    """Run tests that take `case`, `network` or `pair` for all such cases."""
    for name, cases in {"case": CASES, "network": NETWORKS, "pair": PAIRS, "projected": PROJECTED}.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, list(cases))


def moves_between_all_sites(n):
    """Return the moves between all pairs of n sites, on either layer and on both, and those within a site."""
    moves = Moves(n_visible=2 * n, n_sites=n, bond_features=False)
    for i, k in itertools.combinations(range(n), 2):
        moves.add_exchange(i, k)
        moves.add_exchange(i + n, k + n)
        moves.add_joint_exchange(i, k)
    for i in range(n):
        moves.add_exchange(i, i + n)
    return moves


@pytest.fixture(scope="session")
def all_moves():
    """The function above."""
    return moves_between_all_sites
