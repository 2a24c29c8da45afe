import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EntryRecord } from '../source/entry-record.ts';
import { AddressRanges, addressBytes, PRIVATE_RANGES } from './address-ranges.ts';
import { Reducer, type ReducerOptions } from './reducer.ts';
import type { WindowFlows } from './window-flows.ts';

const OPTIONS: ReducerOptions = {
  seed: 99,
  inside: new AddressRanges([...PRIVATE_RANGES, '203.0.113.0/24']),
  initiatorPrefixV4: 24,
  initiatorPrefixV6: 48,
  maxFlows: 1024,
};

function words(address: string): [number, number, number, number] {
  const bytes = new Uint8Array(16);
  bytes.set(addressBytes(address));
  return [...new Int32Array(bytes.buffer)] as [number, number, number, number];
}

interface Entry {
  from: string;
  to: string;
  /** Who answered, when it was not `to`. */
  answered?: string;
  answeredPort?: number;
  /** What the responder saw, when it was not `from`. */
  seenAs?: string;
  protocol?: number;
  sourcePort?: number;
  port?: number;
}

function record(entry: Entry): EntryRecord {
  const { from, to, answered = to, seenAs = from, protocol = 6, sourcePort = 40_000, port = 80 } = entry;
  const it = new EntryRecord();
  it.isV6 = from.includes(':');
  it.protocol = protocol;
  [it.originalSource0, it.originalSource1, it.originalSource2, it.originalSource3] = words(from);
  [it.originalDestination0, it.originalDestination1, it.originalDestination2, it.originalDestination3] = words(to);
  [it.replySource0, it.replySource1, it.replySource2, it.replySource3] = words(answered);
  [it.replyDestination0, it.replyDestination1, it.replyDestination2, it.replyDestination3] = words(seenAs);
  it.originalSourcePort = sourcePort;
  it.originalDestinationPort = port;
  it.replySourcePort = entry.answeredPort ?? port;
  it.replyDestinationPort = sourcePort;
  return it;
}

function text(window: WindowFlows, position: number): string {
  const bytes = window.addresses.subarray(16 * position, 16 * position + 16);
  const prefix = window.prefixLengths[position]!;
  if (window.addressIsV6[position] === 1) {
    return `${Buffer.from(bytes).toString('hex')}${prefix < 128 ? `/${prefix}` : ''}`;
  }
  return `${bytes.subarray(0, 4).join('.')}${prefix < 32 ? `/${prefix}` : ''}`;
}

/** The flows of a window as text. */
function flows(window: WindowFlows): string[] {
  return Array.from({ length: window.count }, (_, i) => {
    const moved = (column: Uint32Array) => (column[i]! > 0 ? text(window, column[i]! - 1) : '-');
    return [
      text(window, window.initiator[i]!),
      text(window, window.responder[i]!),
      window.protocol[i],
      window.responderPort[i],
      moved(window.originalDestination),
      window.originalDestinationPort[i],
      moved(window.translatedSource),
      window.initiatorBytes[i],
    ].join(' ');
  }).sort();
}

function reduce(entries: Entry[], options = OPTIONS): WindowFlows {
  const reducer = new Reducer(options);
  for (const entry of entries) reducer.add(reducer.slotOf(record(entry)), 100, 1, 10, 1, 1);
  return reducer.close(0, 1, []);
}

describe('keys', () => {
  const cases: { name: string; entries: Entry[]; flows: string[] }[] = [
    {
      name: 'ephemeral ports are dropped, service ports are not',
      entries: [
        { from: '10.0.0.1', to: '10.0.0.2', sourcePort: 1 },
        { from: '10.0.0.1', to: '10.0.0.2', sourcePort: 2 },
        { from: '10.0.0.1', to: '10.0.0.2', port: 81 },
      ],
      flows: ['10.0.0.1 10.0.0.2 6 80 - 0 - 200', '10.0.0.1 10.0.0.2 6 81 - 0 - 100'],
    },
    {
      name: 'a translated destination keeps what was asked for',
      entries: [{ from: '10.0.0.1', to: '10.96.0.1', port: 80, answered: '10.0.0.2', answeredPort: 8080 }],
      flows: ['10.0.0.1 10.0.0.2 6 8080 10.96.0.1 80 - 100'],
    },
    {
      name: 'a translated port alone counts as translated',
      entries: [{ from: '10.0.0.1', to: '10.0.0.2', port: 80, answeredPort: 8080 }],
      flows: ['10.0.0.1 10.0.0.2 6 8080 10.0.0.2 80 - 100'],
    },
    {
      name: 'a masqueraded source keeps what the responder saw',
      entries: [{ from: '10.0.0.1', to: '198.51.100.7', seenAs: '172.16.0.1' }],
      flows: ['10.0.0.1 198.51.100.7 6 80 - 0 172.16.0.1 100'],
    },
    {
      name: 'outside initiators are prefixes, outside responders whole, configured ranges inside',
      entries: [
        { from: '198.51.100.7', to: '10.0.0.1' },
        { from: '198.51.100.8', to: '10.0.0.1' },
        { from: '10.0.0.1', to: '198.51.100.7' },
        { from: '203.0.113.9', to: '10.0.0.1' },
      ],
      flows: [
        '10.0.0.1 198.51.100.7 6 80 - 0 - 100',
        '198.51.100.0/24 10.0.0.1 6 80 - 0 - 200',
        '203.0.113.9 10.0.0.1 6 80 - 0 - 100',
      ],
    },
    {
      name: 'IPv6 outside initiators are /48',
      entries: [
        { from: '2001:db8:1:2::1', to: 'fd00::1' },
        { from: '2001:db8:1:3::1', to: 'fd00::1' },
      ],
      flows: ['20010db8000100000000000000000000/48 fd000000000000000000000000000001 6 80 - 0 - 200'],
    },
    {
      name: 'protocols without ports have port 0',
      entries: [{ from: '10.0.0.1', to: '10.0.0.2', protocol: 1, sourcePort: 77, port: 2048, answeredPort: 77 }],
      flows: ['10.0.0.1 10.0.0.2 1 0 - 0 - 100'],
    },
  ];
  for (const { name, entries, flows: expected } of cases) {
    test(name, () => expect(flows(reduce(entries))).toEqual(expected));
  }
});

