// How a container of an image is started: entry point, environment, user, labels. Both the assembled images and the Dockerfiles have it;
// a test compares. Knows no files.
import { EXTENSIONS_FOLDER, NODE, PROGRAM_FOLDER, USERS } from './layout.ts';
import type { ProgramName } from './programs.ts';

/** As in the configuration of an OCI image. */
export interface ImageConfig {
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** "uid:gid" */
  readonly user: string;
  readonly workingDir: string;
  readonly exposedPorts: readonly string[];
  readonly stopSignal: string;
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * V8 without threads of its own and with a small young generation: the agent allocates little once its tables have grown, and background
 * compilers cost more memory than they save time (ARCHITECTURE.md, Runtime).
 */
const AGENT_NODE_FLAGS = ['--single-threaded', '--no-maglev', '--max-semi-space-size=1'];

/** malloc's settings for `serve`: see aggregator/bin/flowtoll.js, which need not begin anew to have them. */
const AGGREGATOR_MALLOC = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '32768',
  MALLOC_TRIM_THRESHOLD_: '131072',
};

const COMMON_ENV = { PATH: '/usr/local/bin', HOME: '/tmp' };

function labels(title: string, description: string, version: string): Record<string, string> {
  const named = {
    title,
    description,
    version,
    vendor: 'Flowtoll',
    licenses: 'Apache-2.0',
    source: 'https://github.com/flowtoll/flowtoll',
    documentation: 'https://github.com/flowtoll/flowtoll/blob/main/docs/images.md',
  };
  return Object.fromEntries(Object.entries(named).map(([name, value]) => [`org.opencontainers.image.${name}`, value]));
}

export function imageConfig(name: ProgramName, version: string): ImageConfig {
  const common = { workingDir: '/', stopSignal: 'SIGTERM' };
  if (name === 'agent') {
    return {
      ...common,
      entrypoint: [NODE, ...AGENT_NODE_FLAGS, `${PROGRAM_FOLDER}/flowtoll-agent.mjs`],
      cmd: ['run'],
      env: { ...COMMON_ENV, MALLOC_ARENA_MAX: '1' },
      user: `${USERS.root.id}:${USERS.root.id}`,
      exposedPorts: ['9465/tcp'],
      labels: labels('Flowtoll agent', 'Reads what the kernel counted for each connection of a node', version),
    };
  }
  return {
    ...common,
    entrypoint: [NODE, `${PROGRAM_FOLDER}/flowtoll.mjs`],
    cmd: ['--help'],
    env: { ...COMMON_ENV, ...AGGREGATOR_MALLOC, FLOWTOLL_EXTENSIONS: EXTENSIONS_FOLDER },
    user: `${USERS.flowtoll.id}:${USERS.flowtoll.id}`,
    exposedPorts: ['4460/tcp', '4461/tcp', '9464/tcp'],
    labels: labels('Flowtoll aggregator', 'Names, prices and stores what every Kubernetes network flow costs', version),
  };
}
