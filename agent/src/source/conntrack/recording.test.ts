import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ConntrackConsumer } from './consumer.ts';
import { datagram, done } from './messages.testing.ts';
import { Recorder, Recording } from './recording.ts';

const ORIGIN = { kernel: 'Linux 6.18', command: 'x', date: '2026-11-23T00:00:00Z', node: 'n1', timestamps: true };

/** Notes what it is told. */
function notes() {
  const said: unknown[][] = [];
  const bytes = (words: Int32Array, offset: number, length: number) =>
    Buffer.from(words.buffer, words.byteOffset + offset, length).toString('hex');
  const consumer: ConntrackConsumer = {
    dumpBegin: (timeUs) => said.push(['begin', timeUs]),
    dumpDatagram: (words, length) => {
      said.push(['dump', bytes(words, 0, length)]);
      return 'more';
    },
    dumpEnd: (timeUs, complete) => said.push(['end', timeUs, complete]),
    eventDatagram: (words, offset, length) => said.push(['event', bytes(words, offset, length)]),
    eventsDropped: (timeUs, events) => said.push(['dropped', timeUs, events]),
    eventsDelayed: (timeUs) => said.push(['delayed', timeUs]),
  };
  return { said, consumer };
}

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'flowtoll-recording-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function record(say: (consumer: ConntrackConsumer) => void) {
  const path = join(directory, `r${Math.random()}.ftct`);
  const live = notes();
  const recorder = new Recorder(path, ORIGIN, live.consumer, () => 5);
  say(recorder);
  recorder.close();
  return { path, said: live.said };
}

function sayEverything(consumer: ConntrackConsumer) {
  const { words, length } = datagram(done());
  consumer.dumpBegin(1e15 + 1);
  consumer.dumpDatagram(words, length);
  consumer.eventDatagram(words, 4, 7);
  consumer.eventsDropped(1e15 + 2, 77);
  consumer.eventsDropped(1e15 + 2, undefined);
  consumer.eventsDelayed(1e15 + 2);
  consumer.dumpEnd(1e15 + 3, true);
  consumer.dumpEnd(1e15 + 4, false);
}

describe('recordings', () => {
  test('say again what was said', () => {
    const { path, said } = record(sayEverything);
    const recording = Recording.open(path);
    const again = notes();
    expect(recording.replay(again.consumer)).toBe(true);
    expect(again.said).toEqual(said);
    expect(recording.origin).toEqual(ORIGIN);
  });

  test('a file that was cut says what is whole, and that it was cut', () => {
    const { path, said } = record(sayEverything);
    const bytes = readFileSync(path);
    const again = notes();
    expect(new Recording(bytes.subarray(0, bytes.length - 1), 'cut').replay(again.consumer)).toBe(false);
    expect(again.said).toEqual(said.slice(0, -1));
  });

  test('an existing file is not overwritten', () => {
    const { path } = record(() => {});
    expect(() => new Recorder(path, ORIGIN, notes().consumer, () => 0)).toThrow(/cannot make/);
  });

  for (const [name, bytes, error] of [
    ['nothing', new Uint8Array(0), /not a conntrack recording/],
    ['another file', new TextEncoder().encode('PAR1 and more of it'), /not a conntrack recording/],
    ['a later version', Uint8Array.of(0x46, 0x54, 0x43, 0x54, 9, 0, 0, 0, 0, 0, 0, 0), /has version 9/],
    ['a cut header', Uint8Array.of(0x46, 0x54, 0x43, 0x54, 1, 0, 0, 0, 9, 0, 0, 0), /ends within its header/],
  ] as const) {
    test(`${name} is refused`, () => {
      expect(() => new Recording(bytes, 'file')).toThrow(
        expect.objectContaining({ code: 'RECORDING_INVALID', message: expect.stringMatching(error) }),
      );
    });
  }

  const withOrigin = (origin: string) => {
    const text = new TextEncoder().encode(origin);
    return Uint8Array.of(0x46, 0x54, 0x43, 0x54, 1, 0, 0, 0, text.length, 0, 0, 0, ...text);
  };
  for (const origin of ['null', '5', '[]', '{}', '{"node":"n1"}']) {
    test(`a header that says ${origin} is refused`, () => {
      expect(() => new Recording(withOrigin(origin), 'file')).toThrow(
        expect.objectContaining({ code: 'RECORDING_INVALID', message: expect.stringMatching(/its header lacks/) }),
      );
    });
  }

  for (const time of [Number.NaN, Number.POSITIVE_INFINITY, -1, 1e300]) {
    test(`a record of the time ${time} is damage`, () => {
      const record = new DataView(new ArrayBuffer(16));
      record.setUint32(0, 1, true);
      record.setFloat64(8, time, true);
      const bytes = Uint8Array.of(...withOrigin(JSON.stringify(ORIGIN)), ...new Uint8Array(record.buffer));
      expect(() => new Recording(bytes, 'file').replay(notes().consumer)).toThrow(
        expect.objectContaining({ code: 'RECORDING_INVALID', message: expect.stringMatching(/damaged/) }),
      );
    });
  }

  test('a file that cannot be written on says so', () => {
    const recorder = new Recorder(join(directory, 'closed'), ORIGIN, notes().consumer, () => 5);
    recorder.close();
    expect(() => recorder.dumpBegin(1)).toThrow(
      expect.objectContaining({ code: 'RECORDING_INVALID', message: expect.stringMatching(/cannot write .*closed/) }),
    );
  });

  test('any damage is found or harmless, never a crash', () => {
    const whole = readFileSync(record(sayEverything).path);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 5 }), (changes) => {
        const bytes = Uint8Array.from(whole);
        for (const [at, value] of changes) bytes[at] = value;
        try {
          new Recording(bytes, 'file').replay(notes().consumer);
        } catch (error) {
          expect(error).toMatchObject({ code: 'RECORDING_INVALID' });
        }
      }),
      { numRuns: 500 },
    );
  });
});
