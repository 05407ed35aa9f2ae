#!/usr/bin/env bash
# SciPy 1.17.1: scipy.sparse.linalg.eigsh with a start vector v0 of a symmetry sector returns one member of every
# multiplet in place of all, or leaves the sector, and says neither.
#
# Heisenberg ring of 8 sites, k = 4 lowest levels. From the Neel state (Sz = 0) the triplet appears once, and levels from
# further up fill the list: a gap to the "third" level or a partition function from it is wrong. From the fully polarized
# state, an eigenvector with E = 2 that spans its sector, ARPACK starts anew at random and returns levels of all sectors.
# A random v0 gives all members. So v0 is no way to choose a sector, and no way to leave the choice open either.
#
# Seen: levels -3.651 -3.128 -3.128 -3.128
#       v0 random -3.651 -3.128 -3.128 -3.128
#       v0 Neel -3.651 -3.128 -2.700 -2.459
#       v0 polarized -3.651 (H v0 = 2 v0)
#
#   bash findings/eigsh_misses_members_of_multiplets.sh       exit code 0: as above; 1: it behaves otherwise now
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scipy==1.17.1 numpy==2.4.6

cd -- "$folder"
seen=$(venv/bin/python - <<'PY'
from functools import reduce

import numpy as np
import scipy.sparse as sparse
from scipy.sparse.linalg import eigsh

L = 8
spins = [np.array(s) / 2 for s in ([[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]])]


def operator(single, site):
    return reduce(sparse.kron, [sparse.csr_matrix(single) if j == site else sparse.identity(2) for j in range(L)])


H = sum(operator(s, i) @ operator(s, (i + 1) % L) for i in range(L) for s in spins).real.tocsr()
neel, polarized = np.zeros(2**L), np.zeros(2**L)
neel[int("01" * (L // 2), 2)] = polarized[0] = 1.0


def lowest(start, k=4):
    return " ".join(f"{level:.3f}" for level in sorted(eigsh(H, k=k, which="SA", v0=start)[0]))


print("levels", *[f"{level:.3f}" for level in np.linalg.eigvalsh(H.toarray())[:4]])
print("v0 random", lowest(np.random.default_rng(1).normal(size=2**L)))
print("v0 Neel", lowest(neel))
print("v0 polarized", lowest(polarized, 1), "(H v0 = 2 v0)" if np.allclose(H @ polarized, 2 * polarized) else "")
PY
)
echo "$seen"
[ "$seen" = "levels -3.651 -3.128 -3.128 -3.128
v0 random -3.651 -3.128 -3.128 -3.128
v0 Neel -3.651 -3.128 -2.700 -2.459
v0 polarized -3.651 (H v0 = 2 v0)" ]
