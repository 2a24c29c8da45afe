// What was accounted survives the process: whatever the instant of its death, each byte that the kernel counted is in one
// spooled window, or a loss says that nobody can know.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Accountant } from '../flow/accountant.ts';
import { AddressRanges, PRIVATE_RANGES } from '../flow/address-ranges.ts';
import type { WindowFlows } from '../flow/window-flows.ts';
import type { ConntrackConsumer } from '../source/conntrack/consumer.ts';
import { datagram, destroy, done, row, type TestEntry } from '../source/conntrack/messages.testing.ts';
import { Baseline } from './baseline.ts';

const BOOT = '6f0d3c36-7a54-4b51-9a0a-8d5b3c6f0d11';
const OTHER_BOOT = '11111111-7a54-4b51-9a0a-8d5b3c6f0d11';
const START_US = 1_795_000_000_000_000;

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'flowtoll-baseline-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

interface Entry {
  client: number;
  zone: number;
  startUs: number;
  bytes: number;
}

function message({ client, zone, startUs, bytes }: Entry): TestEntry {
  const source = Uint8Array.of(10, 0, 0, client);
  const destination = Uint8Array.of(10, 0, 1, 1);
  return {
    original: { source, destination, protocol: 6, sourcePort: 1000 + client, destinationPort: 80 },
    reply: { source: destination, destination: source, protocol: 6, sourcePort: 80, destinationPort: 1000 + client },
    id: client * 8 + zone,
    zone,
    originalCounters: [bytes, bytes],
    replyCounters: [0, 0],
    startNs: BigInt(startUs) * 1000n,
  };
}

/** One agent after another on one node: each has a memory of its own, they share spool, baselines and kernel. */
class Node {
  readonly entries: Entry[] = [];
  readonly events: Entry[] = [];
  readonly sent = new Map<number, number>();
  readonly spool: { window: WindowFlows; checkpoint: string | undefined }[] = [];
  readonly #zones: readonly number[];
  #nowUs = START_US;
  #accountant!: Accountant;
  #baseline!: Baseline;
  #consumer!: ConntrackConsumer;

  constructor(zones: readonly number[]) {
    this.#zones = zones;
    this.startAgent();
  }

  startAgent(bootId = BOOT): void {
    this.#baseline = new Baseline(root, bootId);
    const restored = this.#baseline.restore(this.spool.at(-1)?.checkpoint);
    const options = {
      seed: this.#nowUs | 0,
      timestamps: true,
      inside: new AddressRanges(PRIVATE_RANGES),
      initiatorPrefixV4: 24,
      initiatorPrefixV6: 48,
      maxFlows: 2000,
    };
    this.#accountant = new Accountant(options, restored?.windowStartUs ?? this.#tick(), restored?.tracker);
    restored?.goOn(this.#accountant, this.#tick());
    this.#consumer = this.#baseline.listen(this.#accountant);
    this.dump();
  }

  /** kill -9: whatever is in memory is gone, and so are events that nobody had read. */
  kill(): void {
    this.#baseline.close();
    this.events.length = 0;
  }

  send(client: number, bytes: number): void {
    let mine = this.entries.filter((entry) => entry.client === client);
    if (mine.length === 0) {
      mine = this.#zones.map((zone) => ({ client, zone, startUs: this.#tick(), bytes: 0 }));
      this.entries.push(...mine);
    }
    for (const entry of mine) entry.bytes += bytes;
    this.sent.set(client, (this.sent.get(client) ?? 0) + bytes);
  }

  end(client: number): void {
    for (const entry of this.entries.filter((one) => one.client === client)) {
      this.entries.splice(this.entries.indexOf(entry), 1);
      this.events.push({ ...entry });
    }
  }

  poll(): void {
    for (const event of this.events.splice(0)) {
      const { words, length } = datagram(destroy(message(event)));
      this.#consumer.eventDatagram(words, 0, length);
      this.#consumer.eventsRead?.();
    }
  }

  dump(): void {
    this.poll();
    this.#consumer.dumpBegin(this.#tick());
    const { words, length } = datagram(...this.entries.map((entry) => row(message(entry))), done());
    this.#consumer.dumpDatagram(words, length);
    this.#consumer.dumpEnd(this.#tick(), true);
  }

  /** Ends a window, up to where the agent may die. */
  close(until: 'saved' | 'spooled' | 'told' = 'told'): void {
    const window = this.#accountant.closeWindow(this.#tick());
    const checkpoint = this.#baseline.save(this.#accountant);
    if (until === 'saved') return;
    this.spool.push({ window, checkpoint });
    if (until === 'told' && checkpoint !== undefined) this.#baseline.spooled(checkpoint);
  }

  /** Bytes by client in the spool. */
  billed(): Record<string, number> {
    const bytes: Record<string, number> = {};
    for (const { window } of this.spool) {
      for (let i = 0; i < window.count; i++) {
        const client = window.addresses[16 * window.initiator[i]! + 3]!;
        bytes[client] = (bytes[client] ?? 0) + window.initiatorBytes[i]!;
      }
    }
    return bytes;
  }

  losses() {
    return this.spool.flatMap(({ window }) => window.losses);
  }

  #tick(): number {
    this.#nowUs += 1000;
    return this.#nowUs;
  }
}

