"""Correlations between layers averaged over the spin components, summed over all rings, against dense traces."""

import numpy as np
import pytest

import hpc_nqs
from hpc_nqs.observables import layer_averages
from hpc_nqs.observables.diagonal import Observables, build_observables
from hpc_nqs.observables.layer_averages import LayerAverages
from hpc_nqs.parallel.team import Team
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.ansatz import build_state
from hpc_nqs.thermal.rings.layers import links_of
from hpc_nqs.thermal.rings.traces import RingTraces
from hpc_nqs.wavefunctions.wavefunction import log_psi

THREADS = Team.serial().threads
FRUSTRATED = {"kind": "heisenberg", "couplings": [1.0, 0.5]}
# of three sites rings of six layers can be summed, and the sum over layers led back comes twice in a row
CASES = {
    ("clusters", 4, 2), ("clusters", 4, 4), ("permanent", 4, 4), ("permanent", 4, 3), ("permanent", 3, 5),
    ("permanent", 3, 6),
}  # fmt: skip


class Kernel:
    """A kernel that is no exponential of H and not isotropic, as a matrix of a chain in the basis of the input."""

    def __init__(self, kind, n):
        tables = {"lattice": {"kind": "chain", "lengths": [n]}, "wavefunction": {"kind": kind}}
        tables |= {"model": FRUSTRATED if kind == "permanent" and n > 3 else {"kind": "heisenberg"}}
        tables |= {"thermal": {"betas": [1.0], "beta_0": 0.4}, "run": {"seed": 3}}
        waves = {"structure_factor": [[1.0], [0.5], [0.0]], "imaginary_time": True}
        settings = parse_settings(tables | {"observables": waves})
        self.state, self.n = build_state(settings, *build(settings), seed=3), n
        wavefunction = self.state.wavefunction
        wavefunction.params = wavefunction.params + 0.3 * np.random.default_rng(5).normal(size=wavefunction.n_params)
        self.layers = build_observables(settings, self.state.lattice, self.state.model).layers
        self.spins = (2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1) - 1).astype(np.int8)
        visible = np.concatenate([np.repeat(self.spins, 2**n, axis=0), np.tile(-self.spins, (2**n, 1))], axis=1)
        inside, self.matrix = visible.sum(axis=1) == 0, np.zeros(4**n)
        self.matrix[inside] = np.exp(log_psi(wavefunction, self.state.system.moves, visible[inside])).real
        self.matrix = self.matrix.reshape(2**n, 2**n)

    def rings(self, n_links):
        """Return all rings (n, R, 2 n_sites) that have a weight, and the weights."""
        places = np.indices((2**self.n,) * 2).reshape(2, -1).T
        places = places[self.matrix[tuple(places.T)] != 0]
        while places.shape[1] < n_links:
            places = np.concatenate(
                [np.append(places, np.full((len(places), 1), k), axis=1) for k in range(2**self.n)]
            )
            places = places[self.matrix[places[:, -2], places[:, -1]] != 0]
        weights = np.prod([self.matrix[row, column] for row, column in self.pairs(places)], axis=0)
        kept = weights != 0
        return links_of(self.spins[places[kept]], True), weights[kept]

    @staticmethod
    def pairs(places):
        """Return the places of the two layers of every link."""
        return list(zip(places.T, np.roll(places, -1, axis=1).T, strict=True))

    def traces(self, n_links):
        """Return the weighted sums of Tr[Phi^(R - k) S_i Phi^k S_j] / 3 over Tr Phi^R, k = 1 to R // 2."""
        n, kernel = self.n, self.matrix
        sublattice = np.ones(n) if self.state.model.sublattice is None else self.state.model.sublattice
        rises = []
        for i in range(n):
            up = np.zeros((2**n, 2**n))
            below = np.flatnonzero(self.spins[:, i] < 0)
            up[below + (1 << i), below] = sublattice[i]
            rises.append(up)
        components = [[0.5 * (up + up.T) for up in rises], [-0.5j * (up - up.T) for up in rises]]
        components.append([np.diag(0.5 * self.spins[:, i]) for i in range(n)])
        powers, found = [np.linalg.matrix_power(kernel, k) for k in range(n_links + 1)], []
        for k in range(1, n_links // 2 + 1):
            products = [
                [sum(np.trace(powers[n_links - k] @ s[i] @ powers[k] @ s[j]) for s in components) for j in range(n)]
                for i in range(n)
            ]
            found.append(np.einsum("qij,ij->q", self.layers.pair_weights(), np.real(products)) / 3)
        return np.ravel(found) / np.trace(powers[n_links])


@pytest.mark.parametrize(("kind", "n", "n_links"), sorted(CASES))
def test_sums_over_all_rings_are_traces(kind, n, n_links):
    kernel = Kernel(kind, n)
    measured = LayerAverages(kernel.state.wavefunction, kernel.state.model, kernel.layers)
    rings, weights = kernel.rings(n_links)
    if kind == "permanent":
        assert (weights < 0).any()
    columns = measured.measure(rings, n_links // 2, THREADS)
    found = np.einsum("n,nlc->lc", weights, columns) / weights.sum()
    np.testing.assert_allclose(found, np.tile(kernel.traces(n_links), (n_links, 1)), atol=1e-12)
    traces = RingTraces.of_state(kernel.state, build_observables_of(kernel), Team.serial()).averages(n_links)
    np.testing.assert_allclose(traces["components"], kernel.traces(n_links), atol=1e-12)
    of_z = kernel.layers.measure(0.5 * rings[:, :, :n])  # the kernel is not isotropic
    alone = weights @ of_z / weights.sum()
    assert np.abs(alone[measured.n_kinds :] - found[0]).max() > 1e-3


def test_columns_are_those_of_one_link_for_cooled_states():
    kernel = Kernel("permanent", 4)
    averages = kernel.state.spin_averages(build_observables_of(kernel))
    rings, weights = kernel.rings(2)
    first = np.ascontiguousarray(rings[:, 0])
    alone = averages.measure(first, THREADS)
    np.testing.assert_allclose(alone, averages.measure_links(rings, THREADS)[:, 0], atol=1e-14)
    assert averages.spans(2).tolist() == [1] * alone.shape[1]
    assert averages.spans(5).tolist() == [1] * alone.shape[1] + [2] * alone.shape[1]
    np.testing.assert_allclose(weights @ alone[:, -4:] / weights.sum(), kernel.traces(2), atol=1e-12)
    assert averages.measure(first[:0], THREADS).shape == (0, alone.shape[1])


def build_observables_of(kernel):
    """Return observables with the layers of a kernel and no pairs of sites."""
    return Observables(kernel.n, {}, {}, layers=kernel.layers)


def test_probabilities_lead_back(monkeypatch):
    """Over all spins that may be flipped back they sum to one, for any LOST; a wrong kind of spin would not."""
    generator = np.random.default_rng(4)
    whole, *neighbours = generator.choice([-1, 1], size=(3, 8)).astype(np.int8)
    for lost in (0.1, 0.7):
        monkeypatch.setattr(layer_averages, "LOST", lost)
        for kind in (1, -1):
            total = 0.0
            for p in np.flatnonzero(whole == kind):  # `whole` has one spin of this kind too many
                layer = whole.copy()
                layer[p] = -kind
                total += layer_averages.led_back(layer, *neighbours)[p]
            assert total == pytest.approx(1.0, abs=1e-12)


def test_layers_are_led_back_to_their_neighbours():
    layer = np.array([1, 1, 1, 1, -1, -1, -1, -1], dtype=np.int8)
    kept = layer_averages.led_back(layer, layer, layer)
    np.testing.assert_allclose(kept, 1 / (1 + 4 * layer_averages.LOST**2))
    other = layer.copy()
    other[[0, 4]] = -1, 1  # with p = 0 the layer it is led to differs from one neighbour there
    lost, found = layer_averages.LOST, layer_averages.led_back(layer, other, layer)
    assert found[0] == pytest.approx(lost / (lost + lost + 3 * lost**2), rel=1e-12)
    assert found[1] == pytest.approx(1 / (1 + lost + 3 * lost**2), rel=1e-12)


def test_a_lost_factor_is_seen(monkeypatch):
    """With every q the same the sums over layers in between are not the traces."""
    kernel = Kernel("clusters", 4)
    monkeypatch.setattr(layer_averages, "led_back", lambda layers, *neighbours: np.full(layers.shape, 0.25))
    measured = LayerAverages(kernel.state.wavefunction, kernel.state.model, kernel.layers)
    rings, weights = kernel.rings(4)
    columns = measured.measure(rings, 2, THREADS)[:, 0]
    wrong = np.abs(weights @ columns / weights.sum() - kernel.traces(4))
    assert wrong[:4].max() < 1e-12 and wrong[4:].max() > 1e-2


def test_wave_vectors_that_symmetries_turn_into_each_other_in_sums_over_orbits(tmp_path):
    """One configuration of every orbit is summed: S.S at tau = beta/2 has to be averaged over the group, as S^z is."""
    settings = hpc_nqs.make_input(
        run={"seed": 1},
        lattice={"kind": "cubic", "lengths": [2, 2, 2]},
        model={"kind": "heisenberg"},
        thermal={"temperatures": [2.0]},
        observables={"structure_factor": [[1, 0, 0]], "imaginary_time": True},
    )
    run, levels = hpc_nqs.run(settings, tmp_path / "run.h5"), hpc_nqs.diagonalize(settings)
    (row,), (exact,) = run.table["rows"], levels.table["rows"]
    assert row["links"] == 2
    value, middle = row["time_correlation"]["1,0,1"][0], exact["links"] // 2
    assert value == pytest.approx(exact["time_correlation"][f"1,0,{middle}"][0], rel=1e-3)
