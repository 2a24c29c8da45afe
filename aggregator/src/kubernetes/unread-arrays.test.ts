import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createProjections, UNREAD_ARRAYS } from './projection.ts';
import type { RawObject } from './raw-objects.ts';
import { emptyArrays } from './unread-arrays.ts';

const UNREAD = new Map([
  ['managedFields', null],
  ['containers', null],
  ['statuses', 'finishedAt'],
]);

describe('an array that nobody reads is emptied', () => {
  const cases: readonly [string, string, string][] = [
    ['in the middle', '{"a":1,"containers":[{"b":2}],"c":3}', '{"a":1,"containers":[],"c":3}'],
    ['at the end', '{"a":1,"containers":[{"b":2}]}', '{"a":1,"containers":[]}'],
    ['at the beginning', '{"containers":[{"b":2}],"c":3}', '{"containers":[],"c":3}'],
    ['alone', '{"containers":[{"b":2}]}', '{"containers":[]}'],
    ['with arrays in it', '{"containers":[{"b":[],"c":[{"d":[1]}]},{"b":[2],"c":3}],"c":3}', '{"containers":[],"c":3}'],
    ['inside of others', '{"a":[{"b":1,"containers":[1]}]}', '{"a":[{"b":1,"containers":[]}]}'],
    ['one after another', '{"containers":[1],"managedFields":["a"]}', '{"containers":[],"managedFields":[]}'],
    ['after an array that is read', '{"a":[1],"containers":[1]}', '{"a":[1],"containers":[]}'],
    ['with braces and quotes in its texts', '{"containers":["}","\\"",","],"c":3}', '{"containers":[],"c":3}'],
    ['whatever is in it', '{"containers":[nothing],"c":3}', '{"containers":[],"c":3}'],
    ['unless it has a certain word', '{"statuses":[{"state":{}}]}', '{"statuses":[]}'],
  ];
  for (const [name, text, expected] of cases) {
    test(name, () => expect(emptyArrays(text, UNREAD)).toBe(expected));
  }
});

describe('it stays', () => {
  const cases: readonly [string, string][] = [
    ['with white space', '{"a":1, "containers": [{"b":2}]}'],
    ['with a closing bracket in a text', '{"a":1,"containers":["]"],"c":["]"]}'],
    ['with an opening bracket in a text', '{"a":1,"containers":["a":"x[","b"],"c":3}'],
    ['with brackets in a text as if it had arrays', '{"a":1,"containers":["\\"b\\":[],"],"c":3}'],
    ['with an array of arrays', '{"a":1,"containers":[[1]],"c":3}'],
    ['in a text', '{"a":",\\"containers\\":[1],","c":3}'],
    ['under a key that ends alike', '{"a":1,"x\\"containers":[1],"x,\\"containers":[1],"my containers":[1],"c":3}'],
    ['with the word', '{"a":1,"statuses":[{"finishedAt":1}]}'],
    ['with what may be the word', '{"a":1,"statuses":[{"finished\\u0041t":1}]}'],
    ['without an end', '{"a":1,"containers":[{"b":[1],"c":3}'],
    ['where it is read', '{"a":1,"podIPs":[{"ip":"10.0.0.1"}],"c":3}'],
    ['where it is none', '{"a":1,"containers":{"b":[1]},"managedFields":null}'],
  ];
  for (const [name, text] of cases) test(name, () => expect(emptyArrays(text, UNREAD)).toBe(text));
});

