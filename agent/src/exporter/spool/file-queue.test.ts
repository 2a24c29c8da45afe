import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FileQueue, finishReplacements } from './file-queue.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'flowtoll-queue-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A batch is text here: "flows:NAME:PADDING", or "loss:NAME" once its flows were given up. */
const batch = (name: string, size = 20) => Buffer.from(`flows:${name}:`.padEnd(size, '.'));
const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString().replace(/\.+$/, '');

function open(options: { bytesMax?: number; memoryBytesMax?: number; directory?: string } = {}) {
  const spooled: string[] = [];
  const problems: (string | undefined)[] = [];
  const damaged: number[] = [];
  const queue = new FileQueue({
    directory: join(root, options.directory ?? 'epoch'),
    bytesMax: options.bytesMax ?? 1e6,
    memoryBytesMax: options.memoryBytesMax ?? 1e6,
    sync: true,
    withoutFlows: ({ bytes }) => {
      const text = textOf(bytes);
      return text.startsWith('flows:') ? Buffer.from(`loss:${text.split(':')[1]}`) : undefined;
    },
    damaged: (sequence) => {
      damaged.push(sequence);
      return Buffer.from(`damaged:${sequence}`);
    },
    onSpooled: (checkpoint) => spooled.push(checkpoint),
    onDiskProblem: (problem) => problems.push(problem?.message),
  });
  return { queue, spooled, problems, damaged };
}

/** What waits, as [sequence, text]. */
function contents(queue: FileQueue): [number, string][] {
  const found: [number, string][] = [];
  for (let sequence = queue.firstSequence; sequence > 0 && sequence <= queue.lastSequence; sequence++) {
    found.push([sequence, textOf(queue.peekAfter(sequence - 1)!.bytes)]);
  }
  return found;
}

const fileOf = (sequence: number) => join(root, 'epoch', `${String(sequence).padStart(16, '0')}.batch`);

describe('batches survive the process', () => {
  test('with their numbers and the newest checkpoint', () => {
    const { queue, spooled } = open();
    for (const name of ['a', 'b', 'c']) queue.append(batch(name), `checkpoint-${name}`);
    queue.dropThrough(1);
    expect(spooled).toEqual(['checkpoint-a', 'checkpoint-b', 'checkpoint-c']);
    const again = open().queue;
    expect(contents(again)).toEqual([
      [2, 'flows:b:'],
      [3, 'flows:c:'],
    ]);
    expect(again.lastCheckpoint).toBe('checkpoint-c');
  });

  test('numbers go on when all was acknowledged', () => {
    const { queue } = open();
    for (const name of ['a', 'b']) queue.append(batch(name), name);
    queue.dropThrough(2);
    expect(readdirSync(join(root, 'epoch'))).toEqual(['last']);
    const again = open().queue;
    expect([again.count, again.firstSequence, again.lastSequence, again.lastCheckpoint]).toEqual([0, 0, 2, 'b']);
    again.append(batch('c'));
    expect(contents(again)).toEqual([[3, 'flows:c:']]);
  });

  test('in a new epoch when it has to be', () => {
    const { queue } = open();
    for (const name of ['a', 'b', 'c']) queue.append(batch(name), name);
    queue.dropThrough(1);
    queue.renumber((bytes, sequence) => Buffer.from(`${textOf(bytes)}as ${sequence}`), 'next');
    expect(existsSync(join(root, 'epoch'))).toBe(false);
    const again = open({ directory: 'next' }).queue;
    expect(contents(again)).toEqual([
      [1, 'flows:b:as 1'],
      [2, 'flows:c:as 2'],
    ]);
    expect(again.lastCheckpoint).toBe('c');
  });
});

test('a new epoch without batches keeps the checkpoint', () => {
  const { queue } = open();
  queue.append(batch('a'), '7');
  queue.dropThrough(1);
  queue.renumber((bytes) => bytes, 'next');
  const again = open({ directory: 'next' }).queue;
  expect([again.lastSequence, again.lastCheckpoint]).toEqual([0, '7']);
});

