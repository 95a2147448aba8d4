#!/bin/sh
# All tests: installs what they need, builds, runs the suites from the fast to the slow.
set -eu
cd "$(dirname "$0")/../.."
sh test/setup/packages.sh
for part in test/setup/parts/*.sh; do
  [ -e "$part" ] && sh "$part"
done
npm run --silent build
exec node dist/test/setup/run-suites.js "$@"
