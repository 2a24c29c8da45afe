// What of a cluster's status needs attention, in plain words, and what to do about it. Pure; every limit is passed in.

import { ageText } from '../model/age-text.ts';
import type { LossRows } from '../query/recent-rows.ts';
import { printable } from '../query/text-table.ts';
import { countText } from '../query/units.ts';
import type { NodeStatus } from './nodes.ts';
import type { ClusterStatus } from './status.ts';

/** Stable; programs may look at them. */
export type FindingCode =
  | 'no-flows' // no agent has delivered anything, as far as the log remembers
  | 'stalled' // the newest flows are old
  | 'roll-up-behind' // hours that are over are not in costs_hourly
  | 'roll-up-broken' // what costs_hourly lacks can never get there
  | 'nodes-unwatched' // nodes exist, and no agent speaks for them
  | 'nodes-stopped' // agents fell silent without a word
  | 'nodes-behind' // agents are heard, and their newest rows are old
  | 'losses'; // rows say that traffic is missing

export interface Finding {
  readonly code: FindingCode;
  /** What is so. */
  readonly text: string;
  /** What to do. */
  readonly action: string;
}

export interface FindingRules {
  /** How old the newest flows may be, ms. */
  readonly stalledMs: number;
  /** For how long an hour that is over may be missing in `costs_hourly`, ms. */
  readonly behindMs: number;
}

/** Nodes that are named in a text. */
const NODES_MAX = 10;

/** The gravest first; none: all is well. */
export function findingsOf(status: ClusterStatus, nowMs: number, rules: FindingRules): Finding[] {
  return [
    ...flowFindings(status, nowMs, rules),
    ...nodeFindings(status),
    ...lossFindings(status.losses),
    ...rollUpFindings(status, nowMs, rules),
  ];
}

function flowFindings({ newestBatchMs }: ClusterStatus, nowMs: number, { stalledMs }: FindingRules): Finding[] {
  if (newestBatchMs === null) {
    return [
      {
        code: 'no-flows',
        text: 'no agent has delivered anything, or not in the last 30 days',
        action:
          'start flowtoll-agent on the nodes, with the address of the aggregator (--aggregator); the log of flowtoll serve says ' +
          '"agent connected" for each that reaches it',
      },
    ];
  }
  if (nowMs - newestBatchMs <= stalledMs) return [];
  return [
    {
      code: 'stalled',
      text: `no flows have come for ${ageText(nowMs - newestBatchMs)}`,
      action:
        'see whether flowtoll serve runs and can write this store (its log, /readyz), and whether the agents reach it; meanwhile they ' +
        'keep what they have. Nodes are judged as they were when the last flows came',
    },
  ];
}

function nodeFindings({ nodes, nodesListedBy, asOfMs }: ClusterStatus): Finding[] {
  const found: Finding[] = [];
  const find = (
    code: FindingCode,
    state: NodeStatus['state'],
    text: (names: string, count: number) => string,
    action: string,
  ) => {
    const some = nodes.filter((node) => node.state === state);
    if (some.length === 0) return;
    const names = some.slice(0, NODES_MAX).map((node) => `${printable(node.node)} (${silence(node, asOfMs)})`);
    const more = some.length - names.length;
    found.push({ code, text: text(names.join(', ') + (more > 0 ? ` and ${more} more` : ''), some.length), action });
  };
  find(
    'nodes-unwatched',
    'unwatched',
    (names, count) =>
      `no agent speaks for ${count} ${plural(count, 'node')}: ${names}; what they pay for is not in the table`,
    'see whether the agent runs there (taints, resources, its log), and whether it reaches the aggregator' +
      (nodesListedBy === 'endpoints'
        ? '; the nodes are those that aggregators recorded: --kubernetes asks for those of now'
        : ''),
  );
  find(
    'nodes-stopped',
    'stopped',
    (names, count) => `${count} ${plural(count, 'agent')} fell silent: ${names}`,
    'where the node was removed nothing is to be done; else see whether its agent runs. --kubernetes tells which nodes exist',
  );
  find(
    'nodes-behind',
    'behind',
    (names, count) => `the newest rows of ${count} ${plural(count, 'node')} are old: ${names}`,
    'wait, where the agent delivers what it kept through an outage; where that does not get less, see its log and ' +
      'flowtoll_agent metrics. A node without any traffic is all right',
  );
  return found;
}

function silence({ state, heardMs, newestWindowEndMs }: NodeStatus, asOfMs: number): string {
  if (state === 'behind') return `${ageText(asOfMs - newestWindowEndMs!)} old`;
  const lastMs = heardMs ?? newestWindowEndMs;
  return lastMs === null ? 'never heard of' : `silent for ${ageText(asOfMs - lastMs)}`;
}

/** What keeps a loss from coming again; where only its reason says so. */
const LOSS_ACTIONS: Readonly<Record<string, string>> = {
  'events-dropped': 'raise --event-buffer of the agents, or give them more CPU',
  vanished: 'see whether something flushes connection tracking on these nodes (conntrack -F)',
  'no-counters': 'nothing, where these connections began before the agent did; else keep nf_conntrack_acct on',
  'counters-reset': 'stop what zeroes the kernel’s counters (conntrack -L -z)',
  'agent-away': 'nothing, after an agent was restarted or upgraded; else see why it ended (its log, memory limit)',
  undecodable: 'report it with the kernel’s version: its records cannot be read',
  'queue-full': 'raise --spool-size of the agents, or end what keeps them from the aggregator',
  rejected: 'see the log of flowtoll serve: it says what it could not take',
  unencodable: 'see the log of the agent: it says what it could not send',
  'spool-damaged': 'check the disk under --spool of the agents',
  'node-vanished': 'nothing, where the node was removed without a Goodbye of its agent; what it had not sent is lost',
};

function lossFindings(losses: readonly LossRows[]): Finding[] {
  return losses.map(({ reason, nodeCount }) => ({
    code: 'losses',
    text: `traffic was lost on ${countText(nodeCount)} ${plural(Number(nodeCount), 'node')}: ${printable(reason)}`,
    action: LOSS_ACTIONS[reason] ?? 'see the logs of the agents on these nodes',
  }));
}

function rollUpFindings({ rollUp }: ClusterStatus, nowMs: number, { behindMs }: FindingRules): Finding[] {
  if (rollUp.isBroken) {
    return [
      {
        code: 'roll-up-broken',
        text: 'costs_hourly lacks rows of flows whose log entries are gone: it goes no further',
        action: 'restore the folder costs_hourly from a backup; queries of flows are right',
      },
    ];
  }
  if (rollUp.dueSinceMs === null || nowMs - rollUp.dueSinceMs <= behindMs) return [];
  return [
    {
      code: 'roll-up-behind',
      text: `costs_hourly is behind: what was over ${ageText(nowMs - rollUp.dueSinceMs)} ago is not in it`,
      action:
        'let flowtoll serve look after the tables (--maintain-interval), or run flowtoll maintain --once, which says what is in its way; ' +
        'meanwhile flowtoll report is right, and slower',
    },
  ];
}

const plural = (count: number, noun: string): string => (count === 1 ? noun : `${noun}s`);
