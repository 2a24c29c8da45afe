import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { protobufList } from '../../../test/support/kubernetes/stand-in/protobuf.ts';
import type { ObjectHead } from './object-head.ts';
import { createProtobufListReader } from './protobuf-list.ts';
import type { RawListEnvelope, RawPod } from './raw-objects.ts';

function read(bytes: Buffer, sizes: readonly number[], itemBytesMax = 100_000) {
  const items: RawPod[] = [];
  const large: ObjectHead[] = [];
  const heads: RawListEnvelope[] = [];
  const reader = createProtobufListReader('Pod', {
    itemBytesMax,
    onHead: (head) => heads.push(head),
    onItem: (item) => items.push(item),
    onLarge: (head) => large.push(head),
  });
  for (let start = 0, cut = 0; start < bytes.length; cut++) {
    const size = sizes[cut % sizes.length]!;
    // A copy, as of a buffer that is used again.
    reader.take(Buffer.from(bytes.subarray(start, start + size)));
    start += size;
  }
  return { items, large, heads, envelope: reader.end() };
}

const LIST = { kind: 'PodList', apiVersion: 'v1' };
const METADATA = { resourceVersion: '7', continue: 'abc' };

const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 });
const text = fc.string({ unit: 'grapheme', minLength: 1 });
const time = fc.integer({ min: 1, max: 2 ** 33 });
const statuses = fc.array(time.map((seconds) => ({ state: { terminated: { finishedAt: seconds } } })));
const pod = fc.record(
  {
    metadata: fc.record(
      {
        ...{ name: text, namespace: text, uid: text, resourceVersion: text, creationTimestamp: time },
        deletionTimestamp: time,
        labels: fc.dictionary(text, fc.string()),
        ownerReferences: fc.array(fc.record({ kind: text, name: text, uid: text, controller: fc.boolean() })),
      },
      { requiredKeys: [] },
    ),
    spec: fc.record({ nodeName: text, hostNetwork: fc.boolean() }, { requiredKeys: [] }),
    status: fc.record(
      {
        ...{ phase: text, podIP: text, podIPs: fc.array(fc.record({ ip: text })), startTime: time },
        ...{ containerStatuses: statuses, initContainerStatuses: statuses, ephemeralContainerStatuses: statuses },
      },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: ['metadata'] },
);

/** Its times written as JSON has them (seconds here) or as they are read (milliseconds). */
function withTimes(value: unknown, write: (seconds: number) => unknown): unknown {
  if (typeof value === 'number') return write(value);
  if (Array.isArray(value)) return value.map((one) => withTimes(one, write));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, withTimes(one, write)]));
}

/** Lists without elements are not in messages at all; texts of no length are left out. */
function asRead(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asRead);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).filter(
    ([key, one]) =>
      !(Array.isArray(one) && one.length === 0) && !(key === 'labels' && Object.keys(one as object).length === 0),
  );
  return Object.fromEntries(members.map(([key, one]) => [key, asRead(one)]));
}

test('items and head are what was written, however the bytes are cut', () => {
  fc.assert(
    fc.property(fc.array(pod, { maxLength: 5 }), sizes, (pods, cuts) => {
      const written = pods.map((one) => withTimes(one, (seconds) => new Date(seconds * 1000).toISOString()));
      const bytes = protobufList('Pod', { ...LIST, metadata: METADATA, items: written as object as [] });
      const { items, heads, envelope } = read(bytes, cuts);
      expect(items).toEqual(pods.map((one) => asRead(withTimes(one, (seconds) => seconds * 1000))));
      expect([...heads, envelope]).toEqual([{ metadata: METADATA }, { metadata: METADATA }]);
    }),
  );
});

test('a label may have the name of what objects have', () => {
  const labels = Object.fromEntries([
    ['__proto__', 'a'],
    ['constructor', 'b'],
  ]);
  const items = [{ metadata: { labels } }];
  expect(read(protobufList('Pod', { ...LIST, metadata: METADATA, items }), [7]).items).toEqual(items);
});

