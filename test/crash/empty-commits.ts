// Commits that hold nothing, to both logs, past the proxy: what the logs of a larger cluster would grow by. So checkpoints are due
// every few seconds, and others lose more races.

import { setTimeout as delay } from 'node:timers/promises';
import { openS3Store } from '@flowtoll/aggregator/store/s3-store.ts';
import { DeltaLog } from '@flowtoll/aggregator/table/delta-log.ts';
import { commitInfo } from '@flowtoll/aggregator/table/open-log.ts';
import { credentialsOf, type SeaweedFs } from '../support/seaweedfs.ts';

/** Pauses between two of them, by table. Whoever rolls up reads each entry of flows. */
const PAUSES_MS = { flows: 1000, costs_hourly: 300 } as const;

/** Goes on until `signal` aborts. */
export async function commitNothing(
  server: SeaweedFs,
  at: { readonly bucket: string; readonly prefix: string; readonly cluster: string },
  clock: () => number,
  signal: AbortSignal,
): Promise<void> {
  const client = { endpoint: server.endpoint, region: 'us-east-1', credentials: credentialsOf('writer') };
  const store = await openS3Store({ bucket: at.bucket, prefix: at.prefix, client });
  await Promise.all(
    Object.entries(PAUSES_MS).map(async ([table, pauseMs]) => {
      const log = new DeltaLog(store, `${at.cluster}/${table}`, clock);
      while (!signal.aborted) {
        await log.refresh();
        await log.append({ commitInfo: commitInfo(clock, 'WRITE'), txns: [], adds: [], removes: [] });
        await delay(pauseMs, undefined, { signal }).catch(() => undefined);
      }
    }),
  );
}
