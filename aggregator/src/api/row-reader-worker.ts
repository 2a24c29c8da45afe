// The thread that reads rows for watchers, so that decoding them never takes the thread of the ingest. Answers one request
// for a chunk at a time and stream; does nothing unasked.
import { parentPort } from 'node:worker_threads';
import { openRowReader, type ReadRequest, type RowsChunk } from './row-reader.ts';

/** To the thread. `id` names a stream of chunks. */
export type ReaderCommand =
  | { readonly kind: 'open'; readonly id: number; readonly request: ReadRequest }
  | { readonly kind: 'next'; readonly id: number }
  | { readonly kind: 'stop'; readonly id: number }
  | { readonly kind: 'close' };

/** From the thread: the answer to `next`. */
export type ReaderAnswer =
  | { readonly kind: 'chunk'; readonly id: number; readonly chunk: RowsChunk }
  | { readonly kind: 'end'; readonly id: number }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string };

const port = parentPort;
if (port) {
  const reader = await openRowReader();
  const streams = new Map<number, ReturnType<typeof reader.read>>();
  const answer = (message: ReaderAnswer, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);

  const next = async (id: number): Promise<void> => {
    try {
      const result = await streams.get(id)?.next();
      if (result === undefined || result.done === true) {
        streams.delete(id);
        answer({ kind: 'end', id });
      } else {
        answer({ kind: 'chunk', id, chunk: result.value }, [result.value.bytes.buffer]);
      }
    } catch (error) {
      streams.delete(id);
      answer({ kind: 'failed', id, message: error instanceof Error ? error.message : String(error) });
    }
  };

  const close = async (): Promise<void> => {
    port.close();
    await Promise.allSettled([...streams.values()].map((stream) => stream.return()));
    await reader.close();
  };

  port.on('message', (command: ReaderCommand) => {
    switch (command.kind) {
      case 'open':
        streams.set(command.id, reader.read(command.request));
        break;
      case 'next':
        void next(command.id);
        break;
      case 'stop':
        void streams.get(command.id)?.return();
        streams.delete(command.id);
        break;
      case 'close':
        void close();
        break;
    }
  });
}
