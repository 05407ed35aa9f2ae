#!/usr/bin/env bash
# ASE 3.29.0, pymatgen 2026.10.24 and gemmi 0.7.5: a CIF file of space group F d -3 m that names neither the choice of the
# origin nor the operations has 8 sites at (1/2, 1/2, 1/2) or 16, the diamond or the pyrochlore lattice.
#
# The group has two origins in the International Tables. ASE and pymatgen take the first one, gemmi the second, which
# papers on pyrochlores and spinels use as a rule. None of them warns, and the name of the group alone is what many tables
# of papers have. With 'F d -3 m :2', or with the list of operations, there is one answer.
#
# Seen: ASE 8, pymatgen 8, gemmi 16
#
#   bash findings/cif_without_origin_has_other_sites.sh       exit code 0: as above; 1: it behaves otherwise now
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ase==3.29.0 pymatgen==2026.10.24 gemmi==0.7.5 numpy==2.4.6

cd -- "$folder"
cat >pyrochlore.cif <<'CIF'
data_pyrochlore
_cell_length_a 10.03
_cell_length_b 10.03
_cell_length_c 10.03
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'F d -3 m'
_symmetry_Int_Tables_number 227
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Yb1 Yb 0.5 0.5 0.5
CIF
seen=$(venv/bin/python -W ignore - <<'PY'
import ase.io
import gemmi
from pymatgen.core import Structure

name = "pyrochlore.cif"
print("ASE", len(ase.io.read(name)), end=", ")
print("pymatgen", len(Structure.from_file(name)), end=", ")
print("gemmi", len(gemmi.read_small_structure(name).get_all_unit_cell_sites()))
PY
)
echo "$seen"
[ "$seen" = 'ASE 8, pymatgen 8, gemmi 16' ]
