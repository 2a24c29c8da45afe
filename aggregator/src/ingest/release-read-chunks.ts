// Between two messages of a stream grpc-js keeps the pieces of the last one: the slices that it was put together from, and one of a
// single byte, each of which holds what was read from the connection at once, up to 64 KiB. A stream is quiet for most of a minute, and
// there are as many as nodes. This lets them go. Knows the decoder of grpc-js, whose version is pinned; where it has another shape
// nothing is changed, and release-read-chunks.test.ts says so.
import { StreamDecoder } from '@grpc/grpc-js/build/src/stream-decoder.js';

/** What grpc-js calls private. */
interface DecoderState {
  readState: number;
  readCompressFlag: Buffer;
  readPartialMessage: Buffer[];
  write(data: Buffer): Buffer[];
}

/** Its state between two messages. */
const NO_DATA = 0;
/** The next message brings its own. */
const NO_FLAG = Buffer.alloc(1);

let isInstalled = false;

/** From now on, for all streams of the process. */
export function releaseReadChunks(): void {
  if (isInstalled) return;
  isInstalled = true;
  const prototype = StreamDecoder.prototype as unknown as DecoderState;
  const { write } = prototype;
  prototype.write = function (this: DecoderState, data) {
    const messages = write.call(this, data);
    if (this.readState === NO_DATA) {
      this.readPartialMessage = [];
      this.readCompressFlag = NO_FLAG;
    }
    return messages;
  };
}
