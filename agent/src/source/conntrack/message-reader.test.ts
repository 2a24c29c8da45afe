import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { EntryRecord } from '../entry-record.ts';
import { MessageReader } from './message-reader.ts';
import {
  attribute,
  be16,
  be32,
  be64,
  datagram,
  destroy,
  done,
  entryAttributes,
  message,
  nested,
  row,
  type TestEntry,
} from './messages.testing.ts';

const A = Uint8Array.of(10, 0, 0, 1);
const B = Uint8Array.of(10, 0, 0, 2);
const A6 = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
const B6 = Uint8Array.from({ length: 16 }, (_, i) => 255 - i);

const tcp: TestEntry = {
  original: { source: A, destination: B, protocol: 6, sourcePort: 40_000, destinationPort: 443 },
  reply: { source: B, destination: A, protocol: 6, sourcePort: 443, destinationPort: 40_000 },
  id: 0xdeadbeef,
  originalCounters: [10, 1500],
  replyCounters: [8, 2 ** 40 + 7],
  startNs: 1_795_477_266_078_123_456n,
};

/** Reads and keeps what was said, as plain values. */
function read(...messages: Uint8Array[]) {
  const seen: { kind: string; record: EntryRecord }[] = [];
  const keep = (kind: string) => (record: EntryRecord) => {
    seen.push({ kind, record: Object.assign(Object.create(Object.getPrototypeOf(record)), record) });
  };
  const reader = new MessageReader({ row: keep('row'), destroyed: keep('destroyed') });
  const { words, length } = datagram(...messages);
  const progress = reader.read(words, 0, length);
  return { seen, reader, progress };
}

const word = (bytes: Uint8Array, n = 0) => new DataView(bytes.buffer).getInt32(4 * n, true);

describe('entries', () => {
  test('a row carries tuples, counters beyond 32 bits, id and start', () => {
    const { seen } = read(row(tcp));
    expect(seen).toHaveLength(1);
    expect(seen[0]!.kind).toBe('row');
    expect(seen[0]!.record).toMatchObject({
      isV6: false,
      protocol: 6,
      conntrackZone: 0,
      originalSource0: word(A),
      originalDestination0: word(B),
      replySource0: word(B),
      replyDestination0: word(A),
      originalSourcePort: 40_000,
      originalDestinationPort: 443,
      replySourcePort: 443,
      replyDestinationPort: 40_000,
      hasCounters: true,
      originalPackets: 10,
      originalBytes: 1500,
      replyPackets: 8,
      replyBytes: 2 ** 40 + 7,
    });
    expect(seen[0]!.record.startUs).toBeCloseTo(1_795_477_266_078_123, -1);
  });

  test('an event is an event', () => {
    expect(read(destroy(tcp)).seen.map(({ kind }) => kind)).toEqual(['destroyed']);
  });

  test('IPv6 addresses have four words', () => {
    const { seen } = read(
      row({
        original: { source: A6, destination: B6, protocol: 17, sourcePort: 1, destinationPort: 2 },
        reply: { source: B6, destination: A6, protocol: 17, sourcePort: 2, destinationPort: 1 },
      }),
    );
    expect(seen[0]!.record).toMatchObject({
      isV6: true,
      hasCounters: false,
      originalSource0: word(A6, 0),
      originalSource1: word(A6, 1),
      originalSource2: word(A6, 2),
      originalSource3: word(A6, 3),
      replySource3: word(B6, 3),
    });
  });

  test('nothing of an entry stays for the next', () => {
    const { seen } = read(row({ ...tcp, zone: 7 }), row({ original: tcp.original, reply: tcp.reply, id: 1 }));
    expect(seen[0]!.record.conntrackZone).toBe(7);
    expect(seen[1]!.record).toMatchObject({ conntrackZone: 0, hasCounters: false, startHigh: 0, startLow: 0 });
  });

  test('ICMP has an identifier, a type and a code', () => {
    const echo = { source: A, destination: B, protocol: 1, sourcePort: 0x1234, destinationPort: 0x0800 };
    const { seen } = read(row({ original: echo, reply: { ...echo, source: B, destination: A, destinationPort: 0 } }));
    expect(seen[0]!.record).toMatchObject({ originalSourcePort: 0x1234, originalDestinationPort: 0x0800 });
  });

  test('a zone of one direction only counts, too', () => {
    const attributes = entryAttributes(tcp);
    const withZone = nested(
      1,
      nested(1, attribute(1, A), attribute(2, B)),
      nested(2, attribute(1, Uint8Array.of(6)), attribute(2, be16(40_000)), attribute(3, be16(443))),
      attribute(3, be16(9)),
    );
    const rest = attributes.slice(new DataView(attributes.buffer).getUint16(0, true));
    const { seen } = read(message(0x0100, Uint8Array.from([...withZone, ...rest])));
    expect(seen[0]!.record.conntrackZone).toBe(9);
  });

  test('unknown attributes are skipped and counted, at every level', () => {
    const unknown = attribute(99, be32(1));
    const { seen, reader } = read(row({ ...tcp, extra: [unknown, attribute(0x3ffe, new Uint8Array(0))] }));
    expect(seen).toHaveLength(1);
    expect(reader.counts.unknownAttributes).toBe(2);
    expect(reader.counts.undecodable).toBe(0);
  });

  test('padding among counters is skipped', () => {
    const padded = nested(9, attribute(3, new Uint8Array(0)), attribute(1, be64(1)), attribute(2, be64(2)));
    const plain = { original: tcp.original, reply: tcp.reply, replyCounters: [3, 4] as const, extra: [padded] };
    expect(read(row(plain)).seen[0]!.record).toMatchObject({ hasCounters: true, originalPackets: 1, originalBytes: 2 });
  });
});

