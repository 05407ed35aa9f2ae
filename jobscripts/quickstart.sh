#!/usr/bin/env bash
# From a fresh clone to a result: install into .venv, cool a frustrated 4x4 magnet on two ranks, compare with
# exact diagonalization, draw the figure, write the report. Results go to the current folder. Run it again as often as you like.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

venv=$root/.venv
install "$venv" mpich,plot
export PATH=$venv/bin:$PATH

code=0
mpiexec -n 2 hpc-nqs run "$root/jobscripts/j1j2_4x4.toml" -o j1j2_4x4.h5 --overwrite || code=$?
[ $code != 75 ] || fail "stopped at a checkpoint; continue with: $venv/bin/hpc-nqs resume j1j2_4x4.h5"
[ $code = 0 ] || exit $code
hpc-nqs show --exact j1j2_4x4.h5
hpc-nqs plot --exact j1j2_4x4.h5 -o j1j2_4x4.png
hpc-nqs report --exact j1j2_4x4.h5 -o j1j2_4x4.html
echo
echo "results: $PWD/j1j2_4x4.h5   figure: $PWD/j1j2_4x4.png   report: $PWD/j1j2_4x4.html   the program: $venv/bin/hpc-nqs"
