#!/usr/bin/env bash
# From nothing to a trained model: environment, training on ToyWorld, a table and a picture.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
ensure_env
# With the repository on the path mim would look for the tools in the wrong place.
unset PYTHONPATH
PATH="$PWD/$VENV/bin:$PATH" mim train mmseg_multids configs/quickstart/quickstart_toyworld.py "$@" \
  || fail "training failed; the messages above say why"
report=work_dirs/quickstart_toyworld/report
echo
cat "$report/report.txt"
echo
echo "table:   $PWD/$report/report.txt"
echo "picture: $PWD/$report/grid.png"
