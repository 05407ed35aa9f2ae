"""Gates and Trotter networks against dense matrix exponentials, over all configurations."""

import numpy as np
import pytest
import scipy.linalg

from hpc_nqs.hamiltonians import build_model
from hpc_nqs.hamiltonians.marshall import marshall
from hpc_nqs.hamiltonians.matrices import to_sparse
from hpc_nqs.lattices import lattice
from hpc_nqs.path_integral import gates
from hpc_nqs.path_integral.trotter import edge_colouring, merged_bonds, network_of, trotter_product, unit_counts
from hpc_nqs.wavefunctions.dbm import DBM

SX = np.array([[0.0, 1.0], [1.0, 0.0]])
SZ = np.diag([1.0, -1.0])
FOUR = np.array(np.meshgrid(*[[1, -1]] * 4, indexing="ij")).reshape(4, -1).T  # s1, s2, d1, d2; s1 slowest
UNIT = np.random.default_rng(5).uniform(1e-3, 1.0, size=(40, 3))


def relative_error(found, expected):
    return np.abs(found - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_ising_gate(sign):
    for coupling, tau, _ in UNIT:
        gate = gates.ising_gate(sign * coupling, tau)
        expected = np.exp(-tau * sign * coupling * FOUR[:, 0] * FOUR[:, 1])
        assert relative_error(gate.element(FOUR), expected) < 1e-13


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_flip_gate(sign):
    for field, tau, _ in UNIT:
        expected = scipy.linalg.expm(-tau * sign * field * SX)
        found = gates.flip_gate(sign * field, tau).element(FOUR)
        rows, columns = (FOUR[:, 0] < 0).astype(int), (FOUR[:, 2] < 0).astype(int)
        assert relative_error(found, expected[rows, columns]) < 1e-13


@pytest.mark.parametrize("n_hidden", [4, 6])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_exchange_gate(n_hidden, sign):
    raising = np.array([[0.0, 1.0], [0.0, 0.0]])
    hop = np.kron(raising, raising.T)
    for coupling, element, tau in UNIT:
        for c in (coupling, -coupling, 0.5 * element):  # XXZ either way, and Heisenberg
            hamiltonian = c * np.kron(SZ, SZ) + sign * element * (hop + hop.T)
            expected = scipy.linalg.expm(-tau * hamiltonian)
            gate = gates.exchange_gate(c, sign * element, tau, n_hidden)
            assert relative_error(gate.element(FOUR).reshape(4, 4), expected) < 1e-13
            assert len(gate.hidden) == n_hidden


def test_the_heisenberg_gate_has_the_published_couplings():
    k = 0.07
    gate = gates.exchange_gate(0.25, -0.5, 4 * k)
    straight = 0.5 * np.log(1.0 / np.tanh(2 * k))
    weight = 0.5 * np.arccosh(np.exp(2 * straight))
    np.testing.assert_allclose(gate.hidden[2][1], [weight, weight], rtol=1e-12)


def test_other_numbers_of_hidden_units_are_refused():
    with pytest.raises(ValueError, match="n_hidden = 5"):
        gates.exchange_gate(0.25, -0.5, 0.1, 5)


# ---- the whole construction ----------------------------------------------------------------------------------------


def purified(product, step_matrix):
    """Return T^M |Psi(0)> as a vector over (ancilla, sigma), by dense matrices."""
    n = product.n_sites
    power = np.linalg.matrix_power(step_matrix(product), product.n_slices)
    flip = 2**n - 1 if product.opposite_pairs else 0
    psi = np.zeros(4**n)
    for ancilla in range(2**n):
        psi[(ancilla << n) + np.arange(2**n)] = power[:, ancilla ^ flip]
    return psi


CHAIN4, CHAIN6 = lattice.build("chain", [4]), lattice.build("chain", [6])
TRIANGLE = lattice.build("custom", bonds=[(0, 1, 1.0), (1, 2, 0.7), (0, 2, -0.4), (2, 3, 0.9)])
MODELS = {
    "tfim": build_model(CHAIN6, "tfim", coupling=0.8, field=1.1),
    "tfim_field_z": build_model(CHAIN4, "tfim", coupling=-0.6, field=-0.7, field_z=0.3),
    "heisenberg": marshall(build_model(CHAIN6)),
    "xxz_field_z": marshall(build_model(CHAIN4, anisotropy=-0.4, field_z=0.5)),
    "frustrated": build_model(TRIANGLE, anisotropy=1.3),
}
CASES = [("tfim", 3), ("tfim_field_z", 4), ("heisenberg", 2), ("xxz_field_z", 4), ("frustrated", 3)]


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("name", "n_slices"), CASES)
def test_the_network_is_the_trotter_product(name, n_slices, order, step_matrix):
    product = trotter_product(MODELS[name], 0.13, n_slices, order)
    for n_hidden in (4, 6):
        network = network_of(product, n_hidden)
        assert {"deep": network.n_deep, "hidden": network.n_hidden} == unit_counts(product, n_hidden)
        assert relative_error(network.amplitudes(), purified(product, step_matrix)) < 1e-12


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", MODELS)
def test_terms_add_up_to_the_hamiltonian(name, order, term_matrix):
    product = trotter_product(MODELS[name], 0.1, 1, order)
    total = sum(term_matrix(product, k) for k in range(len(product.terms)))
    np.testing.assert_allclose(total, to_sparse(MODELS[name]).toarray(), atol=1e-14)
    fractions = np.zeros(len(product.terms))
    for k, fraction in product.step:
        fractions[k] += fraction
    np.testing.assert_array_equal(fractions, 1.0)


