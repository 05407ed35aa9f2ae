"""Which driver runs an input: numerical or analytic purification, or the optimization of a ground state."""


def driver(settings):
    """Return the function run(settings, team, output_path, resume_from=None, stop=...) of the task."""
    if settings.run.task == "ground_state":
        from hpc_nqs.ground_state import run_ground_state as run
    elif settings.thermal.method == "analytic":
        from hpc_nqs.path_integral import run_path_integral as run
    else:
        from hpc_nqs.thermal import run_thermal as run
    return run


def plan(settings):
    """Return what a run of `settings` will take, as {what: number or text}."""
    if settings.run.task == "ground_state":
        from hpc_nqs.level_plan import plan as plan_of
    elif settings.thermal.method == "analytic":
        from hpc_nqs.path_integral import plan as plan_of
    else:
        from hpc_nqs.thermal import plan as plan_of
    return plan_of(settings)
