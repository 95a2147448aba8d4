import { isDeepStrictEqual } from 'node:util';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import type { ContainerSpec } from '../../../portlayer/model/container-spec.js';
import { optionsOf } from '../options.js';

/** What the image holds: in a copy's configuration it would be ignored without a word. */
const ofImage: readonly (readonly [string, (spec: ContainerSpec) => unknown])[] = [
  ['task.argv', spec => spec.task.argv],
  ['task.env', spec => spec.task.env],
  ['task.cwd', spec => spec.task.cwd],
  ['task.user', spec => spec.task.user],
  ['rootfs', spec => spec.rootfs],
  ['network', spec => spec.network],
  ['volumes', spec => spec.volumes.map(({ target, readOnly }) => `${target} ${readOnly}`).sort()],
  ['executorOptions.seccomp', spec => optionsOf(spec).seccomp],
  ['executorOptions.noNewPrivileges', spec => optionsOf(spec).noNewPrivileges],
  ['executorOptions.veth', spec => optionsOf(spec).veth !== undefined],
];

/** Throws INVALID_SPEC naming the first field of `asked` that differs from what is in the image. Pure. */
export function refuseChanged(image: ContainerSpec, asked: ContainerSpec): void {
  const changed = ofImage.find(([, of]) => !isDeepStrictEqual(of(image), of(asked)));
  if (!changed) return;
  const [field, of] = changed;
  throw new PortLayerError('INVALID_SPEC', `The checkpoint holds ${field}: a copy cannot have another.`, {
    required: JSON.stringify(of(image))?.slice(0, 200) ?? 'none',
    found: JSON.stringify(of(asked))?.slice(0, 200) ?? 'none',
    remedy: `Leave ${field} as it was, or start a new container.`,
    facts: { field },
  });
}
