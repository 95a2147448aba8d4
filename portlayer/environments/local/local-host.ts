import type { Host } from '../../plugin/host.js';
import { collect } from '../process/collect-output.js';
import { createContentDigests } from './content-digest.js';
import { localFiles } from './local-files.js';
import { spawnLocal } from './local-process.js';
import { connectUnix } from './unix-connect.js';

/** What a local host is made of. */
export interface LocalHostOptions {
  readonly name: string;
  readonly stateDirectory: string;
  readonly initBinary: string;
}

/** This machine as a {@link Host}: Node's own calls, and execa for commands. */
export function createLocalHost(options: LocalHostOptions): Host {
  return {
    name: options.name,
    stateDirectory: options.stateDirectory,
    initBinary: options.initBinary,
    uid: process.geteuid?.() ?? 0,
    gid: process.getegid?.() ?? 0,
    spawn: (argv, spawnOptions = {}) => spawnLocal(argv, spawnOptions),
    run: (argv, runOptions = {}) => collect(spawnLocal(argv, runOptions), runOptions),
    files: { ...localFiles, contentDigest: createContentDigests().digest },
    connect: connectUnix,
  };
}
