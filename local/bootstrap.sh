# Sourced by ./run and ./check: a virtual environment, packages and Azurite, set up once.
#
# Written for the bash 3.2 of macOS as well. Stamps hold a checksum of what was installed, so that a
# second start compares two small files and does nothing else. Needs: root, set by the caller.

VENV="$root/.venv"
AZURITE_VERSION=3.35.0 # the newest that declares Node 20; newer ones want Node 22

say() { printf '%s\n' "$*" >&2; }

fail() {
    say ""
    say "$1"
    shift
    for line in "$@"; do say "  $line"; done
    exit 1
}

# A candidate counts only if it starts: pyenv leaves shims for versions that are not selected.
python_minor() {
    "$1" -c 'import sys; v = sys.version_info; print(v[1] if v[0] == 3 else 0)' 2>/dev/null || echo 0
}

# Answers the best interpreter: 3.13 (what runs in Azure) before 3.12 before 3.11.
find_python() {
    local pyenv_root="${PYENV_ROOT:-$HOME/.pyenv}" best="" best_minor=0 candidate minor
    for candidate in \
        python3.13 "$pyenv_root"/versions/3.13*/bin/python3 "$(uv_python 3.13)" \
        python3.12 "$pyenv_root"/versions/3.12*/bin/python3 \
        python3.11 "$pyenv_root"/versions/3.11*/bin/python3 \
        python3 python "$(uv_python 3.12)" "$(uv_python 3.11)"; do
        [ -n "$candidate" ] || continue
        candidate=$(command -v "$candidate" 2>/dev/null) || continue
        minor=$(python_minor "$candidate")
        if [ "$minor" -ge 11 ] && [ "$minor" -le 13 ] && [ "$minor" -gt "$best_minor" ]; then
            best=$candidate best_minor=$minor
        fi
        [ "$best_minor" -lt 13 ] || break
    done
    printf '%s' "$best"
}

uv_python() {
    if command -v uv >/dev/null 2>&1; then
        uv python find --no-project "$1" 2>/dev/null || true
    fi
}

# On a machine that only tests (./check, as root), the missing system packages are installed.
apt_install() {
    if [ "${MARGINAL_MAY_APT:-0}" = 1 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "Installing with apt-get: $*"
        apt-get update -qq >&2 &&
            DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >&2
        return
    fi
    return 1
}

checksum() { cat "$@" | cksum | tr -d ' \n'; }

make_venv() {
    local python minor
    python=$(find_python)
    if [ -z "$python" ] && command -v uv >/dev/null 2>&1; then
        say "No Python 3.11 to 3.13 found: fetching 3.13 with uv"
        uv python install 3.13 >&2 || true
        python=$(uv_python 3.13)
    fi
    if [ -z "$python" ] && apt_install python3 python3-venv; then
        python=$(find_python)
    fi
    [ -n "$python" ] || fail "Marginal needs Python 3.11, 3.12 or 3.13, and none was found" \
        "(looked on PATH, in ${PYENV_ROOT:-$HOME/.pyenv} and at uv)." \
        "Install one, for example:  uv python install 3.13   or   pyenv install 3.13" \
        "and start again."
    minor=$(python_minor "$python")
    say "Creating .venv with Python 3.$minor ($python)"
    rm -rf "$VENV"
    if ! "$python" -m venv "$VENV" >&2; then
        rm -rf "$VENV"
        if command -v uv >/dev/null 2>&1; then
            uv venv --quiet --seed --python "$python" "$VENV" >&2 || true
        elif apt_install "python3.$minor-venv"; then
            "$python" -m venv "$VENV" >&2 || true
        fi
    fi
    [ -x "$VENV/bin/python" ] || fail "Could not create a virtual environment with $python." \
        "On Debian and Ubuntu:  apt-get install python3.$minor-venv   then start again."
}

# pip's lines, one a package, shortened; the exit code is pip's (pipefail).
pip_install() {
    "$VENV/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar off \
        "$@" 2>&1 | awk '
            /^Collecting/ { n += 1; printf "  %3d  %s\n", n, $2; fflush(); next }
            /^(Installing collected|Successfully installed)/ { print "  " substr($0, 1, 96); fflush(); next }
            /^(ERROR|error|WARNING: Retrying|.*[Nn]o space)/ { print "  " $0; fflush() }
        ' >&2
}

# ensure_python NAME FILE...: .venv holds everything in FILEs. NAME keeps the stamps apart.
ensure_python() {
    local name=$1 minor wanted stamp files
    shift
    files=("$@")
    minor=0
    [ ! -x "$VENV/bin/python" ] || minor=$(python_minor "$VENV/bin/python")
    if [ "$minor" -lt 11 ]; then
        [ ! -e "$VENV" ] || say "The .venv here does not start Python 3.11 or later: making a new one"
        make_venv
        minor=$(python_minor "$VENV/bin/python")
    fi
    stamp="$VENV/.marginal-$name"
    wanted="3.$minor $(checksum "${files[@]}")"
    [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ] || return 0

    say "Installing Python packages into .venv (about a minute, once):"
    local arguments=() file
    for file in "${files[@]}"; do arguments+=(-r "$file"); done
    pip_install "${arguments[@]}" || fail "The Python packages could not be installed." \
        "The lines above say why. Behind a proxy set HTTPS_PROXY; with your own index set PIP_INDEX_URL." \
        "Then start again: what is already downloaded is kept."
    printf '%s\n' "$wanted" >"$stamp"
}

# Azurite emulates Azure Storage. Without Node the in-process store serves, and the app says so.
ensure_azurite() {
    local home="$root/.marginal/azurite" stamp
    stamp="$home/.installed"
    [ "$(cat "$stamp" 2>/dev/null)" != "$AZURITE_VERSION" ] || return 0
    if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
        return 0
    fi
    say "Installing Azurite $AZURITE_VERSION, the storage emulator (half a minute, once)"
    mkdir -p "$home"
    if npm install --prefix "$home" --no-audit --no-fund --no-save --loglevel=error \
        "azurite@$AZURITE_VERSION" >&2 && [ -x "$home/node_modules/.bin/azurite" ]; then
        printf '%s\n' "$AZURITE_VERSION" >"$stamp"
    else
        say "Azurite could not be installed (npm's lines are above): going on without it."
        say "The in-process store is used instead; start again to try once more."
    fi
}

# What checks the page: a browser where apt may install one, and the tools of web/. Without them the
# tests that need them are skipped, and say so.
ensure_web() {
    local stamp="$root/web/node_modules/.marginal" wanted
    command -v chromium >/dev/null 2>&1 || apt_install chromium ||
        say "No Chromium here: the tests of the page in a browser will be skipped."
    command -v npm >/dev/null 2>&1 || return 0
    wanted=$(checksum "$root/web/package-lock.json")
    [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ] || return 0
    say "Installing the tools of the page's sources (half a minute, once)"
    if npm ci --prefix "$root/web" --no-audit --no-fund --loglevel=error >&2; then
        printf '%s\n' "$wanted" >"$stamp"
    else
        say "They could not be installed (npm's lines are above): their checks are skipped."
    fi
}