test('what nobody reads is skipped, whatever its type', () => {
  const metadata = new BinaryWriter();
  metadata.tag(40, WireType.Varint).uint64(2n ** 63n);
  metadata.tag(41, WireType.Bit64).fixed64(7n).tag(42, WireType.Bit32).fixed32(7);
  metadata.tag(43, WireType.StartGroup).tag(1, WireType.Varint).int32(1).tag(43, WireType.EndGroup);
  metadata.tag(1, WireType.LengthDelimited).string('after');
  expect(read(listOf(itemOf(metadata)), [3]).items).toEqual([{ metadata: { name: 'after' } }]);
});

test('an item that is too large is not kept, costs no other, and says who it is', () => {
  const podNamed = (name: string, annotation = '') => ({
    metadata: { name, namespace: 'shop', uid: `uid-${name}`, resourceVersion: '5', annotations: { annotation } },
  });
  const items = [
    podNamed('a'),
    podNamed('large', 'x'.repeat(300_000)),
    podNamed('b'),
    podNamed('huge', 'y'.repeat(1e6)),
  ];
  const bytes = protobufList('Pod', { ...LIST, metadata: METADATA, items });
  for (const size of [1000, 65_536, 10_000_000]) {
    const said = read(bytes, [size], 200_000);
    expect(said.items.map(({ metadata }) => metadata?.name)).toEqual(['a', 'b']);
    expect(said.large).toEqual(
      ['large', 'huge'].map((name) => ({ namespace: 'shop', name, uid: `uid-${name}`, resourceVersion: '5' })),
    );
    expect(said.envelope).toEqual({ metadata: METADATA });
  }
});

describe('what is no list is refused', () => {
  const whole = protobufList('Pod', { ...LIST, metadata: METADATA, items: [{ metadata: { name: 'a' } }] });
  const text = new BinaryWriter().tag(1, WireType.LengthDelimited).string('a');
  const cases: readonly (readonly [string, Buffer, string])[] = [
    ['nothing', Buffer.alloc(0), 'it has not ended'],
    ['another format', Buffer.from('{"kind":"PodList"}'), 'it does not begin as one'],
    ['a cut frame', whole.subarray(0, 10), 'it has not ended'],
    ['a cut item', whole.subarray(0, whole.lastIndexOf('a')), 'it has not ended'],
    ['a number as an item', frameOf(new BinaryWriter().tag(2, WireType.Varint).int32(7)), 'a number stands'],
    [
      'an item longer than the list',
      frameOf(new BinaryWriter().tag(2, WireType.LengthDelimited).uint32(9)),
      'is longer',
    ],
    ['a length without end', Buffer.from('k8s\0\x12\xff\xff\xff\xff\xff\xff\x01', 'latin1'), 'a length is none'],
    [
      'a head without end',
      frameOf(new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(Buffer.alloc(70_000))),
      'head',
    ],
    ['a text where an object stands', listOf(new BinaryWriter().tag(1, WireType.Varint).int32(1)), 'cannot be read'],
    [
      'a field that ends beyond its object',
      listOf(new BinaryWriter().raw(Buffer.of(0x0a, 20, 0x0a, 90))),
      'cannot be read',
    ],
    [
      'a text that is an object',
      listOf(new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(Buffer.of(0x08, 1))),
      'cannot',
    ],
  ];
  for (const [name, bytes, message] of cases) {
    test(name, () => {
      expect(() => read(bytes, [5])).toThrow(message);
      expect(() => read(bytes, [100_000])).toThrow(message);
    });
  }
  test('but a text as metadata is what it says', () => {
    expect(read(listOf(itemOf(text)), [5]).items).toEqual([{ metadata: { name: 'a' } }]);
  });
});

function itemOf(metadata: BinaryWriter): BinaryWriter {
  return new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(metadata.finish());
}

function listOf(item: BinaryWriter): Buffer {
  const list = new BinaryWriter();
  list.tag(1, WireType.LengthDelimited).bytes(Buffer.of(0x12, 1, 0x37));
  return frameOf(list.tag(2, WireType.LengthDelimited).bytes(item.finish()));
}

function frameOf(list: BinaryWriter): Buffer {
  const frame = new BinaryWriter().tag(2, WireType.LengthDelimited).bytes(list.finish());
  return Buffer.concat([Buffer.from('k8s\0'), frame.finish()]);
}
