import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planCommit } from './commit-plan.ts';

const batch = (epoch: string, sequence: number) => ({ epoch, sequence });
const names = (batches: readonly { epoch: string; sequence: number }[]) =>
  batches.map(({ epoch, sequence }) => `${epoch}${sequence}`).sort();

describe('the fence', () => {
  const cases = [
    { name: 'first batch', batches: ['a1'], accepted: ['a1'], duplicates: [], refused: [] },
    {
      name: 'a run in any order',
      batches: ['a3', 'a1', 'a2'],
      accepted: ['a1', 'a2', 'a3'],
      duplicates: [],
      refused: [],
    },
    { name: 'a gap', batches: ['a1', 'a3'], accepted: ['a1'], duplicates: [], refused: ['a3 wants 2'] },
    { name: 'not the first', batches: ['a2'], accepted: [], duplicates: [], refused: ['a2 wants 1'] },
    { name: 'committed before', batches: ['c5', 'c6'], accepted: ['c6'], duplicates: ['c5'], refused: [] },
    { name: 'twice in the call', batches: ['a1', 'a1'], accepted: ['a1'], duplicates: ['a1'], refused: [] },
    { name: 'one epoch’s gap', batches: ['a2', 'c6'], accepted: ['c6'], duplicates: [], refused: ['a2 wants 1'] },
    {
      name: 'all behind a gap',
      batches: ['c7', 'c8'],
      accepted: [],
      duplicates: [],
      refused: ['c7 wants 6', 'c8 wants 6'],
    },
  ];
  for (const { name, batches, accepted, duplicates, refused } of cases) {
    test(name, () => {
      const plan = planCommit(
        batches.map((text) => batch(text.slice(0, 1), Number(text.slice(1)))),
        (epoch) => (epoch === 'c' ? 5 : 0),
      );
      expect(names(plan.accepted)).toEqual(accepted);
      expect(names(plan.duplicates)).toEqual(duplicates);
      expect(
        plan.refused.map(({ batch: b, expectedSequence }) => `${b.epoch}${b.sequence} wants ${expectedSequence}`),
      ).toEqual(refused);
      expect(plan.refused.every(({ error }) => error.code === 'BATCH_OUT_OF_ORDER')).toBe(true);
    });
  }
});

test('whatever comes: each batch ends in one list, and per epoch the accepted ones continue what is committed', () => {
  const batches = fc.array(
    fc.record({ epoch: fc.constantFrom('a', 'b', 'c'), sequence: fc.integer({ min: 1, max: 8 }) }),
  );
  fc.assert(
    fc.property(batches, fc.nat({ max: 5 }), (given, committed) => {
      const plan = planCommit(given, () => committed);
      expect(plan.accepted.length + plan.duplicates.length + plan.refused.length).toBe(given.length);
      for (const epoch of new Set(given.map((b) => b.epoch))) {
        const sequences = plan.accepted.filter((b) => b.epoch === epoch).map((b) => b.sequence);
        expect(sequences).toEqual(sequences.map((_, i) => committed + 1 + i));
        expect(plan.highest.get(epoch)).toBe(committed + sequences.length);
      }
    }),
  );
});
