// The exporter against an aggregator that the test plays: what is sent when, and what becomes of it. Time is the test's.
import { create, fromBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  AcknowledgementSchema,
  type Batch,
  BatchSchema,
  type Hello,
  ThrottleSchema,
  WelcomeSchema,
} from '@flowtoll/proto';
import { describe, expect, test } from 'vitest';
import { createExporter, type ExporterConfig } from './exporter.ts';
import type { LinkHandlers } from './ingest-link.ts';
import { windowBytes, windowFlows } from './windows.testing.ts';

const SPOOL = '11111111-2222-3333-4444-555555555555';
const NEW_SPOOL = '22222222-2222-3333-4444-555555555555';
const BOOT = '66666666-7777-8888-9999-aaaaaaaaaaaa';
const NOW_MS = Date.UTC(2026, 5, 1, 13, 0);

/** One connection as the aggregator's side sees it. */
class Peer {
  hello: Hello | undefined;
  readonly batches: Batch[] = [];
  /** Sequence numbers of the batches whose next one had to wait, as it said. */
  readonly heldBack: number[] = [];
  closed = false;
  /** Whether it ended in good order. */
  finished = false;
  /** Last sequence number in its Goodbye. */
  goodbye: number | undefined;
  /** What sendBatch answers. */
  takesMore = true;
  readonly handlers: LinkHandlers;

  constructor(handlers: LinkHandlers) {
    this.handlers = handlers;
  }

  get sequences(): number[] {
    return this.batches.map(({ sequence }) => Number(sequence));
  }

  welcome(lastCommitted: number, windowBytes = 1 << 20): void {
    this.handlers.onWelcome(
      create(WelcomeSchema, { lastCommittedSequence: BigInt(lastCommitted), windowBytes: BigInt(windowBytes) }),
    );
  }

  acknowledge(sequence: number, epoch = `${SPOOL}.${BOOT}`): void {
    this.handlers.onAcknowledgement(create(AcknowledgementSchema, { epoch, sequence: BigInt(sequence) }));
  }

  end(code = 14, rejectedSequence?: number): void {
    this.handlers.onEnd({ code, details: 'gone', rejectedSequence });
  }
}

function setup(queueBytes = 1 << 20, config: Partial<ExporterConfig> = {}) {
  const peers: Peer[] = [];
  const timers: { callback: () => void; delayMs: number }[] = [];
  const messages: string[] = [];
  const note = (_: object, message: string) => messages.push(message);
  const exporter = createExporter(
    {
      aggregator: 'aggregator:4460',
      node: 'node-a',
      agentVersion: '0.1.0',
      spoolId: SPOOL,
      bootId: BOOT,
      queueBytes,
      ...config,
    },
    {
      log: { info: note, warn: note, error: note },
      now: () => NOW_MS,
      random: () => 0,
      newSpoolId: () => NEW_SPOOL,
      schedule: (callback, delayMs) => {
        const timer = { callback, delayMs };
        timers.push(timer);
        return () => {
          const index = timers.indexOf(timer);
          if (index >= 0) timers.splice(index, 1);
        };
      },
      openLink: (handlers) => {
        const peer = new Peer(handlers);
        peers.push(peer);
        return {
          sendHello: (hello) => {
            peer.hello = hello;
          },
          sendBatch: (bytes, isHeldBack) => {
            peer.batches.push(fromBinary(BatchSchema, bytes));
            if (isHeldBack) peer.heldBack.push(peer.sequences.at(-1)!);
            return peer.takesMore;
          },
          finish: (goodbye) => {
            peer.closed = true;
            peer.finished = true;
            peer.goodbye = goodbye && Number(goodbye.lastSequence);
          },
          close: () => {
            peer.closed = true;
          },
        };
      },
    },
  );
  /** Fires the only timer; returns its delay. */
  const fire = () => {
    expect(timers).toHaveLength(1);
    const { callback, delayMs } = timers.shift()!;
    callback();
    return delayMs;
  };
  return { exporter, peers, timers, fire, messages };
}

