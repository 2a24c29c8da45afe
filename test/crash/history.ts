// What the tables of a round on S3 hold before it begins: days of small commits by a node that is no more, and one round of upkeep
// a week ago; by the product's own code, past the proxy. So from the first second on there is something to roll up, to merge, to
// put into a checkpoint, to remove from the log and to vacuum; and a history that must still be there in the end.
import { openS3Store } from '@flowtoll/aggregator/store/s3-store.ts';
import { flowRow } from '@flowtoll/aggregator/table/flow-row.testing.ts';
import { openFlowTable } from '@flowtoll/aggregator/table/flow-table.ts';
import { maintain } from '@flowtoll/aggregator/upkeep/maintain.ts';
import { type RowSums, rowId } from '../lab/expected-rows.ts';
import { credentialsOf, type SeaweedFs } from '../support/seaweedfs.ts';

const HOUR_MS = 3_600_000;
/** From nine days ago to now: as many commits within a few minutes, then none for long. */
const HOURS = 8;
const EVERY_MS = 27 * HOUR_MS;
const COMMITS_IN_AN_HOUR = 13;
const MINUTE_MS = 60_000;
const COMMITS = HOURS * COMMITS_IN_AN_HOUR;
/** Commits up to the first checkpoint, and the only one: the next is due a few commits after the history. */
const FIRST_CHECKPOINT = 16;
/** Commits before the round of upkeep, which leaves old files behind; a week ago within hours of the aggregators' clock. */
const BEFORE_UPKEEP = 3 * COMMITS_IN_AN_HOUR;
const KEEP_MS = 3650 * 24 * HOUR_MS;

const KEY = {
  node: 'gone',
  ip: '10.99.0.1',
  peerIp: '10.99.0.2',
  protocol: 'tcp',
  port: 443,
  initiator: 'local',
} as const;

/** Writes it; what the rows of flows must say of it. */
export async function writeHistory(
  server: SeaweedFs,
  at: { readonly bucket: string; readonly prefix: string; readonly cluster: string },
): Promise<Map<string, RowSums>> {
  const client = { endpoint: server.endpoint, region: 'us-east-1', credentials: credentialsOf('writer') };
  const store = await openS3Store({ bucket: at.bucket, prefix: at.prefix, client });
  const beginMs = Math.floor(Date.now() / HOUR_MS) * HOUR_MS - HOURS * EVERY_MS;
  /** When a commit was, by its number from 0. */
  const timeOf = (commit: number): number =>
    beginMs + Math.floor(commit / COMMITS_IN_AN_HOUR) * EVERY_MS + (commit % COMMITS_IN_AN_HOUR) * MINUTE_MS;
  const sums = { txBytes: 0, txPackets: 0, rxBytes: 0, rxPackets: 0 };
  let sequence = 0;
  for (const { until, checkpointEntries } of [
    { until: FIRST_CHECKPOINT, checkpointEntries: FIRST_CHECKPOINT },
    { until: BEFORE_UPKEEP, checkpointEntries: Number.POSITIVE_INFINITY },
    { until: COMMITS, checkpointEntries: Number.POSITIVE_INFINITY },
  ]) {
    const table = await openFlowTable(store, { cluster: at.cluster, clock: () => timeOf(sequence), checkpointEntries });
    while (sequence < until) {
      const row = { txBytes: 1000 + sequence, txPackets: 1, rxBytes: sequence, rxPackets: 2 };
      for (const [name, value] of Object.entries(row)) sums[name as keyof RowSums] += value;
      const nowMs = timeOf(sequence);
      const times = { windowStartUs: (nowMs - MINUTE_MS) * 1000, windowEndUs: nowMs * 1000 };
      await table.commit([{ epoch: 'history', sequence: ++sequence }], (_, rows) =>
        rows.append(flowRow({ ...KEY, ...times, ...row, namespace: `ns-${sequence % 3}`, txCost: 1n })),
      );
    }
    await table.close();
    if (until !== BEFORE_UPKEEP) continue;
    const clock = () => timeOf(BEFORE_UPKEEP - 1);
    await maintain(store, { cluster: at.cluster, clock, keepFlowsMs: KEEP_MS, keepCostsMs: KEEP_MS });
  }
  return new Map([[rowId(KEY), sums]]);
}
