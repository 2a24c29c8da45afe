// What the log knows of an epoch besides the batches that are in: transactions of their own, so that they are written with
// any commit, survive checkpoints, and are forgotten with the rest. From them any replica can tell which node has vanished.
// Pure: reads a map of transactions, knows neither store nor time.
import type { EpochNote } from '../model/epoch-note.ts';
import type { TxnAction } from './delta-actions.ts';

/** An epoch that ended without a word. */
export interface VanishedEpoch {
  readonly epoch: string;
  readonly node: string;
  /** Highest sequence number in the table. */
  readonly committedSequence: number;
  /** Highest sequence number that is known to have been made; the table may lack what lies between. */
  readonly knownSequence: number;
  /** When a commit or a Hello was last heard of it; ms since the Unix epoch. */
  readonly lastHeardMs: number;
  /** From when on its traffic may be missing; ms since the Unix epoch. */
  readonly missingSinceMs: number;
}

/** When an epoch counts as vanished. */
export interface VanishedRule {
  readonly nowMs: number;
  /** Silence after which it does, in ms. */
  readonly silentMs: number;
  /** Age at which transactions are forgotten, in ms: what is older is left alone. */
  readonly retentionMs: number;
  /** Whether the epoch is known to be alive: its agent is connected here. */
  readonly isAlive: (epoch: string) => boolean;
}

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
const APP_ID = new RegExp(`^(${UUID})\\.(${UUID})(?:/(announced|ended|vanished)(?:/(.*))?)?$`, 's');

/** One minute: the window of an agent, where nothing better is known. */
const WINDOW_MS = 60_000;

/** The application id under which a note is kept. */
export function noteAppId(note: EpochNote): string {
  return note.kind === 'announced' ? `${note.epoch}/announced/${note.node}` : `${note.epoch}/ended`;
}

/** The application id under which it is kept that an epoch has vanished; the version is its `knownSequence`. */
export function vanishedAppId(epoch: string): string {
  return `${epoch}/vanished`;
}

/** Those of the notes that say more than the log. */
export function newNotes(notes: readonly EpochNote[], txns: ReadonlyMap<string, TxnAction>): Map<string, number> {
  const versions = new Map<string, number>();
  for (const note of notes) {
    const appId = noteAppId(note);
    const known = Math.max(versions.get(appId) ?? -1, txns.get(appId)?.version ?? -1);
    if (note.sequence > known) versions.set(appId, note.sequence);
  }
  return versions;
}

/** What all transactions of one epoch say together. */
interface EpochFacts {
  readonly epoch: string;
  readonly spoolId: string;
  node: string | undefined;
  committed: number;
  committedMs: number;
  announced: number;
  announcedMs: number;
  ended: number;
  vanished: number;
}

/**
 * The epochs that vanished and of which the log does not say so yet. Not those that ended as they should, and not those
 * whose spool lives on in a later epoch with all that was announced: agents send the oldest epoch first.
 */
export function findVanished(txns: ReadonlyMap<string, TxnAction>, rule: VanishedRule): VanishedEpoch[] {
  const epochs = factsOf(txns);
  /** Per spool, when it was last heard of. */
  const spools = new Map<string, number>();
  for (const facts of epochs) {
    spools.set(facts.spoolId, Math.max(spools.get(facts.spoolId) ?? 0, lastHeardMs(facts)));
  }
  const found: VanishedEpoch[] = [];
  for (const facts of epochs) {
    const { epoch, node, committed, announced } = facts;
    const heardMs = lastHeardMs(facts);
    const silentMs = rule.nowMs - heardMs;
    const known = Math.max(committed, announced);
    if (node === undefined || known === 0) continue;
    if (silentMs < rule.silentMs || silentMs >= rule.retentionMs || rule.isAlive(epoch)) continue;
    if (facts.vanished >= known || facts.ended >= known) continue;
    if (announced <= committed && spools.get(facts.spoolId)! > heardMs) continue;
    found.push({
      epoch,
      node,
      committedSequence: committed,
      knownSequence: known,
      lastHeardMs: heardMs,
      missingSinceMs: announced > committed ? facts.announcedMs - (announced - committed) * WINDOW_MS : heardMs,
    });
  }
  return found;
}

