"""One self-contained HTML page about a run: no script, no network, figures as inline SVG."""

import html as markup
import platform
import shlex

import numpy as np

from hpc_nqs.reports import verdict as judgement
from hpc_nqs.reports.columns import aligned_columns
from hpc_nqs.reports.methods import paragraph
from hpc_nqs.reports.numbers import duration
from hpc_nqs.reports.text import describe, errors_legend, given_title, status, table_remarks, unit_of_energy
from hpc_nqs.reports.units import in_its_units, legend, rows_beside
from hpc_nqs.settings.toml_text import format_value

PAPERS = (
    (
        "Y. Nomura, N. Yoshioka, F. Nori, Purifying deep Boltzmann machines for thermal quantum states, "
        "PRL 127, 060601 (2021)",
        "the method",
    ),
    ("S. Sorella, PRB 64, 024512 (2001)", "stochastic reconfiguration"),
)
GROUND_STATE_PAPERS = (
    ("Y. Nomura, J. Phys.: Condens. Matter 33, 174003 (2021)", "projection onto quantum numbers"),
    PAPERS[1],
)
PAIR_PAPER = ("Y. Nomura, M. Imada, PRX 11, 031034 (2021)", "pair products times Boltzmann machines")
SAMPLE_SPACE_PAPER = ("A. Chen, M. Heyl, Nat. Phys. 20, 1476 (2024)", "the sample-space solver")

