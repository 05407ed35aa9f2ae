"""What `hpc-nqs check` prints: advice, plan, what "auto" becomes, and what the run will take."""

from hpc_nqs.reports.numbers import duration
from hpc_nqs.reports.sample_size import warning
from hpc_nqs.reports.text import plan_text, wrapped
from hpc_nqs.settings.toml_text import format_value

MEMORY = "memory per rank (MB, one rank)"  # as plans have it
RANGES = {"exponent", "sweeps_per_sample", "n_samples_report"}  # keys whose pairs of numbers are limits
START_UP = 1.0  # seconds until a run begins: Python, its libraries and the first file


def check_text(checked):
    """Return the text about an input.

    Parameters
    ----------
    checked : dict
        "advice": list of sentences; "plan": {what: number or text}; "resolved": {section: {key: value}}; "given": the
        settings as nested dicts; "forecast": as `tasks.forecast` returns it, None where a rank does not fit into the
        "megabytes_here"; "ranks".
    """
    lines = []
    about_samples = warning(checked["resolved"])
    for sentence in [*checked["advice"], *([about_samples] if about_samples else [])]:
        lines += wrapped(sentence)
    parts = ["".join(line + "\n" for line in lines), plan_text(checked["plan"])]
    decided = chosen(checked["resolved"], checked["given"])
    if decided:
        parts += ['What "auto" becomes:\n', plan_text(decided)]
    if checked["forecast"] is None:
        needs, here = (f"{size / 1e3:.3g} GB" for size in (checked["plan"][MEMORY], checked["megabytes_here"]))
        why = f"One rank needs about {needs}, this machine has {here}: no trial was made, and a run would end early."
        return "".join([*parts, *(line + "\n" for line in wrapped(why))])
    costs = taken(checked["forecast"], checked["ranks"])
    return "".join([*parts, "What the run takes, from a trial on this machine:\n", plan_text(costs)])


def chosen(resolved, given):
    """Return {section.key: value as in an input} of what stands as "auto" in the settings."""
    return {
        f"{section}.{key}": _shown(key, value)
        for section, values in resolved.items()
        for key, value in values.items()
        if given.get(section, {}).get(key) == "auto"
    }


def _shown(key, value):
    if key in RANGES and isinstance(value, list):
        return f"{value[0]:g} to {value[1]:g}, as the samples ask for"
    return format_value(float(f"{value:.6g}") if isinstance(value, float) else value)


def taken(forecast, n_ranks):
    """Return what the run takes, as {what: number or text}."""
    ranks = f"{n_ranks} rank{'s' * (n_ranks != 1)}"
    if n_ranks > 1:
        ranks += f" (predicted parallel efficiency {forecast['efficiency']:.0%})"
    steps, reports = forecast["names"]
    about = "more than" if forecast.get("capped") else "about"
    found = {"ranks assumed": ranks, steps: f"{about} {forecast['steps']:,}", reports: forecast["reports"]}
    found[f"one of the {steps}"] = duration(forecast["seconds_per_step"])
    if "seconds_per_report" in forecast:
        found[f"one of the {reports}"] = duration(forecast["seconds_per_report"])
    return found | {"whole run": f"{about} " + duration(forecast["seconds"] + START_UP)}
