import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isNoNewer, KnownVersions, parseVersion } from './known-versions.ts';

test('versions are numbers where nothing is lost by it', () => {
  expect(parseVersion('7')).toBe(7);
  expect(parseVersion('999999999999999')).toBe(999_999_999_999_999);
  for (const text of ['', '0', '007', '9999999999999999', '1e3', 'a7']) expect(parseVersion(text)).toBe(text);
});

test('older and newer are known of numbers alone', () => {
  expect(isNoNewer(9, 10)).toBe(true);
  expect(isNoNewer(10, 10)).toBe(true);
  expect(isNoNewer(11, 10)).toBe(false);
  expect(isNoNewer('a', 'b')).toBe(false);
  expect(isNoNewer('a', 'a')).toBe(true);
  expect(isNoNewer(9, 'b')).toBe(false);
});

test('a list tells what is missing, whatever was noted before, during and in lists that failed', () => {
  const uid = fc.constantFrom('a', 'b', 'c', 'd', 'e');
  const lists = fc.array(fc.record({ uids: fc.uniqueArray(uid), whole: fc.boolean(), between: fc.array(uid) }));
  fc.assert(
    fc.property(lists, (steps) => {
      const known = new KnownVersions();
      const told = new Set<string>();
      for (const { uids, whole, between } of steps) {
        known.beginList();
        for (const each of uids) if (known.note(each, 1)) told.add(each);
        if (!whole) continue;
        const missing = known.endList();
        expect(missing.toSorted()).toEqual([...told].filter((each) => !new Set<string>(uids).has(each)).sort());
        for (const each of missing) told.delete(each);
        expect(known.size).toBe(told.size);
        for (const each of between) {
          if (known.has(each)) expect(known.forget(each)).toBe(told.delete(each));
          else {
            expect(known.note(each, 1)).toBe(true);
            told.add(each);
          }
        }
      }
    }),
  );
});

test('a version that is known is not news', () => {
  const known = new KnownVersions();
  expect(known.note('a', 1)).toBe(true);
  expect(known.note('a', 1)).toBe(false);
  expect(known.note('a', 2)).toBe(true);
});
