#!/usr/bin/env bash
# Build the documentation into docs/_build/html; warnings and failing cells of notebooks are errors. The notebooks run
# the first time and when they or the program change: a few minutes on two cores.
#   bash jobscripts/docs.sh
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

venv=$root/.venv
install "$venv" mpich,plot,docs
export PATH=$venv/bin:$PATH
cd -- "$root/docs"
# Another program computes other numbers: notebooks that an earlier one executed do not count.
if [ "$(cat _build/program 2>/dev/null)" != "$(fingerprint)" ]; then
    rm -rf _build
fi
mkdir -p _build
fingerprint >_build/program
sphinx-build -W --keep-going -b html . _build/html || fail "FAILED: the documentation; the warnings stand above"
echo "the documentation: $root/docs/_build/html/index.html"
