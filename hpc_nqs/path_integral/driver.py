"""Analytic purification: sample deep Boltzmann machines written down gate by gate, in the limit dtau = 0.

Method I of Y. Nomura, N. Yoshioka, F. Nori, PRL 127, 060601 (2021).  The limit is taken in the world lines, which then
lie in continuous time, or with given dtau by extrapolation.  Every temperature, and dtau, is an ensemble of its own, so
a run may be extended by temperatures anywhere.
"""

import dataclasses
import json
import math

import numpy as np

from hpc_nqs.hamiltonians.marshall import marshall
from hpc_nqs.hamiltonians.spin_model import SZ
from hpc_nqs.observables.diagonal import build_observables
from hpc_nqs.path_integral.continuous import ContinuousWorldLines
from hpc_nqs.path_integral.ensemble import Ensemble
from hpc_nqs.path_integral.ladder import reduced_beta, slice_numbers
from hpc_nqs.path_integral.plan import Workload, n_chains_of, network_dtaus, points, resolved
from hpc_nqs.path_integral.table import path_rows
from hpc_nqs.path_integral.trotter import is_isotropic, network_of, trotter_product
from hpc_nqs.path_integral.world_lines import Measurement, world_lines
from hpc_nqs.runs.computation import DONE, FAILED, STOPPED, Computation
from hpc_nqs.settings.parsing import SettingsError

EARLY = 8  # batches after which a hopeless average sign ends the run
CERTAIN = 4.0  # standard errors


