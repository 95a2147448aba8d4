import type { World } from './world.js';

/**
 * The task of the machine that most tests share, since a boot takes seconds and a copy does not. It fills some memory,
 * asks once to be forked, says who it is, and counts. A copy does further what its host name asks for.
 */
const script = `
head -c 8000000 /dev/urandom > /dev/shm/memory
echo of-the-parent > /state/file
answer=$(checkpoint --mechanism vmfork); code=$?
echo "fork code=$code answer=$answer host=$(hostname) id=$(cat /etc/machine-id) mac=$(cat /sys/class/net/eth0/address) random=$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' ') sum=$(md5sum < /dev/shm/memory | cut -c1-32) disk=$(cat /state/file)"
hostname > /state/file; sync
echo "disk=$(cat /state/file)"
case $(hostname) in
floods*) exec yes 0123456789012345678901234567890123456789 ;;
heavy*) head -c 90000000 /dev/urandom > /dev/shm/heavy; echo 1 > /state/heavy; sync; echo ready ;;
esac
i=0
while :; do i=$((i+1)); echo $i; sleep 0.2; done`;
const again = `test -e /state/heavy && echo kept $(cat /state/heavy) && exec sleep 100000`;

/** The shared machine: running, forked once, and the checkpoint it asked for. */
export interface Parent {
  readonly crid: string;
  /** What it said after its fork. */
  readonly words: string;
}

export const PARENT = 'parent';

/** Boots it; resolves when it counts. */
export async function bootParent(
  world: World,
  more: Readonly<Record<string, unknown>> = {},
): Promise<Parent> {
  await world.run(PARENT, `${again}\n${script}`, { resources: { memoryBytes: 256 * 2 ** 20 }, ...more });
  const words = await world.said(PARENT, /^fork /);
  await world.said(PARENT, /^3$/);
  const { items } = await world.dispatch.listCheckpoints({ container: PARENT }, { size: 10 });
  if (items.length !== 1 || !items[0]) throw new Error(`${items.length} checkpoints instead of one`);
  return { crid: items[0].crid, words };
}

/** The number that a machine has counted to. */
export async function counted(world: World, name: string): Promise<number> {
  const numbers = (await world.output(name)).filter(line => /^\d+$/.test(line));
  return Number(numbers.at(-1) ?? 0);
}
