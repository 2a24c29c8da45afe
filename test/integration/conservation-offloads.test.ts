// What conservation means with offloads left on, as on a real node: the kernel's conntrack counts a packet of many segments
// once, with one header, so it sees fewer headers than the wire carries. This test measures the difference between the
// table and the wire (the router, which sees what the nodes' devices have cut), and shows that it is headers and nothing else.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { podOf } from '../lab/cluster.ts';
import type { Tally } from '../lab/counters.ts';
import { createLab, type Lab } from '../lab/lab.ts';
import type { PlannedConnection } from '../lab/plan.ts';
import { sql, startAgent, startAggregator } from '../lab/product.ts';

const AGENT_OPTIONS = ['--dump-interval', '500ms', '--window', '2s'];
/** IP and TCP headers of a segment; the kernel's TCP always sends time stamps (12 bytes). */
const HEADER_BYTES = { IPv4: 20 + 32, IPv6: 40 + 32 };
const SENT_BYTES = 20_000_000;
const RECEIVED_BYTES = 5_000_000;

interface Measured {
  readonly ip: string;
  readonly bytes: number;
  readonly packets: number;
}

describe('with offloads left on', () => {
  let directory: string;
  let lab: Lab | undefined;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'flowtoll-offloads-'));
  });
  afterEach(async () => {
    lab?.close();
    await rm(directory, { recursive: true, force: true });
  });

  test('the table differs from the wire by one header for each segment that was merged', async () => {
    lab = await createLab({ offloads: 'cut-at-node', smallWindows: true });
    const aggregator = await startAggregator(lab, { directory, clusterName: 'lab', commitInterval: '1s' });
    const agents = await Promise.all(['n1', 'n3'].map((node) => startAgent(lab!, node, AGENT_OPTIONS, directory)));
    const results = await lab.run([0, 1].map((v) => bulk(lab!, v as 0 | 1)));
    expect(results.filter((result) => result.error !== undefined)).toEqual([]);
    const wire = (await lab.settledTallies()).filter((tally) => tally.host === 'underlay' && tally.protocol === 'tcp');
    await Promise.all(agents.map((agent) => agent.stop()));
    await aggregator.stop();

    const etl = podOf(lab.cluster, 'etl-0').address;
    const web = podOf(lab.cluster, 'web-0').address;
    for (const [v, family] of (['IPv4', 'IPv6'] as const).entries()) {
      const carried = sumOf(wire, etl[v]!);
      const answered = sumOf(wire, web[v]!);
      // Each node's own pod sends packets of many segments; what comes in from the wire is cut already.
      const sender = await rowsOf(directory, etl[v]!);
      const receiver = await rowsOf(directory, web[v]!);
      const merged = check(`${family}, the sender's node, sent`, carried, sender.tx, HEADER_BYTES[family]);
      expect(merged).toBeGreaterThan(0);
      check(`${family}, the sender's node, received`, answered, sender.rx, HEADER_BYTES[family], 0);
      check(`${family}, the receiver's node, received`, carried, receiver.rx, HEADER_BYTES[family], 0);
      check(`${family}, the receiver's node, sent`, answered, receiver.tx, HEADER_BYTES[family]);
      // And headers are never more than this part of what a full segment weighs.
      expect(sender.tx.bytes).toBeGreaterThan(carried.bytes * (1 - HEADER_BYTES[family] / 1000));
      expect(sender.tx.bytes).toBeGreaterThan(SENT_BYTES);
    }
  });
});

/** Bytes that merged segments hide; checks that they are whole headers. `segments`: how many must be hidden. */
function check(what: string, wire: Measured, table: Measured, headerBytes: number, segments?: number): number {
  const merged = wire.packets - table.packets;
  const missing = wire.bytes - table.bytes;
  const share = ((100 * missing) / wire.bytes).toFixed(2);
  process.stdout.write(
    `${what}: wire ${wire.bytes} B in ${wire.packets} packets, table ${table.bytes} B in ${table.packets}; ` +
      `missing ${missing} B (${share} %) = ${merged} merged segments × ${headerBytes} B\n`,
  );
  expect(missing, what).toBe(merged * headerBytes);
  if (segments !== undefined) expect(merged, what).toBe(segments);
  return merged;
}

function bulk(lab: Lab, v: 0 | 1): PlannedConnection {
  return {
    index: v,
    host: 'etl-0',
    path: 'routed',
    protocol: 'tcp',
    source: podOf(lab.cluster, 'etl-0').address[v],
    destination: podOf(lab.cluster, 'web-0').address[v],
    port: 7001,
    atMs: 0,
    close: 'client',
    timeoutMs: 60_000,
    exchanges: [{ send: SENT_BYTES, receive: RECEIVED_BYTES, pauseMs: 0 }],
  };
}

function sumOf(tallies: readonly Tally[], source: string): Measured {
  const own = tallies.filter((tally) => tally.source === source);
  const sum = (pick: (tally: Tally) => number): number => own.reduce((total, tally) => total + pick(tally), 0);
  return { ip: source, bytes: sum((tally) => tally.bytes), packets: sum((tally) => tally.packets) };
}

async function rowsOf(directory: string, ip: string): Promise<{ tx: Measured; rx: Measured }> {
  const [row] = await sql<Record<string, string | number>>(
    directory,
    `SELECT sum(tx_bytes) AS txb, sum(tx_packets) AS txp, sum(rx_bytes) AS rxb, sum(rx_packets) AS rxp
     FROM flows WHERE protocol = 'tcp' AND ip = '${ip}'`,
  );
  const measured = (side: string): Measured => ({
    ip,
    bytes: Number(row![`${side}b`]),
    packets: Number(row![`${side}p`]),
  });
  return { tx: measured('tx'), rx: measured('rx') };
}