describe('the cap', () => {
  const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0);

  test('holds whatever comes, bytes stay exact, the largest flows stay whole', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9000 }),
        fc.constantFrom('responders', 'ports', 'pods', 'v6'),
        (count, shape) => {
          const reducer = new Reducer(OPTIONS);
          const add = (entry: Entry, bytes: number) => reducer.add(reducer.slotOf(record(entry)), bytes, 1, 1, 1, 1);
          add({ from: '10.9.9.9', to: '198.51.100.7', port: 443 }, 1e12);
          for (let i = 0; i < count; i++) {
            const a = `${i % 251}.${(i >> 8) % 256}`;
            if (shape === 'responders')
              add({ from: '10.0.0.1', to: `${20 + (i % 100)}.${(i * 7) % 256}.${a}` }, 40 + i);
            else if (shape === 'ports') add({ from: '10.0.0.1', to: '10.0.0.2', port: 1 + i }, 40 + i);
            else if (shape === 'pods') add({ from: `10.${i % 200}.${a}`, to: '10.0.0.2' }, 40 + i);
            else add({ from: 'fd00::1', to: `2001:db8:${(i % 5000).toString(16)}::${i.toString(16)}` }, 40 + i);
          }
          const window = reducer.close(0, 1, []);
          expect(window.count).toBeLessThanOrEqual(OPTIONS.maxFlows);
          expect(sum(window.initiatorBytes)).toBe(1e12 + 40 * count + (count * (count - 1)) / 2);
          expect(window.connections.reduce((total, value) => total + value, 0)).toBe(count + 1);
          expect(flows(window)).toContain('10.9.9.9 198.51.100.7 6 443 - 0 - 1000000000000');
          expect(window.foldedCount).toBe(window.folded.reduce((total, value) => total + value, 0));
          if (count <= 1000) expect(window.foldedCount).toBe(0);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('a next window begins empty', () => {
    const reducer = new Reducer(OPTIONS);
    reducer.add(reducer.slotOf(record({ from: '10.0.0.1', to: '10.0.0.2' })), 1, 1, 1, 1, 1);
    expect(reducer.close(0, 1, []).count).toBe(1);
    const empty = reducer.close(1, 2, []);
    expect(empty).toMatchObject({ count: 0, addressCount: 0, windowStartUs: 1, windowEndUs: 2 });
  });
});

describe('ranges', () => {
  test('contain what they should, to the bit', () => {
    const ranges = new AddressRanges(['10.0.0.0/8', '192.168.1.128/25', 'fd00:1::/33', '0.0.0.0/32']);
    const has = (address: string) =>
      address.includes(':') ? ranges.containsV6(...words(address)) : ranges.containsV4(words(address)[0]);
    expect(['10.255.255.255', '192.168.1.128', '0.0.0.0', 'fd00:1:7fff::1'].map(has)).toEqual([true, true, true, true]);
    expect(['11.0.0.0', '192.168.1.127', '0.0.0.1', 'fd00:1:8000::'].map(has)).toEqual([false, false, false, false]);
  });

  for (const bad of ['10.0.0.0/33', '10.0.0/8', 'fd00::/129', 'x', '', '10.0.0.0/', '10.0.0.0/8/8', '1.2.3.4/-1']) {
    test(`"${bad}" is refused`, () => {
      expect(() => new AddressRanges([bad])).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    });
  }

  test('addresses are read as the system reads them', () => {
    expect(Buffer.from(addressBytes('2001:db8::1')).toString('hex')).toBe('20010db8000000000000000000000001');
    expect(Buffer.from(addressBytes('::')).toString('hex')).toBe('0'.repeat(32));
    expect(Buffer.from(addressBytes('::ffff:10.1.2.3')).toString('hex')).toBe('00000000000000000000ffff0a010203');
    expect([...addressBytes('10.1.2.3')]).toEqual([10, 1, 2, 3]);
  });
});
