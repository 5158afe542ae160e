# Sourced, after venv.sh, by what needs Node.js: the system's where it is new enough, else one
# from wheels.

# is_node_of VERSION MINIMUM…: whether VERSION (v22.14.0) is at least the MINIMUM (22.12) of its
# major, or of a major after all of them that is even, and so has long support. That is how
# packages have it: ^20.19.0 || >=22.12.0, without what is experimental.
is_node_of() {
  local version=${1#v} minimum major minor last=0
  shift
  case $version in
    [0-9]*.[0-9]*) major=${version%%.*} minor=${version#*.} minor=${minor%%.*} ;;
    *) return 1 ;;
  esac
  for minimum in "$@"; do
    if [ "$major" -eq "${minimum%.*}" ]; then
      [ "$minor" -ge "${minimum#*.}" ]
      return
    fi
    last=${minimum%.*}
  done
  [ "$major" -gt "$last" ] && [ $((major % 2)) -eq 0 ]
}

# hold FILE: wait for whoever holds FILE, and hold it until this shell or subshell ends. macOS
# has no flock; there, start one at a time.
hold() {
  if command -v flock >/dev/null; then
    exec 9<"$1" && flock 9
  fi
}

# ensure_node ROOT MINIMUM…: have a Node.js that is_node_of these, and its npm, on the PATH.
# MINIMUMs from the oldest to the newest.
ensure_node() {
  local root=$1 venv=$1/.venv-node python wanted
  shift
  if is_node_of "$(node --version 2>/dev/null)" "$@" && npm --version >/dev/null 2>&1; then
    return
  fi
  python=$(find_python) || return 1
  wanted="$(maker_of "$venv" "$python") $(cksum <"$root/requirements/node.txt")"
  # Held, because another that starts now installs it too; who waited finds it installed.
  (
    hold "$root/requirements/node.txt"
    if [ "$(cat "$venv/installed" 2>/dev/null)" = "$wanted" ] &&
      PATH="$venv/bin:$PATH" "$venv/bin/npm" --version >/dev/null 2>&1; then
      exit 0
    fi
    echo "Installing Node.js into $venv, once." >&2
    "$python" -m venv --clear "$venv" &&
      "$venv/bin/python" -m pip -qq --disable-pip-version-check --no-input install \
        --require-hashes --requirement "$root/requirements/node.txt" &&
      PATH="$venv/bin:$PATH" "$venv/bin/npm" --version >/dev/null &&
      echo "$wanted" >"$venv/installed"
  ) || return 1
  export PATH="$venv/bin:$PATH"
}

# ensure_packages FOLDER [FLAG…]: have what FOLDER/package-lock.json says in its node_modules.
ensure_packages() {
  local folder=$1 wanted stamp=$1/node_modules/.installed
  shift
  wanted="$(cksum <"$folder/package-lock.json") $*"
  (
    hold "$folder/package-lock.json"
    # What has all packages has those for a build as well.
    case $(cat "$stamp" 2>/dev/null) in
      "$wanted" | "${wanted% *} ") exit 0 ;;
    esac
    # Without a registry it ends after seconds, not minutes: a page is not worth that wait.
    npm ci --prefix "$folder" --no-audit --no-fund --loglevel=error \
      --fetch-retries=1 --fetch-retry-mintimeout=1000 --fetch-retry-maxtimeout=2000 "$@" >&2 &&
      echo "$wanted" >"$stamp"
  ) || return 1
}
