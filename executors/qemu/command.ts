import { compareVersions } from '../../portlayer/model/constraint.js';
import type { ContainerSpec } from '../../portlayer/model/container-spec.js';
import type { Accelerator } from './accelerator.js';
import { diskFile, diskNode, type MachineDisk } from './disk/machine-disk.js';
import type { Identity } from './identity.js';
import type { MachinePaths } from './layout.js';
import { machineArgument } from './machine-version.js';
import { needQemu } from './need-qemu.js';
import { cpuCount, memoryMiB, optionsOf } from './options.js';
import type { Place } from './place.js';

/** How a machine begins: by booting a kernel, or from an image. */
export type Beginning =
  | { readonly kind: 'boot'; readonly kernel: string; readonly append: string }
  | {
      readonly kind: 'copy';
      readonly ram: string;
      readonly state: string;
      readonly incarnation: string;
      /** Loads the image and waits for QMP `cont`. */
      readonly paused?: boolean;
    };

/** All that one command line is made of. */
export interface MachineStart {
  readonly spec: ContainerSpec;
  readonly paths: MachinePaths;
  readonly disk: MachineDisk;
  readonly identity: Identity;
  readonly accelerator: Accelerator['name'];
  readonly begin: Beginning;
  /** The machine's own user, where QEMU runs as another. */
  readonly user?: number;
}

/** Descriptors on which the bridge leaves the guest's ports, and the device state, open. Source: loaders/init/machine_host.h. */
const PORTS = [
  { id: 'control', fd: 3 },
  { id: 'stdout', fd: 4 },
  { id: 'stderr', fd: 5 },
] as const;
const STATE_FD = 6;
const CONSOLE_FD = 7;

/** The monitor's command: the bridge, and below it QEMU. Pure. */
export function buildCommand(place: Place, start: MachineStart): readonly string[] {
  const { paths, begin } = start;
  const copy = begin.kind === 'copy' ? ['--resume', begin.incarnation, '--incoming', begin.state] : [];
  return [
    place.host.initBinary,
    'machine',
    ...['--relay', `${paths.relay}/relay.sock`, '--orders', paths.orders],
    ...['--errors', paths.errors, '--console', paths.console],
    ...stepDown(place, start),
    ...copy,
    '--',
    ...qemuArguments(place, start),
  ];
}

/** Another user, who sees of the port layer's directory only what this machine needs. */
function stepDown(place: Place, { paths, begin, user }: MachineStart): readonly string[] {
  const { users, layout, host } = place;
  if (!users || user === undefined) return [];
  return [
    ...['--uid', String(user), '--gid', String(users.gid), '--own', paths.vm, '--hide', host.stateDirectory],
    ...[paths.vm, layout.layers, layout.bases, layout.kernels].flatMap(path => ['--show', path]),
    ...(begin.kind === 'copy' ? ['--memory', begin.ram, '--memory-at', paths.memory] : []),
    ...(users.needsCapability ? ['--snapshots', 'capability'] : []),
  ];
}

/** QEMU's own command line: the same for a parent and its copies but for where memory and disk come from. Pure. */
function qemuArguments(place: Place, start: MachineStart): readonly string[] {
  const { spec, paths, disk, begin } = start;
  const qemu = needQemu(place);
  const { machine, cpu } = optionsOf(spec);
  const bus = machine === 'microvm' ? 'device' : 'pci';
  const memory = memoryMiB(spec);
  return [
    qemu.program,
    ...['-M', `${machineArgument(machine, qemu.version)},memory-backend=ram`, '-cpu', cpu],
    ...['-accel', start.accelerator === 'tcg' ? 'tcg,tb-size=32' : 'kvm'],
    ...['-m', String(memory), '-smp', String(cpuCount(spec))],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...(qemu.sandbox
      ? ['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny']
      : []),
    ...['-object', memoryBackend(memory, start, qemu.version)],
    ...[
      '-chardev',
      `file,id=console,path=/proc/self/fd/${CONSOLE_FD},append=on`,
      '-serial',
      'chardev:console',
    ],
    ...['-qmp', `unix:${paths.qmp},server=on,wait=off`],
    ...(machine === 'microvm' ? ['-global', 'virtio-mmio.force-legacy=false'] : []),
    ...['-device', `virtio-serial-${bus},max_ports=4`],
    ...PORTS.flatMap(({ id, fd }) => [
      ...['-chardev', `socket,id=${id},fd=${fd}`],
      ...['-device', `virtserialport,chardev=${id},name=org.portlayer.${id}`],
    ]),
    ...[
      '-blockdev',
      `driver=qcow2,node-name=${diskNode(disk.number)},discard=unmap,file.driver=file,file.filename=${comma(diskFile(paths, disk.number))}`,
    ],
    ...['-device', `virtio-blk-${bus},drive=${diskNode(disk.number)}`],
    ...(spec.network === 'none'
      ? []
      : [
          '-netdev',
          `user,id=net${forwards(start)}`,
          '-device',
          `virtio-net-${bus},netdev=net,mac=${start.identity.mac}${machine === 'microvm' ? '' : ',romfile='}`,
        ]),
    ...(begin.kind === 'copy'
      ? ['-incoming', `fd:${STATE_FD}`, ...(begin.paused ? ['-S'] : [])]
      : [
          '-kernel',
          begin.kernel,
          '-initrd',
          paths.initramfs,
          '-append',
          `${begin.append} rdinit=/portlayer-init -- machine-init`,
        ]),
  ];
}

/** A copy would find the ports of the host taken by its parent. */
function forwards({ spec, identity, begin }: MachineStart): string {
  if (begin.kind === 'copy') return '';
  const rules = optionsOf(spec).forward;
  return rules
    .map(({ host, guest }) => `,hostfwd=tcp:127.0.0.1:${host}-${identity.address}:${guest}`)
    .join('');
}

function memoryBackend(mib: number, { paths, begin, user }: MachineStart, version: string): string {
  if (begin.kind === 'boot') return `memory-backend-ram,id=ram,size=${mib}M`;
  const path = user === undefined ? begin.ram : paths.memory;
  // Private: what a copy writes is its own, what it only reads is everybody's. Before 8.2 the file must be open for writing.
  const readOnly = compareVersions(version, '8.2') >= 0 ? ',readonly=on,rom=off' : '';
  return `memory-backend-file,id=ram,size=${mib}M,mem-path=${comma(path)},share=off${readOnly}`;
}

/** In a list of options a comma is written twice. */
function comma(path: string): string {
  return path.replaceAll(',', ',,');
}
