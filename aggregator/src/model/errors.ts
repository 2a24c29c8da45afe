// The one error type of the aggregator. `code` is stable and documented; the message says what was wrong, where, and what
// to do about it.

/** Stable error codes; the part before the first underscore names the area. */
export type ErrorCode =
  | 'BATCH_INVALID' // a batch breaks the contract of the .proto
  | 'BATCH_UNSUPPORTED_VERSION' // the agent speaks another protocol version
  | 'BATCH_OUT_OF_ORDER' // a batch does not follow the one before it
  | 'TOPOLOGY_INVALID' // the topology file cannot be read, or contradicts itself
  | 'SERIES_INVALID' // the file of series cannot be read
  | 'GROUPS_INVALID' // the file of allocation groups cannot be read
  | 'PRICE_BOOK_INVALID' // a price book cannot be read
  | 'PRICING_INVALID' // the pricing configuration, or the input of flowtoll price, cannot be read
  | 'RANGES_INVALID' // a document of address ranges cannot be read
  | 'RANGES_UNAVAILABLE' // a document of address ranges cannot be fetched or kept
  | 'PRICE_DOCUMENT_INVALID' // a document of a provider's price API cannot be understood
  | 'PRICE_DOCUMENT_UNAVAILABLE' // a document of a provider's price API cannot be read
  | 'PRICE_OVERFLOW' // a cost does not fit DECIMAL(18,12)
  | 'KUBERNETES_CONFIG_INVALID' // the configuration for the Kubernetes API cannot be read or used
  | 'KUBERNETES_FORBIDDEN' // the Kubernetes API does not allow, or does not know, what is asked
  | 'KUBERNETES_UNAVAILABLE' // the Kubernetes API cannot be reached, or failed
  | 'IDENTITY_UNAVAILABLE' // who somebody is, or what they may, cannot be asked now: no refusal
  | 'STORE_UNAVAILABLE' // the store cannot be read or written
  | 'TABLE_INVALID' // what the store holds is not a table that we can read
  | 'TABLE_CONFLICT' // the commit lost too many races
  | 'UPKEEP_INCOMPLETE' // some steps of a round of upkeep failed; the others were done
  | 'QUERY_INVALID' // a report or statement cannot be run
  | 'REQUEST_INVALID' // a request of a watcher asks for what cannot be
  | 'RESUME_EXPIRED' // rows after the place where a watcher wants to go on can no longer be told
  | 'AGENT_UNKNOWN' // whoever wants to deliver does not prove who they are
  | 'AGENT_FORBIDDEN' // an agent delivers what is not its node's
  | 'AGENT_BUSY' // an agent, or an address, asks for more than one needs
  | 'AGENT_SLOW' // an agent does not say Hello
  | 'READER_UNKNOWN' // whoever wants to read says not who they are, or is not whom they say
  | 'READER_FORBIDDEN' // a reader may not see what they ask for
  | 'READER_BUSY' // a reader asks for more at one time than one may
  | 'READER_STALLED' // a reader has taken nothing for too long
  | 'TOKENS_INVALID' // the file of readers' tokens cannot be read
  | 'SINKS_INVALID' // the file of sinks cannot be read
  | 'EGRESSD_VALUES_INVALID' // values of egressd's chart cannot be read
  | 'WATCHERS_FULL' // a replica serves as many watchers as it may
  | 'CONFIG_INVALID' // a flag or environment variable has a value it cannot have
  | 'SERVER_UNAVAILABLE' // the aggregator that a command shall ask does not answer
  | 'LISTEN_FAILED'; // the address cannot be listened on

/** An error that an operator can act on. */
export class FlowtollError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'FlowtollError';
    this.code = code;
  }
}

/** What an error says, in one line. */
export function lineOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
}