test('a crash while a new epoch takes over leaves its batches in one of the two', () => {
  const { queue } = open();
  for (const name of ['a', 'b']) queue.append(batch(name), name);
  cpSync(join(root, 'epoch'), join(root, 'copy'), { recursive: true });
  queue.renumber((bytes) => bytes, 'next');
  // As if it had died before the old folder was removed …
  renameSync(join(root, 'copy'), join(root, 'epoch'));
  writeFileSync(join(root, 'next', 'replaces'), 'epoch');
  // … and, another time, while the new one was being made.
  mkdirSync(join(root, 'third.draft'));
  finishReplacements(root);
  expect(readdirSync(root)).toEqual(['next']);
  expect(contents(open({ directory: 'next' }).queue).length).toBe(2);
});

describe('damage', () => {
  const three = () => {
    const { queue } = open();
    for (const name of ['a', 'b', 'c']) queue.append(batch(name), name);
  };
  const flip = (path: string, at: number) => {
    const bytes = readFileSync(path);
    bytes[at]! ^= 1;
    writeFileSync(path, bytes);
  };
  const cases: { name: string; damage: () => void; expected: [number, string][] }[] = [
    {
      name: 'a flipped bit',
      damage: () => flip(fileOf(2), 20),
      expected: [
        [1, 'flows:a:'],
        [2, 'damaged:2'],
        [3, 'flows:c:'],
      ],
    },
    {
      name: 'a torn tail',
      damage: () => truncateSync(fileOf(3), 17),
      expected: [
        [1, 'flows:a:'],
        [2, 'flows:b:'],
        [3, 'damaged:3'],
      ],
    },
    {
      name: 'a missing file',
      damage: () => rmSync(fileOf(2)),
      expected: [
        [1, 'flows:a:'],
        [2, 'damaged:2'],
        [3, 'flows:c:'],
      ],
    },
    {
      name: 'a write that a crash cut',
      damage: () => writeFileSync(`${fileOf(4)}.tmp`, 'half'),
      expected: [
        [1, 'flows:a:'],
        [2, 'flows:b:'],
        [3, 'flows:c:'],
      ],
    },
  ];
  for (const { name, damage, expected } of cases) {
    test(`${name}: a loss takes the number, and nothing else is touched`, () => {
      three();
      damage();
      const { queue, damaged } = open();
      expect(contents(queue)).toEqual(expected);
      expect(damaged).toEqual(expected.filter(([, text]) => text.startsWith('damaged')).map(([sequence]) => sequence));
      expect(contents(open().queue)).toEqual(expected);
    });
  }

  test('what a later version wrote is refused', () => {
    three();
    const bytes = readFileSync(fileOf(1));
    bytes[3] = '2'.charCodeAt(0);
    writeFileSync(fileOf(1), bytes);
    expect(() => open()).toThrow(
      expect.objectContaining({
        code: 'SPOOL_INVALID',
        message: expect.stringMatching(/a later version of the agent/),
      }),
    );
  });
});

