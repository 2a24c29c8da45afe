// Before the first message of a stream is read: who opens it, and whether that one may open one more. Bounds what strangers cost (questions
// under way, refusals of one address) and what one node may ask for (streams, Hellos, new epochs). How agents are known, an authority says.
import { createHash } from 'node:crypto';
import {
  type AgentAuthority,
  type AgentEvidence,
  type AgentIdentity,
  type AgentRefusal,
  AgentRefusedError,
} from '../model/agent-identity.ts';
import { FlowtollError, lineOf } from '../model/errors.ts';
import { createRateBudget, type RateBudget } from '../model/rate-budget.ts';

export interface AgentDoorParts {
  readonly authority: AgentAuthority;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly log: { warn(fields: object, message: string): void };
  /** Counted into. */
  readonly refused: Map<AgentRefusal, number>;
}

/** A stream that may have to make room for a newer one of its node. */
export interface NodeStream {
  end(reason: 'crowded'): void;
}

/** Streams whose agent is not known yet. */
const PENDING_MAX = 1024;
/** Refusals of one address: so many at once, and a second. Behind a balancer all agents may have one address. */
const REFUSALS = { atOnce: 50, perSecond: 1, rememberedMax: 10_000 };
/** Of one node: an agent opens a stream every few minutes, and one for each older epoch that its spool still has. */
const HELLOS = { atOnce: 30, perSecond: 0.5, rememberedMax: 20_000 };
/** Of one node: an epoch is a life of its kernel, and the table's log remembers each for a month. */
const NEW_EPOCHS = { atOnce: 50, perSecond: 1 / 600, rememberedMax: 20_000 };
/** Of one node: one, and those that broke off and are not known to be dead. */
const STREAMS_MAX = 3;
/** Proofs that were accepted and are remembered: they pass when their address has used up its refusals. */
const ACCEPTED_MAX = 20_000;
/** Between two lines of the log. */
const TELL_EVERY_MS = 10_000;

export class AgentDoor {
  readonly #parts: AgentDoorParts;
  readonly #refusals: RateBudget;
  readonly #hellos: RateBudget;
  readonly #newEpochs: RateBudget;
  /** By node, the oldest first. */
  readonly #streams = new Map<string, Set<NodeStream>>();
  /** By the SHA-256 of what proves it: until when. */
  readonly #accepted = new Map<string, number>();
  #pending = 0;
  #toldAtMs = Number.NEGATIVE_INFINITY;
  #untold = 0;

  constructor(parts: AgentDoorParts) {
    this.#parts = parts;
    this.#refusals = createRateBudget(REFUSALS, parts.now);
    this.#hellos = createRateBudget(HELLOS, parts.now);
    this.#newEpochs = createRateBudget(NEW_EPOCHS, parts.now);
  }

  /**
   * Who it is. Rejects with AgentRefusedError or IDENTITY_UNAVAILABLE.
   * @param peer "address:port"
   */
  async identify(evidence: AgentEvidence, peer: string): Promise<AgentIdentity> {
    const host = peer.slice(0, peer.lastIndexOf(':'));
    const proof = proofOf(evidence);
    if (!this.#refusals.has(host) && !this.#wasAccepted(proof)) {
      throw new AgentRefusedError(
        'too-many-attempts',
        'many were refused of late who came from your address: try again in some seconds',
      );
    }
    if (this.#pending >= PENDING_MAX) {
      throw new AgentRefusedError(
        'unavailable',
        `${PENDING_MAX} streams wait to be known, as many as may: try again later`,
      );
    }
    this.#pending++;
    try {
      const identity = await this.#parts.authority.identify(evidence);
      this.#accept(proof, identity.untilMs);
      return identity;
    } catch (error) {
      if (error instanceof AgentRefusedError) {
        this.#refusals.take(host);
        this.#accepted.delete(proof);
      }
      throw error;
    } finally {
      this.#pending--;
    }
  }

  /** A stream of a known agent begins. Throws AgentRefusedError. */
  open({ node }: AgentIdentity, stream: NodeStream): void {
    if (!this.#hellos.take(node)) {
      throw new AgentRefusedError(
        'busy',
        `node ${node} opens more than one stream every two seconds: wait before the next`,
      );
    }
    const ofNode = this.#streams.get(node) ?? new Set();
    this.#streams.set(node, ofNode);
    ofNode.add(stream);
    const [oldest] = ofNode;
    if (ofNode.size > STREAMS_MAX && oldest !== undefined) {
      ofNode.delete(oldest);
      this.#count('busy');
      oldest.end('crowded');
    }
  }

  /** It has ended. */
  close({ node }: AgentIdentity, stream: NodeStream): void {
    const ofNode = this.#streams.get(node);
    ofNode?.delete(stream);
    if (ofNode?.size === 0) this.#streams.delete(node);
  }

  /** Of an epoch of which the table knows nothing. Throws AgentRefusedError. */
  beginEpoch({ node }: AgentIdentity): void {
    if (this.#newEpochs.take(node)) return;
    throw new AgentRefusedError(
      'busy',
      `node ${node} begins more than one epoch in ten minutes: see why its spool does not last`,
    );
  }

  /** Counts a refusal and tells of it: one line for many, so that a flood fills no disk. */
  refused(error: FlowtollError, fields: object): void {
    const { now, log } = this.#parts;
    const reason = error instanceof AgentRefusedError ? error.reason : 'unavailable';
    this.#count(reason);
    this.#untold++;
    if (now() - this.#toldAtMs < TELL_EVERY_MS) return;
    log.warn({ ...fields, code: error.code, reason, refused: this.#untold }, `agents are refused: ${lineOf(error)}`);
    this.#toldAtMs = now();
    this.#untold = 0;
  }

  #count(reason: AgentRefusal): void {
    const { refused } = this.#parts;
    refused.set(reason, (refused.get(reason) ?? 0) + 1);
  }

  #wasAccepted(proof: string): boolean {
    return (this.#accepted.get(proof) ?? 0) > this.#parts.now();
  }

  #accept(proof: string, untilMs: number): void {
    this.#accepted.delete(proof);
    this.#accepted.set(proof, untilMs);
    if (this.#accepted.size > ACCEPTED_MAX) this.#accepted.delete(this.#accepted.keys().next().value!);
  }
}

function proofOf({ authorization, certificate }: AgentEvidence): string {
  const hash = createHash('sha256').update(certificate ?? '');
  for (const value of authorization) hash.update('\0').update(value);
  return hash.digest('base64');
}

/** Whether it is about who somebody is. */
export function isRefusal(error: unknown): error is FlowtollError {
  return (
    error instanceof AgentRefusedError || (error instanceof FlowtollError && error.code === 'IDENTITY_UNAVAILABLE')
  );
}
