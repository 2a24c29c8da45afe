// Giving memory back at once. What a typed array holds lies outside of the heap, and the collector takes its time with what
// has become old: at a steady hundred megabytes a second of batches, tens of megabytes of dead ones would lie about.

/** Most bytes of a buffer beside the view that still belong to nobody else: the frame around a gRPC message. */
const OWN_FRAME_BYTES = 16;
/** Smaller ones may lie in Node's pool for small buffers, and are not worth it. */
const WORTH_BYTES = 4096;

/**
 * Frees the memory of a view that nobody reads any more; it has length 0 afterwards. Leaves alone what is small, and what
 * is a part of a larger buffer.
 */
export function freeBytes({ buffer, byteLength }: ArrayBufferView): void {
  if (byteLength < WORTH_BYTES || buffer.byteLength - byteLength > OWN_FRAME_BYTES) return;
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}
