#!/usr/bin/env bash
# Install into an environment of its own, check the style and run all tests: serially, then those of several ranks on
# 2 and 3.
#   bash jobscripts/test.sh                      what every change must pass
#   bash jobscripts/test.sh all                  also the slow tests
#   HPC_NQS_CHECKED=1 bash jobscripts/test.sh    kernels with bounds checks
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

venv=$root/.venv
case ${HPC_NQS_CHECKED:-0} in 0) ;; *) venv=$root/.venv-checked ;; esac
case ${1:-} in
'') selection="not slow" ;;
all) selection="not mpi or mpi" ;;
*) fail "unknown argument $1; allowed: all" ;;
esac
install "$venv" mpich,plot,test
export PATH=$venv/bin:$PATH:/usr/sbin:/sbin  # Debian's daemons are in sbin
cd -- "$root"
python -c 'import hpc_nqs, sys; print("testing", hpc_nqs.__file__); sys.exit(not hpc_nqs.__file__.startswith(sys.prefix))' ||
    fail "the tests would not see the installed package"

echo "== style"
ruff check || fail "FAILED: the style (ruff's exit code $?; 1: complaints, 2: it could not run)"

# Put a Slurm on this machine for tests/cluster, if it is a Debian and we are root; without one they are skipped.
find_slurm() {
    if command -v slurmctld && command -v slurmd && command -v munged; then
        return
    fi >/dev/null
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "no Slurm here, and only root on a Debian system could install one: the tests of tests/cluster are skipped"
        return
    fi
    echo "installing slurm-wlm and munge for tests/cluster"
    (apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends slurm-wlm munge) \
        >"$venv/slurm.log" 2>&1 ||
        echo "apt-get cannot install slurm-wlm and munge ($venv/slurm.log): the tests of tests/cluster are skipped"
}
find_slurm

echo "== one process"
pytest -ra -m "not mpi and ($selection)" || fail "FAILED: the tests of one process (pytest's exit code $?)"

# Rank 0 alone reports; a failing rank prints its failure to the standard error and ends the job.
only_root_prints='[ "${PMI_RANK:-${OMPI_COMM_WORLD_RANK:-0}}" = 0 ] || exec >/dev/null; exec "$@"'
for n_ranks in 2 3; do
    echo "== $n_ranks ranks"
    timeout 1800 mpiexec -n $n_ranks bash -c "$only_root_prints" bash pytest -ra --with-mpi -m "mpi and ($selection)" ||
        fail "FAILED: the tests on $n_ranks ranks (exit code $?; 5: none found, 124: deadlock)"
done
echo "all tests passed: one process, 2 ranks, 3 ranks"
