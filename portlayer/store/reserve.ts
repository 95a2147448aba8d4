import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { PortLayerError } from '../errors/port-layer-error.js';

/** How much is held back: enough for the catalog to record that things were stopped and removed. */
const RESERVE_BYTES = 4 * 1024 * 1024;
/** It is taken again only when so much is free beside it, so that a nearly full disk is not filled by it. */
const PLENTY_BYTES = 4 * RESERVE_BYTES;

/**
 * A file that holds some room back, so that a full file system is no dead end: whoever frees room (stop, remove, the
 * start of the service itself) may give it up.
 */
export interface Reserve {
  /** Runs `body`; where that fails for want of room, gives the reserve up and runs it once more. `body` is safe to repeat. */
  use<T>(body: () => Promise<T>): Promise<T>;
  /** Takes the room again where there is plenty. Cheap where it is held already. */
  refill(): void;
}

/** The reserve kept in the file at `path`. */
export function openReserve(path: string): Reserve {
  const reserve: Reserve = {
    async use(body) {
      try {
        return await body();
      } catch (caught) {
        if (PortLayerError.from(caught).code !== 'STORE_FULL' || !existsSync(path)) throw caught;
        rmSync(path, { force: true });
        return body();
      }
    },
    refill() {
      if (existsSync(path)) return;
      const { bavail, bsize } = statfsSync(dirname(path));
      if (bavail * bsize < PLENTY_BYTES) return;
      try {
        const file = openSync(`${path}.new`, 'w', 0o600);
        // Written, not only sized: a hole holds no room back.
        writeSync(file, Buffer.alloc(RESERVE_BYTES, 1));
        fsyncSync(file);
        closeSync(file);
        renameSync(`${path}.new`, path);
      } catch {
        rmSync(`${path}.new`, { force: true });
      }
    },
  };
  return reserve;
}
