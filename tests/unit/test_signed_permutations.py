"""Signed permutations of vectors, and the parameters that they tie: against loops and searches by brute force."""

import itertools

import numpy as np
import pytest

from hpc_nqs.hilbert.purification import input_images, purify
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.symmetry.signed_permutations import SignedPermutations
from hpc_nqs.symmetry.site_permutations import site_symmetries
from hpc_nqs.symmetry.tied_parameters import compact, first_slots, orbit_starts, tie
from hpc_nqs.wavefunctions.pair_product import PairProduct
from hpc_nqs.wavefunctions.rbm import RBM, Feature
from hpc_nqs.wavefunctions.spin_pair_product import SpinPairs

STREAM = np.random.default_rng(3)


def group_of(lengths=(4,), bond_features=True, **model):
    """Return all symmetries of the doubled system of a ring or a square of spins."""
    lattice = {"kind": "chain" if len(lengths) == 1 else "square", "lengths": list(lengths)}
    sections = {"lattice": lattice, "model": {"kind": "heisenberg", **model}, "thermal": {"betas": [1.0]}}
    lattice, model = build(parse_settings(sections))
    return input_images(purify(model, bond_features), site_symmetries(lattice, model), True, True)


GROUPS = {
    "ring": lambda: group_of((4,)),
    "ring_without_bonds": lambda: group_of((5,), bond_features=False),
    "field": lambda: group_of((4,), field_z=0.3),  # layers are exchanged together with a flip
    "rectangle": lambda: group_of((3, 2)),
}


@pytest.fixture(params=GROUPS, scope="module")
def group(request):
    return GROUPS[request.param]()


def matrices(group):
    """Return the matrices (order, n_entries, n_entries) that act on x, entry by entry."""
    found = np.zeros((len(group), group.n_entries, group.n_entries), dtype=int)
    for g, u in itertools.product(range(len(group)), range(group.n_entries)):
        found[g, u, group.sources[g, u]] = group.signs[g, u]
    return found


def keys(group):
    return [row.tobytes() for row in group.encoded()]


# ---- action --------------------------------------------------------------------------------------------------------


def test_symmetries_form_a_group_with_signs(group):
    elements, members = matrices(group), set(keys(group))
    assert len(members) == len(group) and np.any(group.signs < 0)
    np.testing.assert_array_equal(elements[0], np.eye(group.n_entries, dtype=int))
    products = group.compose(group)
    expected = np.einsum("gab,hbc->ghac", elements, elements)
    np.testing.assert_array_equal(matrices(products), expected.reshape(-1, *elements.shape[1:]))
    assert set(keys(products)) == members and set(keys(products.distinct())) == members
    inverses = [h for h in range(len(group)) if (elements @ elements[h] == elements[0]).all(axis=(1, 2)).any()]
    assert inverses == list(range(len(group)))


def test_order_of_the_doubled_ring():
    assert len(GROUPS["ring"]()) == 8 * 2 * 2
    assert len(GROUPS["field"]()) == 8 * 2


def test_action_is_that_of_the_formula(group):
    x = STREAM.standard_normal((3, group.n_entries))
    expected = np.empty((len(group), *x.shape))
    for g, k, u in itertools.product(range(len(group)), range(len(x)), range(group.n_entries)):
        expected[g, k, u] = group.signs[g, u] * x[k, group.sources[g, u]]
    np.testing.assert_array_equal(group.apply(x), expected)
    np.testing.assert_array_equal(group.apply(x[0]), expected[:, 0])
    spins = np.where(x > 0, 1, -1).astype(np.int8)
    assert group.apply(spins).dtype == np.int8


def test_transposed_action_moves_the_weights_instead(group):
    x, weights = STREAM.standard_normal((2, group.n_entries))
    np.testing.assert_allclose(group.apply_transposed(weights) @ x, group.apply(x) @ weights, rtol=1e-12)
    rows = STREAM.standard_normal((len(group), group.n_entries))
    np.testing.assert_allclose(group.apply_transposed(rows) @ x, np.sum(group.apply(x) * rows, axis=1), rtol=1e-12)