describe('a disk that cannot be written', () => {
  /** Makes the folder unusable for whoever we are: root writes to read-only folders, but not to a file as a folder. */
  function breakDisk() {
    rmSync(join(root, 'epoch'), { recursive: true });
    writeFileSync(join(root, 'epoch'), 'not a folder');
  }

  test('batches wait in memory, in order, and go to disk when it can be written again', () => {
    const { queue, spooled, problems } = open();
    breakDisk();
    queue.append(batch('a'), 'a');
    queue.append(batch('b'), 'b');
    expect(spooled).toEqual([]);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/ENOTDIR|EEXIST/);
    expect(contents(queue)).toEqual([
      [1, 'flows:a:'],
      [2, 'flows:b:'],
    ]);
    rmSync(join(root, 'epoch'));
    open();
    queue.append(batch('c'), 'c');
    expect(spooled).toEqual(['a', 'b', 'c']);
    expect(problems).toEqual([problems[0], undefined]);
    expect(contents(open().queue).length).toBe(3);
  });

  test('that a file could be removed does not mean that it can be written again', () => {
    const { queue, problems } = open();
    queue.append(batch('a'), 'a');
    // Nothing can be written in the place of a folder.
    mkdirSync(join(root, 'epoch', '0000000000000002.batch.tmp'));
    queue.append(batch('b'), 'b');
    expect(queue.dropThrough(1)).toBe(1);
    expect(problems).toHaveLength(1);
    rmSync(join(root, 'epoch', '0000000000000002.batch.tmp'), { recursive: true });
    queue.append(batch('c'), 'c');
    expect(problems).toEqual([problems[0], undefined]);
  });

  test('memory is bounded: the oldest flows become losses', () => {
    const { queue } = open({ memoryBytesMax: 100 });
    breakDisk();
    for (let i = 0; i < 9; i++) queue.append(batch(`n${i}`));
    expect(queue.unwrittenBytes).toBeLessThanOrEqual(100);
    expect(contents(queue).map(([, text]) => text.split(':')[0])).toContain('loss');
    expect(contents(queue).at(-1)).toEqual([9, 'flows:n8:']);
  });
});

test('a batch for which there is no room leaves no checkpoint: nothing goes on from behind it', () => {
  const { queue, spooled } = open({ bytesMax: 30 });
  expect(queue.append(Buffer.from('loss:a'), '1')).toBe(true);
  expect(queue.append(Buffer.from('loss:that is too long for it'), '2')).toBe(false);
  expect([spooled, queue.lastCheckpoint]).toEqual([['1'], '1']);
  expect(open().queue.lastCheckpoint).toBe('1');
  queue.dropThrough(1);
  expect(queue.append(Buffer.from('loss:one that is too long, even alone'), '3')).toBe(false);
  expect([spooled, queue.lastCheckpoint]).toEqual([['1'], '1']);
  expect(open().queue).toMatchObject({ lastSequence: 1, lastCheckpoint: '1' });
});

describe('properties', () => {
  const action = fc.oneof(
    { weight: 5, arbitrary: fc.record({ do: fc.constant('append' as const), size: fc.integer({ min: 12, max: 90 }) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('drop' as const), count: fc.integer({ min: 0, max: 5 }) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('reject' as const), ahead: fc.integer({ min: 0, max: 3 }) }) },
  );

  test('whatever is done, no number is missing, names stay, and a restart changes nothing', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
        rmSync(join(root, 'epoch'), { recursive: true, force: true });
        let { queue } = open({ bytesMax: 400 });
        const names = new Map<number, string>();
        let dropped = 0;
        for (const one of actions) {
          if (one.do === 'append') {
            const sequence = queue.lastSequence + 1;
            if (queue.append(batch(`b${sequence}`, one.size), `c${sequence}`)) names.set(sequence, `b${sequence}`);
          } else if (one.do === 'drop') {
            dropped = Math.min(queue.lastSequence, Math.max(dropped, dropped + one.count));
            queue.dropThrough(dropped);
          } else if (one.do === 'reject') queue.giveUp(queue.firstSequence + one.ahead, 'rejected');
          else {
            const before = [contents(queue), queue.lastSequence, queue.lastCheckpoint];
            ({ queue } = open({ bytesMax: 400 }));
            expect([contents(queue), queue.lastSequence, queue.lastCheckpoint]).toEqual(before);
          }
          const found = contents(queue);
          expect(found.map(([sequence]) => sequence)).toEqual(
            Array.from({ length: queue.lastSequence - dropped }, (_, i) => dropped + 1 + i),
          );
          for (const [sequence, text] of found) expect(text.split(':')[1]).toBe(names.get(sequence));
        }
      }),
      { numRuns: 60 },
    );
  });
});
