"""Wave functions of every kind on small rings, compiled and as NumPy twins made from the same arguments."""

from dataclasses import dataclass

import numpy as np
import pytest

from hpc_nqs.kernels import reference
from hpc_nqs.models import marshall
from hpc_nqs.purification import input_images, purify
from hpc_nqs.settings import build, parse_settings
from hpc_nqs.symmetry import site_symmetries
from hpc_nqs.wavefunctions.pairing import PairProduct, ProductState
from hpc_nqs.wavefunctions.rbm import RBM, Feature

HEISENBERG, TFIM = {"kind": "heisenberg"}, {"kind": "tfim"}
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
}
PAIRS = [name for name in CASES if name.startswith("pair")]
NETWORKS = [name for name in CASES if name not in PAIRS]


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
    images = np.unique((images % purification.n_inputs)[:, : purification.n_visible], axis=0)
    product = PairProduct(images, {}, {})
    product.params = 0.3 * stream.standard_normal(product.n_params)
    return product


def make(n_sites, model, kind, symmetries, options, n_configurations=21):
    """Return the `System` of a case; always the same one."""
    options = {"bond_features": True} | options
    settings = parse_settings(
        {"lattice": {"kind": "chain", "lengths": [n_sites]}, "model": model, "thermal": {"betas": [1.0]}}
    )
    lattice, model = build(settings)
    model = marshall(model, lattice) if kind == "rbm" else model
    purification = purify(model, options.pop("bond_features"))
    site_images = site_symmetries(lattice, model, [name for name in symmetries if name in ALL[:2]])
    images = input_images(purification, site_images, "layer_exchange" in symmetries, "spin_flip" in symmetries)
    stream = np.random.default_rng(7)
    wavefunction = None
    if kind != "pair":
        wavefunction = random_network(purification, images, stream, **options)
    if kind != "rbm":
        pairs = random_pairs_product(purification, images, stream)
        wavefunction = pairs if wavefunction is None else ProductState(wavefunction, pairs)
    draw = random_configurations(purification, stream)
    pairing = getattr(wavefunction, "second", wavefunction).pairing() if kind != "rbm" else None
    kept = [visible for visible in draw(20 * n_configurations) if pairing is None or well_conditioned(pairing, visible)]
    return System(wavefunction, purification, np.array(kept[:n_configurations]))


def random_configurations(purification, stream):
    """Return a function n -> n random configurations of the sector of the model."""
    spins = np.repeat(np.array([1, -1], dtype=np.int8), purification.n_sites)
    if purification.model.conserves_sz:
        return lambda n: [stream.permutation(spins) for _ in range(n)]
    return lambda n: [stream.choice(spins, size=purification.n_visible) for _ in range(n)]


def well_conditioned(pairing, visible):
    """Whether the pairs of a configuration have a determinant that can be compared to many digits."""
    return np.linalg.cond(pairing[np.ix_(np.flatnonzero(visible > 0), np.flatnonzero(visible < 0))]) < 1e4


@pytest.fixture
def system():
    """Return a function: name of a case, or the arguments of `make`, to the compiled `System`."""
    return lambda case, **options: make(*(CASES[case] if isinstance(case, str) else case), **options)


@pytest.fixture
def twin(monkeypatch):
    """Return a function like `system` that makes the same system of NumPy twins."""
    places = {
        "hpc_nqs.wavefunctions.rbm.RBMAmplitude": reference.RBMAmplitude,
        "hpc_nqs.wavefunctions.pairing.PairAmplitude": reference.PairAmplitude,
        "hpc_nqs.wavefunctions.pairing.ProductAmplitude": reference.ProductAmplitude,
        "hpc_nqs.moves.MoveSet": reference.MoveSet,
        "hpc_nqs.purification.Hamiltonian": reference.Hamiltonian,
    }

    def build_twin(case, **options):
        with monkeypatch.context() as patch:
            for place, replacement in places.items():
                patch.setattr(place, replacement)
            return make(*(CASES[case] if isinstance(case, str) else case), **options)

    return build_twin


def pytest_generate_tests(metafunc):
    """Run tests that take `case`, `network` or `pair` for all such cases."""
    for name, cases in {"case": CASES, "network": NETWORKS, "pair": PAIRS}.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, list(cases))
