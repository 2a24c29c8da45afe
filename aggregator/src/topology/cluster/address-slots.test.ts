import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AddressSlots } from './address-slots.ts';

const address = fc.oneof(
  fc.ipV4(),
  fc.constantFrom(
    '0.0.0.0',
    '255.255.255.255',
    '10.0.0.1',
    '10.0.0.1/32',
    '10.0.0.0/24',
    '::ffff:10.0.0.1',
    'fd00::1',
    '010.0.0.1',
  ),
);

test('addresses have the numbers that a Map would give', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(address, fc.boolean()), { maxLength: 200 }), (steps) => {
      const slots = new AddressSlots();
      const model = new Map<string, number>();
      steps.forEach(([each, goes], i) => {
        expect(slots.get(each)).toBe(model.get(each) ?? -1);
        if (goes) {
          slots.delete(each);
          model.delete(each);
        } else {
          slots.set(each, i);
          model.set(each, i);
        }
        expect(slots.size).toBe(model.size);
      });
      for (const [each, slot] of model) expect(slots.get(each)).toBe(slot);
    }),
  );
});
