import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createPieceReader } from './list-pieces.ts';
import { emptyArrays } from './unread-arrays.ts';

/** Takes the text in chunks of these sizes. `slow`: items that were told apart by their brackets. */
function read(
  text: string,
  sizes: readonly number[],
  itemBytesMax = 100_000,
  shorten: (text: string) => string = (plain) => plain,
) {
  const items: unknown[] = [];
  let slow = 0;
  const parse = (piece: string): unknown => {
    slow++;
    return JSON.parse(piece);
  };
  const large: string[] = [];
  const reader = createPieceReader({
    ...{ itemBytesMax, parse, shorten },
    onItem: (item) => items.push(item),
    onLarge: (beginning) => large.push(beginning),
    onHead: () => undefined,
  });
  const bytes = Buffer.from(text);
  for (let start = 0, cut = 0; start < bytes.length; cut++) {
    const size = sizes[cut % sizes.length]!;
    // A copy, as of a buffer that is used again.
    reader.take(Buffer.from(bytes.subarray(start, start + size)));
    start += size;
  }
  return { items, large, envelope: JSON.parse(reader.end()) as unknown, slow };
}

const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 });
/** Text that looks like what ends an item. */
const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('},{"metadata":', '}', '\\', '"', ']}'));
/**
 * A key that is one escaped character. V8 13.6 (Node.js 24) now and then reads it as a backslash, by what it has parsed before:
 * JSON.parse does not answer alike twice. No object of Kubernetes has such keys.
 */
const ESCAPED_KEY = /[{,]\s*"\\(?:u[0-9a-f]{4}|.)":/;
const key = text.filter((one) => !ESCAPED_KEY.test(`{${JSON.stringify(one)}:`));
const nested = fc.array(fc.record({ metadata: fc.record({ name: text }) }), { maxLength: 3 });
const item = fc.record({
  metadata: fc.record({ name: text, annotations: fc.dictionary(key, text) }),
  spec: fc.record({ templates: nested, value: fc.jsonValue(), unread: nested }),
});
const head = fc.constantFrom(
  { kind: 'PodList', apiVersion: 'v1', metadata: { resourceVersion: '7', continue: 'abc', remainingItemCount: 5 } },
  { kind: 'EndpointSliceList', apiVersion: 'discovery.k8s.io/v1', metadata: { resourceVersion: '7' } },
  { metadata: {} },
  // Not as servers write it.
  { metadata: { resourceVersion: '"7"', labels: { a: 'b' } }, columns: [{ metadata: 1 }, { metadata: 2 }] },
  {},
);

test('items and envelope are those of JSON.parse, however the bytes are cut', () => {
  fc.assert(
    fc.property(fc.array(item), head, fc.constantFrom(undefined, 1), sizes, (items, around, indent, cuts) => {
      const list = { ...around, items };
      const plain = JSON.stringify(list, undefined, indent);
      fc.pre(!ESCAPED_KEY.test(plain));
      const said = read(plain, cuts);
      expect(said.items).toEqual((JSON.parse(plain) as typeof list).items);
      expect(said.envelope).toEqual({ ...(JSON.parse(plain) as object), items: [] });
    }),
  );
});

test('the same with arrays emptied that nobody reads', () => {
  const emptied = <T extends { spec: object }>({ spec, ...rest }: T) => ({ ...rest, spec: { ...spec, unread: [] } });
  const shorten = (plain: string) => emptyArrays(plain, new Map([['unread', null]]));
  let shortened = 0;
  fc.assert(
    fc.property(fc.array(item), sizes, (items, chunks) => {
      const plain = JSON.stringify({ metadata: { resourceVersion: '7' }, items });
      fc.pre(!ESCAPED_KEY.test(plain));
      const all = (JSON.parse(plain) as { items: typeof items }).items;
      const said = read(plain, chunks, 100_000, shorten).items as typeof items;
      shortened += said.filter(({ spec }, i) => spec.unread.length < all[i]!.spec.unread.length).length;
      expect(said.map(emptied)).toEqual(all.map(emptied));
    }),
  );
  expect(shortened).toBeGreaterThan(10);
});

test('of a list as servers write it only the head and the last item are read by brackets', () => {
  const items = Array.from({ length: 20 }, (_, i) => ({ metadata: { name: `pod-${i}` }, spec: { node: 'a' } }));
  const list = { kind: 'PodList', apiVersion: 'v1', metadata: { resourceVersion: '7' }, items };
  expect(read(JSON.stringify(list), [100])).toEqual({ items, large: [], envelope: { ...list, items: [] }, slow: 2 });
  expect(read(JSON.stringify(list, undefined, 2), [100]).slow).toBe(20);
});

test('an item that is too large is not kept, and costs no other', () => {
  const large = { a: 'x'.repeat(3_000_000) };
  const list = { metadata: { resourceVersion: '7' }, items: [{ a: 1 }, large, { a: 2 }, { a: 3 }, large] };
  for (const indent of [undefined, 1]) {
    for (const size of [1000, 65_536, 10_000_000]) {
      const said = read(JSON.stringify(list, undefined, indent), [size], 2_000_000);
      expect(said.items).toEqual([{ a: 1 }, { a: 2 }, { a: 3 }]);
      expect(said.large.map((text) => text.replaceAll(/\s/g, '').slice(0, 7))).toEqual(['{"a":"x', '{"a":"x']);
      expect(said.envelope).toEqual({ ...list, items: [] });
    }
  }
});

test('what does not end, or is no JSON, is no list', () => {
  const start = '{"metadata":{},"items":[';
  for (const cut of [`${start}{"a":1},{"a"`, `${start}{"a":1}`, start, '{"a":"', '']) {
    expect(() => read(cut, [5])).toThrow('the answer is not a list of the Kubernetes API');
  }
  expect(() => read(`${start}{"a":1},{"a":nothing}]}`, [5])).toThrow(SyntaxError);
});