def test_codes_follow_the_spins(group):
    spins = np.where(STREAM.random((20, group.n_entries)) < 0.5, 1, -1)
    weights = 1 << np.arange(group.n_entries)
    for dtype in (np.uint32, np.int64):
        moved = np.array(list(group.apply_to_codes(((spins > 0) @ weights).astype(dtype))))
        assert moved.dtype == dtype
        np.testing.assert_array_equal(moved, (group.apply(spins) > 0) @ weights)


def test_products_of_two_entries_follow_the_entries(group):
    pairs = np.stack(np.triu_indices(group.n_entries, 1), axis=1)
    x = STREAM.standard_normal(group.n_entries)
    values = np.prod(x[pairs], axis=1)
    for moved, (sources, signs) in zip(group.apply(x), group.on_pairs(pairs), strict=True):
        np.testing.assert_allclose(np.prod(moved[pairs], axis=1), signs * values[sources], rtol=1e-12)


# ---- other forms and sets ------------------------------------------------------------------------------------------


def test_encoded_rows_hold_everything(group):
    images = group.encoded()
    x = STREAM.standard_normal(group.n_entries)
    np.testing.assert_array_equal(np.concatenate([x, -x])[images], group.apply(x))
    for again in (SignedPermutations.from_encoded(images), SignedPermutations.from_points(group.on_points())):
        np.testing.assert_array_equal(again.sources, group.sources)
        np.testing.assert_array_equal(again.signs, group.signs)
    doubled = np.concatenate([x, -x])
    moved = group.apply(x)
    np.testing.assert_array_equal(doubled[group.on_points()], np.concatenate([moved, -moved], axis=1))
    assert images.dtype == np.intp and group.encoded(np.intc).dtype == np.intc and group.encoded().flags.c_contiguous


def test_subsets_and_changes_of_sign(group):
    x, n = STREAM.standard_normal(group.n_entries), group.n_entries
    np.testing.assert_array_equal(group.negated().apply(x), -group.apply(x))
    np.testing.assert_array_equal(group.negated(2).apply(x), group.apply(x) * ([-1, -1] + (n - 2) * [1]))
    np.testing.assert_array_equal(group.with_negated().apply(x), np.concatenate([group.apply(x), -group.apply(x)]))
    np.testing.assert_array_equal(group.unsigned().apply(np.abs(x)), np.abs(group.apply(x)))
    entries = np.array([3, 1])
    kept = group.keeping(entries)
    assert set(keys(kept)) == {
        key for key, row in zip(keys(group), group.sources, strict=True) if set(row[entries].tolist()) == {1, 3}
    }
    np.testing.assert_array_equal(kept.restricted(entries).apply(x[entries]), kept.apply(x)[:, entries])
    with pytest.raises(ValueError, match="does not map the entries"):
        group.restricted(entries)


def test_distinct_elements_are_sorted():
    twice = SignedPermutations([[1, 0], [0, 1], [1, 0], [0, 1]], [[1, 1], [-1, -1], [1, 1], [1, 1]])
    np.testing.assert_array_equal(twice.distinct().encoded(), [[0, 1], [1, 0], [2, 3]])


@pytest.mark.parametrize(
    "sources, signs", [([[0, 0]], None), ([[0, 2]], None), ([[0, 1]], [[1, 0]]), ([[0, 1]], [[1, 1, 1]])]
)
def test_what_is_no_signed_permutation_is_refused(sources, signs):
    with pytest.raises(ValueError, match="sources: every row|signs of shape"):
        SignedPermutations(sources, signs)


# ---- tied parameters -----------------------------------------------------------------------------------------------


def searched_orbits(elements, n_slots):
    """Return {slot: {(slot, sign) that can be reached}}, found by walking from every slot."""
    reached = {}
    for start in range(n_slots):
        seen, front = {(start, 1)}, [(start, 1)]
        while front:
            slot, sign = front.pop()
            for sources, signs in elements:
                step = (int(sources[slot]), sign * int(signs[slot]))
                if step not in seen:
                    seen.add(step)
                    front.append(step)
        reached[start] = seen
    return reached


