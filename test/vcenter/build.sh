#!/bin/sh
# Builds the test vCenter, its WSDL and the stand-in for vmware-rpctool from Debian's golang-go and golang-github-vmware-govmomi-dev.
#   build.sh OUTPUT-DIRECTORY      quick where nothing has changed
# Two lines of the library are other ones in this build: property collectors look for changes every 10 ms, not every 250,
# and listen before they read the present state, not after, when a change in between would be lost.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
source=/usr/share/gocode/src/github.com/vmware/govmomi
mkdir -p "$out/wsdl" "$out/overlay" "$out/bin"
stamp=$(cat "$0" "$here"/*.go "$here/guest/rpctool.c" "$here/generate-wsdl.ts" "$source/simulator/property_collector.go" | sha256sum)
[ "$(cat "$out/stamp" 2>/dev/null)" != "$stamp" ] || exit 0
grep -q '250 \* time.Millisecond' "$source/simulator/property_collector.go" || echo "build.sh: the library polls otherwise; tests are slower" >&2
sed -e 's/250 \* time.Millisecond/10 * time.Millisecond/' -e '/^\t\tctx.Map.AddHandler(pc) /d' \
  -e 's/^\t\tapply()                \/\/ Collect current state/\t\tctx.Map.AddHandler(pc)\n\t\tapply()/' "$source/simulator/property_collector.go" >"$out/overlay/property_collector.go"
printf '{"Replace": {"%s": "%s"}}\n' "$source/simulator/property_collector.go" "$out/overlay/property_collector.go" >"$out/overlay.json"
(cd "$here" && GO111MODULE=off GOFLAGS= GOPATH=/usr/share/gocode GOCACHE="$out/go-cache" go build -overlay "$out/overlay.json" -o "$out/vcenter.new" .)
cc -O2 -static -Wall -o "$out/bin/vmware-rpctool" "$here/guest/rpctool.c"
node --import tsx "$here/generate-wsdl.ts" "$source/vim25" "$out/wsdl"
mv "$out/vcenter.new" "$out/vcenter"
echo "$stamp" >"$out/stamp"
