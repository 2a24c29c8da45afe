import { describe, expect, test } from 'vitest';
import { LayoutDetector } from './layout-detector.ts';

interface Sample {
  readonly protocol?: number;
  readonly flags?: number;
  /** Words 0 to 3 of the value. */
  readonly words: readonly [number, number, number, number];
}

/** Answered connections of each layout. */
const DIRECTIONAL: Sample = { words: [8, 3000, 10, 5000] };
const MERGED: Sample = { words: [0, 0, 18, 8000] };

function verdict(samples: readonly Sample[], isV6 = false) {
  const detector = new LayoutDetector();
  for (const { protocol = 6, flags = 0, words } of samples) {
    const key = new DataView(new ArrayBuffer(isV6 ? 38 : 14));
    key.setUint8(isV6 ? 36 : 12, protocol);
    key.setUint8(isV6 ? 37 : 13, flags);
    const value = new DataView(new ArrayBuffer(56));
    for (const [i, word] of words.entries()) value.setBigUint64(i * 8, BigInt(word), true);
    detector.look(key, 0, value, 0, isV6);
  }
  return detector.verdict;
}

const times = (count: number, sample: Sample) => Array.from({ length: count }, () => sample);

describe('layout', () => {
  test.each([false, true])('is told by connections that were answered (IPv6: %s)', (isV6) => {
    expect(verdict(times(5, DIRECTIONAL), isV6)).toBe('directional');
    expect(verdict(times(5, MERGED), isV6)).toBe('merged');
  });

  test('a few look otherwise: nobody answered, or an address was translated', () => {
    expect(verdict([...times(9, DIRECTIONAL), { words: [0, 0, 6, 360] }])).toBe('directional');
    expect(verdict([...times(9, MERGED), { words: [0x0900000a, 0, 6, 360] }])).toBe('merged');
    expect(verdict([...times(9, MERGED), { words: [0xfd, 0x09000000, 6, 360] }])).toBe('merged');
  });

  test('nothing is concluded from few, or from contradictions', () => {
    expect(verdict(times(4, DIRECTIONAL))).toBe('undecided');
    expect(verdict([...times(6, DIRECTIONAL), ...times(6, MERGED)])).toBe('undecided');
  });

  test.each<[string, Sample]>([
    ['UDP, which need not be answered', { protocol: 17, words: [0, 0, 9, 900] }],
    ['services', { flags: 4, words: [0, 3, 9, 900] }],
    ['errors', { flags: 2, words: [0, 0, 9, 900] }],
    ['connections that have just begun', { words: [0, 0, 3, 180] }],
    ['entries that count nothing', { words: [0, 0, 0, 0] }],
  ])('nothing is concluded from %s', (_, sample) => {
    expect(verdict(times(50, sample))).toBe('undecided');
  });
});