/** Text that looks like the ends of members. */
const text = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom(']},"a":', '],"a', ',"containers":[', 'a":[', '[', ']', '{', '}', '\\', '"', ',', ',"', 'finishedAt'),
  fc.string({ unit: fc.constantFrom('[', ']', '{', '}', '"', ',', ':', 'a', '\\', 'é', '€') }),
);
/** A key that is one escaped character: V8 13.6 (Node.js 24) now and then reads it as a backslash (list-pieces.test.ts). */
const ESCAPED_KEY = /[{,]\s*"\\(?:u[0-9a-f]{4}|.)":/;
const key = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...UNREAD.keys(), 'a', 'finishedAt', 'a.b/c') },
  text.filter((one) => !ESCAPED_KEY.test(`{${JSON.stringify(one)}:`)),
);
const { object } = fc.letrec<{ object: unknown; value: unknown; array: unknown }>((tie) => ({
  value: fc.oneof({ maxDepth: 6 }, text, fc.jsonValue({ maxDepth: 1 }), tie('array'), tie('object')),
  array: fc.array(tie('value'), { maxLength: 3 }),
  object: fc.dictionary(key, tie('value'), { maxKeys: 5 }),
}));

/** With any array under these keys empty: what nobody would miss. */
function emptied(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(emptied);
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      UNREAD.has(name) && Array.isArray(inner) ? [] : emptied(inner),
    ]),
  );
}

test('the rest is the same JSON, whatever is in it', () => {
  let shortened = 0;
  fc.assert(
    fc.property(object, fc.constantFrom(undefined, 1), (value, indent) => {
      const plain = JSON.stringify(value, undefined, indent);
      fc.pre(!ESCAPED_KEY.test(plain));
      const shorter = emptyArrays(plain, UNREAD);
      if (shorter !== plain) shortened++;
      expect(emptied(JSON.parse(shorter))).toEqual(emptied(JSON.parse(plain)));
    }),
    { numRuns: 2000 },
  );
  expect(shortened).toBeGreaterThan(50);
});

const SMALL = { maxLength: 3 };
const statuses = fc.array(
  fc.record(
    {
      name: text,
      ready: fc.boolean(),
      state: fc.record({ terminated: fc.record({ finishedAt: fc.constantFrom('2026-03-01T00:00:20Z', 'x') }) }),
    },
    { requiredKeys: [] },
  ),
  SMALL,
);
const containers = fc.array(
  fc.record({ name: text, args: fc.array(text, SMALL), env: fc.array(fc.record({ name: text })) }),
);
const rawPod = fc.record({
  metadata: fc.record(
    {
      ...{ name: text, uid: text, labels: fc.dictionary(fc.constantFrom('app', 'containers'), text) },
      annotations: fc.dictionary(fc.constantFrom('a', 'managedFields'), text),
      ownerReferences: fc.array(fc.record({ uid: text, name: text, controller: fc.boolean() }), SMALL),
      managedFields: fc.array(fc.dictionary(fc.constantFrom('f:a', 'fieldsV1'), fc.jsonValue()), SMALL),
    },
    { requiredKeys: ['name', 'uid', 'managedFields'] },
  ),
  spec: fc.record({ volumes: fc.array(fc.jsonValue(), SMALL), containers, nodeName: text, hostNetwork: fc.boolean() }),
  status: fc.record(
    {
      phase: fc.constantFrom('Running', 'Succeeded', 'Failed'),
      ...{ conditions: fc.array(fc.record({ type: text })), podIPs: fc.array(fc.record({ ip: fc.ipV4() }), SMALL) },
      ...{ containerStatuses: statuses, initContainerStatuses: statuses },
    },
    { requiredKeys: ['phase'] },
  ),
});

test('of a pod is kept what is kept of all of it', () => {
  const kind = { apiVersion: 'v1', kind: 'Pod' };
  const { pods } = createProjections({ podLabels: ['app', 'containers'], namespaceLabels: [], nodeLabels: [] });
  fc.assert(
    fc.property(rawPod, (pod) => {
      const plain = JSON.stringify(pod);
      fc.pre(!ESCAPED_KEY.test(plain));
      const shorter = emptyArrays(plain, UNREAD_ARRAYS.pods);
      expect(pods(JSON.parse(shorter) as RawObject, kind)).toEqual(pods(JSON.parse(plain) as RawObject, kind));
    }),
    { numRuns: 500 },
  );
});
