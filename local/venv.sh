# Sourced by ./run and ./test: a virtual environment that holds what requirements files
# say, and this project.

# find_python: print a Python 3.11 or newer. PYTHON=… chooses one.
find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3.13 python3.12 python3.11 python3; do
    # Run it, because a name on the PATH may be a shim with nothing behind it.
    if [ -n "$candidate" ] &&
      "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    elif [ -n "$candidate" ] && [ "$candidate" = "${PYTHON:-}" ]; then
      echo "PYTHON=$candidate is not a Python 3.11 or newer." >&2
      return 1
    fi
  done
  echo "Skylane needs Python 3.11 or newer. Install one, or say where it is: PYTHON=/path ./run" >&2
  return 1
}

# maker_of VENV PYTHON: print the Python that VENV is made by, and the place, which its scripts name.
maker_of() {
  echo "$("$2" -c 'import sys; print(*sys.version.split(), sys.base_prefix)') $1"
}

# ensure_venv [--uncompiled] ROOT VENV FILE… [--and-then FILE…]: have what the requirements FILEs
# say in VENV, and the project in ROOT itself. Those after --and-then have no hashes. --uncompiled
# is for a large one of which most is never imported, torch above all: what is, gets compiled then.
ensure_venv() {
  local uncompiled=""
  [ "$1" != --uncompiled ] || { uncompiled=1 && shift; }
  local root=$1 venv=$2 python maker found files hashed=() unhashed=()
  shift 2
  python=$(find_python) || return 1
  maker=$(maker_of "$venv" "$python")
  files=$(for file in "$@" "$root/pyproject.toml"; do
    [ "$file" = --and-then ] || cat "$file" || exit
  done | cksum)
  found=$(cat "$venv/installed" 2>/dev/null || true)
  "$venv/bin/python" -c '' 2>/dev/null || found=""
  if [ "$found" = "$maker $files" ]; then
    return
  fi

  echo "Installing into $venv: a minute or more, once (with torch, several, and 2 GB)." >&2
  # The stamp goes first and comes back last, so a venv without one was left half way.
  case $found in
    "$maker "*) rm "$venv/installed" ;;
    *) "$python" -m venv --clear "$venv" || return 1 ;;
  esac
  while [ $# -gt 0 ] && [ "$1" != --and-then ]; do
    hashed+=(--requirement "$1") && shift
  done
  while [ $# -gt 1 ]; do
    unhashed+=(--requirement "$2") && shift
  done
  local pip=("$venv/bin/python" -m pip -qq --disable-pip-version-check --no-input install)
  [ -z "$uncompiled" ] || pip+=(--no-compile)
  "${pip[@]}" --require-hashes "${hashed[@]}" || return 1
  [ ${#unhashed[@]} -eq 0 ] || "${pip[@]}" "${unhashed[@]}" || return 1
  "${pip[@]}" --no-deps --no-build-isolation --editable "$root" || return 1
  # And is kept, also where the environment has PYTHONDONTWRITEBYTECODE, as many containers do.
  [ -z "$uncompiled" ] || echo 'import sys; sys.dont_write_bytecode = False' \
    >"$(echo "$venv"/lib/python*/site-packages)/compiled.pth" || return 1
  echo "$maker $files" >"$venv/installed"
}

# ensure_test_venv ROOT: have .venv-test, one for all tests, benchmarks and training.
ensure_test_venv() {
  ensure_venv --uncompiled "$1" "$1/.venv-test" "$1"/requirements/{serve,lambda,bench,test}.txt \
    --and-then "$1/requirements/train.txt"
}
