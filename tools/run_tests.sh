#!/usr/bin/env bash
# Environment, style check, tests. Arguments go to pytest: tools/run_tests.sh tests/test_datasets -x
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
ensure_env dev
unset PYTHONPATH
if [ -z "${MULTIDS_DATA_ROOT:-}" ] && [ -d ../shared/realbench ]; then
  export MULTIDS_DATA_ROOT="$PWD/../shared/realbench"
fi
export OMP_NUM_THREADS=1 PATH="$PWD/$VENV/bin:$PATH"
ruff check .
python -m pytest -n 2 --dist loadgroup --durations 10 "$@"