class PathIntegral(Computation):
    """One analytic run: its ensembles, finished and in progress.

    What a checkpoint needs is given to the `Recorder` by `state()`, `history_columns()`, `table()` and `arrays()`.
    """

    def __init__(self, settings, team, recorder, progress, resumed=False):
        super().__init__(settings, team, recorder, progress)
        settings = self.settings
        self.model = marshall(self.model, self.lattice)
        self.observables = build_observables(settings, self.lattice, self.model)
        self.measurement = measurement_of(self.observables, self.model)
        # the rotated estimate needs averages over flips, which signs forbid
        self.rotates = is_isotropic(self.model) and not self.model.has_positive_exchange
        self.scale = self.model.largest_coupling
        self.n_chains = n_chains_of(settings)
        self._plan()
        self.results, self.current = [], None
        lowest = self.betas[-1]
        n_slices = slice_numbers(lowest, network_dtaus(settings, self.model))[-1]
        self.largest = network_of(self._product(lowest, n_slices)).arrays() | {"beta": lowest, "n_slices": n_slices}

    def _plan(self):
        """Take temperatures, dtau and samples from the settings."""
        self.dtaus, self.betas, self.ladder = points(self.settings, self.model)
        self.workload, self.pace = Workload(self.settings, self.model), None

    # ---- the run ---------------------------------------------------------------------------------------------------

    def run(self, resumed=False):
        """Sample all ensembles, highest temperature first; return the exit code.  *Collective*."""
        self.recorder.start(self, resumed)
        broken = False  # whether the path to infinite temperature has a gap
        for beta in sorted([*self.betas, *self.ladder]):
            reported = beta in self.betas
            for n_slices in slice_numbers(beta, self.dtaus):
                if (broken and not reported) or self._finished(beta, n_slices):
                    continue
                code, weak = self._sample(beta, n_slices)
                if code is not None:
                    return code
                if weak:
                    self.current = None
                    if reported:
                        self.recorder.save(self)
                        self.recorder.finish()
                        self.progress.message(self._hopeless(weak, beta, n_slices))
                        return FAILED
                    broken = True
            if reported:
                self.recorder.save(self)
        self.recorder.finish()
        return DONE

    def _sample(self, beta, n_slices):
        """Sample one ensemble to its end; return (exit code to stop with, too small an average sign), each or None."""
        if self.current is None:
            self.current = self._ensemble(beta, n_slices)
            self.current.warm_up(self.settings.sampling.n_warm_up)
        ensemble = self.current
        while ensemble.n_samples * self.n_chains < ensemble.n_wanted or ensemble.batches.shape[1] < 2:
            ensemble.advance()
            self._show(ensemble)
            if ensemble.batches.shape[1] == EARLY and ensemble.world_lines.has_sign:
                sign, error = self._found(ensemble)["average_sign"]
                if sign + CERTAIN * error < self.settings.thermal.sign_floor:
                    return None, (sign, error)
            if self.recorder.after_step(self):
                return STOPPED, None
        found = self._found(ensemble)
        sign = found.get("average_sign")
        if sign and sign[0] < self.settings.thermal.sign_floor:
            return None, sign
        dtau = beta / (2 * n_slices) if n_slices else 0.0
        about = {"beta": beta, "n_slices": n_slices, "dtau": dtau, "seconds": self.elapsed()}
        self.results.append(about | {"n_samples": ensemble.n_samples * self.n_chains, "found": found})
        self.current = None
        return None, None

    def _found(self, ensemble):
        return ensemble.results(self.team, SZ, list(self.observables.phases), list(pair_lists(self.observables)))

    def _hopeless(self, sign, beta, n_slices):
        value, error = sign
        where = f" at dtau = {beta / (2 * n_slices):.3g}" if n_slices else ""
        return (
            f"stopped at T = {1.0 / beta:.6g}: the average sign of the weights is {value:.2g} +- {error:.1g}{where}, "
            f"below thermal.sign_floor = {self.settings.thermal.sign_floor:g}; positive "
            'and negative weights cancel in this frustrated model, and the cost grows exponentially; use '
            f'thermal.method = "numerical". What was reached is in {self.recorder.path}'
        )

    def _finished(self, beta, n_slices):
        return any(result["beta"] == beta and result["n_slices"] == n_slices for result in self.results)

    def _product(self, beta, n_slices):
        return trotter_product(self.model, beta / (2 * n_slices), n_slices, self.settings.thermal.trotter_order)

    def _ensemble(self, beta, n_slices):
        sampling = self.settings.sampling
        is_continuous = not n_slices
        lines = ContinuousWorldLines(self.model, beta) if is_continuous else world_lines(self._product(beta, n_slices))
        seed, method = self.settings.run.seed, sampling.method
        wanted = self.workload.samples(beta)
        # measured on 4x4 and 8x8: close to the combination of least variance from T = 2 to 0.25
        rotation = max(0.0, 1.0 - 0.25 * beta * self.scale) if self.rotates and not is_continuous else 0.0
        return Ensemble(
            self.team, lines, self.measurement, beta, reduced_beta(beta, self.scale), n_slices, self.n_chains, seed,
            method, self.sweeps, wanted, rotation,
        )

    def _show(self, ensemble):
        """Show the ensemble that is sampled now, and the time that is left at the pace so far."""
        self.pace = self.pace or (self._work_left(), self.elapsed())
        self.progress.update(
            step=len(self.results) + 1, beta=ensemble.beta, beta_end=self.betas[-1], seconds_left=self._seconds_left
        )

    def _work_left(self):
        now = self.current
        here = (now.beta, now.n_slices, now.n_samples * self.n_chains) if now else None
        return self.workload.left(self._finished, here)

    def _seconds_left(self):
        """Return what the run still takes, in seconds, at the pace since its start; None before there is one."""
        left = self._work_left()
        done = self.pace[0] - left
        return (self.elapsed() - self.pace[1]) * left / done if done > 0 else None

    # ---- state and files -------------------------------------------------------------------------------------------

    def state(self):
        """Return all that continues the run, on rank 0 (None elsewhere).  *Collective*."""
        current = None if self.current is None else self.current.state(self.team)
        if not self.team.is_root:
            return None
        return {
            "results": json.dumps(self.results),
            "sampling": json.dumps(self._sampling()),
            "dtau": json.dumps([float(dtau) for dtau in self.dtaus]),
            "current": json.dumps(None if self.current is None else [self.current.beta, self.current.n_slices]),
            "chains": current,
            "seconds": self.elapsed(),
        }

    def _sampling(self):
        """Return the settings of the chains, which a continued run must share."""
        sampling = self.settings.sampling
        shared = {name: getattr(sampling, name) for name in ("n_samples", "sweeps_per_sample", "method")}
        return {"n_chains": self.n_chains, **shared}

    def restore(self, state, history):
        """Take over the state of a run file.  *Collective*.

        Raises
        ------
        SettingsError
            The chains of the file are others than the settings ask for.
        """
        before = json.loads(state["sampling"])
        now = self._sampling()
        problems = [
            f"sampling.{name} = {now[name]}: the run has {before[name]}; allowed is the same"
            for name in now
            if before[name] != now[name]
        ]
        if problems:
            raise SettingsError(problems)
        if "dtau" not in state and self.workload.is_continuous:
            self._keep_steps()
        self.results, self.seconds = json.loads(state["results"]), state["seconds"]
        current = json.loads(state["current"])
        points = [(beta, n) for beta in [*self.betas, *self.ladder] for n in slice_numbers(beta, self.dtaus)]
        if current is not None and tuple(current) in points:
            self.current = self._ensemble(*current)
            self.current.restore(self.team, state["chains"])
            if self.current.batches.shape[2] != self.current.n_columns:  # of a version that measured less
                self.current = None

    def _keep_steps(self):
        """Continue a run of before continuous time with the Trotter steps it has: they become those of the settings."""
        thermal = dataclasses.replace(self.settings.thermal, dtau=network_dtaus(self.settings, self.model))
        self.settings = dataclasses.replace(self.settings, thermal=thermal)
        self._plan()
        self.progress.message(f"the run has Trotter steps and keeps them: thermal.dtau = {list(thermal.dtau)}")

    def last_step(self):
        """Return the numbers of the last finished ensemble."""
        last = {name: float(column[-1]) for name, column in self.history_columns().items() if len(column)}
        return {name: value for name, value in last.items() if math.isfinite(value)}

    def history_columns(self):
        """Return one entry per finished ensemble, {column: (n,) float64}."""
        names = ("beta", "dtau", "n_slices", "n_samples", "seconds")
        columns = {name: [result[name] for result in self.results] for name in names}
        for name in ("energy", "specific_heat", "average_sign"):
            pairs = [result["found"][name] for result in self.results if name in result["found"]]
            if pairs and len(pairs) == len(self.results):
                columns[name], columns[f"{name}_error"] = zip(*pairs, strict=True)
        for name in ("autocorrelation", "r_hat"):
            columns[name] = [result["found"].get(name, float("nan")) for result in self.results]
        return {name: np.array(column, dtype=np.float64) for name, column in columns.items()}

    def arrays(self):
        """Return the arrays of the network of the lowest temperature and the smallest dtau."""
        return self.largest

    def table(self):
        """Return the results so far, as `run_file.run_image` takes them."""
        # a temperature is reported when all its ensembles are finished
        betas = [*self.betas, *self.ladder]
        whole = [b for b in betas if all(self._finished(b, m) for m in slice_numbers(b, self.dtaus))]
        chosen = [
            r for r in self.results if r["beta"] in whole and r["n_slices"] in slice_numbers(r["beta"], self.dtaus)
        ]
        temperatures = self.settings.thermal.report_temperatures
        return {
            "task": "thermal",
            "n_sites": self.model.n_sites,
            "finished": all(beta in whole for beta in self.betas),
            "seconds": self.seconds,
            "n_ranks": self.team.size,
            "resolved": resolved(self.settings, self.workload),
            "rows": path_rows(chosen, self.betas, temperatures, self.ladder, self.model),
        }


