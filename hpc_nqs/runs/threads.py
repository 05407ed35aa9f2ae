"""The threads that a run asks for."""

from hpc_nqs.parallel.team import Threads, available_cores
from hpc_nqs.settings.parsing import SettingsError


def use_threads(settings, team):
    """Give every rank of the team `run.threads` threads.  *Collective*.

    Raises
    ------
    SettingsError
        On every rank, when one of them may not run on as many cores.
    """
    wanted, found = settings.run.threads, available_cores()
    lacking = team.max(max(0, wanted - found))
    if lacking:
        raise SettingsError(
            [f"run.threads = {wanted}: a rank may run on {int(wanted - lacking)} of the cores here; allowed is 1 to "
             f"{int(wanted - lacking)} (a launcher gives a rank more cores with --cpus-per-task or --bind-to none)"]
        )
    team.threads = Threads(wanted)
