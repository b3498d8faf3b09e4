#!/usr/bin/env bash
# dist_train.sh CONFIG N [arguments of tools/train.py]: N processes on this machine, one per GPU;
# without GPUs N processes on the CPU. NNODES, NODE_RANK, MASTER_ADDR and PORT for several machines.
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: $0 CONFIG N [arguments]" >&2; exit 2; }
arguments=("$1"); processes=$2; shift 2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
free_port='import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])'
port=${PORT:-$(python -c "$free_port")}
exec python -m torch.distributed.run --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" \
  --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="$port" --nproc_per_node="$processes" \
  "$here/train.py" "${arguments[@]}" --launcher pytorch "$@"
