// Watchers of a table in a bucket: two replicas that are killed and started again, another writer that commits, and the product's
// own upkeep (roll-up, compaction, checkpoints, vacuum, log clean-up) under a clock that the test sets forward by days. A watcher
// that is stopped at random sees each row once; one that was away for longer than the store keeps what it needs is told.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { texts } from '@flowtoll/aggregator/api/watched-table.testing.ts';
import { followFlows } from '@flowtoll/aggregator/client/flow-stream.ts';
import { openStore } from '@flowtoll/aggregator/store/open-store.ts';
import { flowRow } from '@flowtoll/aggregator/table/flow-row.testing.ts';
import { type FlowTable, openFlowTable } from '@flowtoll/aggregator/table/flow-table.ts';
import { maintain } from '@flowtoll/aggregator/upkeep/maintain.ts';
import { type WatchRequest, WatchRequestSchema } from '@flowtoll/proto';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { createRandom, type Random } from '../lab/random.ts';
import { AGGREGATOR_PROGRAM, environment, Programs, type Running } from '../support/processes.ts';
import { type SeaweedFs, seaweedFsProgram, startSeaweedFs } from '../support/seaweedfs.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Two commits each: enough of them that the log gets a checkpoint (log-upkeep.ts) before upkeep's last round. */
const ROUNDS = 60;

const program = await seaweedFsProgram();

/** One version's rows, by the names of their pods. */
type Committed = Map<number, readonly string[]>;

/** Commits rows and looks after the tables, as a process whose clock is the test's. */
class Writer {
  readonly committed: Committed = new Map();
  readonly steps = new Set<string>();
  #sequence = 0;
  #names = 0;
  readonly #table: FlowTable;
  readonly #store: Awaited<ReturnType<typeof openStore>>;
  readonly #clock: { nowMs: number };

  private constructor(store: Awaited<ReturnType<typeof openStore>>, table: FlowTable, clock: { nowMs: number }) {
    this.#store = store;
    this.#table = table;
    this.#clock = clock;
  }

  static async open(url: string, startMs: number): Promise<Writer> {
    const clock = { nowMs: startMs };
    const store = await openStore(url);
    return new Writer(store, await openFlowTable(store, { cluster: 'demo', clock: () => clock.nowMs }), clock);
  }

  async commit(rowCount: number): Promise<void> {
    this.#clock.nowMs += 60_000;
    const names = Array.from({ length: rowCount }, () => `row-${this.#names++}`);
    const windowStartUs = (this.#clock.nowMs - (this.#clock.nowMs % 60_000)) * 1000;
    const { version } = await this.#table.commit([{ epoch: 'epoch', sequence: ++this.#sequence }], (_, rows) => {
      for (const pod of names)
        rows.append(flowRow({ pod, txBytes: 1, windowStartUs, windowEndUs: windowStartUs + 60e6 }));
    });
    this.committed.set(version!, names);
  }

  /** Time passes, and a round of upkeep follows. */
  async maintainAfter(ms: number): Promise<void> {
    this.#clock.nowMs += ms;
    await maintain(this.#store, {
      cluster: 'demo',
      clock: () => this.#clock.nowMs,
      keepFlowsMs: 400 * DAY_MS,
      keepCostsMs: 400 * DAY_MS,
      onStep: ({ table, step }) => this.steps.add(`${table} ${step}`),
    });
  }

  async close(): Promise<void> {
    await this.#table.close();
  }
}

/** Reads one life of a stream after another, from whichever replica, and keeps what it saw. */
class Watcher {
  /** How often each row came. */
  readonly seen = new Map<string, number>();
  readonly missed: { readonly from: number; readonly to: number }[] = [];
  #from: WatchRequest['from'] = { case: 'oldest', value: true };
  #life: { readonly stop: AbortController; readonly ended: Promise<void> } | undefined;
  readonly #lookers = new Set<() => void>();

  start(server: string): void {
    const stop = new AbortController();
    this.#life = { stop, ended: this.#follow(server, stop.signal) };
  }

  /** Ends this life wherever it is; a message that comes later is not processed. */
  async stop(): Promise<void> {
    this.#life?.stop.abort();
    await this.#life?.ended;
    this.#life = undefined;
  }

