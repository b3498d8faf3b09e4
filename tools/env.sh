# Sourced by the scripts beside it: makes or reuses .venv with the tested stack.
#
# Environment variables:
#   PYTHON           interpreter to make the environment with (default: python3.11, else python3)
#   TORCH_INDEX_URL  package index to take torch from, e.g. that of its CPU builds (default: pip's)

cd "$(dirname "${BASH_SOURCE[0]}")/.."
VENV=.venv
STAMP=$VENV/.complete

fail() { echo "error: $*" >&2; exit 1; }

find_python() {
  if [ -n "${PYTHON:-}" ]; then echo "$PYTHON"; return; fi
  for name in python3.11 python3; do
    if command -v "$name" >/dev/null; then echo "$name"; return; fi
  done
}

# ensure_env: the environment for training; `ensure_env dev` adds what the tests need.
ensure_env() {
  local wanted python
  wanted=$(cat requirements/*.txt setup.py tools/env.sh "$PWD/mmseg_multids/version.py" | cksum)" $PWD ${1:-}"
  # An environment with the test tools serves training as well.
  if [ -f "$STAMP" ] && { [ "$(cat "$STAMP")" = "$wanted" ] || [ "$(cat "$STAMP")" = "${wanted}dev" ]; }; then
    echo "using the environment in $VENV"
    return
  fi
  python=$(find_python)
  [ -n "$python" ] || fail "no python3 found; install Python 3.11 or set PYTHON"
  "$python" -c 'import sys; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 13))' \
    || fail "$python is $("$python" -V 2>&1); Python 3.9 to 3.13 is needed (tested: 3.11)"
  echo "making the environment in $VENV (a few minutes, once)"
  rm -f "$STAMP"
  # A half-made environment is made anew.
  "$python" -m venv --clear "$VENV" || fail "$python -m venv failed; is the venv module installed?"
  local pip="$VENV/bin/python -m pip --disable-pip-version-check -q"
  # torch first, so that nothing else pulls another build of it.
  local index=()
  [ -z "${TORCH_INDEX_URL:-}" ] || index=(--index-url "$TORCH_INDEX_URL")
  $pip install "torch==2.13.0" "${index[@]}" || fail "torch could not be installed; is there a network?"
  # pip's build isolation stays on: without torch in sight mmcv installs without compiled operators.
  $pip install -c requirements/tested.txt -r requirements/onedl.txt -r requirements/runtime.txt \
    || fail "the stack could not be installed"
  if [ "${1:-}" = dev ]; then
    $pip install -c requirements/tested.txt -r requirements/dev.txt -r requirements/onnx.txt \
      -r requirements/text.txt \
      || fail "the test tools could not be installed"
  fi
  $pip install --no-deps -e . || fail "the package could not be installed"
  echo "$wanted" > "$STAMP"
}
