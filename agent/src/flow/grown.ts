// Columns that grow.

/** Grows a typed array, releasing the old memory at once (ArrayBuffer.prototype.transfer). */
export function grown<T extends Float64Array | Int32Array | Uint32Array | Uint16Array | Uint8Array>(
  array: T,
  length: number,
): T {
  const Type = array.constructor as new (buffer: ArrayBuffer) => T;
  return new Type((array.buffer as ArrayBuffer).transfer(length * array.BYTES_PER_ELEMENT));
}