  /** Waits until the row came, or was said to be missed. */
  sees(name: string): Promise<void> {
    const awaited = new Promise<void>((resolve) => {
      const look = () => {
        if (!this.seen.has(name)) return;
        this.#lookers.delete(look);
        resolve();
      };
      this.#lookers.add(look);
      look();
    });
    return Promise.race([awaited, this.#life!.ended.then(() => Promise.reject(new Error(`ended before ${name}`)))]);
  }

  async #follow(server: string, signal: AbortSignal): Promise<void> {
    const request = create(WatchRequestSchema, { from: this.#from, columns: ['pod'] });
    for await (const event of followFlows({ server, request, signal, isPatient: true })) {
      if (signal.aborted) return;
      if (event.kind === 'expired') {
        const { missedFromVersion, missedToVersion, resumeToken } = event.missed;
        this.missed.push({ from: Number(missedFromVersion), to: Number(missedToVersion) });
        this.#from = { case: 'resumeToken', value: resumeToken };
        continue;
      }
      for (const name of texts(event.message, 'pod')) this.seen.set(name!, (this.seen.get(name!) ?? 0) + 1);
      this.#from = { case: 'resumeToken', value: event.message.resumeToken };
      for (const look of this.#lookers) look();
    }
  }
}

describe.skipIf(program === undefined)('watchers of a bucket', () => {
  const programs = new Programs();
  let server: SeaweedFs;
  let work: string;

  beforeAll(async () => {
    server = await startSeaweedFs(program!);
    await server.createBucket('flows');
    work = await mkdtemp(join(tmpdir(), 'flowtoll-s3-watch-'));
    await writeFile(join(work, 'topology.yaml'), 'version: 1\nnodes:\n  - { name: node-a, addresses: [10.0.0.1] }\n');
  });
  afterEach(() => vi.unstubAllEnvs());
  afterAll(async () => {
    await programs.killAll();
    await server?.stop();
    await rm(work, { recursive: true, force: true });
  });

  async function serve(store: string, port = 0): Promise<{ readonly port: number; readonly running: Running }> {
    const running = programs.start(
      AGGREGATOR_PROGRAM,
      [
        ...['serve', '--store', store, '--cluster', 'demo', '--topology', join(work, 'topology.yaml')],
        ...['--listen', `127.0.0.1:${port}`, '--metrics-listen', 'none', '--vanished-after', 'none'],
        ...['--maintain-interval', 'none'],
      ],
      { env: environment(server.environment('writer')) },
    );
    const line = await running.logged('listening');
    return { port: Number(line['port']), running };
  }

  const seed = Number(process.env['FLOWTOLL_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
  test(`replicas die, upkeep goes on: each row once, or it is told (seed ${seed})`, async () => {
    for (const [name, value] of Object.entries(server.environment('writer'))) vi.stubEnv(name, value);
    const random: Random = createRandom(seed);
    const store = `s3://flows/${seed}`;
    const writer = await Writer.open(store, Date.now() - 60 * DAY_MS);
    const replicas = [await serve(store), await serve(store)];
    const address = () => `127.0.0.1:${random.pick(replicas).port}`;
    const lively = new Watcher();
    const sleeper = new Watcher();
    lively.start(address());
    sleeper.start(address());
    try {
      for (let round = 0; round < ROUNDS; round++) {
        await writer.commit(random.pick([1, 20]));
        await writer.commit(random.pick([1, 20, 3000]));
        const newest = [...writer.committed.values()].at(-1)!.at(-1)!;
        // Away while its place is compacted and vacuumed.
        if (round === 20) await sleeper.stop();
        if (round === 50) sleeper.start(address());
        if (random.chance(0.3)) {
          await lively.stop();
          lively.start(address());
        }
        if (random.chance(0.1)) {
          const index = random.integer(0, 1);
          const { port, running } = replicas[index]!;
          running.child.kill('SIGKILL');
          await running.ended();
          replicas[index] = await serve(store, port);
        }
        // Whoever watches is never days behind.
        if (round % 5 === 4 || random.chance(0.4)) await lively.sees(newest);
        if (round % 5 === 4) await writer.maintainAfter(round % 20 === 19 ? 10 * DAY_MS : 2 * HOUR_MS);
      }
      await writer.commit(1);
      const last = [...writer.committed.values()].at(-1)![0]!;
      await Promise.all([lively.sees(last), sleeper.sees(last)]);
    } finally {
      await Promise.all([lively.stop(), sleeper.stop()]);
      await writer.close();
    }
    for (const watcher of [lively, sleeper]) {
      expect([...watcher.seen].filter(([, count]) => count > 1)).toEqual([]);
      const untold = [...writer.committed].filter(
        ([version, names]) =>
          !names.every((name) => watcher.seen.has(name)) &&
          !watcher.missed.some(({ from, to }) => from <= version && version <= to),
      );
      expect(untold.map(([version]) => version)).toEqual([]);
    }
    // The test is worth something only if upkeep did all that it can do (a log is cleaned up to a checkpoint), and somebody had to be told.
    const needed = ['costs_hourly roll-up', 'flows compact', 'flows vacuum', 'flows log-clean-up'];
    expect(needed.filter((step) => !writer.steps.has(step))).toEqual([]);
    expect(lively.missed).toEqual([]);
    expect(sleeper.missed.length).toBeGreaterThan(0);
  });
});
