#!/bin/sh
# Puts runc and a CRIU that works on new kernels on a Debian host, for the tests of the executor `container`.
#   criu.sh            as root; prints the directory that holds the command `criu`
# runc and attr are installed by apt. CRIU (>= 4.2, for Linux 6.18) comes from Debian's `sid`, with the libraries it needs, into
#   ${XDG_CACHE_HOME:-$HOME/.cache}/portlayer/criu
# by a private apt configuration: nothing of it is installed, and the system's own sources stay as they are.
# Quick when everything is there already. Remove the directory to fetch CRIU again.
set -eu

say() { echo "criu.sh: $*" >&2; }
fail() {
  say "$*"
  exit 1
}

cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/portlayer/criu
wanted=4.2

works() {
  version=$("$cache/bin/criu" --version 2>/dev/null | sed -n 's/^Version: //p')
  [ -n "$version" ] && [ "$(printf '%s\n%s\n' "$wanted" "$version" | sort -V | head -n 1)" = "$wanted" ]
}

# setfattr is for image layers that replace a directory.
install_packages() {
  command -v runc >/dev/null 2>&1 && command -v setfattr >/dev/null 2>&1 && return
  [ "$(id -u)" = 0 ] || fail "runc or attr is missing, and only root can install them: apt-get install runc attr"
  say "installing runc and attr by apt"
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends runc attr >/dev/null ||
    fail "apt-get could not install runc and attr (see above); run apt-get update and try again"
}

# The mirror that this machine uses for Debian itself.
mirror() {
  # shellcheck disable=SC2016  # the dollar signs are apt's
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    grep '/debian/*$' | head -n 1 | sed 's:/*$::'
}

fetch_criu() {
  command -v apt-get >/dev/null 2>&1 || fail "CRIU is fetched with apt; put a criu >= $wanted into $cache/bin by hand"
  from=$(mirror)
  [ -n "$from" ] || fail "no Debian mirror among this machine's apt sources; run apt-get update, or put a criu >= $wanted into $cache/bin by hand"
  say "fetching CRIU of Debian sid into $cache"
  rm -rf "$cache.partial"
  mkdir -p "$cache.partial/apt/lists/partial" "$cache.partial/apt/archives/partial" "$cache.partial/bin" "$cache.partial/root/usr/lib/criu"
  here=$(cd "$cache.partial" && pwd)
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  echo "deb [signed-by=$keyring] $from sid main" >"$here/apt/sources.list"
  : >"$here/apt/status"
  # Also of apt's own settings nothing is taken but what reaches the network: APT_CONFIG is read before them.
  set -- -q -o Dir::Etc::sourcelist="$here/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::Etc::preferencesparts=/dev/null -o Dir::State::lists="$here/apt/lists" -o Dir::State::status="$here/apt/status" \
    -o Dir::Cache::archives="$here/apt/archives" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
    -o APT::Install-Recommends=false -o APT::Sandbox::User=root -o Debug::NoLocking=true
  apt-get "$@" update >"$here/apt/log" 2>&1 || { tail -n 3 "$here/apt/log" >&2; fail "apt could not read the lists of sid from $from"; }
  apt-get "$@" install -y --download-only criu >>"$here/apt/log" 2>&1 ||
    { tail -n 3 "$here/apt/log" >&2; fail "apt could not fetch criu from $from"; }
  for package in "$here"/apt/archives/*.deb; do
    dpkg -x "$package" "$here/root" || fail "$package could not be unpacked"
  done
  loader=$(cd "$here/root" && ls usr/lib64/ld-linux-*.so.* usr/lib/ld-linux-*.so.* 2>/dev/null | head -n 1)
  libraries=$(cd "$here/root" && echo usr/lib/*-linux-gnu)
  # The paths are written out: each call of CRIU would else cost some processes more.
  cat >"$here/bin/criu" <<WRAPPER
#!/bin/sh
# CRIU with the C library and the libraries it was built for. Its directory of plugins must exist, or every dump fails.
root='$cache/root'
export CRIU_LIBS_DIR="\$root/usr/lib/criu"
exec "\$root/$loader" --library-path "\$root/$libraries" "\$root/usr/sbin/criu" "\$@"
WRAPPER
  chmod 755 "$here/bin/criu"
  rm -rf "$here/apt"
  rm -rf "$cache"
  mv "$cache.partial" "$cache"
}

install_packages
works || fetch_criu
works || fail "the CRIU in $cache does not run, or is older than $wanted: $("$cache/bin/criu" --version 2>&1 | head -n 1)"
say "runc $(runc --version | sed -n '1s/.* //p'), criu $version"
echo "$cache/bin"
