// Tables for tests of reading: days of commits, an hour apart, with late rows; all but the last hour rolled up, and days compacted.
// And the same objects in a bucket.
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { openDirectoryStore } from '@flowtoll/aggregator/store/directory-store.ts';
import { flowRow } from '@flowtoll/aggregator/table/flow-row.testing.ts';
import { openFlowTable } from '@flowtoll/aggregator/table/flow-table.ts';
import { maintain } from '@flowtoll/aggregator/upkeep/maintain.ts';
import type { SeaweedFs } from './seaweedfs.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** 2026-01-29T22:30:00Z. */
const BEGIN_MS = Date.UTC(2026, 0, 29, 22, 30);
const DAYS = 3;
const ROWS_PER_COMMIT = 400;

/** Writes the tables of the cluster "demo" into a directory. */
export async function writeQueryTables(path: string): Promise<void> {
  const store = await openDirectoryStore(path);
  let nowMs = BEGIN_MS;
  const clock = () => nowMs;
  const table = await openFlowTable(store, { cluster: 'demo', clock });
  for (let hour = 0; hour < DAYS * 24; hour++, nowMs += HOUR_MS) {
    await table.commit([{ epoch: 'e', sequence: hour + 1 }], (_, buffer) => {
      for (let i = 0; i < ROWS_PER_COMMIT; i++) {
        const age = i === 7 ? DAY_MS : 60_000;
        const isInternet = i % 3 === 0;
        buffer.append(
          flowRow({
            ...{ windowStartUs: (nowMs - age) * 1000 + i, windowEndUs: (nowMs - age + 60_000) * 1000 },
            ...{ workload: `w${i % 5}`, pod: podName(hour, i), localKind: 'pod', namespace: `ns-${hour % 3}` },
            ...{ peerKind: isInternet ? 'internet' : 'pod', trafficClass: isInternet ? 'internet' : 'same-zone' },
            ...{ peerIp: `203.0.113.${i % 250}`, txBytes: hour * 1000 + i, rxBytes: i, connections: 1 },
            ...{ txCost: BigInt(hour * i), rxCost: 0n, priceBasis: 'exact', processingCost: 0n },
          }),
        );
      }
    });
  }
  nowMs -= HOUR_MS;
  await table.close();
  await maintain(store, { cluster: 'demo', clock, keepFlowsMs: 30 * DAY_MS, keepCostsMs: 400 * DAY_MS });
}

/** Names that do not compress: files have a size then. */
function podName(hour: number, i: number): string {
  return `pod-${createHash('sha256').update(`${hour} ${i}`).digest('hex')}`;
}

/** Puts every object of a directory store into the bucket "flows", below a prefix that ends in "/". */
export async function uploadStore(server: SeaweedFs, from: string, prefix: string): Promise<void> {
  for (const entry of await readdir(from, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.parentPath.includes('.flowtoll-scratch')) continue;
    const path = join(entry.parentPath, entry.name);
    const Key = prefix + path.slice(from.length + 1);
    await server.client.send(new PutObjectCommand({ Bucket: 'flows', Key, Body: await readFile(path) }));
  }
}
