// What is worth remembering of an epoch besides its batches, so that nobody has to remember it in memory.

/** Something to be kept in the table's log. */
export type EpochNote =
  /** Its agent said Hello: who it is, and the highest sequence number it had made by then. */
  | { readonly kind: 'announced'; readonly epoch: string; readonly node: string; readonly sequence: number }
  /** Its agent said that nothing follows `sequence`, and that all of it is acknowledged. */
  | { readonly kind: 'ended'; readonly epoch: string; readonly sequence: number };
