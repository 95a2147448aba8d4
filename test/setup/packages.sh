#!/bin/sh
# Installs the Debian packages that the suites with real parts need, and says which. Where this is not root on Debian
# it installs nothing: those suites report themselves skipped, with the reason.
set -eu

packages="uidmap procps iproute2 iptables musl-tools busybox-static python3-minimal redis-server runc attr openssh-server openssl"

missing=""
for package in $packages; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || { echo "system packages: all there"; exit 0; }

if [ "$(id -u)" != 0 ] || ! [ -e /etc/debian_version ]; then
  echo "system packages: not root on Debian, so these are not installed:$missing"
  exit 0
fi

echo "system packages: installing$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# A service that a package brings must not be started: the tests start their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$log" "$policy"' EXIT
fi
{ apt-get update && apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1 || {
  tail -20 "$log" >&2
  echo "system packages: apt-get failed (above); the suites that need them will report themselves skipped" >&2
}
