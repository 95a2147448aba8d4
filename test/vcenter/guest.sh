#!/bin/sh
# Plays what runs in one machine of the test vCenter, as the init runs it on a template of a real one.
#   guest.sh DISK LOG URL BIN   the directory that is its disk, the file behind its serial port, where its rpctool asks,
#                               and where that is
# Namespaces stand for the machine: ended with it, and with a host name, /run and machine-id of its own.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ "${PLAYED:-}" != 1 ]; then
  PLAYED=1 exec unshare --mount --pid --uts --ipc --fork --kill-child sh "$0" "$@"
fi
disk=$1 log=$2 RPC_URL=$3 bin=$4
export RPC_URL
init=${PORTLAYER_INIT:-$here/../../loaders/init/build/portlayer-init}
mount -t proc proc /proc
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir -p /run/machine
[ -e "$disk/machine-id" ] || tr -d - </proc/sys/kernel/random/uuid >"$disk/machine-id"
if [ -e /etc/machine-id ]; then mount --bind "$disk/machine-id" /etc/machine-id; fi
mkdir -p "$disk/state"
cp "$init" /run/machine/portlayer-init
mount --bind "$disk" /mnt
PATH=$bin:$PATH exec /run/machine/portlayer-init guest --log "$log" --state /mnt/state --poll-ms "${POLL_MS:-50}"
