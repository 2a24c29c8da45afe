// How each node of a cluster does: whether an agent speaks for it, and how far behind it is. From what the table's log, the rows and
// Kubernetes know of it. Pure: reads no clock, no store.
import type { NodeRows } from '../query/recent-rows.ts';
import type { AgentHeard } from '../table/epoch-notes.ts';

/**
 * - speaking: its agent was heard of lately.
 * - behind: the same, and its newest rows are old: what waited comes first, or it has no traffic.
 * - new: it exists, and not for long enough to have an agent.
 * - unwatched: it exists, and no agent speaks for it.
 * - stopped: its agent fell silent without a word, and nobody knows whether the node exists.
 * - ended: its agent said Goodbye and none followed, and nobody knows whether the node exists.
 * - gone: its agent fell silent, and the node does not exist any more.
 */
export type NodeState = 'speaking' | 'behind' | 'new' | 'unwatched' | 'stopped' | 'ended' | 'gone';

export interface NodeStatus {
  readonly node: string;
  readonly state: NodeState;
  /** Rows in the period. */
  readonly rowCount: bigint;
  /** When a commit or a Hello of its agent was last heard of; null: not as far as the log remembers. ms since the Unix epoch. */
  readonly heardMs: number | null;
  /** End of its newest window; null: it has no rows in what was read. ms since the Unix epoch. */
  readonly newestWindowEndMs: number | null;
}

/** What Kubernetes has. */
export interface NodeList {
  /** Who says so: the API now, or what aggregators recorded in `endpoints`. */
  readonly source: 'kubernetes' | 'endpoints';
  /** Nodes that exist, and since when they have been known; ms since the Unix epoch. */
  readonly existing: ReadonlyMap<string, number>;
  /** Whether a node is known not to exist. */
  readonly isGone: (node: string) => boolean;
}

export interface NodeFacts {
  readonly agents: ReadonlyMap<string, AgentHeard>;
  readonly rows: ReadonlyMap<string, Omit<NodeRows, 'cluster'>>;
  /** Nodes that rows name as a peer's, and that have no rows. */
  readonly named: readonly string[];
  /** Undefined: nobody knows which nodes there are. */
  readonly list: NodeList | undefined;
}

export interface NodeRules {
  /** The instant that is judged: silence is counted to here. ms since the Unix epoch. */
  readonly asOfMs: number;
  /** Agents that were silent before this are not told, unless their node exists. ms since the Unix epoch. */
  readonly sinceMs: number;
  /** A node may be silent, behind, or without an agent after it was made, for so long, ms. */
  readonly silentMs: number;
}

/** By name. */
export function judgeNodes(facts: NodeFacts, rules: NodeRules): NodeStatus[] {
  const { agents, rows, named, list } = facts;
  const heardLately = [...agents].filter(([, { heardMs }]) => heardMs >= rules.sinceMs).map(([node]) => node);
  const withRows = [...rows.values()].filter(({ rowCount }) => rowCount > 0n).map(({ node }) => node);
  const names = new Set([...heardLately, ...withRows, ...named, ...(list?.existing.keys() ?? [])]);
  return [...names].sort().map((node) => ({
    node,
    state: stateOf(node, facts, rules),
    rowCount: rows.get(node)?.rowCount ?? 0n,
    heardMs: agents.get(node)?.heardMs ?? null,
    newestWindowEndMs: rows.get(node)?.newestWindowEndMs ?? null,
  }));
}

function stateOf(node: string, { agents, rows, named, list }: NodeFacts, { asOfMs, silentMs }: NodeRules): NodeState {
  const agent = agents.get(node);
  const newestMs = rows.get(node)?.newestWindowEndMs;
  const patienceMs = asOfMs - silentMs;
  // The log may have forgotten who wrote rows that are there.
  const heardMs = agent?.heardMs ?? newestMs;
  if (heardMs !== undefined && heardMs > patienceMs) {
    return newestMs !== undefined && newestMs < patienceMs ? 'behind' : 'speaking';
  }
  const knownSinceMs = list?.existing.get(node);
  if (knownSinceMs !== undefined) return knownSinceMs > patienceMs ? 'new' : 'unwatched';
  if (list?.isGone(node)) return 'gone';
  if (named.includes(node)) return 'unwatched';
  return agent?.hasEnded ? 'ended' : 'stopped';
}