OF_METERS = ("Convergence",)  # figures that stand beside the meters, behind the results
# Columns of tables that stand with the meters, and those that name a row.
METERS = ("tdvp_residual", "layer_energy_difference", "average_sign", "acceptance", "r_hat", "autocorrelation")
METERS += ("effective_samples", "kernel_beta", "links", "n_steps", "converged", "extrapolation_chi2")
ROW_NAMES = ("temperature", "beta", "momentum", "sz", "n_up", "n_down", "spin_parity", "point_group")
_GRADES = {"open": "&ndash; open", "good": "&#10003; good", "look": "&#9675; look", "bad": "&#10007; bad"}
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 52rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; }
h2 { font-size: 1.15rem; margin-top: 2.2rem; border-bottom: 1px solid #ccc; }
p.sub { color: #555; margin-top: .2rem; }
table { border-collapse: collapse; font-size: .86rem; margin: .8rem 0; }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #e4e4e4;
  font-variant-numeric: tabular-nums; }
th { border-bottom: 1.5px solid #555; font-weight: 600; } table.words td, table.words th { text-align: left; }
table.words td:nth-child(2), table.words td:nth-child(3) { white-space: nowrap; }
.scroll { overflow-x: auto; }
pre { background: #f5f5f5; padding: .8rem; overflow-x: auto; font-size: .82rem; line-height: 1.35; }
.verdict { border-left: .35rem solid #555; padding: .4rem .9rem; background: #f5f5f5; }
.good { color: #00694a; } .look { color: #8a5a00; } .bad { color: #a33600; font-weight: 600; }
figure { margin: 1rem 0; } svg { max-width: 100%; height: auto; }
"""


def html(table, history, about, drawings, *, name, exact_rows=None):
    """Return the page.

    Parameters
    ----------
    table : dict
        As `run_file.read_table` returns it.
    history : dict of str: (n_steps,) float64
    about : dict
        As `run_file.read_about` returns it.
    drawings : dict of str: str
        Title to SVG element; those of `OF_METERS` stand beside the meters.
    name : str
        Name of the run file.
    exact_rows : list of dict, optional
        Exact rows in the order of table["rows"].
    """
    settings = table.get("settings", {})
    system = describe(settings, table.get("n_sites"))
    title = given_title(settings) or system
    verdicts = judgement.judge(table, history)
    of_meters = [what for what in drawings if what in OF_METERS]
    parts = [
        f"<h1>{_text(title)}</h1>",
        *([] if title == system else [f'<p class="sub">{_text(system)}</p>']),
        f'<p class="sub">{_text(_summary(table, name))}</p>',
        *_verdict_part(verdicts),
        "<h2>Results</h2>",
        *_figures_part([what for what in drawings if what not in of_meters], drawings),
        *_results_part(table, exact_rows),
        "<h2>Meters</h2>",
        _words_table(
            ("meter", "worst value", "verdict", "in words"), [_verdict_cells(verdict) for verdict in verdicts]
        ),
        *_figures_part(of_meters, drawings),
        *_meters_part(table),
        *_methods_part(table, about),
        "<h2>Timings</h2>",
        _words_table(("what", "value"), _timings(table, history)),
        "<h2>Environment</h2>",
        _words_table(("what", "value"), _environment(about)),
        "<h2>Run it again</h2>",
        *_again_part(table, name),
        "<h2>How to cite</h2>",
        "<p>hpc_nqs (CITATION.cff in its repository), and the papers behind this run:</p>",
        "<ul>" + "".join(f"<li>{_text(paper)}: {_text(why)}</li>" for paper, why in _papers(table)) + "</ul>",
        "<h2>Settings</h2>",
        *_settings_part(table),
    ]
    head = f'<meta charset="utf-8"><title>{_text(title)}</title><style>{_STYLE}</style>'
    head += '<meta name="viewport" content="width=device-width, initial-scale=1">'
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>\n' + "\n".join(parts) + "\n</body></html>\n"


def fragment(table):
    """Return the system and the results of a table as HTML for a notebook."""
    parts = [f"<p><b>{_text(describe(table.get('settings', {}), table.get('n_sites')))}</b><br>"]
    parts.append(f"{_text(status(table, len(table['rows'])))}</p>")
    return "\n".join(parts + _results_part(table, None))


def _text(words):
    return markup.escape(str(words))


def _figures_part(names, drawings):
    return [f'<figure role="img" aria-label="{_text(what)}">{drawings[what]}</figure>' for what in names]


def _summary(table, name):
    temperatures = [row["temperature"] for row in table["rows"] if row.get("temperature")]
    reach = f", T = {max(temperatures):g} to {min(temperatures):g}" if temperatures else ""
    state = "finished" if table.get("finished") else "not finished"
    method = table.get("settings", {}).get(table.get("task", "thermal"), {}).get("method", "")
    task = " ".join([method, table.get("task", "thermal").replace("_", " "), "run"]).strip()
    count = len(table["rows"])
    return f"{name}: {task}, {count} {'temperatures' if reach else 'results'}{reach}, {state}"


def _verdict_part(verdicts):
    grade, sentence = judgement.overall(verdicts)
    return [f'<p class="verdict"><b class="{grade}">{_GRADES[grade]}</b> &nbsp; {_text(sentence)}</p>']


def _verdict_cells(verdict):
    grade = f'<span class="{verdict.grade}">{_GRADES[verdict.grade]}</span>'
    return (_text(verdict.meter), _text(verdict.value), grade, _text(verdict.words))


def _words_table(headings, rows):
    head = "".join(f"<th>{heading}</th>" for heading in headings)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table class="words"><tr>{head}</tr>{body}</table></div>'


def _results_part(table, exact_rows):
    """Return the table of results in blocks of as many columns as a page is wide."""
    if not table["rows"]:
        return ["<p>There are no results yet.</p>"]
    table = in_its_units(table)
    rows = [{key: value for key, value in row.items() if not _is_meter(key)} for row in table["rows"]]
    blocks = aligned_columns(rows, rows_beside(exact_rows, table), unit_of_energy(table))
    parts = [_numbers_table(block) for block in blocks]
    brackets = errors_legend([cell for block in blocks for column in block for cell in column[1:]])
    parts.append(f"<p>{_text(f'{legend(table)}{brackets}.')}</p>")
    return parts + [f"<p>{_text(remark)}</p>" for remark in table_remarks(table["rows"], table.get("remark"))]


def _numbers_table(block):
    """Return a block of `aligned_columns` as a table."""
    lines = ["".join(f"<th>{_text(column[0])}</th>" for column in block)]
    lines += ["".join(f"<td>{_text(column[k])}</td>" for column in block) for k in range(1, len(block[0]))]
    return '<div class="scroll"><table>' + "".join(f"<tr>{line}</tr>" for line in lines) + "</table></div>"


def _is_meter(column):
    return column.removesuffix("_error").removesuffix("_systematic") in METERS


def _meters_part(table):
    """Return the meters of every row as tables."""
    rows = [{key: row[key] for key in row if key in ROW_NAMES or _is_meter(key)} for row in table["rows"]]
    if not any(map(_is_meter, {key for row in rows for key in row})):
        return []
    return [_numbers_table(block) for block in aligned_columns(rows, None, unit_of_energy(table))]


def _settings_part(table):
    """Return the settings of the task of the run with what "auto" became behind it."""
    settings, resolved = table.get("settings", {}), table.get("resolved", {})
    other = {"thermal": "ground_state", "ground_state": "thermal"}.get(table.get("task", "thermal"))
    lines = []
    for name, section in settings.items():
        if name == other:
            continue
        lines.append(f"[{name}]")
        for key, value in section.items():
            became = resolved.get(name, {}).get(key)
            behind = "" if became is None or became == value else f"  # {format_value(became)}"
            lines.append(f"{key} = {format_value(value, wrap=not behind)}{behind}")
        lines.append("")
    words = ["<p>Behind <code>#</code> stands what &quot;auto&quot; became.</p>"] if resolved else []
    return [*words, f"<pre>{_text(chr(10).join(lines))}</pre>"]


def _timings(table, history):
    steps = len(next(iter(history.values()), ()))
    whole = duration(table.get("seconds", 0.0))
    rows = [("ranks", table.get("n_ranks", 1)), ("steps", steps), ("wall time of all starts", whole)]
    seconds = history.get("seconds", np.zeros(0))
    if len(seconds) > 1:
        per_step = np.diff(seconds)
        rows.append(("one step, median", duration(float(np.median(per_step)))))
        slowest = duration(float(per_step.max())) + " (samples of a reported temperature included)"
        rows.append(("one step, slowest", slowest))
    rejected = history.get("n_rejected", np.zeros(0))
    if len(rejected):
        rows.append(("steps repeated with a smaller size", int(rejected.sum())))
    return [tuple(map(_text, row)) for row in rows]


def _environment(about):
    known = [(key.removeprefix("n_").replace("_", " "), value) for key, value in about.items() if value != ""]
    made = f"Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()} {platform.system()}"
    return [(_text(key), _text(value)) for key, value in [*known, ("this page was made with", made)]]


def _methods_part(table, about):
    """Return the paragraph about the run and what "auto" became; nothing for files that do not hold it."""
    words = paragraph(table, about)
    if not words:
        return []
    known = {name: set(section) for name, section in table.get("settings", {}).items()}
    counts = {
        f"{name}.{key}": value
        for name, section in table["resolved"].items()
        for key, value in section.items()
        if key not in known.get(name, ())
    }
    lines = "\n".join(f"{key} = {format_value(value)}" for key, value in counts.items())
    return ["<h2>Methods</h2>", f"<p>{_text(words)}</p>", *([f"<pre>{_text(lines)}</pre>"] if counts else [])]


def _again_part(table, name):
    n_ranks = table.get("n_ranks", 1)
    quoted, again = shlex.quote(name), shlex.quote(name.removesuffix(".h5") + "-again")
    lines = [
        f"hpc-nqs show {quoted} --toml > {again}.toml",
        f"mpiexec -n {n_ranks} hpc-nqs run {again}.toml",
    ]
    words = "The run file holds the complete input, seed and defaults included. The same number of ranks gives the "
    words += "same numbers on the same machine; another number gives them within their errors."
    return [f"<p>{words}</p>", f"<pre>{_text(chr(10).join(lines))}</pre>"]


def _papers(table):
    settings = table.get("settings", {})
    papers = list(GROUND_STATE_PAPERS if table.get("task") == "ground_state" else PAPERS)
    frustrated = len([value for value in settings.get("model", {}).get("couplings", []) if value]) > 1
    kind = settings.get("wavefunction", {}).get("kind", "auto")
    if kind == "pair_rbm" or (kind in ("auto", "clusters") and frustrated):
        papers.append(PAIR_PAPER)
    if settings.get("reconfiguration", {}).get("solver") == "sample_space":
        papers.append(SAMPLE_SPACE_PAPER)
    return papers
