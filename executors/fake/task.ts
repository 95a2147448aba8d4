import type { StartRequest } from '../../portlayer/plugin/executor.js';
import { changed, type FakeContainer, type FakeWorld, type TaskControls, until } from './world.js';

/** Signals that end a fake task: it handles no others unless it asks for them. */
const FATAL = new Set([9, 15]);

/** Runs the task that the world has for `argv[0]`; its end is the container's exit. */
export function runTask(world: FakeWorld, container: FakeContainer, request: StartRequest): void {
  const run = ++container.run;
  const task = world.tasks.get(request.launch.argv[0] ?? '');
  container.running = true;
  delete container.exit;
  const end = (code: number, signal: number, failure?: string): void => {
    if (container.run !== run || !container.running) return;
    container.running = false;
    container.exit = {
      code,
      signal,
      oomKilled: false,
      atMs: Date.now(),
      ...(failure === undefined ? {} : { failure }),
    };
    changed(container);
  };
  container.watchers.add(function watch() {
    if (container.run !== run || !container.running) {
      container.watchers.delete(watch);
      return;
    }
    const fatal = container.signals.find(signal => FATAL.has(signal));
    if (fatal !== undefined) end(128 + fatal, fatal);
  });
  if (!task) {
    end(127, 0, `exec: ${request.launch.argv[0]}: No such file or directory`);
    return;
  }
  void (async () => end(await task(controls(world, container, request)), 0))().catch(error =>
    end(1, 0, String(error)),
  );
}

function controls(world: FakeWorld, container: FakeContainer, request: StartRequest): TaskControls {
  return {
    request,
    files: {
      get(path) {
        const stacked = container.layers.map(layer => world.layers.get(layer)).reverse();
        return [container.upper, ...stacked].find(layer => layer?.has(path))?.get(path);
      },
      set(path, text) {
        container.upper.set(path, text);
      },
    },
    say(line) {
      container.outbox.push(line);
      changed(container);
    },
    hear: () => until(container, () => container.inbox.shift()),
    signalled: () =>
      until(container, () => {
        const index = container.signals.findIndex(signal => !FATAL.has(signal));
        return index < 0 ? undefined : container.signals.splice(index, 1)[0];
      }),
    print(text) {
      container.log.push(text);
      changed(container);
    },
  };
}
