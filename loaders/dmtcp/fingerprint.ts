import type { Finding, Fingerprint } from '../../portlayer/model/capability.js';
import type { DmtcpFound } from './find-dmtcp.js';

const tag = 'checkpoint:dmtcp';

/** What the loader can do on a host, from what was found there. `tool`: whether the dynamic tool `checkpoint` was built. Pure. */
export function fingerprintOf(found: DmtcpFound, tool: boolean): Fingerprint {
  const shape = { level: 'loader', name: 'dmtcp' } as const;
  if (found.bin === undefined) {
    const { reason, remedy } = found;
    const finding: Finding = { key: 'dmtcp', value: 'no', reason, remedy, removes: ['run', 'trigger', tag] };
    return {
      ...shape,
      health: 'unusable',
      description: `DMTCP cannot be used: ${reason}.`,
      findings: [finding],
    };
  }
  const findings: Finding[] = [
    { key: 'dmtcp', value: found.version },
    { key: 'dmtcp-build', value: found.build },
    { key: 'dmtcp-prefix', value: found.prefix },
    { key: 'dmtcp-forked', value: found.forked ? 'yes' : 'no', ...(found.forked ? {} : notForked) },
    { key: 'glibc', value: found.glibc },
    { key: 'tool', value: tool ? 'yes' : 'no', ...(tool ? {} : noTool) },
  ];
  return { ...shape, health: 'healthy', description: `DMTCP ${found.version} in ${found.prefix}.`, findings };
}

const notForked = { reason: 'this build writes images while the task waits' };
const noTool = {
  reason: 'the tool checkpoint was not built dynamically: tasks ask by signal',
  remedy: 'Build it: sh loaders/init/build.sh, with a compiler for glibc',
};