/** Nodes that agents spoke for, and when a commit or a Hello of one was last heard of: now, where its stream is here. */
export function nodesHeard(
  txns: ReadonlyMap<string, TxnAction>,
  { nowMs, isAlive }: Pick<VanishedRule, 'nowMs' | 'isAlive'>,
): Map<string, number> {
  const heard = new Map<string, number>();
  for (const facts of factsOf(txns)) {
    if (facts.node === undefined) continue;
    const heardMs = isAlive(facts.epoch) ? nowMs : lastHeardMs(facts);
    heard.set(facts.node, Math.max(heard.get(facts.node) ?? 0, heardMs));
  }
  return heard;
}

/** Nodes that were announced for one epoch; `likely` alone where it is one, because looking for all takes long. */
export function nodesOfEpoch(txns: ReadonlyMap<string, TxnAction>, epoch: string, likely: string): Set<string> {
  if (txns.has(noteAppId({ kind: 'announced', epoch, node: likely, sequence: 0 }))) return new Set([likely]);
  const prefix = `${epoch}/announced/`;
  const nodes = new Set<string>();
  for (const appId of txns.keys()) if (appId.startsWith(prefix)) nodes.add(appId.slice(prefix.length));
  return nodes;
}

/** What the log knows of the agents that spoke for a node. */
export interface AgentHeard {
  /** When a commit or a Hello was last heard of; ms since the Unix epoch. */
  readonly heardMs: number;
  /** The last one said Goodbye: nothing is to be expected of it. */
  readonly hasEnded: boolean;
}

/** By node. Those of which the log remembers nothing any more are not among them. */
export function agentsHeard(txns: ReadonlyMap<string, TxnAction>): Map<string, AgentHeard> {
  const agents = new Map<string, AgentHeard>();
  for (const facts of factsOf(txns)) {
    const heardMs = lastHeardMs(facts);
    if (facts.node === undefined || heardMs < (agents.get(facts.node)?.heardMs ?? 0)) continue;
    agents.set(facts.node, { heardMs, hasEnded: facts.ended >= Math.max(facts.committed, facts.announced) });
  }
  return agents;
}

/** When a batch of any agent was last committed, ms since the Unix epoch; undefined if the log remembers none. */
export function newestBatchMs(txns: ReadonlyMap<string, TxnAction>): number | undefined {
  const times = factsOf(txns).map(({ committedMs }) => committedMs);
  const newest = times.reduce((a, b) => Math.max(a, b), 0);
  return newest === 0 ? undefined : newest;
}

function lastHeardMs(facts: EpochFacts): number {
  return Math.max(facts.committedMs, facts.announcedMs);
}

function factsOf(txns: ReadonlyMap<string, TxnAction>): EpochFacts[] {
  const epochs = new Map<string, EpochFacts>();
  for (const { appId, version, lastUpdated = 0 } of txns.values()) {
    const match = APP_ID.exec(appId);
    if (match === null) continue;
    const [, spoolId = '', bootId = '', kind, node] = match;
    const facts = epochFacts(epochs, spoolId, bootId);
    if (kind === undefined) {
      facts.committed = version;
      facts.committedMs = lastUpdated;
    } else if (kind === 'announced') {
      facts.announced = Math.max(facts.announced, version);
      // A node may have been renamed: the name it said last counts.
      if (lastUpdated >= facts.announcedMs) facts.node = node;
      facts.announcedMs = Math.max(facts.announcedMs, lastUpdated);
    } else facts[kind as 'ended' | 'vanished'] = version;
  }
  return [...epochs.values()];
}

function epochFacts(epochs: Map<string, EpochFacts>, spoolId: string, bootId: string): EpochFacts {
  const epoch = `${spoolId}.${bootId}`;
  let facts = epochs.get(epoch);
  if (facts === undefined) {
    const nothing = { committed: 0, committedMs: 0, announced: 0, announcedMs: 0, ended: -1, vanished: -1 };
    facts = { epoch, spoolId, node: undefined, ...nothing };
    epochs.set(epoch, facts);
  }
  return facts;
}
