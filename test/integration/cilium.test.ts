// Cilium's conntrack maps, made for real on a bpffs, read by the agent's capture. What Cilium's programs would do to them is
// played from a seed; the oracle is the player, which knows every packet. Time is told: a reading happens when a test says so.
import { spawnSync } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Capture, startCapture } from '../../agent/src/capture.ts';
import type { LoopClock } from '../../agent/src/capture-loop.ts';
import type { SourceStatus } from '../../agent/src/capture-source.ts';
import type { CiliumConfig } from '../../agent/src/config.ts';
import type { WindowFlows } from '../../agent/src/flow/window-flows.ts';
import type { SourceSurvey } from '../../agent/src/source-choice.ts';
import { ConntrackNamespace } from '../bench/support/conntrack-namespace.ts';
import {
  type CiliumMaps,
  type Counters,
  type Entry,
  type EntryKey,
  MAP_NAMES,
  type MapName,
  openCiliumMaps,
} from '../lab/cilium-maps.ts';
import { createRandom } from '../lab/random.ts';

const AGENT = fileURLToPath(new URL('../../agent/src/main.ts', import.meta.url));
const START_MS = 1_800_000_000_000;
const DUMP_MS = 5000;
/** Of each packet that Cilium counts, the Ethernet header is no IP. */
const HEADER = 14;
const SEED = Number(process.env['FLOWTOLL_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

let directory: string;
let maps: CiliumMaps;
let running: Capture | undefined;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'flowtoll-cilium-'));
  maps = await openCiliumMaps(join(directory, 'bpf'));
});
afterEach(async () => {
  running?.stop();
  running = undefined;
  await maps.close();
  rmSync(directory, { recursive: true });
});

/** Both directions of one connection's flow, as the windows have it. */
interface Sums {
  initiatorBytes: number;
  initiatorPackets: number;
  responderBytes: number;
  responderPackets: number;
}

const noSums = (): Sums => ({ initiatorBytes: 0, initiatorPackets: 0, responderBytes: 0, responderPackets: 0 });

/** The agent's capture of these maps, on a clock that stands still until it is told. */
function capture(cilium: Partial<CiliumConfig> = {}) {
  let nowMs = START_MS;
  let timer: { at: number; callback: () => void } | undefined;
  const clock: LoopClock = {
    nowMs: () => nowMs,
    elapsedMs: () => nowMs,
    after(delayMs, callback) {
      const mine = { at: nowMs + delayMs, callback };
      timer = mine;
      return () => {
        if (timer === mine) timer = undefined;
      };
    },
  };
  const windows: WindowFlows[] = [];
  const logged: { level: string; message: string }[] = [];
  let status: SourceStatus | undefined;
  let failure: unknown;
  const started = startCapture(
    {
      node: 'n1',
      dumpIntervalMs: DUMP_MS,
      windowMs: 60_000,
      maxFlows: 20_000,
      clusterRanges: [],
      initiatorPrefixV4: 32,
      initiatorPrefixV6: 128,
      eventBufferBytes: 65_536,
      reliableEvents: false,
      reliableEventsMaxFillPercent: 99,
      setSysctls: false,
      logLevel: 'silent',
      source: 'cilium',
      cilium: { maps: maps.directory, layout: 'auto', frameHeaderBytes: HEADER, ...cilium },
    },
    {
      clock,
      log: (level, message) => logged.push({ level, message }),
      onWindow: ({ window }) => windows.push(window),
      onDump: ({ source }) => {
        status = source;
      },
      onFailure: (error) => {
        failure = error;
        running = undefined;
      },
    },
  );
  running = started;
  return {
    counts: () => started.counts(),
    /** Time passes until the next reading has been made. */
    dump() {
      nowMs += DUMP_MS;
      const due = timer!;
      timer = undefined;
      due.callback();
    },
    /** Ends the capture with a last reading. */
    stop() {
      running = undefined;
      started.stop();
    },
    get status() {
      return status;
    },
    get failure() {
      return failure;
    },
    logged: (level: string) => logged.filter((line) => line.level === level).map(({ message }) => message),
    get isMerged() {
      return windows.some(({ directionsMerged }) => directionsMerged);
    },
    losses: () => windows.flatMap(({ losses }) => losses.map(({ reason, entries }) => ({ reason, entries }))),
    connections: () => windows.reduce((sum, { connections }) => sum + connections.reduce((a, b) => a + b, 0), 0),
    /** What the windows hold, by "initiator responder:port/protocol". */
    flows() {
      const flows = new Map<string, Sums>();
      for (const window of windows) {
        const address = (i: number) => addressText(window.addresses, i, window.addressIsV6[i] === 1);
        for (let i = 0; i < window.count; i++) {
          const responder = `${address(window.responder[i]!)}:${window.responderPort[i]}/${window.protocol[i]}`;
          const key = `${address(window.initiator[i]!)} ${responder}`;
          const sums = flows.get(key) ?? noSums();
          sums.initiatorBytes += window.initiatorBytes[i]!;
          sums.initiatorPackets += window.initiatorPackets[i]!;
          sums.responderBytes += window.responderBytes[i]!;
          sums.responderPackets += window.responderPackets[i]!;
          flows.set(key, sums);
        }
      }
      return flows;
    },
  };
}

