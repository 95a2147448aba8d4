#!/bin/sh
# Builds the test vCenter on a Debian host, for the tests of the executor `vsphere`: VMware's own simulator library from
# Debian (golang-go, golang-github-vmware-govmomi-dev), extended by test/vcenter, into
#   ${XDG_CACHE_HOME:-$HOME/.cache}/portlayer/vcenter
# Quick when it is there already. Where that fails it says so and ends with 0: the suites report themselves skipped.
set -eu

say() { echo "test vCenter: $*"; }
give_up() {
  say "$* - the suites with vSphere will report themselves skipped"
  exit 0
}

here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/portlayer/vcenter
packages="golang-go golang-github-vmware-govmomi-dev"

missing=""
for package in $packages; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if [ -n "$missing" ]; then
  { [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ]; } || give_up "not root on Debian, so these are not installed:$missing"
  say "installing$missing"
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086  # a list of packages
  { apt-get install -y --no-install-recommends $missing ||
    { apt-get update && apt-get install -y --no-install-recommends $missing; }; } >"$log" 2>&1 ||
    { tail -n 5 "$log" >&2; give_up "apt-get could not install$missing"; }
fi
sh "$here/../../vcenter/build.sh" "$cache" >"$log" 2>&1 || { tail -n 5 "$log" >&2; give_up "it could not be built (above)"; }
say "all there ($(go version | cut -d ' ' -f 3), govmomi $(dpkg-query -W -f '${Version}' golang-github-vmware-govmomi-dev))"
