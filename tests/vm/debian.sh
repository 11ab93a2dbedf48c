# SPDX-License-Identifier: Apache-2.0
# Debian packages of other suites and architectures than the machine's own. Sourced.

# debian_apt FOLDER SUITE ARCHITECTURE: makes the apt-get and apt-cache of this shell see that suite, and only it, in
# folders of their own below FOLDER. Packages are verified as always, and the machine's own sources stay as they are.
debian_apt() {
  local apt=$1/apt suite=$2 architecture=$3 codename mirror
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
  : >"$apt/status"
  codename=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
  mirror=$(apt-get indextargets --format '$(RELEASE) $(SITE)' |
    awk -v release="$codename" '$1 == release && !found {print $2; found = 1}')
  [[ -n $mirror ]] || { printf '%s: apt has no source for %s\n' "${0##*/}" "$codename" >&2; exit 69; }
  printf 'deb [arch=%s signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$architecture" "$mirror" \
    "$suite" >"$apt/sources.list"
  cat >"$apt/apt.conf" <<CONF
Dir::Etc::SourceList "$apt/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
APT::Sandbox::User "";
Acquire::Languages "none";
CONF
  export APT_CONFIG=$apt/apt.conf
  apt-get -qq update >&2
}

