// How a node is judged, case by case: the minutes since its agent was heard, since its newest window, since Kubernetes has it.
import { describe, expect, test } from 'vitest';
import type { AgentHeard } from '../table/epoch-notes.ts';
import { judgeNodes, type NodeFacts, type NodeList, type NodeState } from './nodes.ts';

const MINUTE_MS = 60_000;
const NOW_MS = Date.UTC(2026, 0, 31, 12);
const ago = (minutes: number): number => NOW_MS - minutes * MINUTE_MS;

/** Ages in minutes. */
interface Case {
  readonly name: string;
  readonly heard?: number;
  readonly ended?: true;
  readonly newest?: number;
  readonly named?: true;
  /** Undefined: nobody says which nodes exist. */
  readonly list?: { readonly since?: number; readonly gone?: true };
  /** Undefined: it is not told of. */
  readonly state: NodeState | undefined;
}

function factsOf({ heard, ended, newest, named, list }: Case): NodeFacts {
  const agents = new Map<string, AgentHeard>();
  if (heard !== undefined) agents.set('n', { heardMs: ago(heard), hasEnded: ended === true });
  const row = {
    node: 'n',
    rowCount: newest !== undefined && newest < 60 ? 7n : 0n,
    newestWindowEndMs: ago(newest ?? 0),
  };
  const nodeList: NodeList | undefined = list && {
    source: 'endpoints',
    existing: new Map(list.since === undefined ? [] : [['n', ago(list.since)]]),
    isGone: () => list.gone === true,
  };
  return {
    agents,
    rows: new Map(newest === undefined ? [] : [['n', row]]),
    named: named ? ['n'] : [],
    list: nodeList,
  };
}

const cases: readonly Case[] = [
  { name: 'all is well', heard: 1, newest: 2, state: 'speaking' },
  { name: 'also where nobody has had rows', heard: 1, state: 'speaking' },
  { name: 'silent for nearly as long as it may', heard: 9, newest: 9, state: 'speaking' },
  { name: 'rows of an agent that the log does not name', newest: 2, state: 'speaking' },
  { name: 'it delivers what it kept', heard: 1, newest: 240, state: 'behind' },
  { name: 'silent without a word', heard: 11, newest: 11, state: 'stopped' },
  { name: 'silent without a word, before the period', heard: 61, newest: 61, state: undefined },
  { name: 'said Goodbye', heard: 11, newest: 11, ended: true, state: 'ended' },
  { name: 'just said Goodbye', heard: 1, newest: 1, ended: true, state: 'speaking' },
  { name: 'exists, and was never heard of', list: { since: 600 }, state: 'unwatched' },
  { name: 'exists, silent', heard: 11, newest: 11, list: { since: 600 }, state: 'unwatched' },
  { name: 'exists, silent since before the period', heard: 61, list: { since: 600 }, state: 'unwatched' },
  { name: 'exists, its agent said Goodbye', heard: 11, ended: true, list: { since: 600 }, state: 'unwatched' },
  { name: 'exists, and is new', list: { since: 9 }, state: 'new' },
  { name: 'exists, and speaks', heard: 1, newest: 1, list: { since: 600 }, state: 'speaking' },
  { name: 'does not exist any more', heard: 11, newest: 11, list: { gone: true }, state: 'gone' },
  { name: 'not known to the list', heard: 11, newest: 11, list: {}, state: 'stopped' },
  { name: 'rows name it, and nobody speaks for it', named: true, state: 'unwatched' },
  { name: 'rows name it, and it was removed', named: true, list: { gone: true }, state: 'gone' },
  { name: 'rows name it, and its agent is heard', heard: 1, named: true, state: 'speaking' },
  { name: 'nobody knows of it', state: undefined },
];

describe('a node, after ten minutes of patience in a period of an hour', () => {
  for (const one of cases) {
    test(one.name, () => {
      const found = judgeNodes(factsOf(one), { asOfMs: NOW_MS, sinceMs: ago(60), silentMs: 10 * MINUTE_MS });
      const expected = {
        node: 'n',
        state: one.state,
        rowCount: one.newest !== undefined && one.newest < 60 ? 7n : 0n,
        heardMs: one.heard === undefined ? null : ago(one.heard),
        newestWindowEndMs: one.newest === undefined ? null : ago(one.newest),
      };
      expect(found).toEqual(one.state === undefined ? [] : [expected]);
    });
  }
});
