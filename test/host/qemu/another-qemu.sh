#!/bin/sh
# QEMU of another version, for the test of constraints: what it is asked for is done by the one that is there.
[ "${1:-}" = --version ] && exec echo "QEMU emulator version 7.99.1"
exec qemu-system-x86_64 "$@"
