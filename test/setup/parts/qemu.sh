#!/bin/sh
# Puts QEMU and a kernel for guests on a Debian host, for the tests of the executor `qemu`.
#   qemu.sh            as root
# QEMU is installed by apt. The kernel with its modules is Debian's linux-image-cloud-amd64, unpacked, not installed, into
#   ${XDG_CACHE_HOME:-$HOME/.cache}/portlayer/kernel
# Quick when everything is there already. Where this is not root on Debian, or apt fails, it says so and ends with 0:
# the suites that need these parts report themselves skipped.
set -eu

say() { echo "machines: $*"; }
give_up() {
  say "$* - the suites with machines will report themselves skipped"
  exit 0
}

cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/portlayer/kernel
packages="qemu-system-x86 qemu-utils e2fsprogs busybox-static"

missing=""
for package in $packages; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
kernel=$(ls -d "$cache"/boot/vmlinuz-* 2>/dev/null | tail -n 1 || true)
if [ -z "$missing" ] && [ -n "$kernel" ]; then
  say "all there ($(qemu-system-x86_64 --version | sed -n '1s/.*version \([0-9.]*\).*/QEMU \1/p'), ${kernel##*/})"
  exit 0
fi
{ [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ]; } || give_up "not root on Debian, so these are not installed:$missing kernel"

log=$(mktemp)
work=$(mktemp -d)
trap 'rm -rf "$log" "$work"' EXIT
export DEBIAN_FRONTEND=noninteractive
if [ -n "$missing" ]; then
  say "installing$missing"
  # shellcheck disable=SC2086  # a list of packages
  { apt-get install -y --no-install-recommends $missing ||
    { apt-get update && apt-get install -y --no-install-recommends $missing; }; } >"$log" 2>&1 ||
    { tail -n 5 "$log" >&2; give_up "apt-get could not install$missing"; }
fi
if [ -z "$kernel" ]; then
  package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
  [ -n "$package" ] || { apt-get update >"$log" 2>&1 || true; }
  package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
  [ -n "$package" ] || give_up "apt knows no linux-image-cloud-amd64"
  say "unpacking $package into $cache"
  (cd "$work" && apt-get download -o APT::Sandbox::User=root "$package") >"$log" 2>&1 ||
    { tail -n 3 "$log" >&2; give_up "apt-get could not fetch $package"; }
  mkdir -p "$work/root" "$cache"
  dpkg -x "$work"/*.deb "$work/root"
  # Debian since 13 keeps modules below /usr.
  modules=$work/root/lib/modules
  [ -d "$modules" ] || modules=$work/root/usr/lib/modules
  mkdir -p "$cache/lib"
  rm -rf "$cache/lib/modules"
  cp -r "$modules" "$cache/lib/modules"
  # The kernel last: what has it is whole.
  mkdir -p "$cache/boot"
  cp "$work"/root/boot/vmlinuz-* "$cache/boot/"
fi
say "all there ($(qemu-system-x86_64 --version | sed -n '1s/.*version \([0-9.]*\).*/QEMU \1/p'), $(basename "$cache"/boot/vmlinuz-*))"
