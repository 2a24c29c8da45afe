// Who reads flows, as the read APIs see them: a name, and the namespaces whose flows they may see. How that is known is others' business.

/** "all": every row. Else the rows whose local side is in one of these; who may see none is refused instead. */
export type AllowedNamespaces = 'all' | ReadonlySet<string>;

/** Somebody who was let in. */
export interface Reader {
  /** For logs and limits: the same for all connections of the same account. */
  readonly name: string;
  /**
   * What they may see, asked anew: whoever no longer is who they were, or no longer may, is refused. `asked`: the namespaces that a
   * request names; undefined if it names none. Rejects with READER_UNKNOWN, READER_FORBIDDEN or IDENTITY_UNAVAILABLE.
   */
  allowed(asked: readonly string[] | undefined): Promise<AllowedNamespaces>;
}

/** Where nobody is asked who they are. */
export const ANYBODY: Reader = { name: 'anybody', allowed: async () => 'all' };