describe('a new agent goes on where the one before died', () => {
  test('bytes that flowed while nobody was there are billed once', () => {
    const node = new Node([0]);
    node.send(1, 500);
    node.dump();
    node.close();
    node.kill();
    node.send(1, 70);
    node.send(2, 30);
    node.startAgent();
    node.send(1, 1);
    node.dump();
    node.close();
    expect(node.billed()).toEqual({ 1: 571, 2: 30 });
  });

  test('the window is the time since the last spooled one', () => {
    const node = new Node([0]);
    node.close();
    node.kill();
    node.startAgent();
    node.close();
    expect(node.spool[1]!.window.windowStartUs).toBe(node.spool[0]!.window.windowEndUs);
  });

  test('connections that ended meanwhile are a loss: how many of those known, and an upper bound for all', () => {
    const node = new Node([0]);
    node.send(1, 500);
    node.dump();
    node.close();
    node.kill();
    node.send(1, 70);
    node.end(1);
    node.events.length = 0;
    node.startAgent();
    node.dump();
    node.dump();
    node.dump();
    node.close();
    expect(node.billed()).toEqual({ 1: 500 });
    const away = node.losses().filter(({ reason }) => reason === 'agent-away');
    expect(away).toHaveLength(2);
    expect(away.find(({ entries }) => entries === 1)).toBeDefined();
    const gap = away.find(({ entries }) => entries === undefined)!;
    expect(gap.bytes).toBeUndefined();
    expect(gap.bytesMax).toBeGreaterThanOrEqual(0);
    expect(gap.endUs).toBeGreaterThan(gap.startUs!);
  });

  test('after a reboot nothing of the life before is taken, and its files go', () => {
    const node = new Node([0]);
    node.send(1, 500);
    node.dump();
    node.close();
    node.kill();
    expect(readdirSync(root)).toEqual([BOOT]);
    const next = new Baseline(root, OTHER_BOOT);
    expect(next.restore(undefined)).toBeUndefined();
    expect(readdirSync(root)).toEqual([OTHER_BOOT]);
  });

  test('a damaged baseline is not taken', () => {
    const node = new Node([0]);
    node.send(1, 500);
    node.dump();
    node.close();
    node.kill();
    const checkpoint = node.spool[0]!.checkpoint!;
    const path = join(root, BOOT, `baseline.${checkpoint}`);
    const bytes = readFileSync(path);
    bytes[bytes.length - 9]! ^= 1;
    writeFileSync(path, bytes);
    const next = new Baseline(root, BOOT);
    expect(next.restore(checkpoint)).toBeUndefined();
    expect(next.isLost).toBe(true);
  });

  test('a spool that was removed leaves an accounting that nobody can go on from, and that is said', () => {
    const node = new Node([0]);
    node.close();
    node.kill();
    const next = new Baseline(root, BOOT);
    expect(next.restore(undefined)).toBeUndefined();
    expect(next.isLost).toBe(true);
    expect(readdirSync(join(root, BOOT))).toEqual([]);
  });

  test('the very first agent has lost nothing', () => {
    const first = new Baseline(root, BOOT);
    expect(first.restore(undefined)).toBeUndefined();
    expect(first.isLost).toBe(false);
  });

  test('while the spool cannot be written nothing is kept, and a new agent says so', () => {
    const baseline = new Baseline(root, BOOT);
    const accountant = new Accountant(
      {
        seed: 1,
        timestamps: true,
        inside: new AddressRanges([]),
        initiatorPrefixV4: 24,
        initiatorPrefixV6: 48,
        maxFlows: 2000,
      },
      1,
    );
    accountant.dumpBegin(START_US);
    accountant.dumpEnd(START_US, true);
    const checkpoint = baseline.save(accountant);
    baseline.suspend(true);
    expect(baseline.save(accountant)).toBeUndefined();
    const next = new Baseline(root, BOOT);
    expect(next.restore(checkpoint)).toBeUndefined();
    expect(next.isLost).toBe(true);
    baseline.suspend(false);
    expect(new Baseline(root, BOOT).restore(baseline.save(accountant))).toBeDefined();
  });

  test('while the state cannot be kept, accounting goes on, and nothing half is left', () => {
    const problems: (string | undefined)[] = [];
    const baseline = new Baseline(root, BOOT, (problem) => problems.push(problem?.message));
    const accountant = new Accountant(
      {
        seed: 1,
        timestamps: true,
        inside: new AddressRanges([]),
        initiatorPrefixV4: 24,
        initiatorPrefixV6: 48,
        maxFlows: 2000,
      },
      1,
    );
    accountant.dumpBegin(START_US);
    accountant.dumpEnd(START_US, true);
    const kept = baseline.save(accountant);
    // The next file's name is taken by a folder: it cannot be written, whoever we are.
    mkdirSync(join(root, BOOT, `baseline.${Number(kept) + 1}.tmp`));
    expect(baseline.save(accountant)).toBeUndefined();
    expect(problems).toHaveLength(1);
    expect(new Baseline(root, BOOT).restore(kept)).toBeUndefined();
    expect(baseline.save(accountant)).toBeDefined();
    expect(problems[1]).toBeUndefined();
  });

  test('before the first dump there is nothing to keep', () => {
    const baseline = new Baseline(root, BOOT);
    const accountant = new Accountant(
      {
        seed: 1,
        timestamps: true,
        inside: new AddressRanges([]),
        initiatorPrefixV4: 24,
        initiatorPrefixV6: 48,
        maxFlows: 2000,
      },
      1,
    );
    expect(baseline.save(accountant)).toBeUndefined();
  });

  test('a directory that cannot be made is a clear error', () => {
    writeFileSync(join(root, 'file'), '');
    expect(() => new Baseline(join(root, 'file'), BOOT)).toThrow(
      expect.objectContaining({
        code: 'STATE_UNAVAILABLE',
        message: expect.stringMatching(/--state \(FLOWTOLL_STATE\)/),
      }),
    );
  });

  test('files do not pile up', () => {
    const node = new Node([0]);
    for (let i = 0; i < 5; i++) {
      node.send(1, 10);
      node.dump();
      node.close();
    }
    expect(readdirSync(join(root, BOOT)).length).toBe(2);
  });
});

