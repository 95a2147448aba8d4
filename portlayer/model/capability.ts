import type { Level } from './level.js';

/**
 * A capability tag: what a level's *code* can do, fixed for a version of the plugin.
 * The set is open; these are the ones the core asks for.
 *
 * - `host`: commands, files and sockets of a Linux host, which is what most executors work on.
 * - `run`: start a task and report its exit.
 * - `writable-layer`: freeze the writable layer as A′.
 * - `bind`: change CPU and memory of a running container; CPU 0 is pause.
 * - `exec`: run a further command in a running container.
 * - `inside`: let a loader's mechanism run commands of the host in a running container's network.
 * - `trigger`: carry a guest's own trigger to the host and its answer back.
 * - `checkpoint:<mechanism>`: take and restore checkpoints by that mechanism.
 * - `parent`: a running container can be forked with no preparation.
 */
export type CapabilityTag = string;

/** An ordered, duplicate-free list of tags. */
export type CapabilitySet = readonly CapabilityTag[];

/** Whether what a fingerprint reports can be used now. */
export type Health = 'healthy' | 'degraded' | 'unusable';

/** One thing that a host offers now, or does not. */
export interface Finding {
  /** What was looked at: `user-namespace`, `overlay`, `cgroup-freezer`, `criu`, … */
  readonly key: string;
  /** What was found: a version, a strategy, `yes`, `no`. */
  readonly value: string;
  /** Why it is so, where `value` alone does not say. */
  readonly reason?: string;
  /** The command that would add what is missing, where there is one. */
  readonly remedy?: string;
  /** Capability tags of the plugin that this finding takes away on this host. */
  readonly removes?: CapabilitySet;
}

/** What one plugin can do on one host now. It can only shrink the plugin's capabilities. */
export interface Fingerprint {
  readonly level: Level;
  /** The plugin's name: `local`, `process`, `init`, … */
  readonly name: string;
  readonly health: Health;
  /** One sentence for a person. */
  readonly description: string;
  readonly findings: readonly Finding[];
}

/** One level's share in a negotiation. */
export interface LevelOffer {
  readonly level: Level;
  readonly name: string;
  readonly capabilities: CapabilitySet;
  /** Absent where nothing of the host matters to this level (a task). */
  readonly fingerprint?: Fingerprint;
}

/** A tag that one level's plugin has and its host takes away. */
export interface Withheld {
  readonly tag: CapabilityTag;
  readonly level: Level;
  readonly name: string;
  readonly reason: string;
}

/** What the four levels together can do, and what was withheld by which host and why. */
export interface Negotiated {
  readonly available: ReadonlyMap<CapabilityTag, { readonly level: Level; readonly name: string }>;
  readonly withheld: readonly Withheld[];
  readonly offers: readonly LevelOffer[];
}

/**
 * Environment ∩ executor ∩ loader ∩ task: each tag belongs to the level that offers it, as far as that
 * level's fingerprint leaves it; an unusable level withholds everything.
 */
export function negotiate(offers: readonly LevelOffer[]): Negotiated {
  const available = new Map<CapabilityTag, { level: Level; name: string }>();
  const withheld: Withheld[] = [];
  const broken = offers.find(offer => offer.fingerprint?.health === 'unusable');
  for (const offer of offers) {
    for (const tag of offer.capabilities) {
      const reason = withholdingReason(offer, tag, broken);
      if (reason !== undefined) withheld.push({ tag, level: offer.level, name: offer.name, reason });
      else available.set(tag, { level: offer.level, name: offer.name });
    }
  }
  return { available, withheld, offers };
}

function withholdingReason(
  offer: LevelOffer,
  tag: string,
  broken: LevelOffer | undefined,
): string | undefined {
  if (broken) return `${broken.level} ${broken.name} is unusable: ${broken.fingerprint?.description ?? ''}`;
  const finding = offer.fingerprint?.findings.find(f => f.removes?.includes(tag));
  return finding && `${finding.key}: ${finding.reason ?? finding.value}`;
}

/** One line per level, for refusals: `executor process: run, writable-layer (withheld bind: cgroup: …)`. */
export function describeOffers(negotiated: Negotiated): string {
  return negotiated.offers
    .map(offer => {
      const withheld = negotiated.withheld.filter(w => w.level === offer.level && w.name === offer.name);
      const held = new Set(withheld.map(w => w.tag));
      const has = offer.capabilities.filter(tag => !held.has(tag)).join(', ') || 'nothing';
      const lost = withheld.map(w => `${w.tag}: ${w.reason}`).join('; ');
      return `${offer.level} ${offer.name}: ${has}${lost ? ` (withheld ${lost})` : ''}`;
    })
    .join(' | ');
}
