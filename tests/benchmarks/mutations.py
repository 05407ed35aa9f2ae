"""Wrong physics must fail a test: a sign or a factor of two is changed in a copy of the package, and tests run on it.

    python -m tests.benchmarks.mutations            # all of them; one line each, exit code 1 where one is not caught
    python -m tests.benchmarks.mutations clock      # those with this word in their name

The copy lives in a temporary folder and uses the compiled kernels of this folder; only Python lines are changed.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXACT = "tests/exact/"
# name: (file, what stands there once, what it becomes, tests that have to notice)
MUTATIONS = {
    "local energy: sign of the off-diagonal elements": (
        "hilbert/purification.py",
        "elements = np.concatenate([model.exchange_element, model.flip_element])",
        "elements = -np.concatenate([model.exchange_element, model.flip_element])",
        [EXACT + "test_seed.py", EXACT + "test_reconfiguration.py"],
    ),
    "purification: the field keeps its sign on opposite ancilla spins": (
        "hilbert/purification.py",
        "field_sign = -1.0 if layer == 1 and",
        "field_sign = 1.0 if layer == 1 and",
        [EXACT + "test_seed.py", EXACT + "test_reconfiguration.py"],
    ),
    "seed: amplitudes of beta in place of beta / 2": (
        "thermal/high_temperature/networks.py",
        "scipy.linalg.expm(-0.5 * beta_0 * elements)",
        "scipy.linalg.expm(-1.0 * beta_0 * elements)",
        [EXACT + "test_seed.py"],
    ),
    "clock: beta advances by half of a step": (
        "thermal/evolution.py",
        "else self.beta + 2 * step",
        "else self.beta + step",
        [EXACT + "test_thermal.py"],
    ),
    "specific heat: beta in place of beta squared": (
        "thermal/meter.py",
        'row["specific_heat"] = beta**2 * row["energy_variance"]',
        'row["specific_heat"] = beta * row["energy_variance"]',
        [EXACT + "test_thermal.py"],
    ),
    "entropy: sign of the integral of e": (
        "observables/thermodynamics.py",
        "return LN_2 + beta * energy - integral",
        "return LN_2 + beta * energy + integral",
        ["tests/unit/test_thermodynamics.py"],
    ),
    "structure factor: twice the wave vector": (
        "lattices/lattice.py",
        "np.exp(1j * np.pi * (",
        "np.exp(2j * np.pi * (",
        [EXACT + "test_correlations.py", "tests/unit/test_lattice.py"],
    ),
    "Trotter gate: sign of the Ising part": (
        "path_integral/gates.py",
        "return np.exp(-tau * coupling), np.exp(tau * coupling) * stay, np.exp(tau * coupling) * swap",
        "return np.exp(tau * coupling), np.exp(-tau * coupling) * stay, np.exp(-tau * coupling) * swap",
        [EXACT + "test_gates.py"],
    ),
    "continuous time: sign of the Ising part of break-ups": (
        "path_integral/continuous.py",
        "return c + 0.5 * e, 0.5 * e - c, 0.0, 0.0",
        "return 0.5 * e - c, c + 0.5 * e, 0.0, 0.0",
        [EXACT + "test_continuous_time.py"],
    ),
    "continuous time: twice the rate of cuts": (
        "path_integral/continuous.py",
        "channels.append((len(places), CUT, flips[i]))",
        "channels.append((len(places), CUT, 2.0 * flips[i]))",
        [EXACT + "test_continuous_time.py"],
    ),
    "continuous time: constant of the series of break-ups": (
        "path_integral/continuous.py",
        "rates.sum() - 0.5 * rates[channels[:, 1] != CUT].sum()",
        "rates.sum() - rates[channels[:, 1] != CUT].sum()",
        [EXACT + "test_continuous_time.py"],
    ),
    "continuous time: sign of the kinks in Var(H)": (
        "path_integral/continuous.py",
        "estimates[k] * estimates[m] - e for",
        "estimates[k] * estimates[m] + e for",
        [EXACT + "test_continuous_time.py"],
    ),
    "continuous time: field of the other sign": (
        "path_integral/continuous.py",
        "field = model.site_field.copy() if",
        "field = -model.site_field.copy() if",
        [EXACT + "test_continuous_time.py"],
    ),
    "Marshall: equal spins across antiferromagnetic bonds": (
        "hamiltonians/marshall.py",
        "sign = -1 if unequal else 1",
        "sign = 1",
        ["tests/unit/test_models.py", EXACT + "test_exact.py"],
    ),
    "layer exchange: no flip of all spins in a field": (
        "hilbert/purification.py",
        "flips = purification.opposite_pairs and not model.spin_flip_symmetric",
        "flips = False",
        [EXACT + "test_seed.py", EXACT + "test_strong_field.py", EXACT + "test_reconfiguration.py"],
    ),
}


def copied(folder):
    """Copy package and tests to a folder."""
    for name in ("hpc_nqs", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)


def fails(folder, tests):
    """Return whether tests fail in the copy."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    code = subprocess.run(command, cwd=folder, env=environment, capture_output=True).returncode
    if code not in (0, 1):
        raise SystemExit(f"{' '.join(tests)}: pytest ended with {code}; are the tests still there?")
    return code == 1


def is_caught(folder, mutation):
    """Return whether the tests fail on a mutation; the file is as before afterwards."""
    name, old, new, tests = mutation
    path = folder / "hpc_nqs" / name
    text = path.read_text()
    if text.count(old) != 1:
        raise SystemExit(f"{name}: {old!r} stands there {text.count(old)} times, wanted once")
    path.write_text(text.replace(old, new))
    try:
        return fails(folder, tests)
    finally:
        path.write_text(text)


def main(words):
    """Run the mutations whose names hold one of the words; return the exit code."""
    chosen = {name: each for name, each in MUTATIONS.items() if not words or any(word in name for word in words)}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        copied(folder)
        if fails(folder, sorted({test for *_, tests in chosen.values() for test in tests})):
            raise SystemExit("the tests fail without any change: nothing can be said")
        caught = {}
        for name, mutation in chosen.items():
            caught[name] = is_caught(folder, mutation)
            print(f"{'caught' if caught[name] else 'NOT CAUGHT':12s}{name}", flush=True)
    return 0 if all(caught.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
