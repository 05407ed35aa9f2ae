"""Which computation an input asks for: numerical or analytic purification, or the optimization of a ground state."""

from hpc_nqs.reports.units import units_of
from hpc_nqs.runs.progress import Progress
from hpc_nqs.runs.recorder import Recorder
from hpc_nqs.runs.stopping import NEVER
from hpc_nqs.runs.watching import NOBODY
from hpc_nqs.settings.not_available import refuse_runs
from hpc_nqs.settings.parsing import refusing


def run(settings, team, output_path, resume_from=None, stop=NEVER, watch=NOBODY):
    """Run the computation of an input and write its run file.  *Collective*.

    Parameters
    ----------
    settings : Settings
    team : Team
    output_path : str
    resume_from : str or None
        Run file to continue, the same as `output_path`.
    stop : StopRequest
        Ends the run at a checkpoint.
    watch : Watch
        Told of steps and results on rank 0; may end the run at a checkpoint.

    Returns
    -------
    int
        0 done, 75 stopped at a checkpoint, 1 ended in an error of the calculation (what was reached is written).

    Raises
    ------
    SettingsError, RunFileError, UnwritableError
        On all ranks alike.
    """
    with _progress(settings, team) as progress:
        recorder = Recorder(output_path, team, stop, settings.run.checkpoint_minutes, progress.message, watch=watch)
        stored = None if resume_from is None else recorder.load()
        kind = _computation(settings, team, stored and stored[0])
        computation = kind(settings, team, recorder, progress, resumed=resume_from is not None)
        if stored is not None:
            computation.restore(*stored)
        return computation.run(resumed=resume_from is not None)


def measure(settings, team, source, output_path, stop=NEVER, watch=NOBODY):
    """Measure the states that a thermal run has passed, and write the run file of the new rows.  *Collective*.

    Parameters
    ----------
    settings : Settings
        Those of the run with other observables, temperatures or numbers of samples.
    team : Team
    source : str
        Run file of that run; it is only read.
    output_path : str
        `run` continues it like any other.
    stop : StopRequest
        Ends the measurement at a checkpoint.
    watch : Watch
        As for `run`.

    Returns
    -------
    int
        As `run`.

    Raises
    ------
    SettingsError, RunFileError, UnwritableError
        On all ranks alike; the first two before anything is written.
    """
    from hpc_nqs.thermal.driver import Cooling

    refusing(refuse_runs, settings)
    with _progress(settings, team) as progress:
        minutes = settings.run.checkpoint_minutes
        recorder = Recorder(output_path, team, stop, minutes, progress.message, source, watch)
        computation = Cooling(settings, team, recorder, progress, resumed=True)
        computation.measure_again(*recorder.load(), source)
        return computation.run()


def _progress(settings, team):
    """Return the live line of a run, in the units that its input asks for."""
    progress = Progress(team.rank)
    progress.units = units_of({"settings": settings.to_dict()})
    return progress


def plan(settings):
    """Return what a run of `settings` will take, as {what: number or text}."""
    return _planning(settings)[0].plan(settings)


def resolved(settings):
    """Return what "auto" becomes in a run of `settings`, {section: {key: value}}, as its run file will hold it."""
    return _planning(settings)[0].resolution(settings)


def forecast(settings, n_ranks=1):
    """Return the steps, reports and seconds of a run of `settings`, from a trial of a second or two on this machine."""
    return _planning(settings)[1].forecast(settings, n_ranks)


def advice(settings):
    """Return which method suits the magnet, as a list of sentences; empty for ground states."""
    if _task(settings) == "ground_state":
        return []
    from hpc_nqs.thermal.advice import advice as advice_of

    return advice_of(settings)


def _task(settings):
    """Return "ground_state", or of a thermal run its method; SettingsError for what has exact results only."""
    refusing(refuse_runs, settings)
    return settings.run.task if settings.run.task == "ground_state" else settings.thermal.method


def _computation(settings, team, stored):
    """Return the class of the computation, of a run that continues by the state in its file."""
    task = _task(settings)
    if task == "ground_state":
        from hpc_nqs.ground_state.levels import driver_of

        kind = driver_of(settings, team, stored)
    elif task == "analytic":
        from hpc_nqs.path_integral.driver import PathIntegral as kind
    else:
        from hpc_nqs.thermal.driver import Cooling as kind
    return kind


def _planning(settings):
    """Return the modules that plan a computation and time trials of it."""
    task = _task(settings)
    if task == "ground_state":
        from hpc_nqs.ground_state import plan, trial
    elif task == "analytic":
        from hpc_nqs.path_integral import plan, trial
    else:
        from hpc_nqs.thermal import plan, trial
    return plan, trial
