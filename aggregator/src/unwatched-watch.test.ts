import { expect, test } from 'vitest';
import { createPipelineCounters } from './pipeline-counters.ts';
import { watchUnwatched } from './unwatched-watch.ts';

const MINUTE_MS = 60_000;
const START_MS = 1_800_000_000_000;

/** A world with a clock: nodes as Kubernetes lists them, and when each was heard of. */
function world() {
  let nowMs = START_MS;
  let due: (() => void) | undefined;
  const state = {
    created: new Map<string, number>([
      ['n1', START_MS * 1000 - 1e12],
      ['n2', START_MS * 1000 - 1e12],
    ]),
    heard: (): Map<string, number> => new Map([['n1', nowMs]]),
  };
  const messages: string[] = [];
  const counters = createPipelineCounters();
  const watch = watchUnwatched(
    { silentMs: 10 * MINUTE_MS },
    {
      pipeline: { counters, nodesHeard: async () => state.heard() },
      index: {
        get nodesCreatedUs() {
          return state.created;
        },
      },
      log: { info: (_, message) => messages.push(message), warn: (_, message) => messages.push(message) },
      now: () => nowMs,
      schedule: (callback) => {
        due = callback;
        return () => {
          due = undefined;
        };
      },
    },
  );
  return {
    ...{ state, counters, watch, messages },
    async pass(minutes: number) {
      for (let minute = 0; minute < minutes; minute++) {
        nowMs += MINUTE_MS;
        due?.();
        for (let turn = 0; turn < 5; turn++) await Promise.resolve();
      }
      return watch.seen?.unwatched;
    },
    isDue: () => due !== undefined,
    now: () => nowMs,
  };
}

test('a node that nobody speaks for, once the process has looked for long enough; said once', async () => {
  const { pass, watch, messages } = world();
  expect(await pass(9)).toBeUndefined();
  expect(await pass(1)).toEqual(['n2']);
  await pass(5);
  expect(watch.seen).toEqual({ listed: 2, unwatched: ['n2'] });
  expect(messages).toEqual(['no agent speaks for these nodes: what they pay for is not in the table']);
});

test('a new node has the same time for its agent to come', async () => {
  const { pass, state, now } = world();
  await pass(20);
  state.created.set('n3', now() * 1000);
  expect(await pass(9)).toEqual(['n2']);
  expect(await pass(1)).toEqual(['n2', 'n3']);
});

test('a node that falls silent, comes back, or is gone', async () => {
  const { pass, state, now, messages } = world();
  const both = () => new Map([...state.created.keys()].map((name) => [name, now()]));
  state.heard = both;
  expect(await pass(20)).toEqual([]);
  const lastMs = now();
  state.heard = () => both().set('n2', lastMs);
  expect(await pass(9)).toEqual([]);
  expect(await pass(1)).toEqual(['n2']);
  state.heard = both;
  expect(await pass(1)).toEqual([]);
  state.heard = () => new Map();
  state.created.clear();
  expect(await pass(20)).toEqual([]);
  expect(messages).toEqual([expect.stringContaining('no agent speaks'), 'an agent speaks for each node again']);
});

test('after commits that failed, or a log that could not be read, silence proves nothing for as long as it takes', async () => {
  const { pass, state, counters } = world();
  expect(await pass(10)).toEqual(['n2']);
  counters.failedCommits++;
  expect(await pass(10)).toBeUndefined();
  expect(await pass(1)).toEqual(['n2']);
  const { heard } = state;
  state.heard = () => {
    throw new Error('the store is away');
  };
  expect(await pass(30)).toBeUndefined();
  state.heard = heard;
  expect(await pass(9)).toBeUndefined();
  expect(await pass(1)).toEqual(['n2']);
});

test('stops', async () => {
  const { pass, watch, isDue } = world();
  await pass(1);
  watch.stop();
  expect(isDue()).toBe(false);
});
