# shellcheck shell=bash
# Sourced by the checks: installs pinned tools from Python packages, and keeps them between runs.

# install_pip_tools NAME PACKAGE==VERSION…: installs the packages into a directory of this name unless it exists, and
# sets `tools` to its path.
install_pip_tools() {
  local check
  check=$(basename "$0")
  tools=${CARGO_TARGET_DIR:-target}/tools/$1
  shift
  [ ! -d "$tools" ] || return 0
  if ! python3 -m pip --version >/dev/null 2>&1; then
    [ "$(id -u)" = 0 ] || { echo "$check: pip is not installed; install python3-pip"; exit 1; }
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-pip >/dev/null
  fi
  # Renamed when complete, because the next run only checks that the directory exists.
  rm -rf "$tools.new"
  PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-deps \
    --only-binary :all: --target "$tools.new" "$@"
  mv "$tools.new" "$tools"
}
