import { randomUUID } from 'node:crypto';
import { carryFile } from '../environments/travel/carry.js';
import type { LayerPacking } from '../plugin/executor.js';
import type { Host } from '../plugin/host.js';

/** Packing of layers on another host, with the packed files on the service's own: they are carried between the two. */
export function packingFrom(host: Host, own: Host, packing: LayerPacking): LayerPacking {
  const never = new AbortController().signal;

  async function onHost<T>(work: (path: string) => Promise<T>): Promise<T> {
    const directory = `${host.stateDirectory}/staging`;
    await host.files.makeDirectory(directory, 0o700);
    const path = `${directory}/pack-${randomUUID()}`;
    try {
      return await work(path);
    } finally {
      // What a lost link leaves there is swept at the next start.
      await host.files.remove(path).catch(() => {});
    }
  }

  return {
    isThere: layer => packing.isThere(layer),
    pack: (layer, file, signal) =>
      onHost(async path => {
        const kind = await packing.pack(layer, path, signal);
        await carryFile({ host, path }, { host: own, path: file }, signal ?? never);
        return kind;
      }),
    unpack: (layer, file, kind, signal) =>
      onHost(async path => {
        await carryFile({ host: own, path: file }, { host, path }, signal ?? never);
        await packing.unpack(layer, path, kind, signal);
      }),
  };
}