function addressText(addresses: Uint8Array, index: number, isV6: boolean): string {
  const bytes = addresses.subarray(index * 16, index * 16 + (isV6 ? 16 : 4));
  return isV6 ? Buffer.from(bytes).toString('hex') : bytes.join('.');
}

type Layout = 'directional' | 'merged';

/** A connection of pods of this node, and what it has counted since the entry was made. */
interface Connection {
  readonly map: MapName;
  readonly key: EntryKey;
  /** Whether the other end is a pod of this node, too: then there are two entries. */
  readonly hasTwin: boolean;
  sent: [number, number];
  answered: [number, number];
  isNew: boolean;
}

/** Cilium's programs on one node: packets of random connections. */
class Datapath {
  readonly connections: Connection[] = [];
  readonly expected = new Map<string, Sums>();
  readonly #random;
  readonly #layout: Layout;
  #made = 0;

  constructor(seed: number, layout: Layout) {
    this.#random = createRandom(seed);
    this.#layout = layout;
  }

  get made(): number {
    return this.#made;
  }

  open(count: number): void {
    for (let i = 0; i < count; i++) {
      const isV6 = this.#random.chance(0.3);
      const protocol = this.#random.chance(0.7) ? 6 : 17;
      const number = ++this.#made;
      const host = (subnet: number, last: number) => (isV6 ? `fd00::${subnet}:${last}` : `10.0.${subnet}.${last}`);
      const enters = this.#random.chance(0.4);
      this.connections.push({
        map: `${protocol === 6 ? 'tcp' : 'any'}${isV6 ? 6 : 4}`,
        key: {
          source: host(1, this.#random.integer(1, 9)),
          sourcePort: 1024 + number,
          destination: host(2, this.#random.integer(1, 9)),
          destinationPort: this.#random.pick([80, 443, 53]),
          protocol,
          kind: enters ? 'in' : 'out',
        },
        hasTwin: this.#random.chance(0.3),
        sent: [0, 0],
        answered: [0, 0],
        isNew: true,
      });
    }
  }

  /** Packets go both ways; bytes are IP. Billed unless nobody accounts yet. */
  move(connection: Connection, isBilled: boolean): void {
    const { key } = connection;
    const name = (address: string) => (address.includes(':') ? longForm(address) : address);
    const flow = `${name(key.source)} ${name(key.destination)}:${key.destinationPort}/${key.protocol}`;
    const sums = this.expected.get(flow) ?? noSums();
    if (isBilled) this.expected.set(flow, sums);
    for (const [counters, isAnswer] of [
      [connection.sent, false],
      [connection.answered, true],
    ] as const) {
      const packets = this.#random.integer(4, 40);
      const bytes = packets * this.#random.integer(60, 9000);
      counters[0] += packets;
      counters[1] += bytes;
      const side = isAnswer && this.#layout === 'directional' ? 'responder' : 'initiator';
      sums[`${side}Packets`] += packets;
      sums[`${side}Bytes`] += bytes;
    }
  }

  pick(count: number): Connection[] {
    return Array.from({ length: count }, () => this.#random.pick(this.connections));
  }

  /** Writes connections as they are now. */
  async write(connections: Iterable<Connection>, isClosed = false): Promise<void> {
    const byMap = new Map<MapName, Entry[]>();
    for (const connection of connections) {
      const entries = byMap.get(connection.map) ?? [];
      byMap.set(connection.map, entries);
      for (const kind of this.kinds(connection)) entries.push(this.#entry(connection, kind, isClosed));
    }
    for (const [map, entries] of byMap) await maps.put(map, entries);
  }

  async remove(connection: Connection): Promise<void> {
    await maps.delete(
      connection.map,
      this.kinds(connection).map((kind) => ({ ...connection.key, kind })),
    );
    this.connections.splice(this.connections.indexOf(connection), 1);
  }

  kinds({ key, hasTwin }: Connection): EntryKey['kind'][] {
    return hasTwin ? ['out', 'in'] : [key.kind];
  }

  #entry({ key, sent, answered }: Connection, kind: EntryKey['kind'], closed: boolean): Entry {
    const frames = ([packets, bytes]: Counters): Counters => [packets, bytes + packets * HEADER];
    const base = { ...key, kind, closed };
    if (this.#layout === 'merged') return { ...base, total: frames([sent[0] + answered[0], sent[1] + answered[1]]) };
    const [rx, tx] = kind === 'in' ? [sent, answered] : [answered, sent];
    return { ...base, rx: frames(rx), tx: frames(tx) };
  }
}

function longForm(address: string): string {
  const [, subnet, last] = /^fd00::(\d+):(\d+)$/.exec(address)!;
  return `fd00${'0000'.repeat(5)}${subnet!.padStart(4, '0')}${last!.padStart(4, '0')}`;
}

async function createAll(): Promise<void> {
  for (const name of ['tcp4', 'any4', 'tcp6', 'any6'] as const) await maps.create(name);
}

/** A connection that the layout can be told by, and nothing else. */
async function putSamples(layout: Layout, count = 6): Promise<void> {
  const samples = Array.from({ length: count }, (_, i): Entry => {
    const key = { source: '10.0.9.1', sourcePort: 900 + i, destination: '10.0.9.2', destinationPort: 9, protocol: 6 };
    const base = { ...key, kind: 'out' as const };
    return layout === 'merged' ? { ...base, total: [20, 4000] } : { ...base, rx: [10, 2000], tx: [10, 2000] };
  });
  await maps.put('tcp4', samples);
}

describe.each(['directional', 'merged'] as const)('layout %s', (layout) => {
  test(`every byte of every connection once (FLOWTOLL_SEED=${SEED})`, async () => {
    const datapath = new Datapath(SEED, layout);
    await createAll();
    datapath.open(60);
    for (const connection of datapath.connections) datapath.move(connection, false);
    await datapath.write(datapath.connections);
    await putSamples(layout);
    const agent = capture();
    let connections = 0;
    const before = new Set(datapath.connections);
    for (let reading = 0; reading < 40; reading++) {
      const opened = datapath.connections.length;
      datapath.open(5);
      const moved = new Set([...datapath.connections.slice(opened), ...datapath.pick(20)]);
      connections += 5;
      for (const connection of moved) datapath.move(connection, true);
      await datapath.write(moved);
      // Those that are closed stay in the map for more than a reading, as Cilium's collector leaves them.
      const [closed] = datapath.pick(1);
      await datapath.write([closed!], true);
      agent.dump();
      agent.dump();
      if (closed!.key.protocol === 6) await datapath.remove(closed!);
    }
    // One reading finds those that were removed last.
    agent.dump();
    agent.stop();
    expect(agent.losses()).toEqual([]);
    expect(agent.isMerged).toBe(layout === 'merged');
    expect(agent.connections(), 'twins are one connection').toBe(connections);
    expect(Object.fromEntries(agent.flows())).toEqual(
      Object.fromEntries([...datapath.expected].filter(([, sums]) => sums.initiatorPackets > 0)),
    );
    expect(before.size).toBe(60);
  });

  test('a connection that is pushed out while it moves is a loss; the rest of it is not', async () => {
    const datapath = new Datapath(SEED, layout);
    await createAll();
    await putSamples(layout);
    const agent = capture();
    datapath.open(3);
    for (const connection of datapath.connections) datapath.move(connection, true);
    await datapath.write(datapath.connections);
    agent.dump();
    await datapath.remove(datapath.connections[0]!);
    agent.dump();
    agent.stop();
    expect(agent.losses()).toEqual([{ reason: 'vanished', entries: expect.any(Number) }]);
    expect(Object.fromEntries(agent.flows())).toEqual(Object.fromEntries(datapath.expected));
  });

  test('a map in the place of another: what the old one counted last, and what the new one counts, once each', async () => {
    const datapath = new Datapath(SEED, layout);
    await createAll();
    await putSamples(layout);
    const agent = capture();
    datapath.open(40);
    for (const connection of datapath.connections) datapath.move(connection, true);
    await datapath.write(datapath.connections);
    agent.dump();
    for (const connection of datapath.connections) datapath.move(connection, true);
    await datapath.write(datapath.connections, true);
    await maps.create('tcp4', { entries: 8192 });
    await maps.create('any4', { entries: 8192 });
    for (const connection of datapath.connections.filter(({ map }) => map.endsWith('4'))) {
      connection.sent = [0, 0];
      connection.answered = [0, 0];
      datapath.move(connection, true);
    }
    await datapath.write(datapath.connections.filter(({ map }) => map.endsWith('4')));
    agent.dump();
    agent.stop();
    expect(agent.losses()).toEqual([]);
    expect(agent.status?.mapsReplaced).toBe(2);
    expect(agent.logged('warn')).toContainEqual(expect.stringMatching(/replaced its maps/));
    expect(Object.fromEntries(agent.flows())).toEqual(Object.fromEntries(datapath.expected));
  });
});

describe('trouble', () => {
  test('no maps: an error that says where they were looked for, a loss, and they are read when they come', async () => {
    const agent = capture();
    agent.dump();
    expect(agent.logged('error')).toEqual([expect.stringContaining(maps.directory)]);
    await createAll();
    await putSamples('merged');
    agent.dump();
    await maps.put('tcp4', [key(7, { total: [10, 2140] })]);
    agent.dump();
    agent.stop();
    expect(agent.flows().get('10.0.0.7 10.0.0.8:80/6')).toMatchObject({ initiatorBytes: 2000, initiatorPackets: 10 });
    expect(agent.logged('info')).toContainEqual(expect.stringMatching(/can be read again/));
  });

  test('a source that is missing at the end of a window is a loss of that window', async () => {
    const agent = capture();
    agent.dump();
    agent.stop();
    expect(agent.losses()).toEqual([{ reason: 'source-missing', entries: undefined }]);
  });

  test('maps that are not pinned any more are read on for a minute, then missing', async () => {
    await createAll();
    await putSamples('merged');
    const agent = capture();
    for (const name of ['tcp4', 'any4', 'tcp6', 'any6'] as const) await maps.unpin(name);
    await maps.put('tcp4', [key(7, { total: [10, 2140] })]);
    for (let i = 0; i < 12; i++) agent.dump();
    expect(agent.logged('error')).toEqual([]);
    agent.dump();
    expect(agent.logged('error')).toEqual([expect.stringMatching(/no conntrack map of Cilium is pinned/)]);
    agent.stop();
    expect(agent.flows().get('10.0.0.7 10.0.0.8:80/6')).toMatchObject({ initiatorBytes: 2000 });
  });

  test('accounting that is off is said loudly, counted as a loss, and over when it is on', async () => {
    await createAll();
    const silent = Array.from({ length: 8 }, (_, i) => key(i + 1, { total: [0, 0] }));
    await maps.put('tcp4', silent);
    const agent = capture({ layout: 'merged' });
    expect(agent.status).toMatchObject({ isAccountingOff: true });
    expect(agent.logged('error')).toEqual([expect.stringMatching(/counts no bytes: .*bpf\.ctAccounting=true/)]);
    await maps.put('tcp4', [key(1, { total: [10, 2140] })]);
    agent.dump();
    expect(agent.status).toMatchObject({ isAccountingOff: false });
    expect(agent.logged('info')).toContainEqual(expect.stringMatching(/counts bytes now/));
    agent.stop();
    expect(agent.losses()).toEqual([{ reason: 'no-counters', entries: 8 }]);
  });

  test('nothing is counted while the layout is not known, and the message says how to give it', async () => {
    await createAll();
    await putSamples('directional', 2);
    const agent = capture();
    expect(agent.logged('error')).toEqual([expect.stringMatching(/--cilium-layout/)]);
    await putSamples('directional', 6);
    agent.dump();
    agent.stop();
    expect(agent.losses()).toEqual([]);
    expect(agent.isMerged).toBe(false);
  });

  test('a layout that changes beneath us ends the agent: it begins anew', async () => {
    await createAll();
    await putSamples('directional');
    const agent = capture();
    await putSamples('merged');
    for (let i = 0; i < 61 && agent.failure === undefined; i++) agent.dump();
    expect(agent.failure).toMatchObject({ code: 'SOURCE_CHANGED', message: expect.stringMatching(/upgraded/) });
  });

  test('maps of another form are refused', async () => {
    await maps.create('tcp4', { valueBytes: 64 });
    expect(() => capture()).toThrow(
      expect.objectContaining({
        code: 'SOURCE_UNKNOWN',
        message: expect.stringMatching(/values of 64 bytes, not 14 and 56/),
      }),
    );
  });

  // Where the kernel lets everybody use bpf(2), the file's owner still decides: so this is the refusal that any kernel gives.
  test('maps that may not be opened: exit code and message say what is missing', async () => {
    await createAll();
    for (const name of Object.values(MAP_NAMES)) chownSync(join(maps.directory, name), 65_534, 65_534);
    const without = '-bpf,-sys_admin,-dac_override,-dac_read_search';
    const { status, stderr } = spawnSync(
      'setpriv',
      [
        ...['--bounding-set', without, '--inh-caps', without, process.execPath, AGENT, 'run', '--source', 'cilium'],
        ...['--cilium-maps', maps.directory, '--spool', 'none', '--metrics-listen', 'none'],
      ],
      { encoding: 'utf8', timeout: 30_000 },
    );
    expect(stderr).toMatch(/NOT_PERMITTED.*bpf failed with (EACCES|EPERM).*CAP_BPF/);
    expect(status).toBe(1);
  });
});

describe('what a node has', () => {
  const SURVEY = fileURLToPath(new URL('../support/survey-sources.ts', import.meta.url));

  /** Looks in a namespace whose conntrack has the first `shared` of these connections. */
  async function survey(connections: readonly Entry[], shared: number): Promise<SourceSurvey> {
    await using namespace = await ConntrackNamespace.create();
    for (const { source, sourcePort, destination, destinationPort } of connections.slice(0, shared)) {
      const tuple = ['-s', source, '-d', destination, '--sport', sourcePort, '--dport', destinationPort].map(String);
      const insert = ['conntrack', '-I', '-p', 'tcp', ...tuple, '--state', 'ESTABLISHED', '-t', '600'];
      await using inserted = namespace.start(['sh', '-c', `${insert.join(' ')} >/dev/null && echo '"done"'`]);
      await inserted.next();
    }
    await using looking = namespace.start([process.execPath, SURVEY, maps.directory]);
    return await looking.next<SourceSurvey>();
  }

  const connections = Array.from({ length: 12 }, (_, i) => key(i + 1, { total: [10, 2140] }));

  test('connections of the maps are found in the kernel’s conntrack, or not', async () => {
    await createAll();
    await maps.put('tcp4', connections);
    // Ended, or of another protocol: not looked for.
    await maps.put('tcp4', [{ ...key(40, { total: [10, 2140] }), closed: true }, key(41, { total: [1, 100] })]);
    await maps.put('any4', [{ ...key(42, { total: [10, 2140] }), protocol: 17 }]);
    expect(await survey(connections, 11)).toEqual({
      cilium: 'counting',
      problem: undefined,
      sampled: 12,
      inConntrack: 11,
    });
    expect(await survey(connections, 0)).toMatchObject({ sampled: 12, inConntrack: 0 });
  });

  test('maps that count nothing, that are not there, that are of another form', async () => {
    expect(await survey([], 0)).toMatchObject({ cilium: 'absent' });
    await createAll();
    await maps.put(
      'tcp4',
      connections.map((entry) => ({ ...entry, total: [0, 0] as const })),
    );
    expect(await survey([], 0)).toMatchObject({ cilium: 'accounting-off', sampled: 12 });
    await maps.create('tcp4', { valueBytes: 64 });
    expect(await survey([], 0)).toMatchObject({ cilium: 'unreadable', problem: expect.stringMatching(/64/) });
  });
});

/** A TCP connection of 10.0.0.N:1000 to 10.0.0.8:80. */
function key(last: number, counters: { total: Counters }): Entry {
  const source = { source: `10.0.0.${last}`, sourcePort: 1000, destination: '10.0.0.8', destinationPort: 80 };
  return { ...source, protocol: 6, kind: 'out', ...counters };
}