describe('exporter', () => {
  test('says goodbye when it is told to stop and everything is acknowledged, else nothing', async () => {
    const { exporter, peers } = setup();
    exporter.start();
    peers[0]!.welcome(0);
    exporter.send(windowFlows(0, 1));
    exporter.send(windowFlows(1, 1));
    peers[0]!.acknowledge(2);
    expect(await exporter.stop(1000)).toBe(true);
    expect(peers[0]).toMatchObject({ closed: true, goodbye: 2 });

    const other = setup();
    other.exporter.start();
    other.peers[0]!.welcome(0);
    other.exporter.send(windowFlows(0, 1));
    expect(await other.exporter.stop(0)).toBe(false);
    expect(other.peers[0]).toMatchObject({ closed: true, goodbye: undefined });
  });

  test('knows how far its clock is from the aggregator’s', () => {
    const { exporter, peers } = setup();
    exporter.start();
    expect([exporter.isConnected, exporter.clockOffsetMs]).toEqual([false, undefined]);
    peers[0]!.handlers.onWelcome(
      create(WelcomeSchema, { receivedAt: timestampFromMs(NOW_MS - 1500), windowBytes: 1000n }),
    );
    expect([exporter.isConnected, exporter.clockOffsetMs]).toEqual([true, 1500]);
  });

  test('is inert until started, then says who it is', () => {
    const { exporter, peers } = setup();
    exporter.send(windowFlows(0, 1));
    exporter.send(windowFlows(1, 1));
    expect(peers).toEqual([]);
    exporter.start();
    expect(peers[0]!.hello).toMatchObject({
      protocolVersion: 1,
      node: 'node-a',
      epoch: `${SPOOL}.${BOOT}`,
      firstSequence: 1n,
      lastSequence: 2n,
      sentAt: { seconds: BigInt(NOW_MS / 1000) },
    });
  });

  test('sends nothing before Welcome, then in order, and forgets what is acknowledged', () => {
    const { exporter, peers } = setup();
    exporter.start();
    exporter.send(windowFlows(0, 1));
    exporter.send(windowFlows(1, 2));
    expect(peers[0]!.sequences).toEqual([]);
    peers[0]!.welcome(0);
    exporter.send(windowFlows(2, 3));
    expect(peers[0]!.sequences).toEqual([1, 2, 3]);
    expect(peers[0]!.batches.map(({ flowCount }) => flowCount)).toEqual([1, 2, 3]);
    expect(exporter.waiting.batches).toBe(3);
    peers[0]!.acknowledge(2);
    expect(exporter.waiting.batches).toBe(1);
    expect(exporter.counters).toMatchObject({ windows: 3, flows: 6, batchesSent: 3, batchesAcknowledged: 2 });
  });

  test('after a break sends exactly what is not committed', () => {
    const { exporter, peers, fire } = setup();
    exporter.start();
    for (const index of [0, 1, 2]) exporter.send(windowFlows(index, 1));
    peers[0]!.welcome(0);
    peers[0]!.acknowledge(1);
    peers[0]!.end();
    exporter.send(windowFlows(3, 1));
    fire();
    expect(peers[1]!.hello).toMatchObject({ firstSequence: 2n, lastSequence: 4n });
    peers[1]!.welcome(2); // 2 was committed, its acknowledgement was lost
    expect(peers[1]!.sequences).toEqual([3, 4]);
    peers[1]!.acknowledge(4);
    expect(exporter.waiting).toEqual({ batches: 0, bytes: 0 });
  });

  test('waits longer after each failure, and begins again after an acknowledgement', () => {
    const { exporter, peers, fire } = setup();
    exporter.start();
    const delays = Array.from({ length: 9 }, (_, attempt) => {
      peers[attempt]!.end();
      return fire();
    });
    expect(delays).toEqual([250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
    exporter.send(windowFlows(0, 1));
    peers[9]!.welcome(0);
    peers[9]!.acknowledge(1);
    peers[9]!.end();
    expect(fire()).toBe(250);
  });

  test('keeps within the window of bytes, but always sends one', () => {
    const { exporter, peers } = setup();
    exporter.start();
    for (const index of [0, 1, 2]) exporter.send(windowFlows(index, 20));
    peers[0]!.welcome(0, 1);
    expect(peers[0]!.sequences).toEqual([1]);
    peers[0]!.acknowledge(1);
    expect(peers[0]!.sequences).toEqual([1, 2]);
    peers[0]!.acknowledge(2);
    // The last one has nothing behind it that waits.
    expect([peers[0]!.sequences, peers[0]!.heldBack]).toEqual([
      [1, 2, 3],
      [1, 2],
    ]);
    peers[0]!.end();
  });

  test('waits for the stream to drain', () => {
    const { exporter, peers } = setup();
    exporter.start();
    peers[0]!.welcome(0);
    peers[0]!.takesMore = false;
    for (const index of [0, 1, 2]) exporter.send(windowFlows(index, 1));
    expect(peers[0]!.sequences).toEqual([1]);
    peers[0]!.takesMore = true;
    peers[0]!.handlers.onDrain();
    expect(peers[0]!.sequences).toEqual([1, 2, 3]);
  });

  test('pauses when asked', () => {
    const { exporter, peers, fire } = setup();
    exporter.start();
    peers[0]!.welcome(0);
    peers[0]!.handlers.onThrottle(create(ThrottleSchema, { pauseMs: 700 }));
    exporter.send(windowFlows(0, 1));
    expect(peers[0]!.sequences).toEqual([]);
    expect(fire()).toBe(700);
    expect(peers[0]!.sequences).toEqual([1]);
  });

  test('ignores an acknowledgement before Welcome, and of an epoch that is not its own', () => {
    const { exporter, peers } = setup();
    exporter.start();
    exporter.send(windowFlows(0, 1));
    peers[0]!.acknowledge(1);
    peers[0]!.welcome(0);
    peers[0]!.acknowledge(1, `${NEW_SPOOL}.${BOOT}`);
    expect(exporter.waiting.batches).toBe(1);
    expect(peers[0]!.closed).toBe(false);
  });

  test('asks anew what the table holds when more is acknowledged than it sent', () => {
    const { exporter, peers, fire } = setup();
    exporter.start();
    exporter.send(windowFlows(0, 1));
    peers[0]!.welcome(0);
    peers[0]!.acknowledge(2);
    expect(exporter.waiting.batches).toBe(1);
    expect(peers[0]!.closed).toBe(true);
    fire();
    peers[1]!.welcome(1);
    expect(exporter.waiting.batches).toBe(0);
  });

  test('sends a rejected batch again as a loss, and a rejected loss with a possible window', () => {
    const { exporter, peers, fire } = setup();
    exporter.start();
    for (const index of [0, 1]) exporter.send(windowFlows(index, 10));
    peers[0]!.welcome(0);
    peers[0]!.end(3, 1);
    fire();
    peers[1]!.welcome(0);
    const [lost, next] = peers[1]!.batches;
    expect([lost!.sequence, lost!.flowCount, next!.sequence, next!.flowCount]).toEqual([1n, 0, 2n, 10]);
    expect(lost!.losses).toMatchObject([{ reason: 'rejected', bytes: BigInt(windowBytes(0, 10)) }]);
    peers[1]!.end(3, 1);
    fire();
    peers[2]!.welcome(0);
    expect(peers[2]!.batches[0]).toMatchObject({
      sequence: 1n,
      windowEnd: { seconds: BigInt(NOW_MS / 1000) },
      losses: [{ reason: 'rejected', bytes: BigInt(windowBytes(0, 10)) }],
    });
    expect(exporter.counters.batchesLost.rejected).toBe(1);
  });

  test('a break that is not a rejection gives nothing up', () => {
    const { exporter, peers, fire } = setup();
    exporter.start();
    exporter.send(windowFlows(0, 10));
    peers[0]!.welcome(0);
    peers[0]!.end(9, 1);
    fire();
    peers[1]!.welcome(0);
    expect(peers[1]!.batches[0]!.flowCount).toBe(10);
  });

  test('begins a new epoch when the table has forgotten what it acknowledged', () => {
    for (const acknowledgeAll of [true, false]) {
      const { exporter, peers, fire } = setup();
      exporter.start();
      for (const index of [0, 1, 2]) exporter.send(windowFlows(index, index + 1));
      peers[0]!.welcome(0);
      peers[0]!.acknowledge(acknowledgeAll ? 3 : 2);
      peers[0]!.end();
      fire();
      peers[1]!.welcome(0);
      expect(peers[1]!.closed).toBe(true);
      expect(peers[1]!.sequences).toEqual([]);
      fire();
      const epoch = `${NEW_SPOOL}.${BOOT}`;
      expect(exporter.epoch).toBe(epoch);
      exporter.send(windowFlows(9, 9));
      peers[2]!.welcome(0);
      const sent = peers[2]!.batches.map((batch) => `${batch.epoch} ${batch.sequence} ${batch.flowCount}`);
      expect(sent).toEqual(acknowledgeAll ? [`${epoch} 1 9`] : [`${epoch} 1 3`, `${epoch} 2 9`]);
      expect(exporter.counters.epochRestarts).toBe(1);
    }
  });

  test('what the table has under the name of a batch that waits was sent by a copy of this spool', () => {
    const { exporter, peers } = setup();
    exporter.start();
    for (const index of [0, 1, 2]) exporter.send(windowFlows(index, index + 1));
    peers[0]!.welcome(2);
    expect(peers[0]!.sequences).toEqual([3]);
    expect([exporter.epoch, exporter.counters.epochRestarts]).toEqual([`${SPOOL}.${BOOT}`, 0]);
  });

  test('a copy of a spool that went on drops what waits, and goes on in a new epoch', () => {
    const { exporter, peers, fire } = setup();
    exporter.start();
    for (const index of [0, 1]) exporter.send(windowFlows(index, index + 1));
    peers[0]!.welcome(5);
    expect(exporter.waiting.batches).toBe(0);
    exporter.send(windowFlows(2, 3));
    fire();
    peers[1]!.welcome(0);
    const epoch = `${NEW_SPOOL}.${BOOT}`;
    const sent = peers[1]!.batches.map((batch) => `${batch.epoch} ${batch.sequence} ${batch.flowCount}`);
    expect(sent).toEqual([`${epoch} 1 3`]);
  });

  test('a full queue gives up the oldest flows, says so, and counts their bytes', () => {
    const { exporter, peers, messages } = setup(2000);
    exporter.start();
    const counts = [100, 101, 102];
    for (const [index, count] of counts.entries()) exporter.send(windowFlows(index, count));
    peers[0]!.welcome(0);
    const given = peers[0]!.batches.filter(({ flowCount }) => flowCount === 0);
    expect(given.length).toBeGreaterThan(0);
    const lostBytes = given.reduce((sum, { losses }) => sum + Number(losses[0]!.bytes), 0);
    expect(lostBytes).toBe(
      given.reduce((sum, { sequence }) => sum + windowBytes(Number(sequence) - 1, counts[Number(sequence) - 1]!), 0),
    );
    expect(exporter.counters.lostBytes).toBe(lostBytes);
    expect(exporter.counters.batchesLost['queue-full']).toBe(given.length);
    expect(messages.filter((text) => text.includes('given up'))).toHaveLength(given.length);
    expect(exporter.waiting.bytes).toBeLessThanOrEqual(2000);
  });

  test('windows for which there is no room at all are losses of a later batch', () => {
    const { exporter, peers } = setup(300);
    exporter.start();
    for (let index = 0; index < 5; index++) exporter.send(windowFlows(index, 3));
    peers[0]!.welcome(0);
    const kept = peers[0]!.batches.length;
    expect(kept).toBeLessThan(5);
    peers[0]!.acknowledge(kept);
    exporter.send(windowFlows(5, 0));
    const last = peers[0]!.batches.at(-1)!;
    expect(Number(last.sequence)).toBe(kept + 1);
    const bytes = Array.from({ length: 5 - kept }, (_, i) => windowBytes(kept + i, 3)).reduce((a, b) => a + b, 0);
    expect(last.losses).toMatchObject([{ reason: 'queue-full', bytes: BigInt(bytes) }]);
    const startUs = windowFlows(kept, 0).windowStartUs;
    expect(Number(last.losses[0]!.start!.seconds)).toBe(startUs / 1e6);
    exporter.send(windowFlows(6, 0));
    expect(peers[0]!.batches.at(-1)!.losses).toEqual([]);
  });

  test('flows that break the contract are a loss', () => {
    const { exporter, peers } = setup();
    exporter.start();
    peers[0]!.welcome(0);
    const window = windowFlows(0, 3);
    window.responderPackets[1] = 2 ** 53;
    exporter.send(window);
    expect(peers[0]!.batches[0]).toMatchObject({
      flowCount: 0,
      losses: [{ reason: 'unencodable', bytes: BigInt(windowBytes(0, 3)) }],
    });
  });

  test('moves at its age to another aggregator: nothing more is sent, and it goes with the last acknowledgement', () => {
    const { exporter, peers, fire, timers } = setup(undefined, { streamAgeMs: 1000 });
    exporter.start();
    exporter.send(windowFlows(0, 1));
    peers[0]!.welcome(0);
    expect(fire()).toBe(800); // random is 0: a fifth less
    exporter.send(windowFlows(1, 1));
    expect(peers[0]).toMatchObject({ sequences: [1], closed: false });
    peers[0]!.acknowledge(1);
    expect(peers[0]).toMatchObject({ finished: true, goodbye: undefined });
    peers[1]!.welcome(1);
    expect(peers[1]!.sequences).toEqual([2]);
    expect(exporter.counters).toMatchObject({ streamsMoved: 1, connectionAttempts: 2 });
    expect(timers.map(({ delayMs }) => delayMs)).toEqual([800]);
  });

  test('an aggregator that never acknowledges is left behind, too', () => {
    const { exporter, peers, fire } = setup(undefined, { streamAgeMs: 1000 });
    exporter.start();
    exporter.send(windowFlows(0, 1));
    peers[0]!.welcome(0);
    fire();
    expect(fire()).toBe(60_000);
    peers[1]!.welcome(0);
    expect(peers[1]!.sequences).toEqual([1]);
  });

  test('says Hello again when the clock was set', () => {
    const { exporter, peers } = setup();
    exporter.renewStream(); // not connected: the next Hello says it anyway
    exporter.start();
    peers[0]!.welcome(0);
    exporter.renewStream();
    expect(peers[0]!.finished).toBe(true);
    expect(peers[1]!.hello).toMatchObject({ sentAt: { seconds: BigInt(NOW_MS / 1000) } });
  });

  test('says Hello again when the clock was set while Hello was under way', () => {
    const { exporter, peers } = setup();
    exporter.start();
    exporter.renewStream();
    exporter.send(windowFlows(0, 1));
    peers[0]!.welcome(0);
    expect(peers[0]).toMatchObject({ finished: true, sequences: [] });
    peers[1]!.welcome(0);
    expect(peers[1]).toMatchObject({ finished: false, sequences: [1] });
    expect(peers).toHaveLength(2);
  });

  test('a Hello that was made after the clock was set is not made again', () => {
    const { exporter, peers, fire } = setup();
    exporter.start();
    exporter.renewStream();
    peers[0]!.end();
    exporter.renewStream();
    fire();
    peers[1]!.welcome(0);
    expect(peers[1]!.finished).toBe(false);
    expect(peers).toHaveLength(2);
  });

  describe('stopped with everything acknowledged and no stream', () => {
    /** One batch is in the table, then the stream breaks. */
    function broken(config: Partial<ExporterConfig> = {}) {
      const it = setup(undefined, config);
      it.exporter.start();
      it.peers[0]!.welcome(0);
      it.exporter.send(windowFlows(0, 1));
      it.peers[0]!.acknowledge(1);
      it.peers[0]!.end();
      return it;
    }

    test('waits for the next one to say goodbye: the node would count as vanished', async () => {
      const { exporter, peers, timers } = broken();
      const stopped = exporter.stop(20_000);
      await new Promise(setImmediate);
      const reconnect = timers.findIndex(({ delayMs }) => delayMs !== 20_000);
      timers.splice(reconnect, 1)[0]!.callback();
      expect(peers[1]).toMatchObject({ closed: false });
      peers[1]!.welcome(1);
      expect(await stopped).toBe(true);
      expect(peers[1]).toMatchObject({ finished: true, goodbye: 1 });
      expect(timers).toEqual([]);
    });

    test('waits no longer than it may', async () => {
      const { exporter, peers, timers } = broken();
      const stopped = exporter.stop(20_000);
      timers.find(({ delayMs }) => delayMs === 20_000)!.callback();
      expect(await stopped).toBe(true);
      expect(await broken().exporter.stop(0)).toBe(true);
      expect(peers).toHaveLength(1);
    });

    test('waits for nothing when it never made a batch', async () => {
      const { exporter, peers } = setup();
      exporter.start();
      expect(await exporter.stop(20_000)).toBe(true);
      expect(peers[0]).toMatchObject({ closed: true, goodbye: undefined });
    });
  });

  test('says goodbye where it is when it is told to stop while it moves', async () => {
    const { exporter, peers, fire, timers } = setup(undefined, { streamAgeMs: 1000 });
    exporter.start();
    exporter.send(windowFlows(0, 1));
    peers[0]!.welcome(0);
    fire();
    const stopped = exporter.stop(5000);
    peers[0]!.acknowledge(1);
    expect(await stopped).toBe(true);
    expect(peers).toHaveLength(1);
    expect(peers[0]).toMatchObject({ finished: true, goodbye: 1 });
    expect(timers).toEqual([]);
  });

  test('an epoch that is over, and of which the table holds more, is done: a copy of its spool has gone on', async () => {
    const { exporter, peers } = setup(undefined, { isOver: true });
    exporter.send(windowFlows(0, 1)); // stands for what the spool holds
    exporter.start();
    peers[0]!.welcome(7);
    expect(exporter.waiting.batches).toBe(0);
    expect(await exporter.stop(1000)).toBe(true);
    expect(peers).toHaveLength(1);
    expect(peers[0]).toMatchObject({ finished: true, goodbye: undefined });
    expect(exporter.counters.epochRestarts).toBe(0);
  });

  test('a second stop sets a new deadline', async () => {
    const { exporter, peers, timers } = setup();
    exporter.start();
    exporter.send(windowFlows(0, 1));
    peers[0]!.welcome(0);
    const stopped = exporter.stop(5000);
    expect(exporter.stop(0)).toBe(stopped);
    expect(await stopped).toBe(false);
    expect(timers).toEqual([]);
  });

  test('stops when everything is acknowledged', async () => {
    const { exporter, peers, timers } = setup();
    exporter.start();
    exporter.send(windowFlows(0, 1));
    peers[0]!.welcome(0);
    const stopped = exporter.stop(5000);
    expect(peers[0]!.closed).toBe(false);
    peers[0]!.acknowledge(1);
    expect(await stopped).toBe(true);
    expect(peers[0]!.closed).toBe(true);
    expect(timers).toEqual([]);
  });

  test('stops at the deadline, and counts what was left', async () => {
    const { exporter, peers, timers } = setup();
    exporter.start();
    exporter.send(windowFlows(0, 1));
    peers[0]!.end();
    const stopped = exporter.stop(5000);
    const deadline = timers.findIndex(({ delayMs }) => delayMs === 5000);
    timers.splice(deadline, 1)[0]!.callback();
    expect(await stopped).toBe(false);
    expect(exporter.counters.batchesLost.stopped).toBe(1);
    expect(timers).toEqual([]);
  });
});
