#!/bin/sh
# Puts runc and a CRIU for new kernels on a Debian host, for the tests of the executor `container`; see ../criu.sh.
# Where that fails it says so and ends with 0: the suites that need these parts report themselves skipped.
set -eu
sh "$(dirname "$0")/../criu.sh" >/dev/null || echo "containers: the suites with CRIU will report themselves skipped"
