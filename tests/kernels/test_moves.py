"""Every move from every configuration: what it flips, where it is not allowed, and which table entry belongs to it."""

import itertools

import numpy as np
import pytest

from hpc_nqs.hilbert.moves import Moves
from hpc_nqs.kernels.amplitude import log_psi
from hpc_nqs.kernels.metropolis import follow_path
from hpc_nqs.kernels.moves import MoveSet
from hpc_nqs.kernels.reference import amplitudes as reference
from hpc_nqs.symmetry.signed_permutations import SignedPermutations
from hpc_nqs.wavefunctions.rbm import RBM, Feature

N = 3  # sites; the visible units are 0..2 and their ancillas 3..5


def every_move(bond_features):
    """Return `Moves` of all kinds, and the pairs of units that each of them swaps or the units that it flips."""
    moves, swaps, flips = Moves(2 * N, N, bond_features), [], []

    def expect(index, pairs, units):
        assert index == len(swaps)
        swaps.append(pairs)
        flips.append(units)

    for v, w in itertools.permutations(range(2 * N), 2):
        expect(moves.add_exchange(v, w), [(v, w)], [])
    for i, j in itertools.permutations(range(N), 2):
        expect(moves.add_joint_exchange(i, j), [(i, j), (i + N, j + N)], [])
    for v in range(2 * N):
        expect(moves.add_flip(v), [], [v])
    for i in range(N):
        expect(moves.add_joint_flip(i), [], [i, i + N])
    if not bond_features:
        for v, w in itertools.permutations(range(2 * N), 2):
            expect(moves.add_pair_flip(v, w), [(v, w)], "parallel")
        for i, j in itertools.permutations(range(N), 2):
            expect(moves.add_joint_pair_flip(i, j), [(i, j), (i + N, j + N)], "parallel")
    return moves, list(zip(swaps, flips, strict=True))


def made(visible, swaps, flips):
    """Return the configuration after a move, None where a pair to be swapped is parallel, or one to be flipped not."""
    if flips == "parallel":
        flips = [v for pair in swaps for v in pair]
        if any(visible[v] != visible[w] for v, w in swaps):
            return None
        swaps = []
    if any(visible[v] == visible[w] for v, w in swaps):
        return None
    new = visible.copy()
    for v, w in swaps:
        new[v], new[w] = visible[w], visible[v]
    new[flips] = -visible[flips]
    return new


def all_configurations():
    return np.array(list(itertools.product([1, -1], repeat=2 * N)), dtype=np.int8)


def random_network(bond_features):
    """Return an RBM without symmetries; biases make the sign of every change count."""
    stream, n_inputs = np.random.default_rng(3), (3 if bond_features else 2) * N
    features = [Feature(0.3 * stream.standard_normal(n_inputs), imaginary=f > 1, bias=0.2) for f in range(4)]
    return RBM(features, SignedPermutations.identity(n_inputs), 2 * N, 0.2 * stream.standard_normal(n_inputs))


