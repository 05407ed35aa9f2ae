"""Several sectors of a ground-state run at the same time, each by a group of ranks.

Every sector that has begun has a run file of its own beside that of the run, ``NAME.TOKEN.sectorK``, which its group
writes like any other; rank 0 puts the row and the steps of finished sectors into the run file.  So a run that is killed
loses no more than one of all ranks on one sector, and any number of ranks and groups continues it: the sectors that are
not finished are given out again, those with files first.  TOKEN is drawn once per run: files of another one are not
taken for those of this one.  Sectors do not depend on one another, and their random streams do not depend on the group.
"""

import json
import re
import secrets
from dataclasses import replace
from pathlib import Path

import numpy as np

from hpc_nqs.ground_state.driver import Optimization
from hpc_nqs.ground_state.plan import resolved
from hpc_nqs.ground_state.sectors import n_groups_of, words
from hpc_nqs.ground_state.systems import build_ansatz, search_of
from hpc_nqs.parallel.groups import Dispatch, Groups
from hpc_nqs.parallel.team import Team
from hpc_nqs.runs import run_file
from hpc_nqs.runs.computation import DONE, FAILED, STOPPED, Computation
from hpc_nqs.runs.progress import Progress
from hpc_nqs.runs.recorder import LEAST_MARGIN, Recorder, UnwritableError
from hpc_nqs.runs.run_file import RunFileError
from hpc_nqs.runs.stopping import NEVER
from hpc_nqs.runs.threads import use_threads
from hpc_nqs.runs.watching import NOBODY
from hpc_nqs.settings.parsing import SettingsError, refusing
from hpc_nqs.settings.system import build


def driver_of(settings, team, stored=None):
    """Return the class of a run: `Levels` where groups of ranks share its sectors, else `Optimization`.

    Parameters
    ----------
    settings : Settings
    team : Team
    stored : dict, optional
        The state of the run that is continued.
    """
    if stored is not None and "token" in stored:
        return Levels
    if settings.ground_state.sectors == "auto" or settings.ground_state.groups == 1 or team.size == 1:
        return Optimization
    n_sectors = len(refusing(search_of, settings, *build(settings)).sectors)
    is_finished = stored is not None and len(json.loads(stored["rows"])) == n_sectors
    return Optimization if is_finished or n_groups_of(settings, team.size, n_sectors) == 1 else Levels


