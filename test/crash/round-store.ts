// Where the tables of a round are: a directory, or S3 behind a proxy on which requests and answers get lost. Knows how aggregators
// in the management namespace reach it, and how the test itself does, past the proxy.
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { RowSums } from '../lab/expected-rows.ts';
import type { Lab } from '../lab/lab.ts';
import { type StorePlace, storeOf } from '../lab/product.ts';
import { environment } from '../support/processes.ts';
import { type SeaweedFs, seaweedFsProgram, startSeaweedFs } from '../support/seaweedfs.ts';
import { writeHistory } from './history.ts';
import type { StoreFault } from './store-faults.ts';

const PROXY = fileURLToPath(new URL('./store-proxy.ts', import.meta.url));
const PROXY_PORT = 4459;
const BUCKET = 'flows';
const PREFIX = 'deep/er/';
export const CLUSTER = 'lab';

export type StoreKind = 'directory' | 's3';

/** What the proxy is told. */
export interface StoreCommand {
  /** Whether requests are befallen from now on. */
  readonly troubled: boolean;
}

/** What the proxy answers. */
export interface StoreAnswer {
  readonly requests: number;
  readonly faults: Readonly<Partial<Record<StoreFault, number>>>;
}

/** The store of a round. */
export interface RoundStore {
  /** For aggregators. */
  readonly place: StorePlace;
  /** For the test: nothing is in the way. */
  readonly reading: StorePlace;
  /** The server, where there is one. */
  readonly server: SeaweedFs | undefined;
  /** What rows of flows must say of what was there before the round. */
  readonly history: ReadonlyMap<string, RowSums>;
  /** Faults begin, or end; what there has been of them. */
  trouble(troubled: boolean): Promise<StoreAnswer>;
  stop(): Promise<void>;
}

/** The tables in S3. */
export const S3_PLACE = { bucket: BUCKET, prefix: PREFIX, cluster: CLUSTER } as const;

/** Folder of the cluster's tables, bucket first. */
export const S3_FOLDER = `${BUCKET}/${PREFIX}${CLUSTER}`;

/** @param directory an existing one; @param seed of the faults */
export async function startRoundStore(
  kind: StoreKind,
  lab: Pick<Lab, 'spawn'>,
  directory: string,
  seed: number,
): Promise<RoundStore> {
  if (kind === 'directory') {
    const place = { store: storeOf(directory), env: environment() };
    return {
      place,
      reading: place,
      server: undefined,
      history: new Map(),
      trouble: async () => ({ requests: 0, faults: {} }),
      stop: async () => undefined,
    };
  }
  const program = await seaweedFsProgram();
  if (program === undefined) throw new Error('there is no S3 server to be had');
  const server = await startSeaweedFs(program);
  try {
    await server.createBucket(BUCKET);
    const history = await writeHistory(server, S3_PLACE);
    const argv = [process.execPath, PROXY, String(PROXY_PORT), server.socketPath, String(seed)];
    const proxy = lab.spawn('management', argv, { stdio: ['pipe', 'pipe', 'pipe'] });
    proxy.stderr!.pipe(process.stderr, { end: false });
    const ask = asked(proxy);
    await ask();
    const store = `s3://${BUCKET}/${PREFIX.slice(0, -1)}`;
    const at = (endpoint: string) => ({ ...server.environment('writer'), AWS_ENDPOINT_URL: endpoint });
    return {
      place: { store, env: environment(at(`http://127.0.0.1:${PROXY_PORT}`)) },
      reading: { store, env: environment({ ...at(server.endpoint), FLOWTOLL_CACHE: join(directory, 'cache') }) },
      server,
      history,
      trouble: (troubled) => ask({ troubled }),
      stop: async () => {
        proxy.kill('SIGKILL');
        await server.stop();
      },
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** Sends commands, one at a time, and gives the answers; the first one comes without being asked for. */
function asked(child: ChildProcess): (command?: StoreCommand) => Promise<StoreAnswer> {
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  return async (command) => {
    if (command !== undefined) child.stdin!.write(`${JSON.stringify(command)}\n`);
    const { value, done } = await lines.next();
    if (done === true) throw new Error('the proxy in front of the store ended');
    return JSON.parse(value) as StoreAnswer;
  };
}
