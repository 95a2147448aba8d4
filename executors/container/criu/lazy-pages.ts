import type { UsableCriu } from './find-criu.js';

/** Starts the server of pages, waits at most 5 s for its socket, becomes the command. A constant text: every value is an argument. */
const script = `"$1" lazy-pages --images-dir "$2" --work-dir "$3" --log-file lazy-pages.log </dev/null >/dev/null 2>&1 &
tries=0
while [ ! -S "$3/lazy-pages.socket" ] && [ $tries -lt 500 ]; do tries=$((tries + 1)); sleep 0.01; done
shift 3
exec "$@"`;

/**
 * The head of a restore's command line with which memory comes in as it is touched: CRIU's server of pages lives below
 * the container's monitor until it has brought in the last one. Pure.
 */
export function lazily(criu: UsableCriu, image: string, work: string): readonly string[] {
  return ['/bin/sh', '-c', script, 'sh', `${criu.directory}/criu`, image, work];
}