class Levels(Computation):
    """One ground-state run whose sectors are spread over groups of ranks.

    Attributes
    ----------
    search : Search
    groups : Groups
    token : str
        In the names of the files of its sectors.
    done : dict of int: (dict, dict)
        On rank 0, the row of every finished sector and the history of its steps, by the number of the sector.
    """

    def __init__(self, settings, team, recorder, progress, resumed=False):
        super().__init__(settings, team, recorder, progress)
        use_threads(self.settings, team)
        self.search = refusing(search_of, self.settings, self.lattice, self.model)
        self.sectors = self.search.sectors
        self.groups = Groups(team, n_groups_of(self.settings, team.size, len(self.sectors)))
        self.groups.own.threads = team.threads
        first = refusing(build_ansatz, self.settings, self.lattice, self.model, settings.run.seed or 0, self.sectors[0])
        self.resolved = resolved(self.settings, self.search, first)
        self.resolved["ground_state"]["groups"] = self.groups.n_groups
        self.token = team.broadcast_object(secrets.token_hex(4))
        self.done, self._code = {}, DONE
        self._last = self._best = None  # state and arrays of the last sector; number and parameters of the lowest one
        self._begun, self._step = set(), {}

    @property
    def n_chains(self):
        """Chains of every group; None before the last sector is finished."""
        return self._last[0]["n_chains"] if self._last else None

    # ---- the run ---------------------------------------------------------------------------------------------------

    def run(self, resumed=False):
        """Optimize and measure the state of every sector; return the exit code.  *Collective*.

        What goes wrong in one group ends all ranks with its message.
        """
        self._find_files()
        self.recorder.start(self, resumed)
        self._watch_job()
        source = self.recorder
        alone, message = Team.serial(), self.progress.message
        self._writer = Recorder(source.path, alone, NEVER, source.minutes, message, watch=source.watch)
        if not resumed:
            for sector in self.search.empty:
                self.progress.message(f"no states with {words(sector)}: skipped")
        n = len(self.sectors)
        pieces = sorted(set(range(n)) - set(self.done), key=lambda number: (number not in self._begun, number))
        dispatch = Dispatch(self.groups, pieces, self._announce, self._take)
        try:
            report = None
            while (number := dispatch.next(report)) is not None:
                report = self._go_through(number, dispatch)
            dispatch.finish(lambda: self.recorder.stop.due(LEAST_MARGIN))
            if self.team.is_root:
                self._end()
        except (SettingsError, RunFileError, UnwritableError) as error:  # on all ranks of a group, or on rank 0
            if self.team.size == 1:
                raise
            if self.groups.own.is_root:
                self.team.abort(f"hpc-nqs: {error}")
            self.team.barrier()  # until the first rank of the group has ended the job
        return self.team.broadcast_object(self._code)

    def _watch_job(self):
        """Let the first rank of every group know the end of the job, if rank 0 does.  *Collective*."""
        stop = self.recorder.stop
        has_end = self.team.broadcast_object(bool(np.isfinite(stop.end)))
        if has_end and self.groups.own.is_root and not self.team.is_root:
            stop.watch_job()

    def _announce(self, number, group):
        sector = f"sector {number + 1} of {len(self.sectors)}: {words(self.sectors[number])}"
        self.progress.message(sector + (f" (group {group + 1})" if self.groups.n_groups > 1 else ""))

    def _go_through(self, number, dispatch):
        """Optimize and measure the state of one sector; return the report.  *Collective* in the group."""
        own, is_first = self.groups.own, self.groups.number == 0
        progress = _GroupProgress(self, number) if is_first else _Messages(number, own.rank)
        stop = _GroupStop(self.recorder.stop, dispatch)
        watch = _Steps(self.recorder.watch, self, number) if is_first else NOBODY
        path = self._path(number)
        recorder = _SectorRecorder(path, own, stop, self.settings.run.checkpoint_minutes, progress.message, watch=watch)
        search = replace(self.search, sectors=[self.sectors[number]], empty=[], remark="")
        one = Optimization(self.settings, own, recorder, progress, search=search)
        one.seconds = self.elapsed()
        resumed = number in self._begun
        if resumed:
            one.restore(*recorder.load())
        code = one.run(resumed)
        if code != DONE:
            return {"ended": code}
        last = (one.state(), one.arrays()) if number == len(self.sectors) - 1 else None
        found = {"sector": number, "row": one.rows[0], "history": one.history_columns(), "last": last}
        return found | {"params": one.wavefunction.params}

    def _take(self, report):
        """Take the report of a group, on rank 0; return whether all groups have to stop."""
        if "ended" in report:
            self._code = report["ended"] if self._code != FAILED else FAILED
            return True
        number, row = report["sector"], report["row"]
        self._add(number, row, report["history"])
        self._last = report["last"] or self._last
        if self._best is None or (row["energy"], number) < (self.done[self._best[0]][0]["energy"], self._best[0]):
            self._best = number, report["params"]
        if len(self.done) == len(self.sectors):
            return False
        self._writer.save(self)
        if self.recorder.watch.stops and self._code == DONE:
            self._code = STOPPED
        return self.recorder.watch.stops

    def _add(self, number, row, history):
        history = {name: np.full(len(values), float(number)) if name == "sector" else values
                   for name, values in history.items()}  # fmt: skip
        self.done[number] = row, history

    def _end(self):
        """Write the last state of the run file and remove the files of sectors that it stands for, on rank 0."""
        self._writer.save(self)
        self._writer.finish()
        if len(self.done) == len(self.sectors):
            for path in self._files():
                path.unlink(missing_ok=True)

    def note_step(self, step):
        """Keep the numbers of the last step that rank 0 took part in."""
        self._step = step

    def seconds_left(self):
        """Return what the run still takes, in seconds, from the sectors that are done; None before the first."""
        n_left = len(self.sectors) - len(self.done)
        return self.elapsed() * n_left / len(self.done) if self.done else None

    # ---- files of sectors --------------------------------------------------------------------------------------------

    def _path(self, number):
        return f"{self.recorder.path}.{self.token}.sector{number}"

    def _files(self):
        """Return the files of sectors beside the run file, those of earlier runs of its name too."""
        path = Path(self.recorder.path)
        pattern = re.compile(re.escape(path.name) + r"\.[0-9a-f]{8}\.sector\d+(\.part|\.previous|\.link)?")
        return [each for each in path.resolve().parent.iterdir() if pattern.fullmatch(each.name)]

    def _find_files(self):
        """Note which sectors have begun, and remove the files of other runs.  *Collective*."""
        if self.team.is_root:
            own = {Path(self._path(number)).name: number for number in range(len(self.sectors))}
            for path in self._files():
                if f".{self.token}." not in path.name:
                    path.unlink(missing_ok=True)
                elif path.name in own:
                    self._begun.add(own[path.name])
        self._begun = self.team.broadcast_object(self._begun)

    # ---- state and files ---------------------------------------------------------------------------------------------

    def state(self):
        """Return what continues the run, on rank 0 (None elsewhere): at the end that of a run without groups."""
        if not self.team.is_root:
            return None
        rows = [self.done[number][0] for number in sorted(self.done)]
        about = {"rows": json.dumps(rows), "seconds": self.elapsed()}
        best = None if self._best is None else {"sector": self._best[0], "params": self._best[1]}
        if len(self.done) == len(self.sectors):
            return self._last[0] | about | {"sector": len(rows) - 1, "best": best}
        numbers = np.array(sorted(self.done), dtype=np.int64)
        last = self._last[0] if self._last else None
        return about | {"token": self.token, "done": numbers, "last": last, "best": best}

    def restore(self, state, history):
        """Take over a run file of such a run, or of one that had all ranks on one sector.  *Collective*."""
        rows, self.seconds = json.loads(state["rows"]), state["seconds"]
        numbers = state["done"].tolist() if "token" in state else range(len(rows))
        for number, row in zip(numbers, rows, strict=True):
            self._add(number, row, _steps_of(history, number))
        if state["best"]:
            self._best = state["best"]["sector"], state["best"]["params"]
        if "token" in state:
            self.token = state["token"]
            network = self.recorder.load_network()
            self._last = (state["last"], network) if state["last"] else None
        elif self.team.is_root and state["sector"] not in self.done:
            self._write_begun(state, history)

    def _write_begun(self, state, history):
        """Write the file of the sector that a run without groups was at."""
        number, source = state["sector"], self.recorder.source
        table = run_file.read_table(source) | {"rows": [], "finished": False}
        steps = _steps_of(history, number)
        steps |= {"sector": np.zeros(len(steps["sector"]))} if steps else {}
        part = state | {"sector": 0, "rows": "[]", "best": None}
        text, network = self.settings.to_toml(), run_file.read_network(source)
        run_file.write_run(self._path(number), text, part, steps, table, network, n_chains=state["n_chains"])

    def history_columns(self):
        """Return the steps of the finished sectors, in the order of the sectors, as {column: (n_steps,) float64}."""
        parts = [self.done[number][1] for number in sorted(self.done)]
        parts = [part for part in parts if part]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}

    def last_step(self):
        """Return the numbers of the last step that rank 0 took part in."""
        return self._step

    def table(self):
        """Return the results so far, as `run_file.run_image` takes them."""
        return {
            "task": "ground_state",
            "n_sites": self.model.n_lattice_sites,
            "finished": len(self.done) == len(self.sectors),
            "seconds": self.seconds,
            "n_ranks": self.team.size,
            "resolved": self.resolved,
            "rows": [self.done[number][0] for number in sorted(self.done)],
        }

    def arrays(self):
        """Return the arrays of the wave function of the last sector, nothing before it is finished."""
        return self._last[1] if self._last else {}


