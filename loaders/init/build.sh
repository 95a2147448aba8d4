#!/bin/sh
# Builds the modified init: one static binary that is init, monitor, guest tool and layer folder.
#   build.sh [OUTPUT-DIRECTORY]        CC=musl-gcc build.sh build/musl
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/build}
binary=$out/portlayer-init
CC=${CC:-cc}

if [ -x "$binary" ] && [ "$(cat "$out/.compiler" 2>/dev/null)" = "$CC" ] &&
  [ -z "$(find "$here" "$here/preload" -maxdepth 1 \( -name '*.c' -o -name '*.h' -o -name build.sh \) -newer "$binary")" ]; then
  exit 0
fi

if ! command -v "${CC%% *}" >/dev/null 2>&1; then
  echo "build.sh: no C compiler '$CC' found; install one (apt-get install gcc libc6-dev, or musl-tools with CC=musl-gcc) and run it again" >&2
  exit 1
fi

mkdir -p "$out"
# Compiled aside and renamed, so that two builds at once never leave, or run, half a binary.
aside=$out/.portlayer-init.$$
trap 'rm -f "$aside" "$aside.log" "$aside.so"' EXIT
# shellcheck disable=SC2086  # CC may carry arguments
if ! { $CC -O2 -shared -fPIC -nostdlib -fno-stack-protector -Wall -Wextra -Werror -std=gnu11 -D_GNU_SOURCE \
  -o "$aside.so" "$here/preload/limits.c" &&
  $CC -O2 -static -Wall -Wextra -Werror -std=gnu11 -D_GNU_SOURCE "-DLIMITS_LIBRARY=\"$aside.so\"" \
    -o "$aside" "$here"/*.c; } 2>"$aside.log"; then
  cat "$aside.log" >&2
  echo "build.sh: '$CC' could not build the init (see above); a static libc is needed: apt-get install libc6-dev, or musl-tools with CC=musl-gcc" >&2
  exit 1
fi
mv "$aside" "$binary"
# The tool again, dynamically linked, for tasks under DMTCP: a static program cannot be kept. They do without where it cannot be built.
# shellcheck disable=SC2086
if $CC -O2 -Wall -Wextra -Werror -std=gnu11 -D_GNU_SOURCE -DPORTLAYER_TOOL_ALONE -o "$aside" "$here/tool.c" "$here/line.c" "$here/unix_socket.c" 2>"$aside.log"; then
  mv "$aside" "$out/checkpoint-dynamic"
fi
printf %s "$CC" >"$out/.compiler"
