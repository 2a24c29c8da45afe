// Cilium's conntrack maps, made for real on a bpffs, the whole way: `flowtoll-agent run --source auto` reads them, `flowtoll serve`
// names and prices, `flowtoll report` tells. What Cilium's programs would write into them is written here, so every byte is known; the
// dollars are worked by hand. One story for each of the two layouts.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CiliumMaps, type Entry, type EntryKey, type MapName, openCiliumMaps } from '../lab/cilium-maps.ts';
import { AGENT_PROGRAM, AGGREGATOR_PROGRAM, Programs } from '../support/processes.ts';

type Layout = 'directional' | 'merged';

/** IP bytes and packets, by who opened the connection. */
interface Moved {
  readonly sent: readonly [packets: number, bytes: number];
  readonly answered: readonly [packets: number, bytes: number];
}

/** Of each packet that Cilium counts, the Ethernet header is no IP. */
const HEADER = 14;
const GIB = 2 ** 30;

// web and cache are on n1, whose maps these are; db is in another zone.
const WEB = '10.0.1.1';
const WEB6 = 'fd00::1:1';
const CACHE = '10.0.1.2';
const DB = '10.0.2.1';
const DB6 = 'fd00::2:1';
const OUTSIDE = '203.0.113.9';
const TOPOLOGY = {
  version: 1,
  cluster: 'demo',
  ranges: { pods: ['10.0.0.0/16', 'fd00::/32'] },
  nodes: [
    { name: 'n1', provider: 'aws', region: 'us-east-1', zone: 'us-east-1a', addresses: ['172.30.1.1'] },
    { name: 'n2', provider: 'aws', region: 'us-east-1', zone: 'us-east-1b', addresses: ['172.30.1.2'] },
  ],
  pods: [
    { name: 'web-1', namespace: 'shop', node: 'n1', addresses: [WEB, WEB6] },
    { name: 'cache-1', namespace: 'shop', node: 'n1', addresses: [CACHE] },
    { name: 'db-1', namespace: 'shop', node: 'n2', addresses: [DB, DB6] },
  ],
};

interface Connection {
  readonly map: MapName;
  /** Two entries, where both ends are pods of this node. */
  readonly kinds: readonly ('out' | 'in')[];
  readonly key: Omit<EntryKey, 'kind'>;
}

const tcp = (source: string, destination: string, destinationPort: number) => ({
  key: { source, sourcePort: 40_000, destination, destinationPort, protocol: 6 },
});
const TO_DB: Connection = { map: 'tcp4', kinds: ['out'], ...tcp(WEB, DB, 5432) };
const TO_DB6: Connection = { map: 'tcp6', kinds: ['out'], ...tcp(WEB6, DB6, 5432) };
const FROM_OUTSIDE: Connection = { map: 'tcp4', kinds: ['in'], ...tcp(OUTSIDE, WEB, 443) };
const TO_CACHE: Connection = { map: 'tcp4', kinds: ['out', 'in'], ...tcp(WEB, CACHE, 6379) };
const NAMES: Connection = {
  ...{ map: 'any4', kinds: ['out'] },
  key: { source: WEB, sourcePort: 40_001, destination: DB, destinationPort: 53, protocol: 17 },
};

let directory: string;
let maps: CiliumMaps;
const programs = new Programs();
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'flowtoll-cilium-story-'));
  maps = await openCiliumMaps(join(directory, 'bpf'));
  for (const name of ['tcp4', 'any4', 'tcp6', 'any6'] as const) await maps.create(name);
  writeFileSync(join(directory, 'topology.json'), JSON.stringify(TOPOLOGY));
});
afterEach(async () => {
  await programs.killAll();
  await maps.close();
  rmSync(directory, { recursive: true, force: true });
});

/** What Cilium's programs leave in the map of a connection that has moved this since it began. */
async function write({ map, kinds, key }: Connection, { sent, answered }: Moved, layout: Layout): Promise<void> {
  const frames = ([packets, bytes]: readonly [number, number]) => [packets, bytes + packets * HEADER] as const;
  const entries = kinds.map((kind): Entry => {
    if (layout === 'merged') {
      return { ...key, kind, total: frames([sent[0] + answered[0], sent[1] + answered[1]]) };
    }
    // tx leaves the pod that the entry is of.
    const [rx, tx] = kind === 'in' ? [sent, answered] : [answered, sent];
    return { ...key, kind, rx: frames(rx), tx: frames(tx) };
  });
  await maps.put(map, entries);
}

async function startAll() {
  const config = { ...{ store: join(directory, 'store'), topology: join(directory, 'topology.json') } };
  const aggregator = programs.start(AGGREGATOR_PROGRAM, [
    ...['serve', '--store', config.store, '--topology', config.topology, '--listen', '127.0.0.1:0'],
    ...['--commit-interval', '100ms', '--metrics-listen', 'none'],
  ]);
  const { port } = await aggregator.logged('listening');
  const agent = programs.start(AGENT_PROGRAM, [
    ...['run', '--source', 'auto', '--cilium-maps', maps.directory, '--node', 'n1'],
    ...['--aggregator', `127.0.0.1:${port}`, '--dump-interval', '200ms', '--window', '400ms'],
    ...['--spool', join(directory, 'spool'), '--state', join(directory, 'state'), '--metrics-listen', '127.0.0.1:0'],
  ]);
  return { agent, aggregator };
}