describe('properties', () => {
  const client = fc.integer({ min: 1, max: 7 });
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ do: fc.constant('send' as const), client, bytes: fc.integer({ min: 40, max: 1500 }) }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('end' as const), client }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('dump' as const) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('poll' as const) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('close' as const) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('die' as const),
        at: fc.constantFrom('now' as const, 'saved' as const, 'spooled' as const),
        meanwhile: fc.array(fc.tuple(client, fc.integer({ min: 40, max: 1500 })), { maxLength: 3 }),
      }),
    },
  );

  for (const [name, zones] of [
    ['one conntrack zone', [0]],
    ['two conntrack zones', [1, 2]],
  ] as const) {
    test(`${name}: whenever it dies with its events read, each byte is in one spooled window`, () => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
          rmSync(join(root, BOOT), { recursive: true, force: true });
          const node = new Node(zones);
          node.close();
          for (const one of steps) {
            if (one.do === 'send') node.send(one.client, one.bytes);
            else if (one.do === 'end') node.end(one.client);
            else if (one.do === 'dump') node.dump();
            else if (one.do === 'poll') node.poll();
            else if (one.do === 'close') node.close();
            else {
              node.poll();
              if (one.at !== 'now') node.close(one.at);
              node.kill();
              for (const [who, bytes] of one.meanwhile) node.send(who, bytes);
              node.startAgent();
            }
          }
          node.dump();
          node.close();
          expect(node.billed()).toEqual(Object.fromEntries(node.sent));
        }),
        { numRuns: 150 },
      );
    });
  }
});