def check_tied(tied, elements):
    """Assert that `tied` says of every pair of slots what a search does."""
    n_slots = len(tied)
    orbits = searched_orbits(elements, n_slots)
    for slot, orbit in orbits.items():
        assert (tied[slot] == 0) == ((slot, -1) in orbit)
        for other in range(n_slots):
            if tied[slot]:
                assert (tied[slot] == tied[other]) == ((other, 1) in orbit)
                assert (tied[slot] == -tied[other]) == ((other, -1) in orbit)
    assert set(np.abs(tied[tied != 0]).tolist()) == set(range(1, np.abs(tied).max() + 1))
    return orbits


def random_elements(n_slots, n_elements, p_negative, seed):
    stream = np.random.default_rng(seed)
    sources = np.tile(np.arange(n_slots), (n_elements, 1))
    for row in sources:  # short cycles, so that there is more than one orbit
        moved = stream.choice(n_slots, 3, replace=False)
        row[moved] = np.roll(moved, 1)
    return SignedPermutations(sources, np.where(stream.random(sources.shape) < p_negative, -1, 1))


@pytest.mark.parametrize("p_negative", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("seed", range(20))
def test_tied_slots_are_orbits(p_negative, seed):
    generators = random_elements(12, 3, p_negative, seed)
    tied = tie(generators, 12)
    check_tied(tied, list(generators))
    np.testing.assert_array_equal(tied, old_rule(generators, 12))


def old_rule(group, n_slots):
    """Return the labels by one look at every slot after the other: the numbering of parameters in run files."""
    label = np.arange(1, n_slots + 1)
    for sources, signs in group:
        for slot in range(n_slots):
            keep, drop = label[slot], signs[slot] * label[sources[slot]]
            if keep == -drop or keep == 0 or drop == 0:
                label[np.isin(np.abs(label), [abs(keep), abs(drop)])] = 0
            elif keep != drop:
                lost = np.abs(label) == abs(drop)
                label[lost] = np.sign(label[lost]) * np.sign(drop) * keep
    return compact(label)


def test_orbits_of_a_group(group):
    tied = tie(group, group.n_entries)
    check_tied(tied, list(group))
    np.testing.assert_array_equal(tied, old_rule(group, group.n_entries))


def test_the_slot_that_stays_need_not_be_the_first():
    """Parameters in run files are numbered by it."""
    two_slots = tie(SignedPermutations([[2, 1, 0], [0, 2, 1]], [[1, 1, 1], [1, -1, -1]]), 3)
    np.testing.assert_array_equal(two_slots, [-1, 1, -1])  # 1 meets 2, which is tied to 0; 1 stays, with sign +1
    from_starts = tie(SignedPermutations([[2, 1, 0], [1, 2, 0]], [[1, 1, 1], [-1, -1, 1]]), 3, starts=np.arange(3) == 0)
    np.testing.assert_array_equal(from_starts, [1, -1, 1])  # the start stays, whatever the other slots meet


def test_an_orbit_may_be_forced_to_zero_by_its_sign():
    """An exchange of two slots with a change of sign of one: twice it is minus the identity."""
    element = [([1, 0, 2, 3], [1, -1, 1, 1]), ([0, 1, 3, 2], [1, 1, -1, -1])]
    tied = tie(SignedPermutations(*map(list, zip(*element, strict=True))), 4)
    np.testing.assert_array_equal(tied, [0, 0, 1, -1])
    joined = tie(SignedPermutations([[1, 0, 2, 3], [0, 2, 1, 3]], [[1, -1, 1, 1], [1, 1, 1, 1]]), 4)
    np.testing.assert_array_equal(joined, [0, 0, 0, 1])  # slot 2 goes with the orbit that it belongs to


def test_fixed_slots_have_no_parameter():
    swap = SignedPermutations([[1, 0, 3, 2]])
    np.testing.assert_array_equal(tie(swap, 4, fixed=np.array([True, True, False, False])), [0, 0, 1, 1])


def test_starts_give_the_orbits_of_a_group_in_their_order(group):
    starts = orbit_starts(group, group.n_entries)
    orbits = searched_orbits(list(group), group.n_entries)
    assert starts.tolist() == [slot == min(other for other, _ in orbits[slot]) for slot in range(group.n_entries)]
    tied = tie(group, group.n_entries, starts=starts)
    check_tied(tied, list(group))
    assert np.all(tied[starts] >= 0) and np.all(np.diff(tied[starts & (tied > 0)]) == 1)


def test_starts_take_the_signs_of_a_gauge_that_products_contradict():
    """Shifts of a ring of four, their signs chosen one by one: two single shifts are minus the double one."""
    shifts = SignedPermutations((np.arange(4) + np.arange(4)[:, None]) % 4, [4 * [1], 4 * [-1], 4 * [-1], 4 * [1]])
    np.testing.assert_array_equal(tie(shifts, 4), [0, 0, 0, 0])
    np.testing.assert_array_equal(tie(shifts, 4, starts=orbit_starts(shifts, 4)), [1, -1, -1, 1])


def test_first_slots_of_parameters():
    np.testing.assert_array_equal(first_slots(np.array([-2, 0, 1, 2, -1, -3])), [2, 0, 5])
    assert len(first_slots(np.zeros(3, dtype=np.intp))) == 0


def test_a_dropped_sign_is_seen(group):
    """Any one sign turned over makes another action and no group; without signs there are other orbits."""
    assert not np.array_equal(tie(group.unsigned(), group.n_entries), tie(group, group.n_entries))
    for u in (0, group.n_entries // 2, group.n_entries - 1):
        signs = group.signs.copy()
        signs[-1, u] *= -1
        wrong = SignedPermutations(group.sources, signs)
        assert not np.array_equal(wrong.apply(np.ones(group.n_entries)), group.apply(np.ones(group.n_entries)))
        assert not np.array_equal(wrong.encoded(), group.encoded())
        assert set(keys(wrong.compose(wrong))) != set(keys(wrong))


# ---- wave functions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", [0.0, 0.3])
def test_networks_and_pairs_are_symmetric(field):
    """The weights of a network are a set that the group leaves unchanged, up to the sign of a unit without bias."""
    group = group_of((4,), field_z=field)
    n = group.n_entries
    weights = STREAM.standard_normal(n)
    odd = weights - group[-1].apply(weights)[0]  # tied with both signs
    network = RBM([Feature(weights), Feature(odd)], group, 8).arrays()["weights"]
    for moved in np.concatenate([group.apply_transposed(weights), group.apply_transposed(odd)]):
        assert any(np.allclose(row, moved) or np.allclose(row, -moved) for row in network)


def test_pairs_follow_their_gauge():
    """f(g i, g j) = sign_gi sign_gj f(i, j), also where f vanishes, for random parameters."""
    n = 6
    shift, steps = np.arange(n), np.arange(n)[:, None]
    group = SignedPermutations((shift + steps) % n, np.where(shift + steps >= n, -1, 1))  # antiperiodic
    start = np.array([[0.0 if i == j else 1.0 + abs(i - j) for j in range(n)] for i in range(n)])
    pairs = SpinPairs(group, start)
    f = pairs.pairing()
    for sources, signs in group:
        np.testing.assert_array_equal(f[np.ix_(sources, sources)], np.outer(signs, signs) * f)
    assert pairs.n_params == 2 and np.all(f[np.arange(3), np.arange(3, 6)] == 0)  # half around: f = -f
    both = np.concatenate([group.sources, n + group.sources], axis=1)
    doubled = SignedPermutations(both, np.tile(group.signs, (1, 2)))
    product = PairProduct(doubled, {}, {})
    product.params = STREAM.standard_normal(product.n_params)
    f = product.pairing() - product.fixed
    assert np.any(f < 0) and np.array_equal(f, f.T)
    for sources, signs in doubled:
        np.testing.assert_array_equal(f[np.ix_(sources, sources)], np.outer(signs, signs) * f)


def test_pairs_of_exchanged_layers_have_the_signs_between_the_layers():
    n = 5
    group = group_of((n,), bond_features=False).unsigned().distinct()
    product = PairProduct(group, {}, {(0, 1): 1, (1, 2): 1, (2, 3): 1, (3, 4): 1, (0, 4): 1})
    product.params = 1.0 + STREAM.random(product.n_params)
    f, neighbours = product.pairing(), np.abs(np.subtract.outer(np.arange(n), np.arange(n))) % (n - 2) == 1
    np.testing.assert_array_equal(f[n:, n:], np.where(neighbours, 1, -1) * f[:n, :n])
    assert product.n_params == 4  # two distances, within a layer and between the layers
