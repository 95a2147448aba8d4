import { PortLayerError } from '../errors/port-layer-error.js';
import type { Shell } from './shell.js';

const NAMED = /^([a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}?)(?:~(\d{1,6}))?$/;
const CRID_OR_PREFIX = /^[0-9A-Z]{8,26}$/;

/**
 * The checkpoints of one container, also of one that is gone, are a series under its name: `NAME` is its newest that can
 * be restored, `NAME~1` the one before. Anything else (a CRID, a prefix of one, `name:tag`) is passed on as it is. Throws
 * NOT_FOUND where the series has no such checkpoint.
 */
export async function checkpointNamed(shell: Shell, text: string): Promise<string> {
  const [, container, back = '0'] = NAMED.exec(text) ?? [];
  if (container === undefined || CRID_OR_PREFIX.test(text)) return text;
  const steps = Number(back);
  const states = ['captured', 'committing', 'committed'] as const;
  let pageToken: string | undefined;
  let seen = 0;
  do {
    const query = {
      container,
      states,
      pageSize: Math.min(steps - seen + 1, 1000),
      ...(pageToken && { pageToken }),
    };
    const page = await shell.client.listCheckpoints(query);
    const found = page.items[steps - seen];
    if (found) return found.crid;
    seen += page.items.length;
    pageToken = page.nextPageToken;
  } while (pageToken);
  throw new PortLayerError('NOT_FOUND', `There is no checkpoint ${text}.`, {
    required: `a CRID, 8 or more characters of one, name:tag, or a container with more than ${steps} checkpoints`,
    found: `${seen} checkpoints of ${container}`,
    remedy: `List them with: portlayer checkpoint ls --container ${container}`,
    facts: { checkpoint: text },
  });
}
