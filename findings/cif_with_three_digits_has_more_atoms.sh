#!/usr/bin/env bash
# ASE 3.29.0 and pymatgen 2026.10.24: a CIF file with 1/3 and 2/3 written as 0.333 and 0.667 has three times as many atoms
# as the crystal; with four digits it has the right number.
#
# The honeycomb layer (space group P6/mmm, one site at 1/3, 2/3, 0) has 2 atoms in its cell. Its three-fold axis maps
# (0.333, 0.667) to (0.334, 0.667): further apart than the tolerance by which both libraries recognize one atom. Neither
# warns. Older files in the literature and in databases have three digits. A lattice of sites taken from such a file has
# triples of sites a hundredth of an angstrom apart.
#
# Seen: ASE 6 2, pymatgen 6 2
#
#   bash findings/cif_with_three_digits_has_more_atoms.sh       exit code 0: as above; 1: it behaves otherwise now
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ase==3.29.0 pymatgen==2026.10.24 numpy==2.4.6

cd -- "$folder"
for digits in "0.333 0.667" "0.3333 0.6667"; do
    cat >"honeycomb-${#digits}.cif" <<CIF
data_honeycomb
_cell_length_a 2.46
_cell_length_b 2.46
_cell_length_c 6.70
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 120
_symmetry_space_group_name_H-M 'P 6/m m m'
_symmetry_Int_Tables_number 191
loop_
_symmetry_equiv_pos_as_xyz
'x, y, z'
'x-y, x, z'
'-y, x-y, z'
'-x, -y, z'
'-x+y, -x, z'
'y, -x+y, z'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
C1 C $digits 0.0
CIF
done
seen=$(venv/bin/python -W ignore - <<'PY'
import ase.io
from pymatgen.core import Structure

files = ["honeycomb-11.cif", "honeycomb-13.cif"]
print("ASE", *[len(ase.io.read(name)) for name in files], end=", ")
print("pymatgen", *[len(Structure.from_file(name)) for name in files])
PY
)
echo "$seen"
[ "$seen" = 'ASE 6 2, pymatgen 6 2' ]
