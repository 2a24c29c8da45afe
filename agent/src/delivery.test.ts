// Delivery with a spool whose disk gives trouble. Nobody listens where it sends: what is seen is whom it tries to reach.
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { RunConfig } from './config.ts';
import { type Delivery, openDelivery } from './delivery.ts';
import type { LinkHandlers } from './exporter/ingest-link.ts';
import { Spool } from './exporter/spool/spool.ts';

const BOOT = '6f0d3c36-7a54-4b51-9a0a-8d5b3c6f0d11';
const NEXT_BOOT = '7f0d3c36-7a54-4b51-9a0a-8d5b3c6f0d11';
const CONFIG = {
  aggregator: '127.0.0.1:9', // discard: closed everywhere
  queueBytes: 1e6,
  spoolBytes: 1e6,
  spoolSync: false,
  streamAgeMs: 3_600_000,
  keepaliveMs: 30_000,
} as RunConfig;

let directory: string;
let spool: string;
let delivery: Delivery | undefined;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'flowtoll-delivery-'));
  spool = join(directory, 'spool');
});
afterEach(async () => {
  await delivery?.stop(0);
  rmSync(directory, { recursive: true, force: true });
});

/** The spool of a life of the kernel that left so many batches unsent. */
function leaveEpoch(batches = 0): void {
  const left = new Spool({
    directory: spool,
    node: 'node-a',
    bootId: BOOT,
    goesOnFrom: () => true,
    bytesMax: 1e6,
    memoryBytesMax: 1e6,
    sync: false,
    onSpooled: () => {},
    onDiskProblem: () => {},
    onSetAsideGivenUp: () => {},
  });
  const none = { withoutFlows: () => undefined, damaged: () => new Uint8Array(0) };
  const queue = left.openQueue(`${left.spoolId}.${BOOT}`, none);
  for (let i = 0; i < batches; i++) queue.append(new Uint8Array(10));
  left.close();
}

test('an old epoch whose folder cannot be removed does not keep the current one from being sent', async () => {
  leaveEpoch();
  const messages: string[] = [];
  const note = (_: object, message: string) => messages.push(message);
  const log = { debug: note, info: note, warn: note, error: note };
  const goesOnFrom = () => true;
  const context = { node: 'node-a', bootId: NEXT_BOOT, log, goesOnFrom, onSpooled: () => {}, onSpoolFails: () => {} };
  delivery = openDelivery(CONFIG, spool, context as unknown as Parameters<typeof openDelivery>[2]);
  expect(delivery.status.oldEpochs).toBe(1);
  // Nothing below a link to itself can be removed, by nobody.
  rmSync(spool, { recursive: true });
  symlinkSync(spool, spool);
  delivery.start();
  await vi.waitFor(() => expect(delivery?.status.oldEpochs).toBe(0));
  await vi.waitFor(() => expect(delivery?.status.counters.connectionAttempts).toBeGreaterThan(1));
  expect(messages).toContainEqual(expect.stringMatching(/cannot be removed/));
});

test.each(['other-node', 'foreign-epoch'])(
  'an old epoch that is refused as %s stays in the spool, and keeps back nothing',
  async (refusal) => {
    leaveEpoch(1);
    const messages: string[] = [];
    const note = (_: object, message: string) => messages.push(message);
    const log = { debug: note, info: note, warn: note, error: note };
    const hellos: string[] = [];
    const openLink = (handlers: LinkHandlers) => ({
      sendHello: ({ node, epoch }: { node: string; epoch: string }) => {
        hellos.push(`${node} ${epoch.split('.')[1]}`);
        const end = { code: 7, details: 'no', rejectedSequence: undefined, refusal };
        if (node === 'node-a') setImmediate(() => handlers.onEnd(end));
      },
      sendBatch: () => true,
      finish: () => undefined,
      close: () => undefined,
    });
    const context = {
      ...{ node: 'node-b', bootId: NEXT_BOOT, log, goesOnFrom: () => true, surroundings: { openLink } },
      ...{ onSpooled: () => {}, onSpoolFails: () => {} },
    };
    delivery = openDelivery(CONFIG, spool, context as unknown as Parameters<typeof openDelivery>[2]);
    expect(delivery.status).toMatchObject({ oldEpochs: 1, epochsForeign: 0 });
    delivery.start();
    await vi.waitFor(() => expect(hellos).toEqual([`node-a ${BOOT}`, `node-b ${NEXT_BOOT}`]));
    expect(delivery.status).toMatchObject({ oldEpochs: 0, epochsForeign: 1 });
    expect(messages).toContainEqual(
      expect.stringMatching(/it stays in the spool and is tried again at the next start/),
    );
    await delivery.stop(0);
    delivery = openDelivery(CONFIG, spool, context as unknown as Parameters<typeof openDelivery>[2]);
    expect(delivery.status, 'the next agent finds it').toMatchObject({ oldEpochs: 1, waiting: { batches: 1 } });
  },
);
