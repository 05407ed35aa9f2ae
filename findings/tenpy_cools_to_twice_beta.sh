#!/usr/bin/env bash
# TeNPy 1.1.1 (physics-tenpy): PurificationTEBD.run_imaginary(beta) returns the thermal state at 2 beta, and its argument
# is rounded to the time step without a word.
#
# The first is what its documentation means by exp(-beta H) acting on the purification; whoever takes `beta` for the
# inverse temperature reads energies at half the temperature. With beta = 0.5 and dt = 0.2 it ends at 0.6. Below: the
# open Heisenberg chain of 4 sites against all its levels.
#
# Seen: asked 0.50 in steps of 0.05: E = -0.6330, exact E(0.50) = -0.3090, E(1.00) = -0.6330
#       asked 0.50 in steps of 0.20: E = -0.7529, exact E(0.50) = -0.3090, E(1.00) = -0.6330, E(1.20) = -0.7524
#
#   bash findings/tenpy_cools_to_twice_beta.sh       exit code 0: as above; 1: it behaves otherwise now
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check physics-tenpy==1.1.1 numpy==2.4.6 scipy==1.17.1

cd -- "$folder"
venv/bin/python -W ignore - <<'PY'
import sys
from functools import reduce

import numpy as np
from tenpy.algorithms.purification import PurificationTEBD
from tenpy.models.xxz_chain import XXZChain
from tenpy.networks.purification_mps import PurificationMPS

L = 4
model = XXZChain({"L": L, "Jxx": 1.0, "Jz": 1.0, "hz": 0.0, "bc_MPS": "finite", "sort_charge": True})


def cooled(beta, dt):
    """Return the energy of what run_imaginary(beta) leaves."""
    state = PurificationMPS.from_infiniteT(model.lat.mps_sites(), bc="finite")
    options = {"trunc_params": {"chi_max": 100, "svd_min": 1e-12}, "order": 4, "dt": dt, "N_steps": 1}
    PurificationTEBD(state, model, options).run_imaginary(beta)
    return sum(model.bond_energies(state))


def operator(single, site):
    return reduce(np.kron, [single if j == site else np.eye(2) for j in range(L)])


spins = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]]) / 2
hamiltonian = sum(operator(s, i) @ operator(s, i + 1) for i in range(L - 1) for s in spins)
levels = np.linalg.eigvalsh(hamiltonian)


def exact(beta):
    weights = np.exp(-beta * levels)
    return levels @ weights / weights.sum()


fine, coarse = cooled(0.5, 0.05), cooled(0.5, 0.2)
print(f"asked 0.50 in steps of 0.05: E = {fine:.4f}, exact E(0.50) = {exact(0.5):.4f}, E(1.00) = {exact(1.0):.4f}")
print(f"asked 0.50 in steps of 0.20: E = {coarse:.4f}, exact E(0.50) = {exact(0.5):.4f}, E(1.00) = {exact(1.0):.4f}, "
      f"E(1.20) = {exact(1.2):.4f}")
sys.exit(not (abs(fine - exact(1.0)) < 1e-3 and abs(coarse - exact(1.2)) < 1e-3))
PY
