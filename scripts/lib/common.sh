# SPDX-License-Identifier: Apache-2.0
# What the scripts share. Sourced from a script that stands in scripts/ or .ci/; the working folder becomes the root of
# the repository.

cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# Compiler results are found again in another clone of the same commit.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1

say() { printf '%s\n' "== $*" >&2; }
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# as_root COMMAND…: by sudo where we are not root.
as_root() {
  if ((EUID == 0)); then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo -E "$@"
  else
    die "needs root and there is no sudo: run it as root"
  fi
}

# packages_for PURPOSE…: their names, from scripts/lib/packages.
packages_for() {
  local purpose
  for purpose in "$@"; do
    awk -v purpose="$purpose" '$1 == purpose { for (i = 2; i <= NF; i++) print $i }' scripts/lib/packages
  done | sort -u
}

# install_packages PURPOSE…: installs what is missing of them, and does nothing at all if nothing is.
install_packages() {
  local package missing=()
  while read -r package; do
    if [[ $package == *\?* ]] && command -v "${package#*\?}" >/dev/null; then continue; fi
    package=${package%%\?*}
    if [[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" != installed ]]; then
      missing+=("$package")
    fi
  done < <(packages_for "$@")
  if ((${#missing[@]} == 0)); then return; fi
  say "installing ${#missing[@]} packages for $*: ${missing[*]}"
  as_root apt-get update -q >&2
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" >&2
}

# build PRESET TARGET…: configures once (ninja configures again by itself when a CMakeLists.txt changed) and builds.
build() {
  local preset=$1
  shift
  if [[ ! -f build/$preset/build.ninja ]]; then cmake --preset "$preset" >&2; fi
  cmake --build "build/$preset" --target "$@" >&2
}

# Sources of ours in the languages of clang-format, one a line.
cxx_sources() {
  find . \( -path ./build -o -path ./.git -o -name node_modules \) -prune -o \
    \( -name '*.cc' -o -name '*.h' -o -name '*.c' \) -type f -printf '%P\n' | sort
}
