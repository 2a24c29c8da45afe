// The part of snappyjs that is used: the raw block format, without frames, that remote write asks for.
declare module 'snappyjs' {
  const snappy: { compress(input: Uint8Array): Uint8Array };
  export default snappy;
}
