#!/usr/bin/env bash
# slurm_train.sh PARTITION JOB_NAME CONFIG [arguments of tools/train.py]; GPUS, GPUS_PER_NODE,
# CPUS_PER_TASK and SRUN_ARGS as in MMSegmentation.
set -euo pipefail
[ $# -ge 3 ] || { echo "usage: $0 PARTITION JOB_NAME CONFIG [arguments]" >&2; exit 2; }
partition=$1; job=$2; shift 2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
gpus=${GPUS:-4}
per_node=${GPUS_PER_NODE:-4}
exec srun -p "$partition" --job-name="$job" --gres="gpu:$per_node" --ntasks="$gpus" \
  --ntasks-per-node="$per_node" --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 \
  ${SRUN_ARGS:-} python -u "$here/train.py" "$@" --launcher slurm
