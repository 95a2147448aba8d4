#!/bin/sh
# All tests: installs what they need, builds, runs the suites from the fast to the slow.
set -eu
cd "$(dirname "$0")/../.."
sh test/setup/packages.sh
sh test/setup/parts/criu.sh
sh test/setup/parts/vcenter.sh
case " ${*:-machine} " in *" machine"*) sh test/setup/parts/qemu.sh ;; esac
npm run --silent build
exec node dist/test/setup/run-suites.js "$@"
