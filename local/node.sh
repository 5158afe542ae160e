# Sourced by what needs Node.js: the system's where it is new enough, else one from wheels.

# ensure_node ROOT MAJOR: have a Node.js of MAJOR or newer, and its npm, on the PATH.
ensure_node() {
  local root=$1 major=$2 venv=$1/.venv-node python
  if node -e "process.exit(+(parseInt(process.versions.node) < $major))" 2>/dev/null &&
    npm --version >/dev/null 2>&1; then
    return
  fi
  if ! cmp -s "$root/requirements/node.txt" "$venv/installed"; then
    python=$(find_python) || return 1
    echo "Installing Node.js into $venv, once." >&2
    "$python" -m venv --clear "$venv" || return 1
    "$venv/bin/python" -m pip -qq --disable-pip-version-check --no-input install \
      --require-hashes --requirement "$root/requirements/node.txt" || return 1
    cp "$root/requirements/node.txt" "$venv/installed" || return 1
  fi
  export PATH="$venv/bin:$PATH"
}

# ensure_packages FOLDER [FLAG…]: have what FOLDER/package-lock.json says in its node_modules.
ensure_packages() {
  local folder=$1 wanted stamp=$1/node_modules/.installed
  shift
  wanted="$(cksum <"$folder/package-lock.json") $*"
  # What has all packages has those for a build as well.
  case $(cat "$stamp" 2>/dev/null) in
    "$wanted" | "${wanted% *} ") return ;;
  esac
  npm ci --prefix "$folder" --no-audit --no-fund --loglevel=error "$@" >&2 || return 1
  echo "$wanted" >"$stamp"
}
