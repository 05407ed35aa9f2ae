#!/usr/bin/env bash
# SciPy 1.17.1: scipy.sparse.linalg.eigsh of a block that is zero ends with the error "Starting vector is zero", whatever
# the starting vector; of one that is the identity it gives all eigenvalues.
#
# Blocks of zeros are ordinary: hopping in the sectors without or with all electrons, exchange at the point where
# interactions cancel, a shift of H that makes a one-level block vanish. A loop over all sectors stops there with a message
# that sends one to look for a fault in v0. 1e-300 times the identity works; an exact zero needs a branch of its own.
#
# Seen: zero: ARPACK error -9: Starting vector is zero.; zero, v0 of ones: ARPACK error -9: Starting vector is zero.
#       identity: [1. 1.]; identity * 1e-300: [1.e-300 1.e-300]
#
#   bash findings/eigsh_refuses_a_zero_block.sh       exit code 0: as above; 1: it behaves otherwise now
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scipy==1.17.1 numpy==2.4.6

cd -- "$folder"
seen=$(venv/bin/python - <<'PY'
import numpy as np
import scipy.sparse as sparse
from scipy.sparse.linalg import ArpackError, eigsh


def tried(matrix, **options):
    try:
        return eigsh(matrix, k=2, return_eigenvectors=False, **options)
    except ArpackError as error:
        return error


zero, one = sparse.csr_matrix((12, 12)), sparse.identity(12, format="csr")
print(f"zero: {tried(zero)}; zero, v0 of ones: {tried(zero, v0=np.ones(12))}")
print(f"identity: {tried(one)}; identity * 1e-300: {tried(1e-300 * one)}")
PY
)
echo "$seen"
[ "$seen" = "zero: ARPACK error -9: Starting vector is zero.; zero, v0 of ones: ARPACK error -9: Starting vector is zero.
identity: [1. 1.]; identity * 1e-300: [1.e-300 1.e-300]" ]
