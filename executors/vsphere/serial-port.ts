import { PortLayerError } from '../../portlayer/errors/port-layer-error.js';
import type { Machines } from './machines.js';
import type { Place } from './place.js';
import { faultOf } from './vim/fault.js';
import { readObjects } from './vim/properties.js';
import { list, type Ref, ref, typed, type Wire } from './vim/wire.js';

/** The I/O controller that serial ports are on. Source: every virtual machine's devices. */
const IO_CONTROLLER = 400;

/** The file on the datastore that a container's output is written to: `[datastore] path`. */
export function logFile(place: Place, uid: string): string {
  return `${place.logs}/${uid}.log`;
}

/** The device changes that give a machine a serial port into this file: `port` is the key of the one it has. */
export function portChange(file: string, port: number | undefined): readonly Wire[] {
  const backing = typed('VirtualSerialPortFileBackingInfo', { fileName: file });
  const device = typed('VirtualSerialPort', {
    key: port ?? -1,
    backing,
    ...(port === undefined ? { controllerKey: IO_CONTROLLER } : {}),
    yieldOnPoll: true,
  });
  return [{ operation: port === undefined ? 'add' : 'edit', device }];
}

/** The key of a machine's first serial port with a file behind it, if there is one. */
export async function portOf(
  machines: Machines,
  machine: Ref,
  signal: AbortSignal,
): Promise<number | undefined> {
  const [found] = await readObjects(machines.vcenter.vim, [machine], ['config.hardware.device'], { signal });
  const devices = list(found?.values['config.hardware.device']) as readonly {
    $type?: string;
    key?: number;
    backing?: { $type?: string };
  }[];
  const port = devices.find(
    one => one.$type === 'VirtualSerialPort' && one.backing?.$type === 'VirtualSerialPortFileBackingInfo',
  );
  return port?.key === undefined ? undefined : Number(port.key);
}

/** Makes the directory for logs. No error where it is there. */
export async function makeLogDirectory(machines: Machines, signal: AbortSignal): Promise<void> {
  const { vim } = machines.vcenter;
  const [{ fileManager }, place] = await Promise.all([vim.content({ signal }), machines.place(signal)]);
  const args = {
    _this: ref(fileManager),
    name: place.logs,
    datacenter: ref(place.datacenter),
    createParentDirectories: true,
  };
  await vim.call('MakeDirectory', args, { signal }).catch(caught => {
    if (faultOf(caught) !== 'FileAlreadyExists') throw caught;
  });
}

/** Removes a container's log. No error where there is none. */
export async function removeLog(machines: Machines, uid: string, signal: AbortSignal): Promise<void> {
  const { vim } = machines.vcenter;
  const [{ fileManager }, place] = await Promise.all([vim.content({ signal }), machines.place(signal)]);
  const args = { name: logFile(place, uid), datacenter: ref(place.datacenter) };
  await machines.task('DeleteDatastoreFile_Task', fileManager, args, signal).catch(caught => {
    if (!/NotFound|FileFault/.test(faultOf(caught) ?? '')) throw PortLayerError.from(caught);
  });
}
