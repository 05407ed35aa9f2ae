#!/usr/bin/env bash
# TeNPy 1.1.1 and OpenFermion 1.8.1: a periodic chain of two sites has two bonds in the one and one bond in the other,
# and neither says so.
#
# The same words, "2 sites, periodic, t = 1, U = 0", are two systems: the lowest energy is -4 (two bonds, as a torus has
# them, and as the lattices of HPhi and ALPS have) or -2 (the set of neighbouring pairs, as networkx has it). From three
# sites on they agree; in two dimensions the same happens for every side of length 2. Small systems against which
# programs are tested are just these.
#
# Seen: 2 sites: TeNPy -4.000000, OpenFermion -2.000000, its open chain -2.000000; 4 sites: TeNPy -4.000000, OpenFermion -4.000000
#
#   bash findings/short_rings_have_one_bond_or_two.sh       exit code 0: as above; 1: it behaves otherwise now
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check physics-tenpy==1.1.1 openfermion==1.8.1 numpy==2.4.6 scipy==1.17.1

cd -- "$folder"
seen=$(venv/bin/python -W ignore - <<'PY'
import numpy as np
from openfermion import fermi_hubbard, get_sparse_operator
from tenpy.algorithms.exact_diag import ExactDiag
from tenpy.models.hubbard import FermiHubbardModel


def tenpy(length):
    options = {"L": length, "t": 1.0, "U": 0.0, "bc_MPS": "finite", "bc_x": "periodic", "sort_charge": True}
    exact = ExactDiag(FermiHubbardModel(options | {"cons_N": None, "cons_Sz": None}))
    exact.build_full_H_from_mpo()
    exact.full_diagonalization()
    return exact.E.min()


def openfermion(length, periodic=True):
    model = fermi_hubbard(length, 1, tunneling=1.0, coulomb=0.0, periodic=periodic)
    return np.linalg.eigvalsh(get_sparse_operator(model, 2 * length).toarray())[0]


print(
    f"2 sites: TeNPy {tenpy(2):.6f}, OpenFermion {openfermion(2):.6f}, its open chain {openfermion(2, False):.6f}; "
    f"4 sites: TeNPy {tenpy(4):.6f}, OpenFermion {openfermion(4):.6f}"
)
PY
)
echo "$seen"
[ "$seen" = '2 sites: TeNPy -4.000000, OpenFermion -2.000000, its open chain -2.000000; 4 sites: TeNPy -4.000000, OpenFermion -4.000000' ]
