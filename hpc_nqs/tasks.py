"""Which computation an input asks for: numerical or analytic purification, or the optimization of a ground state."""

from hpc_nqs.runs.progress import Progress
from hpc_nqs.runs.recorder import Recorder
from hpc_nqs.runs.stopping import NEVER


def run(settings, team, output_path, resume_from=None, stop=NEVER):
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

    Returns
    -------
    int
        0 done, 75 stopped at a checkpoint, 1 ended in an error of the calculation (what was reached is written).

    Raises
    ------
    SettingsError, RunFileError, UnwritableError
        On all ranks alike.
    """
    with Progress(team.rank) as progress:
        recorder = Recorder(output_path, team, stop, settings.run.checkpoint_minutes, progress.message)
        computation = _task(settings)[0](settings, team, recorder, progress, resumed=resume_from is not None)
        if resume_from is not None:
            computation.restore(*recorder.load())
        return computation.run(resumed=resume_from is not None)


def plan(settings):
    """Return what a run of `settings` will take, as {what: number or text}."""
    return _task(settings)[1](settings)


def _task(settings):
    """Return the class of the computation and the function that plans it."""
    if settings.run.task == "ground_state":
        from hpc_nqs.ground_state.driver import Optimization as kind
        from hpc_nqs.ground_state.plan import plan as plan_of
    elif settings.thermal.method == "analytic":
        from hpc_nqs.path_integral.driver import PathIntegral as kind
        from hpc_nqs.path_integral.driver import plan as plan_of
    else:
        from hpc_nqs.thermal.driver import Cooling as kind
        from hpc_nqs.thermal.plan import plan as plan_of
    return kind, plan_of