def pair_lists(observables):
    """Return {(name, key): (pairs (n, 2), weights (n,))} of shells, distances and displacements; weights sum to 1."""
    found = {}
    for shell, bonds in observables.shells.items():
        found["neighbour_correlation", str(shell)] = bonds, np.full(len(bonds), 1.0 / len(bonds))
    for name, classes in (("correlation", observables.distances), ("correlation_vector", observables.vectors)):
        for key, weights in classes.items():
            found[name, key] = np.stack(weights.nonzero(), axis=1), weights.data
    return found


def measurement_of(observables, model):
    """Return the `Measurement` of the wave vectors (q = 0 first), lists of pairs and the diagonal energy."""
    vectors = [np.ones(model.n_sites, dtype=np.complex128), *observables.phases.values()]
    lists = list(pair_lists(observables).values())
    lists.append((model.pair_sites, model.pair_coupling))
    ordered = np.concatenate([np.sort(sites, axis=1) for sites, _ in lists])
    pairs, place = np.unique(ordered, axis=0, return_inverse=True)
    weights = np.zeros((len(lists), len(pairs)))
    first = 0
    for row, (sites, values) in zip(weights, lists, strict=True):
        np.add.at(row, place.reshape(-1)[first : first + len(sites)], values)
        first += len(sites)
    return Measurement(np.stack([np.real(vectors), np.imag(vectors)], axis=2), pairs.astype(np.int32), weights)