def _steps_of(history, number):
    """Return the columns of the steps of one sector; {} where it has none."""
    if not len(history.get("sector", ())):
        return {}
    own = history["sector"] == number
    return {name: values[own] for name, values in history.items()} if own.any() else {}


class _SectorRecorder(Recorder):
    """Of the file of a sector: what checkpoints cost is said once, of the run."""

    def cost(self):
        return ""


class _GroupStop:
    """Stops a group with the others; rank 0 answers them whenever its own group looks."""

    def __init__(self, stop, dispatch):
        self._stop, self._dispatch = stop, dispatch

    def due(self, margin):
        self._dispatch.serve()
        return self._stop.due(margin) or self._dispatch.stopped

    @property
    def reason(self):
        return "another group of ranks stops" if self._dispatch.stopped else self._stop.reason


class _Steps:
    """Tells the watch of a run of the steps of the group of rank 0; of results `Levels` tells itself."""

    def __init__(self, watch, levels, number):
        self._watch, self._levels, self._number = watch, levels, number

    def begin(self, run):
        """Do nothing: the watch knows what the run began with."""

    def after_step(self, run):
        step = run.last_step()
        self._levels.note_step(step | {"sector": self._number} if step else {})
        self._watch.after_step(self._levels)

    after_result = after_step

    @property
    def stops(self):
        return self._watch.stops

    @property
    def reason(self):
        return self._watch.reason


class _GroupProgress:
    """The live line of the sector that rank 0 works on, with the number of sectors that are done."""

    def __init__(self, levels, number):
        self._levels, self._number = levels, number

    def update(self, seconds_left=None, **values):
        sectors = len(self._levels.done), len(self._levels.sectors)
        values |= {"sectors": sectors, "seconds_left": self._levels.seconds_left}
        self._levels.progress.update(**values)

    def message(self, text):
        if text:
            self._levels.progress.message(f"sector {self._number + 1}: {text}")


class _Messages:
    """What the other groups have to say: messages alone, from their first ranks."""

    def __init__(self, number, rank):
        self._number, self._progress = number, Progress(rank)

    def update(self, **values):
        """Do nothing: there is one line, that of rank 0."""

    def message(self, text):
        if text:
            self._progress.message(f"sector {self._number + 1}: {text}")
