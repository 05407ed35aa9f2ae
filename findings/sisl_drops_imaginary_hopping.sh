#!/usr/bin/env bash
# sisl 0.20.0: a Hamiltonian read from files of Wannier90 is real unless dtype=complex is asked for; imaginary parts of
# hopping are dropped without a warning.
#
# A hopping t = -1 - i/2 along x has the band -2 cos k - sin k. At k = pi/2 the Hamiltonian as sisl reads it by default
# gives 0, that of the file -1; tbmodels 1.4.3 reads the same file as -1. Files of Wannier90 with spin-orbit coupling, a
# flux or just other phases of the orbitals are complex.
#
# Seen: band at k = pi/2: sisl float64 0.000, sisl with dtype=complex -1.000, tbmodels -1.000; warnings 0
#
#   bash findings/sisl_drops_imaginary_hopping.sh       exit code 0: as above; 1: it behaves otherwise now
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check sisl==0.20.0 tbmodels==1.4.3 numpy==2.4.6 scipy==1.17.1

cd -- "$folder"
cat >chain_hr.dat <<'HR'
 one orbital, complex hopping
           1
           3
    1    1    1
   -1    0    0    1    1   -1.000000   -0.500000
    0    0    0    1    1    0.000000    0.000000
    1    0    0    1    1   -1.000000    0.500000
HR
cat >chain.win <<'WIN'
num_wann = 1
begin unit_cell_cart
1 0 0
0 10 0
0 0 10
end unit_cell_cart
begin atoms_frac
C 0 0 0
end atoms_frac
WIN
cat >chain_centres.xyz <<'XYZ'
     2
 Wannier centres
X          0.00000000       0.00000000       0.00000000
C          0.00000000       0.00000000       0.00000000
XYZ
seen=$(venv/bin/python - <<'PY'
import warnings

import numpy as np
import sisl
import tbmodels

k = [0.25, 0, 0]
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    by_default = sisl.get_sile("chain.win").read_hamiltonian()
real = by_default.eigh(k)[0]
whole = sisl.get_sile("chain.win").read_hamiltonian(dtype=np.complex128).eigh(k)[0]
other = tbmodels.Model.from_wannier_files(hr_file="chain_hr.dat").eigenval(k)[0]
print(
    f"band at k = pi/2: sisl {by_default.dtype} {abs(real):.3f}, sisl with dtype=complex {whole:.3f}, "
    f"tbmodels {other:.3f}; warnings {len(caught)}"
)
PY
)
echo "$seen"
[ "$seen" = 'band at k = pi/2: sisl float64 0.000, sisl with dtype=complex -1.000, tbmodels -1.000; warnings 0' ]
