#!/usr/bin/env bash
# Build the sdist and a wheel for this machine, and try each in a fresh environment outside of the source folder.
#   bash jobscripts/release.sh            into dist/
#   bash jobscripts/release.sh FOLDER     into another folder
# docs/developers/releasing.md has the rest of a release.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

mkdir -p -- "${1:-$root/dist}"
target=$(cd -- "${1:-$root/dist}" && pwd)
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
python=$(find_python)
check_compiler "$python"
version=$("$python" -c 'import sys; exec(open(sys.argv[1]).read()); print(__version__)' "$root/hpc_nqs/version.py")

echo "== version $version"
grep -q "^version: $version\$" "$root/CITATION.cff" || fail "CITATION.cff has another version than hpc_nqs/version.py"
grep -q "^## \[$version\]" "$root/CHANGELOG.md" || fail "CHANGELOG.md has no heading [$version]"

echo "== build"
"$python" -m venv "$folder/build"
"$folder/build/bin/python" -m pip install --quiet --disable-pip-version-check build
# from a copy: what lies about in the source folder, such as build/, must not get into the archives
(cd -- "$root" && git archive HEAD) | (mkdir "$folder/source" && tar -x -C "$folder/source")
"$folder/build/bin/python" -m build --outdir "$folder/dist" "$folder/source" >"$folder/build.log" 2>&1 ||
    { tail -n 30 "$folder/build.log"; fail "the build failed"; }
sdist=$folder/dist/hpc_nqs-$version.tar.gz
wheel=$(ls "$folder"/dist/hpc_nqs-"$version"-*.whl)
[ -f "$sdist" ] || fail "no $sdist"

# every module of the sources and nothing but the package
"$python" - "$folder/source" "$wheel" "$sdist" <<'PY' || fail "the archives are incomplete"
import sys
import tarfile
import zipfile
from pathlib import Path

source, wheel, sdist = map(Path, sys.argv[1:])
modules = {str(path.relative_to(source)) for path in (source / "hpc_nqs").rglob("*.py")} | {"hpc_nqs/py.typed"}
kernels = {str(path.relative_to(source).with_suffix("")) for path in (source / "hpc_nqs").rglob("*.pyx")}
inside = set(zipfile.ZipFile(wheel).namelist())
compiled = {name.split(".")[0] for name in inside if name.endswith(".so")}
foreign = {name for name in inside if not name.startswith(("hpc_nqs/", "hpc_nqs-"))}
packed = {name.partition("/")[2] for name in tarfile.open(sdist).getnames()}
needed = modules | {"setup.py", "pyproject.toml", "LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff"}
needed |= {str(path.relative_to(source)) for path in (source / "csrc").iterdir()}
problems = {
    "modules not in the wheel": modules - inside,
    "kernels not compiled": kernels - compiled,
    "in the wheel, but no part of the package": foreign,
    "not in the sdist": needed - packed,
    "built files in the sdist": {name for name in packed if name.endswith((".so", ".o", ".h5", ".pyc"))},
}
for what, names in problems.items():
    if names:
        print(what, sorted(names)[:5])
sys.exit(any(problems.values()))
PY

# try ARCHIVE: install it with its extras where no source is, run a magnet, look at results, figure and two ranks
try_archive() {
    local venv=$folder/try-${1##*.} place=$folder/place-${1##*.}
    echo "== $(basename -- "$1")"
    "$python" -m venv "$venv"
    mkdir "$place"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "hpc_nqs[mpich,plot] @ file://$1"
    (
        cd -- "$place"
        export PATH=$venv/bin:$PATH
        [ "$(hpc-nqs --version)" = "hpc-nqs $version" ] || fail "hpc-nqs --version is not $version"
        cat >chain.toml <<'TOML'
[run]
seed = 1
[lattice]
kind = "chain"
lengths = [6]
[model]
kind = "heisenberg"
[thermal]
temperatures = [2.0, 1.0]
TOML
        mpiexec -n 2 hpc-nqs run chain.toml >/dev/null 2>run.log || { cat run.log; fail "the run failed"; }
        hpc-nqs plot chain.h5 --exact >/dev/null
        python - "$venv" <<'PY'
import sys
import hpc_nqs

assert hpc_nqs.__file__.startswith(sys.argv[1]), hpc_nqs.__file__
run = hpc_nqs.load("chain.h5")
difference = abs(run["e"] - run.exact()["e"]).max()
print(f"{run!r}, e - exact {difference:.1e}")
assert run.finished and run.table["n_ranks"] == 2 and difference < 1e-3
PY
        [ -s chain.png ] || fail "no figure"
    ) || fail "FAILED: $(basename -- "$1")"
}
try_archive "$wheel"
try_archive "$sdist"

cp -- "$sdist" "$wheel" "$target"
echo "in $target: $(basename -- "$sdist") $(basename -- "$wheel")"
