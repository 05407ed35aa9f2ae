# Sourced by quickstart.sh and test.sh: a virtual environment with hpc_nqs installed from this folder.
# PYTHON=... chooses the interpreter; it must be 3.11 or newer.

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
# The installed package is what runs, never the source folder someone happens to stand in.
unset PYTHONPATH PYTHONHOME
export PYTHONSAFEPATH=1

fail() {
    echo "$*" >&2
    exit 1
}

# Print the first Python that is new enough.
find_python() {
    local candidate
    for candidate in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    fail "hpc_nqs needs Python 3.11 or newer and found none; install it, or name it: PYTHON=/path/to/python bash $0"
}

# Fail with one sentence if extensions cannot be compiled for the Python $1.
check_compiler() {
    local compiler headers
    compiler=${CC:-$("$1" -c 'import sysconfig; print(sysconfig.get_config_var("CC") or "gcc")')}
    command -v "${compiler%% *}" >/dev/null ||
        fail "no C compiler: ${compiler%% *} is missing; install gcc (apt-get install gcc, dnf install gcc, module load gcc)"
    headers=$("$1" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    [ -e "$headers/Python.h" ] ||
        fail "the headers of $1 are missing ($headers/Python.h); install python3-dev, or use another Python: PYTHON=... bash $0"
}

# Print a hash of everything an installation depends on.
fingerprint() {
    (
        cd -- "$root"
        find hpc_nqs csrc setup.py pyproject.toml README.md LICENSE -type f \
            \( -name '*.py' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.[ch]' -o -name '*.toml' -o -name '*.md' -o -name LICENSE \) \
            -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
        echo "$root" "${HPC_NQS_CHECKED:-}" "${HPC_NQS_MARCH:-}" "${CC:-}"
    ) | sha256sum
}

print_build_requirements='
import tomllib
with open("pyproject.toml", "rb") as file:
    print(*tomllib.load(file)["build-system"]["requires"], sep="\n")
'

# install FOLDER EXTRAS: make the environment FOLDER unless it is there, install unless nothing changed since.
install() {
    local venv=$1 extras=$2 python stamp now
    stamp=$venv/installed-$extras
    now=$(fingerprint)
    [ "$(cat -- "$stamp" 2>/dev/null)" != "$now" ] || return 0
    if ! [ "$(cat -- "$venv/location" 2>/dev/null)" = "$venv" ] || ! "$venv/bin/python" -c '' 2>/dev/null; then
        python=$(find_python)
        echo "making $venv with $("$python" --version)"
        rm -rf -- "$venv"
        "$python" -m venv "$venv" || fail "$python cannot make a virtual environment; on Debian: apt-get install python3-venv"
        echo "$venv" >"$venv/location"
    fi
    check_compiler "$venv/bin/python"
    echo "installing hpc_nqs[$extras] (one to three minutes the first time)"
    # What builds stays in the environment, so that a second installation compiles what changed and no more.
    (
        cd -- "$root"
        "$venv/bin/python" -c "$print_build_requirements" >"$venv/build-requirements"
        pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check)
        "${pip[@]}" -r "$venv/build-requirements" && "${pip[@]}" --no-build-isolation ".[$extras]"
    ) || fail "the installation failed; its messages stand above"
    echo "$now" >"$stamp"
}
