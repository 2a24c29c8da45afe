// The agent's typed errors. `code` is stable; the message says what was wrong, where, and what to do.

/** Stable codes of errors that end the agent or a command of it. */
export type AgentErrorCode =
  | 'CONFIG_INVALID' // a flag or environment variable has a value it cannot have
  | 'SYSTEM_CALL_FAILED' // the kernel refused something
  | 'NOT_PERMITTED' // a capability is missing
  | 'SOURCE_UNKNOWN' // Cilium's maps have a form that this version does not know
  | 'SOURCE_CHANGED' // Cilium was upgraded beneath us: the accounting has to begin anew
  | 'SPOOL_INVALID' // the spool cannot be used
  | 'SPOOL_LOCKED' // another agent uses the spool
  | 'STATE_UNAVAILABLE' // the directory of the baseline cannot be used
  | 'LISTEN_FAILED' // the address of /metrics cannot be used
  | 'RECORDING_INVALID' // a recording cannot be read or written
  | 'NOT_DELIVERED' // the agent ended before an aggregator had everything
  | 'DECODE_FAILED'; // the kernel's bytes do not mean what they should

/** An error that an operator can act on. */
export class AgentError extends Error {
  readonly code: AgentErrorCode;

  constructor(code: AgentErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'AgentError';
    this.code = code;
  }
}

/** A system call that failed. */
export class SystemCallError extends AgentError {
  /** Name of the call, "bind". */
  readonly syscall: string;
  /** The kernel's error number. */
  readonly errno: number;
  /** Its name, "EPERM", or "errno 123" where it is not a usual one. */
  readonly errnoName: string;

  constructor(syscall: string, errno: number, errnoName: string, hint: string) {
    super(
      errnoName === 'EPERM' || errnoName === 'EACCES' ? 'NOT_PERMITTED' : 'SYSTEM_CALL_FAILED',
      `${syscall} failed with ${errnoName} (${errno}): ${hint}`,
    );
    this.name = 'SystemCallError';
    this.syscall = syscall;
    this.errno = errno;
    this.errnoName = errnoName;
  }
}

/** Bytes from the kernel (or a recording) that cannot be read without guessing. */
export class DecodeError extends AgentError {
  /** Where, as a path of attribute names: "CTA_TUPLE_ORIG/CTA_TUPLE_IP". */
  readonly path: string;
  /** Byte offset in the datagram. */
  readonly offset: number;

  constructor(path: string, offset: number, problem: string) {
    super('DECODE_FAILED', `${path} at byte ${offset}: ${problem}`);
    this.name = 'DecodeError';
    this.path = path;
    this.offset = offset;
  }
}
