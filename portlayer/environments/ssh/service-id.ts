import { link, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ulid } from 'ulid';
import { isErrno } from '../../errors/port-layer-error.js';

/** The id by which remote hosts know the service of a state directory: made once, kept in the file `service-id`. */
export async function serviceId(stateDirectory: string): Promise<string> {
  const path = join(stateDirectory, 'service-id');
  const read = async () => (await readFile(path, 'utf8')).trim();
  try {
    return await read();
  } catch (caught) {
    if (!isErrno(caught) || caught.code !== 'ENOENT') throw caught;
  }
  const own = `${path}.${process.pid}.${Date.now()}`;
  await writeFile(own, `${ulid()}\n`, { mode: 0o600 });
  // Whoever comes first gives it its content; another finds it whole.
  await link(own, path).catch((caught: unknown) => {
    if (!isErrno(caught) || caught.code !== 'EEXIST') throw caught;
  });
  await unlink(own);
  return read();
}
