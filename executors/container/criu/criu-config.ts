import type { ContainerOptions } from '../options.js';
import type { Place } from '../place.js';

/**
 * CRIU's further options for one container, as the file that its bundle names: runc passes it on. Without established
 * connections the network need not be locked: that saves 55 ms of freeze, and leaves no filter behind when CRIU is
 * killed. `script` is run at CRIU's steps. Pure.
 */
export function criuConfig(options: ContainerOptions, script?: string): string {
  const network = options.tcpEstablished ? ['tcp-established'] : ['tcp-close', 'network-lock skip'];
  const steps = script === undefined ? [] : [`action-script ${script}`];
  return [...network, ...steps, 'skip-in-flight', 'ghost-limit 16M', ''].join('\n');
}

/**
 * Freezes when CRIU is about to dump, and no sooner: runc and CRIU take some 40 ms to get there. A constant text but for
 * its environment: FREEZER is the container's group, MARK a file that says FROZEN to the service, TRIES how often to
 * look, each 2 ms. Before CRIU's own freeze, which would wait 100 ms more, and thaw in the end.
 */
const freezeScript = `#!/bin/sh
[ "$CRTOOLS_SCRIPT_ACTION" = pre-dump ] && [ -n "$PORTLAYER_MARK" ] || exit 0
tries=0
while [ $tries -lt "$PORTLAYER_TRIES" ]; do
  if [ -e "$PORTLAYER_FREEZER/freezer.state" ]; then
    echo FROZEN >"$PORTLAYER_FREEZER/freezer.state" || exit 1
    read -r state <"$PORTLAYER_FREEZER/freezer.state"
    [ "$state" = FROZEN ] && break
  else
    echo 1 >"$PORTLAYER_FREEZER/cgroup.freeze" || exit 1
    while read -r word value; do [ "$word $value" = "frozen 1" ] && break 2; done <"$PORTLAYER_FREEZER/cgroup.events"
  fi
  tries=$((tries + 1))
  sleep 0.002
done
[ $tries -lt "$PORTLAYER_TRIES" ] && : >"$PORTLAYER_MARK"
`;

/** Puts the script that freezes where CRIU finds it. */
export async function installFreezeScript(host: Place['host'], path: string): Promise<void> {
  const there = await host.files.read(path).then(String, () => '');
  if (there !== freezeScript) await host.files.writeAtomic(path, freezeScript, 0o700);
}