async function report(by: string) {
  const { stdout } = await programs.run(AGGREGATOR_PROGRAM, [
    ...['report', '--store', join(directory, 'store'), '--by', by, '--format', 'json'],
  ]);
  return JSON.parse(stdout);
}

/** Rounded to the 12th place. */
const usd = (bytes: number, perGib: number) => (Math.round((bytes / GIB) * perGib * 1e12) / 1e12).toFixed(12);

describe.each(['directional', 'merged'] as const)('layout %s', (layout) => {
  test('what the maps count is in the report, with names and dollars', async () => {
    // Before the agent: counted by nobody. Enough of it that the layout can be told.
    const old: Moved = { sent: [30, 9000], answered: [20, 700_000] };
    const idle = Array.from({ length: 6 }, (_, i) => tcp('10.0.1.1', '10.0.2.9', 9000 + i));
    for (const { key } of idle) await write({ map: 'tcp4', kinds: ['out'], key }, old, layout);
    await write(TO_DB, old, layout);
    await write(FROM_OUTSIDE, old, layout);

    const { agent, aggregator } = await startAll();
    const chosen = await agent.logged((line) => String(line['msg']).startsWith('flows come from'));
    expect(chosen['msg']).toContain("flows come from cilium: Cilium's maps have connections that");
    const reading = await agent.logged("reading Cilium's conntrack maps");
    expect(reading['layout']).toBe(layout);
    const together = 'both together: what was sent is not told from what was received';
    expect(reading['directions']).toBe(layout === 'merged' ? together : 'each');

    const more = ({ sent, answered }: Moved): Moved => ({
      sent: [sent[0] + old.sent[0], sent[1] + old.sent[1]],
      answered: [answered[0] + old.answered[0], answered[1] + old.answered[1]],
    });
    const moved = {
      db: { sent: [1000, 600_000], answered: [2000, 2_400_000] },
      db6: { sent: [10, 5000], answered: [9, 4000] },
      dns: { sent: [4, 300], answered: [4, 900] },
      outside: { sent: [50, 40_000], answered: [500, 700_000] },
      cache: { sent: [70, 60_000], answered: [80, 90_000] },
    } satisfies Record<string, Moved>;
    await write(TO_DB, more(moved.db), layout);
    await write(FROM_OUTSIDE, more(moved.outside), layout);
    await write(TO_DB6, moved.db6, layout);
    await write(NAMES, moved.dns, layout);
    await write(TO_CACHE, moved.cache, layout);
    // Its last reading, and what waits for the aggregator.
    expect(await agent.stop()).toMatchObject({ code: 0 });
    expect(await aggregator.stop()).toMatchObject({ code: 0 });

    const sum = (side: 'sent' | 'answered', ...all: Moved[]) => all.reduce((bytes, one) => bytes + one[side][1], 0);
    const toZone = [moved.db, moved.db6, moved.dns];
    const crossZone = { tx: sum('sent', ...toZone), rx: sum('answered', ...toZone) };
    // The pod answers; both sides of what stays on the node have a row.
    const outside = { tx: moved.outside.answered[1], rx: moved.outside.sent[1] };
    const cache = moved.cache.sent[1] + moved.cache.answered[1];
    const isMerged = layout === 'merged';
    const columns = ({ tx, rx }: { tx: number; rx: number }) =>
      isMerged ? { tx_bytes: tx + rx, rx_bytes: 0 } : { tx_bytes: tx, rx_bytes: rx };

    const found = await report('class');
    const byClass = Object.fromEntries(found.groups.map((group: { class: string }) => [group.class, group]));
    // Between zones both directions cost 0.01 a GiB, to the internet what is sent costs 0.09.
    expect(byClass).toMatchObject({
      'cross-zone': { ...columns(crossZone), cost_usd: usd(crossZone.tx + crossZone.rx, 0.01), connections: 2 },
      internet: { ...columns(outside), cost_usd: isMerged ? null : usd(outside.tx, 0.09), connections: 0 },
      'same-node': { ...columns({ tx: cache, rx: cache }), cost_usd: '0.000000000000' },
    });
    expect(Object.keys(byClass).sort()).toEqual(['cross-zone', 'internet', 'same-node']);
    expect(found.not_in_total).toMatchObject({
      undirected: { tx_bytes: isMerged ? outside.tx + outside.rx : 0, rx_bytes: 0 },
      ...{ unpriced: { tx_bytes: 0, rx_bytes: 0 }, lost: [] },
    });
    const workloads = await report('workload,peer-workload');
    const names = workloads.groups.map(
      (group: Record<string, string>) => `${group['workload']} ${group['peer_workload']}`,
    );
    expect(names.sort()).toEqual(['cache-1 web-1', 'web-1 cache-1', 'web-1 db-1', 'web-1 null']);
  });
});