describe('what cannot be read', () => {
  const good = entryAttributes(tcp);
  const cases: { name: string; attributes: Uint8Array; error: RegExp }[] = [
    { name: 'no tuples', attributes: attribute(12, be32(1)), error: /CTA_TUPLE_ORIG.*missing/ },
    {
      name: 'a short address',
      attributes: nested(1, nested(1, attribute(1, Uint8Array.of(1, 2, 3)), attribute(2, B))),
      error: /CTA_TUPLE_ORIG\/CTA_TUPLE_IP\[1\].*length 7, expected 8/,
    },
    {
      name: 'only a source',
      attributes: nested(1, nested(1, attribute(1, A))),
      error: /source has 4 bytes, destination 0/,
    },
    {
      name: 'a counter of 4 bytes',
      attributes: Uint8Array.from([...good, ...nested(9, attribute(1, be32(1)))]),
      error: /CTA_COUNTERS_ORIG\[1\].*length 8, expected 12/,
    },
    {
      name: 'a counter of 2^53',
      attributes: entryAttributes({ ...tcp, originalCounters: [1, 2n ** 53n] }),
      error: /2\^53 or more/,
    },
    {
      name: 'counters of one direction',
      attributes: entryAttributes({ original: tcp.original, reply: tcp.reply, originalCounters: [1, 2] }),
      error: /one direction has counters/,
    },
    {
      name: 'two families',
      attributes: entryAttributes({ ...tcp, reply: { ...tcp.reply, source: A6, destination: B6 } }),
      error: /different address families/,
    },
    {
      name: 'an attribute longer than its message',
      attributes: Uint8Array.from([...good, 200, 0, 12, 0]),
      error: /length 200, but 4 bytes are left/,
    },
    { name: 'an attribute of length 0', attributes: Uint8Array.from([...good, 0, 0, 12, 0]), error: /length 0/ },
    { name: 'an id of 2 bytes', attributes: Uint8Array.from([...good, ...attribute(12, be16(1))]), error: /CTA_ID/ },
  ];
  for (const { name, attributes, error } of cases) {
    test(`${name}: refused, named, counted, and its neighbours live`, () => {
      const { seen, reader } = read(row(tcp), message(0x0100, attributes), row({ ...tcp, id: 2 }));
      expect(seen).toHaveLength(2);
      expect(reader.counts).toMatchObject({ messages: 2, undecodable: 1 });
      expect(reader.lastError?.message).toMatch(error);
      expect(reader.lastError?.code).toBe('DECODE_FAILED');
    });
  }

  test('a message longer than its datagram costs the rest of the datagram', () => {
    const cut = row(tcp);
    new DataView(cut.buffer).setUint32(0, 4000, true);
    const { seen, reader } = read(row(tcp), cut);
    expect(seen).toHaveLength(1);
    expect(reader.counts.truncatedDatagrams).toBe(1);
  });

  test('the end of a dump carries an errno', () => {
    expect(read(row(tcp)).progress).toBe('more');
    expect(read(row(tcp), done()).progress).toBe('done');
    const failed = read(done(105));
    expect(failed.progress).toBe('failed');
    expect(failed.reader.lastErrno).toBe(105);
  });
});

describe('properties', () => {
  const ignore = { row: () => {}, destroyed: () => {} };

  test('any bytes are read to their end: counted, never thrown, never looped', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        const reader = new MessageReader(ignore);
        const { words, length } = datagram(bytes);
        expect(['more', 'done', 'failed']).toContain(reader.read(words, 0, length));
      }),
      { numRuns: 2000 },
    );
  });

  test('a good message with bytes changed decodes or is counted', () => {
    const good = row(tcp);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        (changes) => {
          const bytes = good.slice();
          for (const [at, value] of changes) bytes[at] = value;
          const reader = new MessageReader(ignore);
          const { words, length } = datagram(bytes);
          reader.read(words, 0, length);
          const { messages, undecodable, truncatedDatagrams, unknownMessages } = reader.counts;
          expect(messages + undecodable + truncatedDatagrams + unknownMessages).toBeLessThan(100);
        },
      ),
      { numRuns: 3000 },
    );
  });

  test('any counters below 2^53 come out as they went in', () => {
    const counter = fc.bigInt({ min: 0n, max: 2n ** 53n - 1n });
    fc.assert(
      fc.property(counter, counter, counter, counter, (a, b, c, d) => {
        let seen: number[] = [];
        const reader = new MessageReader({
          row: (record) => {
            seen = [record.originalPackets, record.originalBytes, record.replyPackets, record.replyBytes];
          },
          destroyed: () => {},
        });
        const { words, length } = datagram(row({ ...tcp, originalCounters: [a, b], replyCounters: [c, d] }));
        reader.read(words, 0, length);
        expect(seen.map(BigInt)).toEqual([a, b, c, d]);
      }),
    );
  });
});
