// Bytes as Cilium's structures lay them out, written by hand from bpf/lib/common.h: offsets are not taken from the reader.
import { describe, expect, test } from 'vitest';
import { EntryRecord } from '../entry-record.ts';
import { type EntryForm, readEntry } from './layout.ts';

/** daddr, saddr, dport, sport, nexthdr, flags: 10.0.1.5:40000 → 10.0.2.9:80; addresses are swapped, ports are not. */
const keyV4 = (flags: number, protocol = 6) =>
  bytes(`0a 00 01 05  0a 00 02 09  00 50  9c 40 ${hex(protocol)} ${hex(flags)}`);
const keyV6 = bytes(
  'fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 05  fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 09  00 50 9c 40 06 00',
);
/** Until 1.15: rx 2 packets 300 bytes, tx 3 packets 5000 bytes. */
const directional = (flags = 0x10) =>
  bytes(
    `02 00 00 00 00 00 00 00  2c 01 00 00 00 00 00 00  03 00 00 00 00 00 00 00  88 13 00 00 00 00 00 00
     e8 03 00 00  ${hex(flags)} 00  00 00 00 00  00 00  00 00 00 00  00 00 00 00  00 00 00 00`,
  );
/** From 1.16 on: 5 packets, 5300 bytes; a translated address before them. */
const merged = bytes(
  `0a 00 00 63 00 00 00 00  00 00 00 00 00 00 00 00  05 00 00 00 00 00 00 00  b4 14 00 00 00 00 00 00
   e8 03 00 00  10 00  00 00 00 00  00 00  00 00 00 00  00 00 00 00  00 00 00 00`,
);

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}

function bytes(text: string): DataView {
  const values = text
    .trim()
    .split(/\s+/)
    .map((byte) => Number.parseInt(byte, 16));
  return new DataView(new Uint8Array(values).buffer);
}

function read(key: DataView, value: DataView, form: Partial<EntryForm> = {}) {
  const record = new EntryRecord();
  const kind = readEntry(
    key,
    0,
    value,
    0,
    { isV6: false, layout: 'directional', frameHeaderBytes: 14, ...form },
    record,
  );
  return { kind, record };
}

/** An address as the record holds it: its bytes in memory. */
const word = (...octets: [number, number, number, number]) => new Int32Array(new Uint8Array(octets).buffer)[0];

describe('tuples', () => {
  test('who opened the connection is the original source, of entries of either side', () => {
    for (const [flags, zone] of [
      [0, 0],
      [1, 1],
    ] as const) {
      const { kind, record } = read(keyV4(flags), directional());
      expect(kind).toBe('entry');
      expect(record).toMatchObject({
        protocol: 6,
        isV6: false,
        conntrackZone: zone,
        originalSource0: word(10, 0, 1, 5),
        originalDestination0: word(10, 0, 2, 9),
        replySource0: word(10, 0, 2, 9),
        replyDestination0: word(10, 0, 1, 5),
        originalSourcePort: 40_000,
        originalDestinationPort: 80,
        replySourcePort: 80,
        replyDestinationPort: 40_000,
      });
    }
  });

  test('IPv6', () => {
    const { record } = read(keyV6, directional(), { isV6: true });
    expect(record).toMatchObject({
      isV6: true,
      originalSource0: word(0xfd, 0, 0, 0),
      originalSource3: word(0, 0, 0, 5),
      replyDestination3: word(0, 0, 0, 5),
      originalDestination3: word(0, 0, 0, 9),
      replySource3: word(0, 0, 0, 9),
      originalSourcePort: 40_000,
      replySourcePort: 80,
    });
  });

  test('what a record held before is gone', () => {
    const record = new EntryRecord();
    const form = { isV6: true, layout: 'directional', frameHeaderBytes: 14 } as const;
    readEntry(keyV6, 0, directional(), 0, form, record);
    readEntry(keyV4(0), 0, merged, 0, { ...form, isV6: false, layout: 'merged' }, record);
    expect(record).toMatchObject({ isV6: false, originalSource3: 0, replySource3: 0, replyPackets: 0, replyBytes: 0 });
  });

  test.each([
    ['services', 4],
    ['errors', 2],
    ['errors that enter', 3],
  ])('entries of %s are none', (_, flags) => {
    expect(read(keyV4(flags), directional()).kind).toBe('other');
  });
});

describe('counters', () => {
  test('of an entry that left a pod, tx is the original direction; without the Ethernet header of each packet', () => {
    expect(read(keyV4(0), directional()).record).toMatchObject({
      hasCounters: true,
      originalPackets: 3,
      originalBytes: 5000 - 3 * 14,
      replyPackets: 2,
      replyBytes: 300 - 2 * 14,
    });
  });

  test('of an entry that entered a pod, rx is', () => {
    expect(read(keyV4(1), directional(), { frameHeaderBytes: 0 }).record).toMatchObject({
      originalPackets: 2,
      originalBytes: 300,
      replyPackets: 3,
      replyBytes: 5000,
    });
  });

  test('merged: both together', () => {
    expect(read(keyV4(1), merged, { layout: 'merged' }).record).toMatchObject({
      hasCounters: true,
      originalPackets: 5,
      originalBytes: 5300 - 5 * 14,
      replyPackets: 0,
      replyBytes: 0,
    });
  });

  test('an entry that counts nothing has none', () => {
    expect(read(keyV4(0), new DataView(new ArrayBuffer(56))).record.hasCounters).toBe(false);
  });

  test('beyond 2^53 it is no entry of ours', () => {
    const value = directional();
    value.setUint8(31, 1);
    expect(read(keyV4(0), value).kind).toBe('unreadable');
    const other = directional();
    other.setUint8(7, 0x80);
    expect(read(keyV4(0), other).kind).toBe('unreadable');
    expect(read(keyV4(0), other, { layout: 'merged' }).kind).toBe('entry');
  });
});

test('closed is what both sides have closed', () => {
  const closed = (flags: number) => read(keyV4(0), directional(flags)).record.isClosed;
  expect([0x10, 0x11, 0x12, 0x13, 0x03].map(closed)).toEqual([false, false, false, true, true]);
});
