// Who delivers flows, as the ingest sees it: a node, proved by something that came with the connection or the stream. How it is proved is
// others' business.
import { type ErrorCode, FlowtollError } from './errors.ts';

/** What a stream brings as a proof. */
export interface AgentEvidence {
  /** Values of the header "authorization". */
  readonly authorization: readonly string[];
  /** The certificate that the client showed and that an authority of ours has signed, DER. */
  readonly certificate: Uint8Array | undefined;
}

/** An agent that was let in. */
export interface AgentIdentity {
  /** The node whose flows it may deliver, and no other's. */
  readonly node: string;
  /** For logs: the account, or the certificate's subject. */
  readonly name: string;
  /** When what proves it ends, ms since the Unix epoch; infinity where that is not known. */
  readonly untilMs: number;
}

/** Whoever knows agents. */
export interface AgentAuthority {
  /** Rejects with AgentRefusedError, or with IDENTITY_UNAVAILABLE when it cannot be said now. */
  identify(evidence: AgentEvidence): Promise<AgentIdentity>;
  stop(): void;
}

/** Why an agent is not let in, or has to go: a closed list, for counters. */
export type AgentRefusal =
  | 'no-proof' // neither a token nor a certificate, where one is asked for
  | 'malformed' // what came is no token, or no certificate of a node
  | 'not-authenticated' // forged, expired, or of an account or pod that is gone
  | 'wrong-audience' // a token that is for others
  | 'wrong-account' // a token of an account that does not deliver flows
  | 'no-node' // a token that is not bound to a pod on a node
  | 'expired' // what proved it has ended while the stream stood
  | 'other-node' // Hello names another node
  | 'foreign-epoch' // the epoch is another node's
  | 'busy' // more streams, Hellos or new epochs than one node needs
  | 'too-many-attempts' // an address from which many were refused of late
  | 'slow' // no Hello in time
  | 'unavailable'; // nobody could say now who it is

const CODES: Partial<Record<AgentRefusal, ErrorCode>> = {
  'wrong-account': 'AGENT_FORBIDDEN',
  'no-node': 'AGENT_FORBIDDEN',
  'other-node': 'AGENT_FORBIDDEN',
  'foreign-epoch': 'AGENT_FORBIDDEN',
  busy: 'AGENT_BUSY',
  'too-many-attempts': 'AGENT_BUSY',
  slow: 'AGENT_SLOW',
  unavailable: 'IDENTITY_UNAVAILABLE',
};

/** An agent that may not deliver. Nothing secret stands in its message. */
export class AgentRefusedError extends FlowtollError {
  readonly reason: AgentRefusal;

  constructor(reason: AgentRefusal, message: string, options?: ErrorOptions) {
    super(CODES[reason] ?? 'AGENT_UNKNOWN', message, options);
    this.name = 'AgentRefusedError';
    this.reason = reason;
  }
}
