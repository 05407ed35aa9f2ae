"""Determinant quantum Monte Carlo of the half-filled Hubbard model on bipartite lattices, a reference for runs.

    python -m tests.benchmarks.determinant_qmc check
    python -m tests.benchmarks.determinant_qmc square -o tests/reference/hubbard_square_dqmc.json

Hirsch, PRB 31, 4403 (1985): a field s = +-1 on every site and slice, and a trace over free electrons in these fields,

    e^{-dtau U (n_u - 1/2)(n_d - 1/2)} = (1/2) e^{-dtau U/4} sum_s e^{lambda s (n_u - n_d)}, cosh lambda = e^{dtau U/2},
    Z = sum_s det(1 + B_up) det(1 + B_down),   B = B_L ... B_1,   B_l = e^{-dtau T/2} e^{+-lambda s_l} e^{-dtau T/2} .

Grand canonical at mu = U/2: one electron per site on average, numbers fluctuate.  Both determinants have one sign on a
bipartite lattice, so that nothing cancels.  The same samples give averages at fixed n_up = n_down = N/2, as runs have
them: in given fields the electrons are free, and with G = (1 + B)^-1 and z = e^{2 pi i m/(N + 1)}

    P(n) <O>_n = (1/(N + 1)) sum_m z^-n det(G + z (1 - G)) O[(1 + z B)^-1],   (1 + z B)^-1 = G (G + z (1 - G))^-1,

P(n) the probability of n electrons of a spin, O by Wick's theorem; P(n_up) P(n_down) is the weight of a sample.

Many chains advance together as one array; they are independent, and errors come from the scatter of their means,
however long the autocorrelation inside of them.  Products are kept as Q D T (Loh and Gubernatis, 1992), the Green
function is made anew from them every few slices, and the drift in between is reported.  Values at several dtau are
extrapolated linearly in dtau^2.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import scipy.linalg

from hpc_nqs.exact import electrons
from hpc_nqs.hamiltonians import Hubbard
from hpc_nqs.lattices import lattice as lattices
from hpc_nqs.lattices.lattice import wave_vector_key

SPINS = np.array([1.0, -1.0])[:, None, None]  # up and down
REBUILD = 8  # slices between two Green functions made anew
SIGMAS = 5.0  # of the check: 160 comparisons, false alarm 1e-4 in all
SQUARE_VECTORS = ((0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (0.5, 0.5), (1.0, 0.5), (1.0, 1.0))
STEPS = {0.5: (4, 6, 10), 1.0: (8, 12, 20), 2.0: (16, 24, 40)}  # slices at every beta
# small lattices that can be diagonalized, with wave vectors: a ring of four, the 2x2 plaquette, open 2x3 sites
SMALL = (
    ("chain", [4], "periodic", ((0.0, 0.0), (0.5, 0.0), (1.0, 0.0))),
    ("square", [2, 2], "periodic", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))),
    ("square", [2, 3], "open", ((0.0, 0.0), (1.0, 1.0))),
)


class Chains:
    """Independent chains of auxiliary fields with the Green functions of both spins.

    Parameters
    ----------
    lattice : Lattice
        Bipartite.
    u, beta : float
        In units of the hopping between nearest neighbours.
    n_slices, n_chains, seed : int

    Attributes
    ----------
    fields : (n_chains, n_slices, n_sites) float64
        s = +-1.
    green : (2, n_chains, n_sites, n_sites) float64
        <c_i c+_j> of either spin with e^{lambda s} of the present slice leftmost.
    drift : float
        Largest change when a Green function was made anew.
    """

    def __init__(self, lattice, u, beta, n_slices, n_chains, seed):
        self.n_sites, self.n_slices, self.dtau = lattice.n_sites, n_slices, beta / n_slices
        self.u, self.strength = u, np.arccosh(np.exp(self.dtau * u / 2))
        self.bonds = lattice.bonds(1)
        self.random = np.random.Generator(np.random.Philox(seed))
        self.hops = np.zeros((self.n_sites, self.n_sites))
        self.hops[tuple(self.bonds.T)] = self.hops[tuple(self.bonds.T[::-1])] = -1.0
        self.step, self.step_back = (scipy.linalg.expm(sign * self.dtau * self.hops) for sign in (-1, 1))
        self.half, self.half_back = (scipy.linalg.expm(sign * self.dtau / 2 * self.hops) for sign in (-1, 1))
        self.fields = self.random.choice([-1.0, 1.0], size=(n_chains, n_slices, self.n_sites))
        self.drift = 0.0
        self.green, _ = self.rebuilt(self.fields, n_slices - 1)

    def rebuilt(self, fields, present):
        """Return (green, ln |det(1 + B)| of both spins together, (n_chains,)) with slice `present` leftmost."""
        shape = (2, len(fields), self.n_sites, self.n_sites)
        q, d, t = np.broadcast_to(np.eye(self.n_sites), shape), np.ones(shape[:-1]), np.eye(self.n_sites)
        order = [(present + 1 + k) % self.n_slices for k in range(self.n_slices)]
        for place, number in enumerate(order, start=1):
            weights = np.exp(self.strength * SPINS * fields[:, number])
            q = weights[..., None] * (self.step @ q)
            if place % REBUILD == 0 or place == self.n_slices:
                q, r = np.linalg.qr(q * d[..., None, :])
                d = np.abs(np.diagonal(r, axis1=-2, axis2=-1))
                t = (r / d[..., None]) @ t
        # 1 + Q D T = Q D_b (D_b^-1 Q^T + D_s T),  D = D_b D_s
        big, small = np.maximum(d, 1.0), np.minimum(d, 1.0)
        scaled = np.swapaxes(q, -1, -2) / big[..., None]
        inner = scaled + small[..., None] * t
        log_det = np.linalg.slogdet(inner)[1] + np.log(big).sum(axis=-1)
        return np.linalg.solve(inner, scaled), log_det.sum(axis=0)

    def sweep(self, measure=None):
        """Propose to flip every field once, and all fields of one site; call `measure` where functions are new."""
        for present in range(self.n_slices):
            weights = np.exp(self.strength * SPINS * self.fields[:, present])[..., None]
            self.green = weights * (self.step @ self.green @ self.step_back) / np.swapaxes(weights, -1, -2)
            if present % REBUILD == 0:
                green, _ = self.rebuilt(self.fields, present)
                self.drift = max(self.drift, np.abs(green - self.green).max())
                self.green = green
            for site in range(self.n_sites):
                self._flip(present, site)
            if measure and present % REBUILD == 0:
                measure(self.half @ self.green @ self.half_back)
        self._flip_in_all_slices(self.random.integers(self.n_sites))

    def _flip(self, present, site):
        """Flip s of one site in one slice where it is accepted, with the Green functions."""
        # e^{lambda s} -> (1 + delta) e^{lambda s}: det changes by r = 1 + delta (1 - G_ii)
        delta = np.exp(-2 * self.strength * SPINS[..., 0] * self.fields[:, present, site]) - 1
        ratios = 1 + delta * (1 - self.green[..., site, site])
        accepted = self.random.random(len(self.fields)) < ratios.prod(axis=0)
        self.fields[accepted, present, site] *= -1
        row = -self.green[..., site, :]
        row[..., site] += 1
        factor = np.where(accepted, delta / ratios, 0.0)
        self.green -= (factor[..., None] * self.green[..., :, site])[..., None] * row[..., None, :]

    def _flip_in_all_slices(self, site):
        """Flip s of one site in all slices where it is accepted: single ones hardly do it at strong repulsion."""
        present, changed = self.n_slices - 1, self.fields.copy()
        changed[..., site] *= -1
        (_, before), (green, after) = (self.rebuilt(fields, present) for fields in (self.fields, changed))
        accepted = self.random.random(len(changed)) < np.exp(np.minimum(after - before, 0.0))
        self.fields[accepted], self.green[:, accepted] = changed[accepted], green[:, accepted]


def observables(chains, green, phases):
    """Return weights, all 1, and observables of every chain, (n_chains, 1 + n), in the grand canonical ensemble.

    Observables are those of `NAMES`, then S(q) and n(k) of every phase.

    Parameters
    ----------
    green : (2, n_chains, n_sites, n_sites) float64
        At the end of a slice.
    phases : (n_vectors, n_sites) complex128
    """
    one_body = np.eye(chains.n_sites) - np.swapaxes(green, -1, -2)  # <c+_i c_j>
    density = np.diagonal(one_body, axis1=-2, axis2=-1)
    # <n_i n_j> = <n_i><n_j> + <c+_i c_j> <c_i c+_j>
    pairs = density[..., :, None] * density[..., None, :] + one_body * green
    return _moments(chains, np.ones((2, len(density[0]))), one_body, pairs, phases)


def canonical_observables(chains, green, phases):
    """Return weights P(N/2) P(N/2) and observables times weights, as `observables`, at N/2 electrons of either spin."""
    n, number = chains.n_sites, chains.n_sites // 2
    probability, one_body, pairs = 0.0, 0.0, 0.0
    for m in range(n // 2 + 1):  # z and z^* give conjugates
        z = np.exp(2j * np.pi * m / (n + 1))
        mixed = green + z * (np.eye(n) - green)
        share = (1 + (m > 0)) / (n + 1) * z**-number * np.linalg.det(mixed)
        holes = np.swapaxes(np.linalg.solve(np.swapaxes(mixed, -1, -2), np.swapaxes(green, -1, -2)), -1, -2)
        particles = np.eye(n) - np.swapaxes(holes, -1, -2)
        density = np.diagonal(particles, axis1=-2, axis2=-1)
        probability = probability + share.real
        one_body = one_body + (share[..., None, None] * particles).real
        product = density[..., :, None] * density[..., None, :] + particles * holes
        pairs = pairs + (share[..., None, None] * product).real
    return _moments(chains, probability, one_body, pairs, phases)


def _moments(chains, probability, one_body, pairs, phases):
    """Return `observables` from P, P <c+_i c_j> and P <n_i n_j> of either spin, which are independent in the fields."""
    n, (i, j) = chains.n_sites, chains.bonds.T
    others = probability[::-1, :, None, None]
    density = np.diagonal(one_body, axis1=-2, axis2=-1)
    mixed = density[0][:, :, None] * density[1][:, None, :]
    hops, equal = (one_body * others).sum(axis=0), (pairs * others).sum(axis=0)
    spin = (equal - mixed - np.swapaxes(mixed, 1, 2)) / 4
    double = np.trace(mixed, axis1=1, axis2=2) / n
    found = [probability.prod(axis=0), -2 * hops[:, i, j].sum(axis=1) / n + chains.u * double]
    found += [np.trace(hops, axis1=1, axis2=2) / n, double, np.trace(spin, axis1=1, axis2=2) / n]
    for matrix, scale in ((spin, 1.0), (hops, 0.5)):
        found += [scale * np.real(np.einsum("i,wij,j->w", phase, matrix, phase.conj())) / n for phase in phases]
    return np.stack(found, axis=1)


NAMES = ("energy", "filling", "double_occupancy", "sz_squared")
ENSEMBLES = {"grand canonical": observables, "canonical": canonical_observables}


def sampled(lattice, u, beta, n_slices, phases, sweeps, n_chains, seed):
    """Return ({ensemble: (means, errors)} of all observables at one dtau, the `Chains`); errors from the chains."""
    chains = Chains(lattice, u, beta, n_slices, n_chains, seed)
    for _ in range(sweeps // 5):
        chains.sweep()
    sums = dict.fromkeys(ENSEMBLES, 0.0)
    for number in range(sweeps):
        kept = []
        chains.sweep(kept.append)
        sums["grand canonical"] = sums["grand canonical"] + sum(observables(chains, green, phases) for green in kept)
        if number % 2 == 0:  # dearer
            sums["canonical"] = sums["canonical"] + canonical_observables(chains, kept[0], phases)
    return {name: ratios(part) for name, part in sums.items()}, chains


def ratios(sums):
    """Return (means, jackknife errors) of sums over independent chains (n_chains, 1 + n), weights first."""
    total, n = sums.sum(axis=0), len(sums)
    without = total - sums
    values = without[:, 1:] / without[:, :1]
    return total[1:] / total[0], np.sqrt((n - 1) * np.var(values, axis=0))


def extrapolated(dtaus, values, errors):
    """Return (value at dtau = 0, its error, chi^2) of weighted fits a + b dtau^2 to values (n_dtaus, n)."""
    design = np.stack([np.ones(len(dtaus)), np.square(dtaus)], axis=1)
    found = []
    for y, error in zip(values.T, np.maximum(errors, 1e-12).T, strict=True):
        covariance = np.linalg.inv((design / error[:, None] ** 2).T @ design)
        fit = covariance @ (design.T @ (y / error**2))
        found.append((fit[0], np.sqrt(covariance[0, 0]), np.sum(((y - design @ fit) / error) ** 2)))
    return tuple(np.array(part) for part in zip(*found, strict=True))


def point(lattice, u, beta, slices, vectors, sweeps, n_chains, seed):
    """Return the rows of both ensembles at one U and beta."""
    phases, start = np.array([lattice.wave_vector(q) for q in vectors]), time.process_time()
    parts = [sampled(lattice, u, beta, n, phases, sweeps, n_chains, seed + n) for n in slices]
    drift, seconds, rows = max(chains.drift for _, chains in parts), time.process_time() - start, []
    for ensemble in ENSEMBLES:
        values, errors = (np.array([part[ensemble][k] for part, _ in parts]) for k in (0, 1))
        value, error, misfit = extrapolated([beta / n for n in slices], values, errors)
        row = {"ensemble": ensemble, "U": u, "beta": beta, "temperature": 1 / beta}
        for k, name in enumerate(NAMES):
            row |= {name: round(value[k], 7), f"{name}_error": float(f"{error[k]:.2g}")}
        row |= {"local_moment": round(3 * row["sz_squared"], 7), "local_moment_error": 3 * row["sz_squared_error"]}
        for name, first in (("structure_factor", len(NAMES)), ("n_k_up", len(NAMES) + len(vectors))):
            keys = enumerate(map(wave_vector_key, vectors), start=first)
            row[name] = {key: [round(value[k], 7), float(f"{error[k]:.2g}")] for k, key in keys}
        row |= {"dtau": [round(beta / n, 6) for n in slices], "chi_square_energy": round(misfit[0], 2)}
        row |= {"chi_square_double_occupancy": round(misfit[2], 2), "largest_drift": float(f"{drift:.1g}")}
        rows.append(row | {"cpu_seconds": round(seconds)})
    return rows


def exact_row(lattice, u, beta, vectors, ensemble="grand canonical"):
    """Return the same numbers from all levels."""
    half = lattice.n_sites // 2
    filling = {"mu": u / 2} if ensemble == "grand canonical" else {"n_up": half, "n_down": half}
    levels = electrons.diagonalize(Hubbard.build(lattice, U=u, **filling), lattice, vectors)
    (row,) = electrons.thermal_rows(levels, [beta])
    found = [row["energy"], row["filling"], row["double_occupancy"], row["filling"] / 4 - row["double_occupancy"] / 2]
    for name in ("structure_factor", "n_k_up"):
        found += [row[name][wave_vector_key(q)][0] for q in vectors]
    return np.array(found)


def check(sweeps, n_chains, seed):
    """Compare small lattices with all levels; return whether all agree within SIGMAS errors."""
    worst = 0.0
    for kind, lengths, boundary, vectors in SMALL:
        lattice = lattices.build(kind, lengths, boundary)
        for u, beta in ((4.0, 1.0), (8.0, 2.0)):
            for row in point(lattice, u, beta, STEPS[beta], vectors, sweeps, n_chains, seed):
                pairs = [(row[name], row[f"{name}_error"]) for name in NAMES]
                pairs += [pair for name in ("structure_factor", "n_k_up") for pair in row[name].values()]
                value, error = np.array(pairs).T
                off = (value - exact_row(lattice, u, beta, vectors, row["ensemble"])) / np.maximum(error, 1e-6)
                worst = max(worst, np.abs(off).max())
                shape = "x".join(map(str, lengths))
                print(f"{kind} {shape} {boundary}, {row['ensemble']}, U = {u:g}, beta = {beta:g}: e {value[0]:.5f}"
                      f"({error[0]:.1e}), in errors " + " ".join(f"{x:+.1f}" for x in off), flush=True)  # fmt: skip
    print(f"largest deviation {worst:.1f} errors; allowed {SIGMAS}")
    return worst < SIGMAS


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("check", "square"), help="small lattices against all levels; 4x4 sites")
    parser.add_argument("--sweeps", type=int, default=600, help="of every chain (default: 600)")
    parser.add_argument("--chains", type=int, default=64, help="(default: 64)")
    parser.add_argument("--seed", type=int, default=1, help="(default: 1)")
    parser.add_argument("-o", "--output", help="JSON file of the table")
    options = parser.parse_args()
    if options.what == "check":
        raise SystemExit(0 if check(options.sweeps, options.chains, options.seed) else 1)
    lattice, rows = lattices.build("square", [4, 4]), []
    for u in (4.0, 8.0):
        for beta, slices in STEPS.items():
            found = point(lattice, u, beta, slices, SQUARE_VECTORS, options.sweeps, options.chains, options.seed)
            rows += found
            print("\n".join(map(json.dumps, found)), flush=True)
    if options.output:
        command = f"--sweeps {options.sweeps} --chains {options.chains} --seed {options.seed}"
        content = {
            "source": f"python -m tests.benchmarks.determinant_qmc square {command}; errors from {options.chains} "
            "independent chains of each dtau, extrapolated in dtau^2",
            "model": "Hubbard, t = 1, square 4x4, periodic, per site; energy without -mu N",
            "ensembles": "grand canonical: mu = U/2; canonical: n_up = n_down = 8, projected from the same samples",
            "rows": rows,
        }
        Path(options.output).write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
