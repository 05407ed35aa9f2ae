"""Correlations in imaginary time of a run beside all levels: value, errors and the deviation in units of them.

    hpc-nqs run square.toml
    python -m tests.benchmarks.imaginary_time square.h5

The input asks for `observables.imaginary_time = true` and, for C(q, tau) and chi(q), wave vectors in
`observables.structure_factor`. One line per number: value, statistical error, systematic error, exact, and the
difference over both errors in quadrature. Several runs are printed one after the other.
"""

import argparse
import math

import hpc_nqs
from hpc_nqs.exact.table import imaginary_time_rows
from hpc_nqs.settings.parsing import parse_settings

NAMES = {"time_correlation": "C", "local_time_correlation": "C_loc", "static_susceptibility": "chi"}


def lines(row, exact):
    """Return (name, value, statistical error, systematic error, exact) of every number of a row."""
    found = []
    for column, name in NAMES.items():
        for key, (value, error) in row.get(column, {}).items():
            systematic = row[f"{column}_systematic"][key]
            found.append((f"{name}({key})", value, error, systematic, exact[column][key][0]))
    if "relaxation_proxy" in row:
        errors = [row["relaxation_proxy_error"], row["relaxation_proxy_systematic"]]
        found.append(("beta^2 C_loc(beta/2)", row["relaxation_proxy"], *errors, exact["relaxation_proxy"]))
    return found


def main(arguments=None):
    """Print the comparison of every run and temperature."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.imaginary_time", description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="RUN.h5")
    for name in parser.parse_args(arguments).runs:
        table = hpc_nqs.load(name).table
        settings = parse_settings(table["settings"])
        for row in table["rows"]:
            exact = imaginary_time_rows(settings, [row["beta"]], row["links"])[0]
            links = row["links"]
            print(f"{name}: T = {row['temperature']:.4g}, {links} links; C(q,k) and C_loc(k) at tau = k beta / {links}")
            print(f"{'':22}{'value':>10}{'stat.':>9}{'syst.':>9}{'exact':>10}{'deviation':>11}")
            for label, value, error, systematic, reference in lines(row, exact):
                total = math.hypot(error, systematic)
                deviation = f"{(value - reference) / total:>11.1f}" if total else f"{'':>11}"
                print(f"{label:22}{value:>10.5f}{error:>9.5f}{systematic:>9.5f}{reference:>10.5f}{deviation}")


if __name__ == "__main__":
    main()