@pytest.mark.parametrize("bond_features", [True, False])
def test_every_move_from_every_configuration(bond_features):
    moves, definitions = every_move(bond_features)
    kernel, amplitude = moves.kernel(), random_network(bond_features).amplitude(moves)
    configurations = all_configurations()
    logarithms = np.empty(len(configurations), dtype=complex)
    log_psi(amplitude, configurations, logarithms)
    row_of = {visible.tobytes(): row for row, visible in enumerate(configurations)}
    n_allowed = 0
    for row, visible in enumerate(configurations):
        for move, (swaps, flips) in enumerate(definitions):
            end, ratio = visible.copy(), np.empty(1, dtype=complex)
            follow_path(end, amplitude, kernel, np.array([move]), 0.0, ratio)
            expected = made(visible, swaps, flips)
            if expected is None:
                assert ratio[0] == 0
                np.testing.assert_array_equal(end, visible)
                continue
            n_allowed += 1
            np.testing.assert_array_equal(end, expected)
            quotient = np.exp(logarithms[row_of[expected.tobytes()]] - logarithms[row])
            np.testing.assert_allclose(ratio[0], quotient, rtol=1e-11)
    # an exchange or a pair flip is allowed in half of the configurations, a joint one in a quarter, a flip in all
    assert n_allowed == 64 * ((1 if bond_features else 2) * (30 // 2 + 6 / 4) + 6 + 3)


@pytest.mark.parametrize("bond_features", [True, False])
def test_twin_proposes_the_same(bond_features, monkeypatch):
    """Its entry and sign give the change of the inputs; every entry belongs to some configuration."""
    moves, definitions = every_move(bond_features)
    inputs, changes = moves.input_changes()
    with monkeypatch.context() as patch:
        patch.setattr("hpc_nqs.hilbert.moves.MoveSet", reference.MoveSet)
        patch.setattr("hpc_nqs.wavefunctions.rbm.RBMAmplitude", reference.RBMAmplitude)
        kernel, amplitude = moves.kernel(), random_network(bond_features).amplitude(moves)
    used = set()
    for visible in all_configurations():
        for move, (swaps, flips) in enumerate(definitions):
            proposal, expected = kernel.propose(move, visible), made(visible, swaps, flips)
            assert (proposal is None) == (expected is None)
            if proposal is None:
                continue
            used.add(proposal.entry)
            np.testing.assert_array_equal(reference.flipped(visible, proposal.flips), expected)
            change = np.zeros(amplitude.n_inputs)
            np.add.at(change, inputs[proposal.entry], proposal.sign * changes[proposal.entry])
            np.testing.assert_array_equal(change, amplitude.inputs(expected) - amplitude.inputs(visible))
    assert used == set(range(len(inputs)))


def test_two_exchanges_from_every_configuration():
    """On one layer, on both, and in opposite directions alone: the compiled move, its twin and the change of inputs."""
    n = 4
    moves = Moves(2 * n, n, bond_features=False)
    moves.add_two_exchanges(0, 1, 2, 3)
    moves.add_two_exchanges(7, 4, 5, 6)
    moves.add_joint_two_exchanges(0, 2, 3, 1)
    moves.add_two_exchanges(0, 1, 2, 3, opposite=True)
    swaps = [[(0, 1), (2, 3)], [(7, 4), (5, 6)], [(0, 2), (3, 1), (4, 6), (7, 5)], [(0, 1), (2, 3)]]
    stream = np.random.default_rng(3)
    features = [Feature(0.3 * stream.standard_normal(2 * n), imaginary=False, bias=0.2) for _ in range(3)]
    network = RBM(features, SignedPermutations.identity(2 * n), 2 * n, 0.2 * stream.standard_normal(2 * n))
    kernel, amplitude = moves.kernel(), network.amplitude(moves)
    twin = reference.MoveSet(
        np.array(moves._kinds), np.array(moves._n_variants), moves.sites, moves.second,
        np.concatenate([[0], np.cumsum(moves._n_variants)[:-1]]), n,
    )
    inputs, changes = moves.input_changes()
    configurations = np.array(list(itertools.product([1, -1], repeat=2 * n)), dtype=np.int8)
    logarithms = np.empty(len(configurations), dtype=complex)
    log_psi(amplitude, configurations, logarithms)
    row_of = {visible.tobytes(): row for row, visible in enumerate(configurations)}
    used, n_allowed = set(), np.zeros(len(swaps), dtype=int)
    for row, visible in enumerate(configurations):
        for move, pairs in enumerate(swaps):
            expected = made(visible, pairs, [])
            if move == 3 and visible[0] == visible[2]:
                expected = None
            end, ratio = visible.copy(), np.empty(1, dtype=complex)
            follow_path(end, amplitude, kernel, np.array([move]), 0.0, ratio)
            proposal = twin.propose(move, visible)
            assert (proposal is None) == (expected is None)
            if expected is None:
                assert ratio[0] == 0
                continue
            n_allowed[move] += 1
            used.add(proposal.entry)
            np.testing.assert_array_equal(end, expected)
            np.testing.assert_array_equal(reference.flipped(visible, proposal.flips), expected)
            change = np.zeros(2 * n)
            np.add.at(change, inputs[proposal.entry], proposal.sign * changes[proposal.entry])
            np.testing.assert_array_equal(change, expected.astype(float) - visible)
            quotient = np.exp(logarithms[row_of[expected.tobytes()]] - logarithms[row])
            np.testing.assert_allclose(ratio[0], quotient, rtol=1e-11)
    assert n_allowed.tolist() == [64, 64, 16, 32]
    assert used == set(range(len(inputs)))


def test_changes_of_moves_that_are_added_later():
    moves = Moves(4, 2, bond_features=False)
    moves.add_flip(1)
    assert moves.input_changes() is moves.input_changes()
    moves.add_exchange(0, 3)
    inputs, changes = moves.input_changes()
    np.testing.assert_array_equal(inputs, [[1, 0, 0, 0], [0, 3, 0, 0]])
    np.testing.assert_array_equal(changes, [[-2, 0, 0, 0], [-2, 2, 0, 0]])
    assert not (inputs.flags.writeable or changes.flags.writeable)


def test_number_of_moves():
    moves = every_move(bond_features=True)[0]
    kernel = moves.kernel()
    assert isinstance(kernel, MoveSet)
    assert len(kernel) == len(moves) == 30 + 6 + 6 + 3
    assert len(Moves(4, 2, bond_features=False).kernel()) == 0
