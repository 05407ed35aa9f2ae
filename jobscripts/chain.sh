#!/usr/bin/env bash
# bash jobscripts/chain.sh N SCRIPT INPUT.toml [options of sbatch]    N jobs, each starting when the one before has ended,
# for sites that do not requeue jobs: the first runs the input, the others continue it, those after its end end at once.
#   bash jobscripts/chain.sh 5 jobscripts/thermal.sbatch square.toml --ntasks=64
set -euo pipefail

usage="usage: chain.sh N SCRIPT INPUT.toml [options of sbatch]"
n_jobs=${1:?$usage} script=${2:?$usage} input=${3:?$usage}
shift 3
job=$(sbatch --parsable --no-requeue "$@" "$script" "$input")
echo "$job"
for ((k = 1; k < n_jobs; k++)); do
    job=$(sbatch --parsable --no-requeue --dependency=afterany:"$job" "$@" "$script" "$input")
    echo "$job"
done