def test_summing_deep_units_one_by_one_gives_the_same():
    pair = build_model(lattice.build("custom", bonds=[(0, 1, 1.0), (1, 2, 1.0)]))
    for model in (build_model(lattice.build("chain", [3]), "tfim"), marshall(pair)):
        network = network_of(trotter_product(model, 0.2, 2))
        assert network.n_deep > 5
        expected = network.amplitudes()
        assert relative_error(network.amplitudes_one_by_one(), expected) < 1e-13


def test_bell_pairs_are_opposite_where_sz_is_conserved():
    for name, model in MODELS.items():
        assert trotter_product(model, 0.1, 1).opposite_pairs is not name.startswith("tfim")


def test_unit_counts_of_the_published_construction():
    tfim = unit_counts(trotter_product(MODELS["tfim"], 0.1, 5, order=1))
    assert tfim == {"deep": 5 * 6, "hidden": 6 + 5 * (6 + 6)}
    ring = unit_counts(trotter_product(MODELS["heisenberg"], 0.1, 5, order=1))
    assert ring == {"deep": 5 * 2 * 6, "hidden": 6 + 5 * 4 * 6}


def test_a_stored_network_is_the_same_network():
    network = network_of(trotter_product(MODELS["xxz_field_z"], 0.1, 2))
    again = DBM.from_arrays(network.arrays())
    np.testing.assert_array_equal(again.amplitudes(), network.amplitudes())


def test_log_derivs_by_central_differences():
    rng = np.random.default_rng(2)
    network = network_of(trotter_product(build_model(lattice.build("chain", [3]), "tfim"), 0.2, 1)).arrays()
    network["hidden_bias"] = rng.normal(size=len(network["hidden_bias"]))
    network["couplings"] = network["couplings"] + 0.1 * rng.normal(size=len(network["couplings"]))
    units = rng.choice([-1, 1], size=(5, network["n_visible"] + network["n_deep"]))
    derivs = DBM.from_arrays(network).log_derivs(units)
    column = 0
    for name in ("couplings", "hidden_bias", "biases"):
        for k in range(len(network[name])):
            ends = []
            for step in (1e-6, -1e-6):
                moved = network[name].astype(np.complex128)
                moved[k] += step
                ends.append(DBM.from_arrays(network | {name: moved}).log_joint(units))
            slope = (ends[0] - ends[1]) / 2e-6
            np.testing.assert_allclose(derivs[:, column], slope, atol=1e-8)
            column += 1
    assert column == derivs.shape[1]


@pytest.mark.parametrize("kind", ["chain", "square", "triangular", "kagome"])
def test_edge_colouring(kind):
    cells = lattice.build(kind, [6] if kind == "chain" else [4, 4])
    bonds = cells.bonds(1)
    colours = edge_colouring(bonds, cells.n_sites)
    for site in range(cells.n_sites):
        at_site = colours[(bonds == site).any(axis=1)]
        assert len(set(at_site.tolist())) == len(at_site)
    degree = np.bincount(bonds.ravel()).max()
    assert colours.min() == 0
    assert colours.max() + 1 <= degree + (0 if kind in ("chain", "square") else 2)


def test_double_bonds_are_merged():
    sites, values = merged_bonds([(1, 0), (0, 1), (2, 1), (1, 2)], [0.5, 0.25, 1.0, -1.0])
    assert sites.tolist() == [[0, 1]]
    assert values.tolist() == [0.75]


# ---- the error of the product --------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(
    ("name", "beta", "published"),
    [("tfim", 1.0, {10: 2.8e-4, 20: 7.0e-5}), ("heisenberg", 4.0, {20: 1.4e-4, 40: 3.5e-5})],
)
def test_the_trotter_error_falls_with_the_square_of_dtau(name, beta, published, order, step_matrix):
    # the energy of the purified state, <Psi|H|Psi>/<Psi|Psi>, on 8-site rings
    ring = lattice.build("chain", [8])
    model = build_model(ring, "tfim") if name == "tfim" else marshall(build_model(ring))
    hamiltonian = to_sparse(model).toarray()
    levels, vectors = np.linalg.eigh(hamiltonian)
    weights = np.exp(-beta * (levels - levels[0]))
    exact = weights @ levels / weights.sum()
    errors = []
    n_slices = sorted(published)
    for m in n_slices:
        power = np.linalg.matrix_power(step_matrix(trotter_product(model, beta / (2 * m), m, order)), m)
        errors.append(abs(np.vdot(power, hamiltonian @ power) / np.vdot(power, power) - exact) / 8)
    slope = np.log(errors[0] / errors[1]) / np.log(n_slices[1] / n_slices[0])
    assert abs(slope - 2.0) < 0.1
    if order == 1:
        for m, error in zip(n_slices, errors, strict=True):
            assert error == pytest.approx(published[m], rel=0.15)
